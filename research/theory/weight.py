r"""The weight of a hypothesis: what a Bayes mixture over functions pays for not knowing the true one.

Functions h of finitely many inputs, N of them, are tables of 0 and 1 (`research.theory.boolean`).
Inputs are drawn uniformly; labels are h of them, flipped with probability p (a binary symmetric
channel), so that each h predicts :math:`p_h(y \mid x) = 1 - p` if y = h(x), else p. The mixture

.. math:: q(y^n) = \sum_h w(h)\, p_h(y^n)

has, against a target :math:`h^*`, the regret :math:`\log p_{h^*}(y^n) - \log q(y^n)`. With
:math:`D(h^* \| h)` the mean divergence per example, a multiple of the share of inputs on which the two
differ, its mean is at most

.. math:: \min_D \big\{ -\log w(h : D(h^* \| h) \le D) + n D \big\}.

So the weight of the ball around the target sets the number of examples needed, not the number of
functions. All is exact, in float64 and in nats.

References: Feder (2025), The Universality Lens, whose bound this is. The bound that sums over all
  functions, and the union with all tables, are ours.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from research.theory import boolean

BLOCK = 8  # how many tallies are weighed at once: 8 F numbers in float64


class Prior(NamedTuple):
  """Distinct functions, and how much weight each has: the weightiest first."""

  tables: np.ndarray  # uint8 [F, N]
  counts: np.ndarray  # float64 [F], positive: of samples, or any weights up to a factor

  @property
  def log_weights(self) -> np.ndarray:
    """log w [F], nats; the weights add up to 1."""
    return np.log(self.counts) - np.log(self.counts.sum())


class Bound(NamedTuple):
  """The best ball."""

  value: float  # nats
  radius: int  # on how many of the N inputs its functions differ from the target at most
  log_weight: float  # of it, nats


def prior_of(tables: np.ndarray) -> Prior:
  """The distinct functions of a sample of tables, uint8 [S, N], by how often they occur.

  Guarantees (each is a test): counts add up to S; the order of the sample does not matter.

  Raises:
    ValueError: tables are not [S, 2^n] with entries 0 and 1, or there are none.
  """
  words = boolean.packed(tables)
  if not len(words):
    raise ValueError('tables must be at least one')
  flat = words[:, 0] if words.shape[1] == 1 else words
  _, first, counts = np.unique(flat, axis=0, return_index=True, return_counts=True)
  order = np.lexsort((np.arange(len(counts)), -counts))
  return Prior(tables[first[order]], counts[order].astype(np.float64))


def divergence(distances: ArrayLike, n_inputs: int, flip: float) -> np.ndarray:
  r"""Mean divergence per example of functions that differ on so many of N inputs, in nats.

  .. math:: D = \frac dN\, \mathrm{KL}(p \,\|\, 1 - p) = \frac dN (1 - 2p) \log\frac{1 - p}p

  Guarantees (each is a test): it is SciPy's relative entropy; without flips it is infinite, but for
  d = 0; of p = 1/2 it is 0.

  Raises:
    ValueError: flip is not in [0, 1/2].
  """
  _check_flip(flip)
  distances = np.asarray(distances, np.float64)
  with np.errstate(divide='ignore', invalid='ignore'):
    of_bits = (1 - 2 * flip) * (np.log1p(-flip) - np.log(flip))
    return np.where(distances > 0, distances / n_inputs * of_bits, 0.0)


def distances(tables: np.ndarray, target: np.ndarray) -> np.ndarray:
  """On how many inputs functions [F, N] differ from a target [N]: int [F]."""
  return np.count_nonzero(tables != target[None], axis=1)


def log_ball_weights(prior: Prior, target: np.ndarray) -> np.ndarray:
  """log w of the functions that differ from the target on at most d inputs: [N + 1], nats.

  Entry d; -inf where there is none, 0 at d = N.

  Guarantees (each is a test): of all tables alike, binomial sums; it never falls with d.
  """
  mass = np.bincount(distances(prior.tables, target), prior.counts, minlength=len(target) + 1)
  with np.errstate(divide='ignore'):
    return np.log(np.cumsum(mass)) - np.log(mass.sum())


def bound(prior: Prior, target: np.ndarray, n: int, flip: float) -> Bound:
  r"""What the mean regret at n examples cannot exceed: the minimum over balls, in nats.

  .. math:: \min_D \big\{ -\log w(D(h^* \| \cdot) \le D) + n D \big\}

  Guarantees (each is a test): no mean regret exceeds it, by enumeration of all samples; it is at most
  :math:`-\log w(h^*)`; it never falls with n.

  Raises:
    ValueError: flip is not in (0, 1/2], or n is negative.
  """
  _check(n, flip)
  log_weights = log_ball_weights(prior, target)
  radii = np.arange(len(log_weights))
  costs = n * divergence(radii, len(target), flip) - log_weights
  best = int(np.argmin(costs))
  return Bound(float(costs[best]), best, float(log_weights[best]))


def soft_bound(prior: Prior, target: np.ndarray, n: int, flip: float) -> float:
  r"""The same without a choice of ball: :math:`-\log \sum_h w(h)\, e^{-n D(h^* \| h)}`, in nats.

  The regret is a concave function of the log-likelihood ratios, whose means are n D: by Jensen's
  inequality this bounds the mean regret. `bound` keeps one ball of the sum.

  Guarantees (each is a test): no mean regret exceeds it; it does not exceed `bound`.

  Raises:
    ValueError: as in `bound`.
  """
  _check(n, flip)
  divergences = divergence(distances(prior.tables, target), len(target), flip)
  return float(-_log_sum_exp(prior.log_weights - n * divergences))


def sample_bound(
  prior: Prior, target: np.ndarray, tallies: np.ndarray, flip: float, radius: int
) -> np.ndarray:
  r"""What the regret on these very data cannot exceed, under tallies [..., N, 2]: [...], nats.

  .. math:: -\log w(B) + \sum_{h \in B} \frac{w(h)}{w(B)} \log \frac{p_{h^*}(y^n)}{p_h(y^n)}

  with B the functions that differ from the target on at most `radius` inputs, by Jensen's inequality.
  Its mean over data is at most :math:`-\log w(B) + nD`: this is where `bound` comes from.

  Guarantees (each is a test): no regret exceeds it, with any radius; its mean, by enumeration of all
  samples, is that of the formula; with radius 0 it is :math:`-\log w(h^*)`.

  Raises:
    ValueError: flip is not in (0, 1/2], or the ball is empty.
  """
  _check(0, flip)
  inside = distances(prior.tables, target) <= radius
  if not inside.any():
    raise ValueError(f'radius must be that of a ball with functions in it, not {radius}')
  shares = prior.counts[inside] / prior.counts[inside].sum()
  gap = target.astype(np.float64) - shares @ prior.tables[inside]
  # A label 1 more than 0 at an input favours the target there by so much, in nats.
  ratios = (tallies[..., 1] - tallies[..., 0]) @ gap * (np.log1p(-flip) - np.log(flip))
  return ratios - log_ball_weights(prior, target)[radius]


def tally(x: ArrayLike, y: ArrayLike, n_inputs: int) -> np.ndarray:
  """How often each input was seen with each label: int64 [N, 2]; all that a mixture needs to know.

  Args:
    x: int [n], numbers of inputs.
    y: int [n], 0 or 1.
    n_inputs: N.

  Raises:
    ValueError: x and y are not equally long, or one is out of range.
  """
  x, y = np.asarray(x), np.asarray(y)
  if x.shape != y.shape or x.ndim != 1:
    raise ValueError(f'y must be one label for each of {list(x.shape)}, not {list(y.shape)}')
  if x.size and (min(x.min(), y.min()) < 0 or x.max() >= n_inputs or y.max() > 1):
    raise ValueError(f'x must lie in [0, {n_inputs}) and y in [0, 1]')
  found = np.zeros((n_inputs, 2), np.int64)
  np.add.at(found, (x, y), 1)
  return found


def log_likelihoods(tables: np.ndarray, tallies: np.ndarray, flip: float) -> np.ndarray:
  """log p_h of the labels seen, of functions [F, N] under tallies [..., N, 2]: [..., F], nats.

  Raises:
    ValueError: flip is not in [0, 1/2], or a tally has 2^24 examples or more.
  """
  _check_flip(flip)
  n = tallies.sum(axis=(-1, -2))[..., None]
  if np.max(n) >= 2**24:
    raise ValueError(f'tallies must have fewer than 2^24 examples, not {np.max(n)}')
  # Sums of integers below 2^24 are exact in float32, and fast.
  gains = (tallies[..., 1] - tallies[..., 0]).astype(np.float32)
  right = (gains @ np.asarray(tables, np.float32).T).astype(np.float64)
  right += tallies[..., 0].sum(axis=-1)[..., None]
  if flip == 0:
    return np.where(right == n, 0.0, -np.inf)
  return right * (np.log1p(-flip) - np.log(flip)) + n * np.log(flip)


def regret(prior: Prior, target: np.ndarray, tallies: np.ndarray, flip: float) -> np.ndarray:
  r"""Cumulative regret of the mixture against the target under tallies [..., N, 2]: [...], nats.

  Guarantees (each is a test): it is Bayes' rule, one example after another in rational arithmetic; at
  most :math:`-\log w(h^*)`, on any data; infinite where no function fits what the target does.

  Cost: F N multiplications and additions for each tally; several at once share the conversion of the
    tables, which costs about as much as ten.

  Raises:
    ValueError: as in `log_likelihoods`.
  """
  own = log_likelihoods(target[None], tallies, flip)[..., 0]
  tables, log_weights = prior.tables.astype(np.float32), prior.log_weights
  flat = tallies.reshape(-1, *tallies.shape[-2:])
  found = np.empty(len(flat))
  for start in range(0, len(flat), BLOCK):
    joint = log_likelihoods(tables, flat[start : start + BLOCK], flip)
    joint += log_weights
    found[start : start + BLOCK] = _log_sum_exp(joint)
  return own - found.reshape(own.shape)


def table_regret(target: np.ndarray, tallies: np.ndarray, flip: float) -> np.ndarray:
  r"""The regret of the table code: the mixture over all :math:`2^N` functions with equal weights.

  It learns each input by itself. With :math:`m_x` how many more labels at x agree with the target
  than do not, it is :math:`\sum_x \log 2 - \log(1 + (p / (1 - p))^{m_x})`, at most N log 2 nats.

  Guarantees (each is a test): of N = 4, it is `regret` with all 16 tables.

  Raises:
    ValueError: flip is not in (0, 1/2].
  """
  _check(0, flip)
  own = np.where(target == 1, tallies[..., 1], tallies[..., 0])
  margins = 2 * own - tallies.sum(axis=-1)
  odds = np.log(flip) - np.log1p(-flip)
  return np.sum(np.log(2) - np.logaddexp(0, odds * margins), axis=-1)


def union_regret(first: np.ndarray, second: np.ndarray) -> np.ndarray:
  """The regret of the mixture of two mixtures, of half the weight each: at most log 2 above the lower.

  Guarantees (each is a test): it is the regret with the weights of both, halved and added.
  """
  return np.log(2) - np.logaddexp(-first, -second)


def _log_sum_exp(x: np.ndarray) -> np.ndarray:
  """Over the last axis; SciPy's takes three times as long, for what does not occur here."""
  largest = np.max(x, axis=-1, keepdims=True)
  largest = np.where(np.isfinite(largest), largest, 0.0)
  with np.errstate(divide='ignore'):
    return np.log(np.sum(np.exp(x - largest), axis=-1)) + largest[..., 0]


def _check(n: int, flip: float) -> None:
  _check_flip(flip)
  if flip == 0:
    raise ValueError('flip must be positive: without noise, one error rules a function out')
  if n < 0:
    raise ValueError(f'n must be at least 0, not {n}')


def _check_flip(flip: float) -> None:
  if not 0 <= flip <= 0.5:
    raise ValueError(f'flip must lie in [0, 1/2], not {flip}')
