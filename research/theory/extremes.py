r"""The largest of a sample, by extreme-value theory: how far larger samples would reach.

Beyond a high threshold u, the excesses :math:`X - u` have, nearly, the generalized Pareto distribution
of an index gamma and a scale sigma; below zero, the index says that there is a largest value,
:math:`u - \sigma / \gamma`. The least distance between two classes is 1 / X of the largest inverse
distance.

References: `Dekkers, Einmahl & de Haan (1989) <https://doi.org/10.1214/aos/1176347397>`_ for the
estimator; `Boopathy et al. (2023) <https://arxiv.org/abs/2305.01034>`_, and their code, for this use.
"""

from typing import Literal, NamedTuple

import numpy as np

Form = Literal['code', 'textbook']


class Tail(NamedTuple):
  """What the largest of a sample say of those beyond."""

  threshold: float  # u, the (k+1)-th largest
  hill: float  # M_1, the mean excess of the logarithms
  gamma: float  # the extreme-value index
  negative_part: float  # gamma_-, of gamma = M_1 + gamma_-
  k: int  # values above the threshold
  n: int  # values in the sample

  def scale(self, form: Form) -> float:
    r"""sigma: in the textbook :math:`u M_1 (1 - \gamma_-)`, in the authors' code u M_1."""
    return self.threshold * self.hill * (1 - self.negative_part if form == 'textbook' else 1.0)


def tail(largest: np.ndarray, n: int) -> Tail:
  r"""The moment estimator, of the k + 1 largest of n positive values.

  .. math:: \gamma = M_1 + \gamma_-, \qquad \gamma_- = 1 - \frac12 \Big(1 - \frac{M_1^2}{M_2}\Big)^{-1},
     \qquad M_r = \frac1k \sum_{i=1}^k \Big(\log \frac{X_{(i)}}u\Big)^r

  with u the least of them.

  Guarantees (each is a test): of generalized Pareto samples it is their index, whether above or below
  zero; the unit of the values does not matter.

  Args:
    largest: [k + 1], in any order.
    n: how many values they are the largest of.

  Raises:
    ValueError: there are fewer than three, or more than n; they are not positive, or all equal.
  """
  top = np.sort(np.asarray(largest, np.float64))
  if not 3 <= len(top) <= n:
    raise ValueError(f'largest must be at least 3 values, of the n = {n}, not {len(top)}')
  if not 0 < top[0] < top[-1] < np.inf:
    raise ValueError('largest must be positive and finite, and not all equal')
  gamma, negative, first = (float(moment[0]) for moment in _moments(top[None]))
  return Tail(float(top[0]), first, gamma, negative, len(top) - 1, n)


def extrapolated(it: Tail, n: float, *, form: Form = 'textbook') -> float:
  r"""The value that one of n is expected to exceed.

  .. math:: u + \sigma \frac{a^\gamma - 1}\gamma, \qquad a = \frac{k\, n}{n_{\text{sample}}}

  The authors' code has :math:`\sigma = u M_1` in the place of :math:`u M_1 (1 - \gamma_-)`, takes n to
  be all :math:`N^2 (1 - 1/C)` ordered pairs of N points, each pair twice, and of the resulting least
  distance and the sample's own the smaller one.

  Guarantees (each is a test): of generalized Pareto samples it is their quantile, in the textbook's
  form alone; n_sample / k values reach just the threshold; more values reach farther.

  Raises:
    ValueError: n is not positive.
  """
  if not n > 0:
    raise ValueError(f'n must be positive, not {n}')
  return float(_quantile(it.threshold, it.scale(form), it.gamma, it.k * n / it.n))


def resampled(it: Tail, n: float, rng: np.random.Generator, n_resamples: int) -> np.ndarray:
  """Parametric bootstrap of `extrapolated`, in the textbook's form: as many estimates, [n_resamples].

  The k + 1 largest of a sample of the fitted distribution, and the estimate from these again. It says
  what chance does where the fit is right and values are independent; not whether they are. Where the
  threshold is not positive the estimate is NaN; it takes a scale about as large as the threshold.
  """
  sigma = it.scale('textbook')
  place = rng.beta(it.k + 1, it.n - it.k, size=(n_resamples, 1)) * it.n / it.k  # about 1
  below = rng.uniform(size=(n_resamples, it.k)) * place
  drawn = [_quantile(it.threshold, sigma, it.gamma, 1 / part) for part in (place, below)]
  top = np.sort(np.concatenate(drawn, axis=1), axis=1)
  top = np.where(top[:, :1] > 0, top, np.nan)
  gamma, negative, first = _moments(top)
  scale = top[:, 0] * first * (1 - negative)
  return _quantile(top[:, 0], scale, gamma, it.k * n / it.n)


def _quantile(threshold, sigma, gamma, times):
  """What is exceeded so many times as rarely as the threshold."""
  logs = np.log(times)
  small = np.abs(gamma * logs) < 1e-8
  safe = np.where(small, 1.0, gamma)
  return threshold + sigma * np.where(small, logs, np.expm1(safe * logs) / safe)


def _moments(top: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
  """gamma, gamma_- and M_1 [b], of thresholds and what exceeds them, ascending [b, k + 1]."""
  logs = np.log(top[:, 1:] / top[:, :1])
  first, second = logs.mean(1), np.square(logs).mean(1)
  negative = 1 - 0.5 / (1 - first**2 / second)
  return first + negative, negative, first
