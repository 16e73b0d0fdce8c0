"""The table of networks, checked, as arrays that every score reads."""

from collections.abc import Hashable, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

NEEDED = ('seed', 'gap', 'n_test')


class Contest(NamedTuple):
  """Networks, and what each measure says of them.

  Attributes:
    measures: k names.
    hyperparameters: H names.
    values: of each hyperparameter those that occur, in order: numbers and strings sorted, and others
      by what they look like in print.
    codes: int [n, H], the place of each network's value in `values`.
    settings: int [n]; networks of the same number differ in the seed alone.
    gap: float64 [n], test error minus training error.
    n_test: float64 [n], examples in the test set.
    columns: float64 [k, n]; NaN where a measure could not be computed.
  """

  measures: tuple[str, ...]
  hyperparameters: tuple[str, ...]
  values: tuple[list[Any], ...]
  codes: np.ndarray
  settings: np.ndarray
  gap: np.ndarray
  n_test: np.ndarray
  columns: np.ndarray


def contest(
  networks: pd.DataFrame, measures: Sequence[str], hyperparameters: Sequence[str]
) -> Contest:
  """Reads the table.

  Guarantees (each is a test): infinite measures are not computed ones; settings are the same whatever
  the order of the rows; every mistake in the table is named.

  Raises:
    ValueError: a column is missing or named twice; there are no networks or no hyperparameters; a gap
      is not in [-1, 1], `n_test` not positive, a measure not numbers; or a value of a hyperparameter
      is NaN or not hashable.
  """
  measures, hyperparameters = (
    _names('measures', measures),
    _names('hyperparameters', hyperparameters),
  )
  if not hyperparameters:
    raise ValueError('hyperparameters must name at least one column')
  if not len(networks):
    raise ValueError('networks must have at least one row')
  if not networks.columns.is_unique:
    raise ValueError('networks must have columns of different names')
  for column in (*NEEDED, *hyperparameters, *measures):
    if column not in networks:
      raise ValueError(f'networks must have a column {column!r}')
  gap, n_test = _numbers(networks, 'gap'), _numbers(networks, 'n_test')
  if not np.all(np.abs(gap) <= 1):
    raise ValueError('gap must be test error minus training error, in [-1, 1], of every network')
  if not np.all((n_test >= 1) & np.isfinite(n_test)):
    raise ValueError('n_test must be a number of test examples, at least 1, of every network')
  columns = np.array([_numbers(networks, name) for name in measures]).reshape(
    len(measures), len(gap)
  )
  values, codes = zip(*(_codes(networks, name) for name in hyperparameters), strict=True)
  codes = np.stack(codes, axis=1)
  return Contest(
    measures=measures,
    hyperparameters=hyperparameters,
    values=values,
    codes=codes,
    settings=np.unique(codes, axis=0, return_inverse=True)[1].ravel(),
    gap=gap,
    n_test=n_test,
    columns=np.where(np.isfinite(columns), columns, np.nan),
  )


def _names(argument: str, names: Sequence[str]) -> tuple[str, ...]:
  names = (names,) if isinstance(names, str) else tuple(names)
  if len(set(names)) < len(names):
    raise ValueError(f'{argument} must not name a column twice')
  return names


def _numbers(networks: pd.DataFrame, name: str) -> np.ndarray:
  try:
    return np.asarray(networks[name], np.float64)
  except (TypeError, ValueError):
    raise ValueError(f'{name} must be numbers, and NaN where there is none') from None


def _codes(networks: pd.DataFrame, name: str) -> tuple[list[Any], np.ndarray]:
  column = networks[name].tolist()
  if not all(isinstance(value, Hashable) for value in column):
    raise ValueError(f'{name} must have values that are hashable: tuples, not lists')
  if any(value != value for value in column):
    raise ValueError(f"{name} must have a value for every network: say 'none', not NaN")
  values = list(dict.fromkeys(column))
  try:
    values = sorted(values)
  except TypeError:
    values = sorted(values, key=lambda value: (type(value).__name__, repr(value)))
  places = {value: k for k, value in enumerate(values)}
  return values, np.array([places[value] for value in column])
