import logging
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from research.tasks.cache import cache_folder, cached
from research.tasks.split import Split

SPLIT = Split(np.arange(600, dtype=np.uint8).reshape(10, 20, 3), np.arange(10, dtype=np.int32))


def decode():
  return SPLIT


def must_not_decode():
  raise AssertionError('decoded although it is in the cache')


def assert_same(split):
  np.testing.assert_array_equal(split.inputs, SPLIT.inputs)
  np.testing.assert_array_equal(split.labels, SPLIT.labels)
  assert split.inputs.dtype == SPLIT.inputs.dtype
  assert split.labels.dtype == SPLIT.labels.dtype


def test_a_hit_is_identical_and_decodes_nothing(cache):
  assert_same(cached('key', decode))
  assert_same(cached('key', must_not_decode))
  assert os.listdir(cache) == ['key.npz']


def test_another_key_is_decoded():
  cached('key', decode)
  with pytest.raises(AssertionError):
    cached('other', must_not_decode)


def truncate(path):
  path.write_bytes(path.read_bytes()[:-100])


def flip_a_bit(path):
  content = bytearray(path.read_bytes())
  content[content.index(SPLIT.inputs[3].tobytes()) + 7] ^= 1
  path.write_bytes(content)


def empty(path):
  path.write_bytes(b'')


def misshape(path):
  np.savez(path, inputs=SPLIT.inputs, labels=SPLIT.labels[1:])


def forget_the_labels(path):
  np.savez(path, inputs=SPLIT.inputs)


@pytest.mark.parametrize('damage', [truncate, flip_a_bit, empty, misshape, forget_the_labels])
def test_a_broken_file_is_replaced_with_a_warning(cache, caplog, damage):
  cached('key', decode)
  damage(cache / 'key.npz')
  assert_same(cached('key', decode))
  (record,) = caplog.records
  assert record.levelno == logging.WARNING
  assert str(cache / 'key.npz') in record.getMessage()
  assert_same(cached('key', must_not_decode))


def test_an_unwritable_folder_costs_one_warning(tmp_path, monkeypatch, caplog):
  (tmp_path / 'file').write_text('')
  monkeypatch.setenv('GENLAB_CACHE', str(tmp_path / 'file' / 'cache'))  # even root cannot make it
  assert_same(cached('key', decode))
  (record,) = caplog.records
  assert record.levelno == logging.WARNING
  assert record.getMessage().startswith('cannot keep the decoded key: ')


def test_a_failed_write_leaves_nothing_behind(cache, monkeypatch, caplog):
  def savez(file, **arrays):
    file.write(b'half')
    raise OSError(28, 'No space left on device')

  monkeypatch.setattr(np, 'savez', savez)
  assert_same(cached('key', decode))
  assert os.listdir(cache) == []
  assert 'No space left on device' in caplog.text


def test_a_deleted_folder_is_made_again(cache):
  cached('key', decode)
  shutil.rmtree(cache)
  assert_same(cached('key', decode))
  assert (cache / 'key.npz').exists()


def test_the_folder_is_the_first_that_the_environment_names(monkeypatch, tmp_path):
  monkeypatch.setenv('HOME', str(tmp_path))
  monkeypatch.setenv('XDG_CACHE_HOME', '/xdg')
  monkeypatch.setenv('GENLAB_CACHE', '~/mine')
  assert cache_folder() == tmp_path / 'mine'
  monkeypatch.delenv('GENLAB_CACHE')
  assert cache_folder() == Path('/xdg/genlab')
  monkeypatch.delenv('XDG_CACHE_HOME')
  assert cache_folder() == tmp_path / '.cache' / 'genlab'
