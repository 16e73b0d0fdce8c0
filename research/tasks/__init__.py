"""What is learned.

task.py         Split and Task: arrays, normalization, batches as a function of (seed, step)
corruptions.py  label noise
digits.py       scikit-learn's digits, the default: nothing to download
tfds.py         image classification datasets of TFDS, read without TensorFlow
cache.py        decoded datasets kept on disk
"""

import re
from typing import Any

from research.tasks import digits, tfds
from research.tasks.split import Split, channel_statistics
from research.tasks.task import Task
from research.tasks.tfds import MissingDataset

__all__ = ['MissingDataset', 'Split', 'Task', 'make_task', 'n_examples']


def make_task(
  name: str = 'digits',
  *,
  label_noise: float = 0.0,
  shared_noise: bool = False,
  noise_seed: int = 0,
  n_train: int | None = None,
  n_test: int | None = None,
  train_split: str = 'train',
  test_split: str = 'test',
  data_dir: str | None = None,
) -> Task:
  """A task of images in memory.

  Args:
    name: 'digits', or a TFDS dataset prepared as array_record: 'mnist', 'name/config'.
    label_noise: the fraction of train labels redrawn from all classes, in [0, 1].
    shared_noise: whether all seeds have the same noise, or each its own.
    noise_seed: the seed of shared noise.
    n_train: how many train examples, the first of the split; None for all.
    n_test: how many test examples, likewise.
    train_split: a split, or part of one, as in 'train[:50000]'.
    test_split: likewise; 'train[50000:]' for selection that leaves the test set alone.
    data_dir: the folder of the TFDS datasets; None for the environment's (see `tfds.find`).

  Raises:
    ValueError: an argument is out of range (the message begins with its name), or the dataset
      is not fit for classification.
    MissingDataset: the dataset is not prepared.
  """
  if not 0 <= label_noise <= 1:
    raise ValueError(f'label_noise must lie in [0, 1], not {label_noise}')
  if noise_seed < 0:
    raise ValueError(f'noise_seed must not be negative, not {noise_seed}')
  dataset = None if name == 'digits' else tfds.find(name, data_dir)
  sizes = dataset.splits if dataset else digits.SPLITS
  n_classes = dataset.n_classes if dataset else digits.N_CLASSES
  train_rows = _rows('train', train_split, n_train, sizes)
  test_rows = _rows('test', test_split, n_test, sizes)

  def load(split: str, rows: slice) -> Split:
    whole = tfds.load(name, split, data_dir)[0] if dataset else digits.load(split)
    return Split(whole.inputs[rows], whole.labels[rows])

  train, test = load(*train_rows), load(*test_rows)
  mean, std = channel_statistics(train.inputs)
  return Task(name, train, test, n_classes, mean, std, label_noise, shared_noise, noise_seed)


def n_examples(name: str = 'digits', **section: Any) -> dict[str, int]:
  """How many train and test examples `make_task` of the same arguments has, from metadata alone.

  Raises:
    ValueError, MissingDataset: as `make_task` does.
  """
  splits = digits.SPLITS
  if name != 'digits':
    splits = tfds.find(name, section.get('data_dir')).splits
  sizes = {}
  for which in ('train', 'test'):
    split, n = section.get(f'{which}_split', which), section.get(f'n_{which}')
    rows = _rows(which, split, n, splits)[1]
    sizes[which] = rows.stop - rows.start
  return sizes


def _rows(which: str, split: str, n: int | None, sizes: dict[str, int]) -> tuple[str, slice]:
  """The name of a split, and its rows that `which`_split and n_`which` ask for."""
  match = re.fullmatch(r'([\w.-]+?)(?:\[(\d*):(\d*)\])?', split)
  if not match or match[1] not in sizes:
    raise ValueError(
      f'{which}_split must be one of {", ".join(sizes)}, or part of one as in '
      f"'{next(iter(sizes))}[:100]', not {split!r}"
    )
  size = sizes[match[1]]
  start, stop = int(match[2] or 0), int(match[3] or size)
  if not start < stop <= size:
    raise ValueError(f'{which}_split must hold some of its {size} examples, not {split!r}')
  if n is not None and not 1 <= n <= stop - start:
    raise ValueError(f'n_{which} must lie in [1, {stop - start}], the size of {split}, not {n}')
  return match[1], slice(start, stop if n is None else start + n)
