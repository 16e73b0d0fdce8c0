"""What the optimizer gets of the gradients of a batch: their mean, or a robust average."""

import functools
from collections.abc import Callable
from typing import Literal

import jax

from research.gradients.mean import mean_gradient
from research.gradients.median_of_means import median_of_means
from research.gradients.winsorized import winsorized_mean
from research.types import Batch, Params

# (losses, axis=...) -> (params, batch) -> mean loss [], average gradient like params
Average = Callable[..., Callable[[Params, Batch], tuple[jax.Array, Params]]]


def make_average(
  *,
  name: Literal['mean', 'winsorized', 'median_of_means'] = 'mean',
  percent: float = 2.0,
  n_groups: int = 4,
) -> Average:
  """The average of a config section; any optimizer may follow it.

  Args:
    name: the mean; the mean of gradients whose extremes are clipped, coordinate by coordinate
      (`winsorized_mean`); or the coordinate-wise median of the means of sub-batches
      (`median_of_means`).
    percent: c of the winsorized mean, clipped on each side.
    n_groups: sub-batches of the median of means.

  Raises:
    ValueError: an argument is out of range; the message begins with its name.
  """
  if not 0 <= percent < 50:
    raise ValueError(f'percent must lie in [0, 50), not {percent}')
  if n_groups < 1:
    raise ValueError(f'n_groups must be at least 1, not {n_groups}')
  if name == 'winsorized':
    return functools.partial(winsorized_mean, percent=percent)
  if name == 'median_of_means':
    return functools.partial(median_of_means, n_groups=n_groups)
  return mean_gradient
