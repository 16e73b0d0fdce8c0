"""Which examples are trained and tested on, chosen by a file of rows."""

import re

import numpy as np
import pytest

from research.tasks import make_task, n_examples
from research.tasks.selection import select, take

SIZES = {'train': 100, 'test': 20}


@pytest.fixture
def rows(tmp_path):
  """A function that writes a file of rows and returns its path."""

  def write(**arrays):
    np.savez(tmp_path / 'rows.npz', **arrays)
    return str(tmp_path / 'rows.npz')

  return write


def test_rows_choose_both_sets_from_the_train_split(rows):
  path = rows(train=[5, 3, 99], test=[0, 7])
  chosen = select(SIZES, rows=path)
  assert [split for split, _ in chosen.values()] == ['train', 'train']
  np.testing.assert_array_equal(chosen['train'][1], [5, 3, 99])
  np.testing.assert_array_equal(select(SIZES, rows=path, n_test=1)['test'][1], [0])


def test_rows_count_from_the_start_of_a_part(rows):
  chosen = select(SIZES, rows=rows(train=[0], test=[9]), train_split='train[50:60]')
  assert (chosen['train'][1].item(), chosen['test'][1].item()) == (50, 59)


def test_a_task_of_rows_has_their_examples(rows):
  path, whole = rows(train=[10, 4, 8], test=[1, 0]), make_task().train
  task = make_task(rows=path)
  np.testing.assert_array_equal(task.train.inputs, whole.inputs[[10, 4, 8]])
  np.testing.assert_array_equal(task.test.labels, whole.labels[[1, 0]])
  assert n_examples(rows=path, n_train=2) == {'train': 2, 'test': 2}


def test_neighbouring_rows_are_not_copied():
  array = np.arange(10)
  assert np.shares_memory(take(array, range(2, 5)), array)
  np.testing.assert_array_equal(take(array, range(2, 5)), [2, 3, 4])


@pytest.mark.parametrize(
  ('arrays', 'message'),
  [
    ({'train': [0, 1]}, "rows must hold arrays 'train' and 'test'; "),
    ({'train': [0, 1], 'test': [1]}, 'rows must list different rows from 0 to 99, each once; '),
    ({'train': [0, 100], 'test': [1]}, 'rows must list different rows from 0 to 99'),
    ({'train': [-1], 'test': [1]}, 'rows must list different rows from 0 to 99'),
    ({'train': [0.5], 'test': [1]}, 'rows must list different rows from 0 to 99'),
  ],
)
def test_what_cannot_be_rows_is_refused(rows, arrays, message):
  path = rows(**arrays)
  with pytest.raises(ValueError, match=f'^{re.escape(message)}'):
    select(SIZES, rows=path)


def test_too_many_of_the_rows_are_refused(rows):
  path = rows(train=[0, 1], test=[2])
  with pytest.raises(
    ValueError, match=rf'^n_train must lie in \[1, 2\], the size of {path}, not 3$'
  ):
    select(SIZES, rows=path, n_train=3)
  with pytest.raises(ValueError, match=r'^rows must be an \.npz file .* there is no nowhere\.npz$'):
    select(SIZES, rows='nowhere.npz')
