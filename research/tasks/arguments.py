"""What the makers of generated tasks ask of their arguments."""

import inspect
from collections.abc import Callable
from typing import Any


def completed(make: Callable, section: dict[str, Any]) -> dict[str, Any]:
  """Every keyword argument of a function: those given, and the defaults of the others."""
  bound = inspect.signature(make).bind(**section)
  bound.apply_defaults()
  return bound.arguments


def check_sizes(n_train: int, n_test: int, data_seed: int):
  """Raises a ValueError, which begins with the argument's name, unless all are in range."""
  for name, n in (('n_train', n_train), ('n_test', n_test)):
    if n < 1:
      raise ValueError(f'{name} must be positive, not {n}')
  if data_seed < 0:
    raise ValueError(f'data_seed must not be negative, not {data_seed}')


def check_fraction(name: str, value: float):
  """Raises a ValueError, which begins with the argument's name, outside [0, 1]."""
  if not 0 <= value <= 1:
    raise ValueError(f'{name} must lie in [0, 1], not {value}')
