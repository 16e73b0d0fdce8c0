import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from research.tasks import GENERATED, tfds

TOY = '1.0.0'
COMMAND = (
  'prepare it with `pip install tensorflow tensorflow-datasets && tfds build {} '
  '--file_format=array_record --data_dir={}`, and name the folder with --data_dir or GENLAB_DATA_DIR'
)


def must_not_decode(dataset, split):
  raise AssertionError(f'decoded {split} although it is in the cache')


def test_a_split_is_decoded_in_the_order_of_its_records(data_dir, toy_images):
  images, labels = toy_images
  for split, rows in (('train', slice(0, 40)), ('test', slice(40, 50))):
    examples, n_classes = tfds.load('toy', split, str(data_dir))
    np.testing.assert_array_equal(examples.inputs, images[rows])
    np.testing.assert_array_equal(examples.labels, labels[rows])
    assert examples.inputs.dtype == np.uint8
    assert examples.labels.dtype == np.int32
    assert n_classes == 3


@pytest.mark.parametrize(
  ('name', 'split', 'n', 'shape'),
  [
    ('mnist', 'test', 10_000, (28, 28, 1)),
    ('fashion_mnist', 'test', 10_000, (28, 28, 1)),
    ('cifar10_partial', 'test1k', 1000, (32, 32, 3)),
  ],
)
def test_real_data_decode_as_tfds_decodes_them_one_by_one(real_data, name, split, n, shape):
  import tensorflow_datasets

  examples, n_classes = tfds.load(name, split, real_data)
  assert examples.inputs.shape == (n, *shape)
  assert n_classes == 10
  source = tensorflow_datasets.data_source(name, split=split, data_dir=real_data)
  for i in (0, 1, 7, n // 2, n - 1):
    np.testing.assert_array_equal(examples.inputs[i], source[i]['image'])
    assert examples.labels[i] == source[i]['label']


def test_mnist_is_mnist(real_data):
  examples, _ = tfds.load('mnist', 'test', real_data)
  counts = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
  np.testing.assert_array_equal(np.bincount(examples.labels), counts)
  assert round(examples.inputs.mean() / 255, 4) == 0.1325


def test_a_cache_hit_is_identical_and_reads_no_source(data_dir, monkeypatch):
  decoded, _ = tfds.load('toy', 'train', str(data_dir))
  monkeypatch.setattr(tfds, '_decode', must_not_decode)
  kept, n_classes = tfds.load('toy', 'train', str(data_dir))
  np.testing.assert_array_equal(kept.inputs, decoded.inputs)
  np.testing.assert_array_equal(kept.labels, decoded.labels)
  assert n_classes == 3


def test_a_cache_hit_and_a_missing_dataset_import_neither_tfds_nor_tensorflow(data_dir):
  tfds.load('toy', 'train', str(data_dir))
  program = f"""
import sys
from research.tasks import tfds
tfds.load('toy', 'train', {str(data_dir)!r})
try:
  tfds.load('other', 'train', {str(data_dir)!r})
except tfds.MissingDataset:
  print(*sorted({{'tensorflow', 'tensorflow_datasets', 'array_record', 'PIL'}} & set(sys.modules)))
"""
  done = subprocess.run([sys.executable, '-c', program], capture_output=True, text=True, check=True)
  assert done.stdout == '\n'


def test_splits_are_kept_apart(data_dir):
  assert len(tfds.load('toy', 'train', str(data_dir))[0]) == 40
  assert len(tfds.load('toy', 'test', str(data_dir))[0]) == 10


def test_a_dataset_prepared_again_is_decoded_anew(data_dir, monkeypatch):
  tfds.load('toy', 'train', str(data_dir))
  monkeypatch.setattr(tfds, '_decode', must_not_decode)
  os.utime(data_dir / 'toy' / TOY / 'toy-train.array_record-00000-of-00001', (1, 1))
  with pytest.raises(AssertionError, match='decoded train'):
    tfds.load('toy', 'train', str(data_dir))


def test_the_latest_version_is_found(data_dir):
  versions = data_dir / 'toy'
  for version in ('2.0.0', '10.0.0', '11.0.0.incomplete', '9.0.0'):
    (versions / version).mkdir()
    for file in (versions / TOY).iterdir():
      (versions / version / file.name).write_bytes(file.read_bytes())
  (versions / '12.0.0').mkdir()  # nothing in it yet
  assert tfds.find('toy', str(data_dir)).folder.name == '10.0.0'


def test_a_configuration_is_a_folder_more(data_dir):
  (data_dir / 'family').mkdir()
  (data_dir / 'toy').rename(data_dir / 'family' / 'small')
  assert tfds.find('family/small', str(data_dir)).splits == {'train': 40, 'test': 10}
  with pytest.raises(tfds.MissingDataset, match=r'found there: family/small; did you mean'):
    tfds.find('family', str(data_dir))


def test_the_folder_is_the_first_that_is_named(data_dir, monkeypatch, tmp_path):
  home = tmp_path / 'home' / 'tensorflow_datasets'
  for variable, folder in (('TFDS_DATA_DIR', '/tfds'), ('GENLAB_DATA_DIR', '/genlab')):
    with pytest.raises(tfds.MissingDataset, match=rf'^toy is not prepared in {home} '):
      tfds.find('toy')
    monkeypatch.setenv(variable, folder)
    home = folder
  assert tfds.find('toy', str(data_dir)).shape == (6, 5, 3)
  monkeypatch.setenv('GENLAB_DATA_DIR', str(data_dir))
  assert tfds.find('toy').n_classes == 3


def test_a_missing_dataset_says_in_one_line_what_to_do(data_dir, tmp_path):
  with pytest.raises(tfds.MissingDataset) as error:
    tfds.load('mnist', 'train', str(data_dir))
  where = f'mnist is not prepared in {data_dir} (found there: toy); '
  assert str(error.value) == where + COMMAND.format('mnist', data_dir)
  empty = tmp_path / 'no such folder'
  with pytest.raises(FileNotFoundError) as error:
    tfds.load('mnist', 'train', str(empty))
  where = f'mnist is not prepared in {empty} (found there: nothing); '
  assert str(error.value) == where + COMMAND.format('mnist', f"'{empty}'")


@pytest.mark.parametrize('name', ['', '*', '..', 'toy/1.0.0'])
def test_a_name_that_is_none_is_a_missing_dataset(data_dir, name):
  with pytest.raises(tfds.MissingDataset, match=re.escape(f'{name} is not prepared in')):
    tfds.find(name, str(data_dir))


def test_a_dataset_prepared_as_tfrecord_is_missing(data_dir, rewrite_metadata):
  rewrite_metadata(file_format='tfrecord')
  with pytest.raises(tfds.MissingDataset) as error:
    tfds.load('toy', 'train', str(data_dir))
  where = f'toy is prepared in {data_dir} as tfrecord, which only TensorFlow can read; '
  assert str(error.value) == where + COMMAND.format('toy', f'{data_dir}_array_record')


def test_images_of_variable_size_are_an_error(data_dir, rewrite_metadata):
  rewrite_metadata(dimensions=(-1, -1, 3))
  expected = re.escape('toy has image (Image -1 x -1 x 3 uint8), label (ClassLabel)')
  with pytest.raises(ValueError, match=rf'^name must be .* of fixed size.*; {expected}$'):
    tfds.load('toy', 'train', str(data_dir))


@pytest.mark.parametrize('feature', ['image', 'label'])
def test_a_dataset_without_images_or_labels_is_an_error(data_dir, feature):
  path = data_dir / 'toy' / TOY / 'features.json'
  path.write_text(path.read_text().replace(f'"{feature}": {{"python', '"other": {"python'))
  with pytest.raises(ValueError, match=r'^name must be that of a dataset .* toy has .*other \('):
    tfds.load('toy', 'train', str(data_dir))


def test_an_unknown_split_is_an_error(data_dir):
  with pytest.raises(ValueError, match=r"^split must be one of train, test, not 'dev'$"):
    tfds.load('toy', 'dev', str(data_dir))


def message_of(*args):
  """The one line of a MissingDataset, without the command that it ends with."""
  with pytest.raises(tfds.MissingDataset) as raised:
    tfds.load(*args)
  said, prepare, _ = str(raised.value).partition('; prepare it with `pip install')
  assert prepare
  assert '\n' not in said
  return said


@pytest.mark.parametrize(
  ('name', 'meant'),
  [('mnits', 'mnist'), ('tpy', 'toy'), ('cifar-10', 'cifar10'), ('slab', 'slabs')],
)
def test_a_misspelt_name_has_a_hint(data_dir, name, meant):
  said = message_of(name, 'train', str(data_dir))
  assert said.endswith(f'(found there: toy; did you mean {meant!r}?)')


def test_names_of_all_generated_tasks_are_hinted_at():
  assert {'digits', *GENERATED} <= {*tfds.NAMES}


SHARD = 'toy-train.array_record-00000-of-00001'


@pytest.mark.parametrize('damage', [Path.unlink, lambda path: path.write_bytes(b'')])
def test_a_dataset_without_its_records_is_missing_before_anything_is_read(data_dir, damage):
  damage(data_dir / 'toy' / TOY / SHARD)
  with pytest.raises(tfds.MissingDataset, match='holds 0 of the 1 files of split train; prepare'):
    tfds.find('toy', str(data_dir))


DAMAGES = {
  'cut': lambda data: data[: len(data) // 2],
  'shorter than any file': lambda data: data[:1000],
  'one bit flipped': lambda data: data[:3000] + bytes([data[3000] ^ 1]) + data[3001:],
  'noise': lambda data: np.random.default_rng(0).bytes(len(data)),
}


@pytest.mark.parametrize('damage', DAMAGES)
def test_damaged_records_are_said_to_be(data_dir, damage):
  path = data_dir / 'toy' / TOY / SHARD
  path.write_bytes(DAMAGES[damage](path.read_bytes()))
  said = message_of('toy', 'train', str(data_dir))
  assert said.startswith(f'split train of toy in {data_dir / "toy" / TOY} is damaged: ')


@pytest.mark.parametrize(
  ('changes', 'says'),
  [
    (dict(sizes={'train': 41, 'test': 10}), 'is damaged: '),
    (dict(dimensions=(6, 4, 3)), 'is damaged: image 0 is (6, 5, 3), not (6, 4, 3)'),
  ],
)
def test_records_that_are_not_as_described_are_said_to_be(
  data_dir, rewrite_metadata, changes, says
):
  rewrite_metadata(**changes)
  assert says in message_of('toy', 'train', str(data_dir))
