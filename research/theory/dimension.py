r"""The intrinsic dimension of data, from the distances :math:`T_1 \le \dots \le T_k` to neighbours.

Where the density of points is constant as far as the k-th neighbour, and the manifold flat, the
:math:`m \log(T_k / T_j)`, j < k, of a point are k - 1 independent exponential variables in some order.
So with S their sum over j, S m is Gamma distributed with shape k - 1, whence the estimates below. On
finite samples of many dimensions neither holds: neighbours are far, and all estimates are too small.

References: `Levina & Bickel (2005)
<https://papers.nips.cc/paper/2577-maximum-likelihood-estimation-of-intrinsic-dimension>`_; MacKay &
Ghahramani's comment of 2005 on it; `Facco et al. (2017) <https://arxiv.org/abs/1803.06992>`_.
"""

import numpy as np


def pooled(distances: np.ndarray) -> float:
  r"""The maximum-likelihood estimate from all anchors at once, as in Boopathy et al.'s code.

  .. math:: \hat m = \Big( \frac{1}{a (k - 1)} \sum_{i=1}^a \sum_{j=1}^{k-1}
     \log \frac{T_k(x_i)}{T_j(x_i)} \Big)^{-1}

  MacKay & Ghahramani's: the inverse is taken of the mean over anchors. Its expectation, over
  independent anchors, is m N / (N - 1), N = a (k - 1): with many anchors there is nothing to correct,
  and k - 2 in the place of k - 1 would make it too small by (k - 2) / (k - 1), a quarter at k = 5.

  Guarantees (each is a test): of exponential logarithms it is m; the unit of the distances does not
  matter; nor does the order of the anchors.

  Args:
    distances: to the k nearest neighbours, the nearest first [a, k], k at least 2.

  Raises:
    ValueError: distances are not [a, k], not positive, not ascending, or all equal.
  """
  return float(1 / _sums(distances).mean() * (np.shape(distances)[1] - 1))


def averaged(distances: np.ndarray, *, unbiased: bool = True) -> float:
  r"""The mean over anchors of each anchor's own estimate: Levina & Bickel's.

  .. math:: \hat m = \frac1a \sum_i \frac{k - 2}{S_i}, \qquad
     S_i = \sum_{j=1}^{k-1} \log \frac{T_k(x_i)}{T_j(x_i)}

  Each anchor's estimate is unbiased with k - 2, and with k - 1, its own maximum of likelihood, too
  large by (k - 1) / (k - 2): a third at k = 5.

  Guarantees (each is a test): of exponential logarithms it is m with k - 2, and m (k - 1) / (k - 2)
  with k - 1.

  Raises:
    ValueError: k is below 3, or as `pooled` does.
  """
  k = np.shape(distances)[-1]
  if k < 3:
    raise ValueError(f'distances must be to at least 3 neighbours, not {k}')
  return float(np.mean((k - 2 if unbiased else k - 1) / _sums(distances)))


def two_nearest(distances: np.ndarray, *, discard: float = 0.1) -> float:
  r"""TwoNN: the slope, through the origin, of :math:`-\log(1 - F(\mu))` by :math:`\log \mu`.

  :math:`\mu = T_2 / T_1` has the distribution :math:`F(\mu) = 1 - \mu^{-m}`. F is estimated by i / a
  for the i-th smallest of a anchors; the largest ratios, a tenth of all, are left out as in the paper.

  Guarantees (each is a test): of Pareto ratios it is m; the unit of the distances does not matter.

  Args:
    distances: to the two nearest neighbours, or more, which are not used [a, k].
    discard: the part of the anchors with the largest ratios that is left out, in (0, 1).

  Raises:
    ValueError: discard is out of range, or as `pooled` does.
  """
  if not 0 < discard < 1:
    raise ValueError(f'discard must lie in (0, 1), not {discard}')
  log_ratios = np.sort(_sums(np.asarray(distances)[:, :2]))
  n = len(log_ratios)
  kept = max(1, int((1 - discard) * n))
  x, y = log_ratios[:kept], -np.log1p(-np.arange(1, kept + 1) / n)
  return float(x @ y / (x @ x))


def resampled(distances: np.ndarray, rng: np.random.Generator, n: int) -> np.ndarray:
  """Bootstrap of `pooled`: n estimates, each of as many anchors drawn again with replacement: [n].

  They say how much the draw of anchors moves the estimate. Neighbourhoods of anchors overlap, the data
  stay as they are, and the bias is the same in all: the interval is narrow, and no interval for m.
  """
  sums, k = _sums(distances), np.shape(distances)[1]
  counts = rng.multinomial(len(sums), np.full(len(sums), 1 / len(sums)), size=n)
  return len(sums) * (k - 1) / (counts @ sums)


def _sums(distances: np.ndarray) -> np.ndarray:
  """S of each anchor [a]."""
  found = np.asarray(distances, np.float64)
  if found.ndim != 2 or found.shape[1] < 2 or not len(found):
    raise ValueError(f'distances must be [a, k] with k at least 2, not {[*found.shape]}')
  if not (np.all(found[:, 0] > 0) and np.all(np.isfinite(found))):
    raise ValueError('distances must be positive and finite: leave out repeated points first')
  if np.any(np.diff(found, axis=1) < 0):
    raise ValueError('distances must be those of the nearest neighbour first: sort them')
  sums = np.log(found[:, -1:] / found[:, :-1]).sum(1)
  if not sums.any():
    raise ValueError('distances must differ: neighbours that are all as far say nothing')
  return sums
