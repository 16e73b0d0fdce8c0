"""Which examples of a dataset are trained on, and which are tested on."""

import re
from pathlib import Path
from typing import Any

import numpy as np

Rows = range | np.ndarray  # row numbers


def select(
  sizes: dict[str, int],
  *,
  n_train: int | None = None,
  n_test: int | None = None,
  train_split: str = 'train',
  test_split: str = 'test',
  rows: str | None = None,
) -> dict[str, tuple[str, Rows]]:
  """The split, and the rows of it, that 'train' and 'test' consist of; arguments as of `make_task`.

  Raises:
    ValueError: there is no such split, or it holds fewer examples; the message begins with the key.
  """
  train, of_train = _part('train', train_split, sizes)
  test, of_test = _part('test', test_split, sizes)
  chosen: dict[str, tuple[str, Rows]] = {'train': (train, of_train), 'test': (test, of_test)}
  if rows is not None:
    found = _read(rows, len(of_train))
    chosen = {which: (train, of_train.start + found[which]) for which in chosen}
  for which, n in (('train', n_train), ('test', n_test)):
    split, of_split = chosen[which]
    if n is not None and not 1 <= n <= len(of_split):
      whole = rows or {'train': train_split, 'test': test_split}[which]
      raise ValueError(f'n_{which} must lie in [1, {len(of_split)}], the size of {whole}, not {n}')
    chosen[which] = split, of_split[:n]
  return chosen


def take(array: np.ndarray, rows: Rows) -> np.ndarray:
  """The rows of an array; a view of it, if they follow on each other."""
  return array[rows.start : rows.stop] if isinstance(rows, range) else array[rows]


def _part(which: str, split: str, sizes: dict[str, int]) -> tuple[str, range]:
  """The name of a split, and its rows that `which`_split asks for."""
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
  return match[1], range(start, stop)


def _read(path: str, n: int) -> dict[str, np.ndarray]:
  """The rows that a file lists, checked to be different rows of n."""
  if not Path(path).is_file():
    raise ValueError(f'rows must be an .npz file of row numbers; there is no {path}')
  with np.load(path) as file:
    found: dict[str, Any] = {name: np.asarray(file[name]) for name in file.files}
  if {'train', 'test'} - {*found}:
    raise ValueError(f"rows must hold arrays 'train' and 'test'; {path} has {', '.join(found)}")
  both = np.concatenate([found['train'], found['test']])
  if (
    both.dtype.kind not in 'iu'
    or len(np.unique(both)) < len(both)
    or both.min() < 0
    or both.max() >= n
  ):
    raise ValueError(f'rows must list different rows from 0 to {n - 1}, each once; {path} does not')
  return found
