r"""Kendall's rank correlation of a measure with the gap, over all networks and along each axis.

Over pairs of networks, with :math:`s = \mathrm{sgn}(\mu_b - \mu_a)` and
:math:`t = \mathrm{sgn}(g_b - g_a)`, Kendall's tau-b is

.. math:: \tau = \frac{\sum s\,t}{\sqrt{\sum s^2 \sum t^2}}

Over all pairs, it is the plain coefficient. Over those that differ in hyperparameter i alone it is the
granulated one, :math:`\psi_i`, the mean of tau over groups that share all other hyperparameters, and
:math:`\Psi` is the mean over i. A measure may rank all networks well because it follows one
hyperparameter, and be wrong about all others: tau is high then, and Psi is not.

Ties: a pair that is tied counts in neither the sum above nor, for the one that is tied, the sum below.
A measure that is the same for all has tau = 0: it says nothing. Where all gaps are the same there is
nothing to say, and tau is NaN.

Seeds: Jiang et al. have one network per setting. Here a group's pairs are all that differ in
hyperparameter i, whatever their seeds, and none that differ in the seed alone. Averaging seeds first
would make the score depend on the units of a measure; pairing equal seeds would throw pairs away. With
one seed all three are the same.

References: `Jiang et al. (2020) <https://arxiv.org/abs/1912.02178>`_, section 2, for psi and Psi,
  there with tau-a.
"""

import warnings
from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import sparse

from research.referee.contest import contest
from research.referee.couples import Couples, couples, signs, totals

ROWS = 512  # of the matrix of signs that is held at once


def kendall(
  measure: np.ndarray, gap: np.ndarray, multiplicity: np.ndarray | None = None
) -> np.ndarray:
  r"""Kendall's tau-b over the networks that have a measure: [R], or [1] without multiplicities.

  Guarantees (each is a test): it is that of scipy, with ties and without; with multiplicities it is
  that of a table in which each network stands so many times; no increasing function of either changes
  it, and a decreasing one its sign.

  Args:
    measure: [n]; networks where it is not finite do not count.
    gap: [n].
    multiplicity: [R, n], whole numbers: how many times each network counts in each of R resamples.

  Cost: R n^2 multiplications in float32, which are exact here; memory 512 n.

  Raises:
    ValueError: the shapes do not fit.
  """
  measure, gap = np.asarray(measure, np.float64), np.asarray(gap, np.float64)
  if measure.ndim != 1 or gap.shape != measure.shape:
    raise ValueError(f'measure must be [n] as gap is, not {list(measure.shape)}')
  weights = np.ones((1, len(gap))) if multiplicity is None else np.asarray(multiplicity)
  if weights.ndim != 2 or weights.shape[1] != len(gap):
    raise ValueError(f'multiplicity must be [R, {len(gap)}], not {list(weights.shape)}')
  known = np.isfinite(measure)
  measure, gap = measure[known], gap[known]
  weights = weights[:, known].astype(np.float32)
  agreement = np.zeros(len(weights))
  for start in range(0, len(gap), ROWS):
    rows = slice(start, start + ROWS)
    product = _signs(measure, rows) * _signs(gap, rows)
    sums = weights[:, rows] @ product  # exact: whole numbers below 2^24
    agreement += np.einsum('rn,rn->r', sums, weights, dtype=np.float64)
  return ratio(agreement, _apart(measure, weights), _apart(gap, weights))


def _signs(values: np.ndarray, rows: slice) -> np.ndarray:
  left = values[rows, None]
  return np.subtract(left > values, left < values, dtype=np.float32)


def _apart(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
  """How many ordered pairs are not tied: those that there are, less those within a value."""
  groups = np.unique(values, return_inverse=True)[1]
  sums = totals(np.ones(len(groups)), groups, weights.T.astype(np.float64))
  return sums.sum(axis=0) ** 2 - (sums**2).sum(axis=0)


def ratio(agreement: np.ndarray, of_measure: np.ndarray, of_gap: np.ndarray) -> np.ndarray:
  """Tau of its three sums: 0 where the measure is always tied, NaN where the gap is."""
  size = np.sqrt(of_measure * of_gap)
  tau = np.divide(agreement, size, out=np.zeros_like(size), where=size > 0)
  return np.where(of_gap > 0, tau, np.nan)


def granulated(
  networks: pd.DataFrame, measures: Sequence[str], hyperparameters: Sequence[str]
) -> pd.DataFrame:
  r"""psi_i of each measure and hyperparameter, and in the column `mean` their mean, Psi.

  .. math:: \psi_i = \frac{1}{|G_i|} \sum_{G \in G_i} \tau(G), \qquad
     \Psi = \frac1H \sum_i \psi_i

  Where G_i are the groups of networks that share all hyperparameters but the i-th, and tau is over the
  pairs of a group that differ in the i-th. A group in which all gaps are tied does not count; one in
  which the measure alone is tied counts as 0. psi_i is NaN if no group counts, and Psi is the mean of
  those that are not.

  Guarantees (each is a test): with one seed, it is the mean of scipy's tau over groups; a measure that
  is right but for one axis has -1 there; no increasing function of a measure, and no order of the rows,
  changes it; nor does counting every network twice.

  Raises:
    ValueError: as `contest.contest`.
  """
  table = contest(networks, measures, hyperparameters)
  pairs = couples(table)
  once = np.ones((len(pairs.first), 1))
  found = [psi(column, table.gap, pairs, once, len(hyperparameters)) for column in table.columns]
  rows = [[*of_axes[:, 0], mean[0]] for of_axes, mean in found]
  return pd.DataFrame(rows, index=list(table.measures), columns=[*table.hyperparameters, 'mean'])


def psi(
  column: np.ndarray, gap: np.ndarray, pairs: Couples, multiplicity: np.ndarray, n_axes: int
) -> tuple[np.ndarray, np.ndarray]:
  """psi [H, R] and Psi [R] of a measure [n], where the pairs count `multiplicity` [P, R] times."""
  of_measure, of_gap = signs(column, pairs), signs(gap, pairs)
  known = ~np.isnan(of_measure)
  of_measure, of_gap = np.where(known, of_measure, 0), np.where(known, of_gap, 0)
  parts = (of_measure * of_gap, np.abs(of_measure), np.abs(of_gap))
  taus = ratio(*(totals(part, pairs.group, multiplicity) for part in parts))
  axis = np.zeros(len(taus), int)
  axis[pairs.group] = pairs.axis
  judged = ~np.isnan(taus)
  which = sparse.csr_array(
    (np.ones(len(axis)), (axis, np.arange(len(axis)))), shape=(n_axes, len(axis))
  )
  counts = which @ judged.astype(np.float64)
  sums = which @ np.where(judged, taus, 0)
  of_axes = np.divide(sums, counts, out=np.full(sums.shape, np.nan), where=counts > 0)
  return of_axes, mean(of_axes)


def mean(values: np.ndarray) -> np.ndarray:
  """Over the first axis, of those that are not NaN; NaN if all are."""
  with warnings.catch_warnings():
    warnings.filterwarnings('ignore', 'Mean of empty slice', RuntimeWarning)
    return np.nanmean(values, axis=0)
