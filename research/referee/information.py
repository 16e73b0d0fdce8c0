r"""What a measure tells of the gap that no one or two hyperparameters tell: a conditional information.

Draw two networks a, b with different gaps. Let :math:`V_\mu` be the sign of the difference of a
measure, :math:`V_g` that of the gap, and :math:`U_S` the values of the hyperparameters in S of both, in
order.

.. math:: K(\mu) = \min_{|S| \le 2} \frac{I(V_\mu; V_g \mid U_S)}{H(V_g \mid U_S)}

Of a measure that only knows a hyperparameter, U_S tells all, and K = 0. Of one that knows the gap, K =
1. A sign is blind to direction: K of a measure and of its negative are the same.

Ours, where the paper is silent: V_mu has the value 0 for ties; pairs whose gaps are tied are left out;
pairs are all equally likely, so that U_S is as frequent as it is. Where U_S tells V_g itself,
H = 0, there is nothing left to tell, and S does not count.

The estimate is plugged in: it is biased upwards, the more the finer U_S cuts the pairs. What knows
nothing has a K above 0, which the baselines show.

References: `Jiang et al. (2020) <https://arxiv.org/abs/1912.02178>`_, section 2.
"""

import itertools
from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.special import entr

from research.referee.contest import Contest, contest


def conditional(
  networks: pd.DataFrame, measures: Sequence[str], hyperparameters: Sequence[str], size: int = 2
) -> pd.DataFrame:
  """K of each measure, over the networks that have it, and the set S of the minimum.

  Guarantees (each is a test): it is that of counting pairs in a loop; 1 for the gap; 0 for what knows
  one or two hyperparameters and no more; in [0, 1]; it never rises with `size`; no monotone function
  of a measure, and no order of the rows, changes it, nor does counting every network twice.

  Args:
    networks, measures, hyperparameters: as everywhere.
    size: of the largest S.

  Returns:
    A row per measure; columns `information`, in [0, 1], NaN if no S counts, and `given`, a tuple.

  Cost: a few n^2 sum_S (cells of S) multiplications per measure; memory about 20 n^2 bytes.

  Raises:
    ValueError: as `contest.contest`; or size is negative.
  """
  table = contest(networks, measures, hyperparameters)
  if size < 0:
    raise ValueError(f'size must be at least 0, not {size}')
  sets = [
    chosen
    for k in range(min(size, len(table.hyperparameters)) + 1)
    for chosen in itertools.combinations(range(len(table.hyperparameters)), k)
  ]
  rows = []
  for column in table.columns:
    known = ~np.isnan(column)
    shares = _shares(table, column, known, sets) if known.any() else [np.nan]
    least = min(range(len(shares)), key=lambda k: np.nan_to_num(shares[k], nan=np.inf))
    given = tuple(table.hyperparameters[k] for k in sets[least])
    rows.append((shares[least], given if not np.isnan(shares[least]) else ()))
  return pd.DataFrame(rows, index=list(table.measures), columns=['information', 'given'])


def _shares(
  table: Contest, column: np.ndarray, known: np.ndarray, sets: list[tuple[int, ...]]
) -> list[float]:
  """I / H for each S."""
  gap, column = table.gap[known], column[known]
  cells = [_one_hot(table.codes[known][:, list(chosen)]) for chosen in sets]
  bounds = np.cumsum([0, *(cell.shape[1] for cell in cells)])
  stacked = np.concatenate(cells, axis=1)
  higher = gap[:, None] > gap
  with_up, with_down, all_higher = (
    pairs.astype(np.float32) @ stacked  # whole numbers: exact
    for pairs in (
      higher & (column[:, None] > column),
      higher & (column[:, None] < column),
      higher,
    )
  )
  shares = []
  for cell, start, stop in zip(cells, bounds[:-1], bounds[1:], strict=True):
    up, down, every = (
      cell.T.astype(np.float64) @ part[:, start:stop] for part in (with_up, with_down, all_higher)
    )
    shares.append(_share(up, down, every - up - down))
  return shares


def _one_hot(codes: np.ndarray) -> np.ndarray:
  """Which cell each network lies in, float32 [n, cells]; a single cell if there are no codes."""
  if not codes.shape[1]:
    return np.ones((len(codes), 1), np.float32)
  cell = np.unique(codes, axis=0, return_inverse=True)[1].ravel()
  return np.eye(cell.max() + 1, dtype=np.float32)[cell]


def _share(up: np.ndarray, down: np.ndarray, tied: np.ndarray) -> float:
  """I / H from how many pairs of each pair of cells have the higher gap first, by V_mu: [c, c] each."""
  counts = np.stack([[up, down, tied], [down.T, up.T, tied.T]])  # [V_g, V_mu, c, c]
  total = counts.sum(axis=(0, 1))
  of_gap, of_both, of_measure, of_cells = (
    entr(part).sum() for part in (counts.sum(axis=1), counts, counts.sum(axis=0), total)
  )  # sums of -n log n; their differences are entropies times the number of pairs
  entropy = of_gap - of_cells
  if not entropy > 1e-9 * total.sum():
    return np.nan
  return float(np.clip((entropy + of_measure - of_both) / entropy, 0, 1))
