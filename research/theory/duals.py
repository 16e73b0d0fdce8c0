r"""Dual activations: what a wide layer makes of the cosine of two inputs.

With an activation :math:`\phi` scaled so that :math:`E[\phi(u)^2] = 1` of a standard Gaussian u, and
u, u' standard Gaussians of correlation r, the dual is

.. math:: v(r) = E[\phi(u) \phi(u')] = \sum_i a_i r^i, \qquad a_i = E[\phi(u) h_i(u)]^2 \ge 0,
   \qquad \sum_i a_i = 1

with :math:`h_i` the normalized Hermite polynomials. So v(1) = 1, and a layer keeps the length of its
inputs. Every series of that kind is the dual of some activation.

Deep networks take v of v many times, which ends where floats do: at cosines of :math:`2^{-1000}` and at
gaps 1 - r below 1e-16. Both are out of reach for log r, in which v is given here: relative errors stay
those of floats at either end. Cosines are not negative: inputs lie in one orthant.

References: `Daniely, Frostig & Singer (2016) <https://arxiv.org/abs/1602.05897>`_, of dual
  activations; the two polynomials of `singular` are of `Radhakrishnan, Belkin & Uhler (2023)
  <https://arxiv.org/abs/2204.14126>`_.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import special


class Dual(NamedTuple):
  """A dual activation v.

  Attributes:
    log_value: log r of any shape, at most 0, to log v(r), likewise. Log r may be minus infinity.
    log_slope: log r to log v'(r).
    value_at_0: v(0), in [0, 1).
    slope_at_0: v'(0).
    slope_at_1: v'(1).
  """

  log_value: Callable[[np.ndarray], np.ndarray]
  log_slope: Callable[[np.ndarray], np.ndarray]
  value_at_0: float
  slope_at_0: float
  slope_at_1: float


def power_series(coefficients: ArrayLike) -> Dual:
  r"""The dual :math:`\sum_i a_i r^i`, the coefficients from i = 0 on.

  Guarantees (each is a test): value and slope are those of NumPy's polynomials; gaps 1 - v of gaps
  of 1e-300, and values of cosines of :math:`e^{-10^6}`, are right to 12 digits.

  Cost: two exponentials for each coefficient that is not 0.

  Raises:
    ValueError: coefficients are negative, do not add up to 1 within 1e-9, or are a constant.
  """
  a = np.asarray(coefficients, np.float64)
  if a.ndim != 1 or not np.all(a >= 0) or not abs(a.sum() - 1) <= 1e-9:
    raise ValueError('coefficients must be at least 0 and add up to 1: divide them by their sum')
  powers = np.flatnonzero(a)
  if powers[-1] == 0:
    raise ValueError('coefficients must not be those of a constant: add a power above 0')
  terms = [(int(i), a[i]) for i in powers]
  slopes = [(i - 1, i * c) for i, c in terms if i]

  def log_value(log_r):
    log_r = np.asarray(log_r, np.float64)
    gap = sum(c * np.expm1(_times(i, log_r)) for i, c in terms)  # v(r) - 1
    near = np.maximum(gap, -0.5)
    return np.where(gap > -0.5, np.log1p(near), np.minimum(_log_sum(terms, log_r), 0))

  return Dual(
    log_value,
    lambda log_r: _log_sum(slopes, np.asarray(log_r, np.float64)),
    float(a[0]),
    float(a[1]) if len(a) > 1 else 0.0,
    float(sum(c for _, c in slopes)),
  )


def singular(exponent: float) -> Dual:
  r""":math:`v(r) = a r + (1 - a) r^p`, of which deep networks have the kernel :math:`(1 - r)^{-q}`.

  :math:`v'(0) = a` and :math:`v'(1) = a + (1 - a) p` give :math:`q = -\log a / \log v'(1)`. The power
  p is 3, or 7 for exponents up to 0.6, and a is found by bisection. Exponents 1 and 1/2 are the
  published :math:`r^3 / 2 + r / 2` and :math:`r^7 / 2 + r / 2`.

  Guarantees (each is a test): the exponent is the one asked for; the published ones come out.

  Raises:
    ValueError: exponent lies outside [0.3, 5].
  """
  if not 0.3 <= exponent <= 5:
    raise ValueError(f'exponent must lie in [0.3, 5], not {exponent}')
  power = 3 if exponent > 0.6 else 7
  low, high = 1e-9, 1 - 1e-9  # the exponent falls with a
  for _ in range(200):
    a = (low + high) / 2
    found = -np.log(a) / np.log(a + (1 - a) * power)
    low, high = (a, high) if found > exponent else (low, a)
  coefficients = np.zeros(power + 1)
  coefficients[[1, power]] = a, 1 - a
  return power_series(coefficients)


def sine(frequency: float) -> Dual:
  r"""Of :math:`\sin \omega u`: :math:`\sinh(\omega^2 r) / \sinh \omega^2`.

  Guarantees (each is a test): it is that; so are the Hermite coefficients of a sine.

  Raises:
    ValueError: frequency lies outside (0, 4].
  """
  if not 0 < frequency <= 4:
    raise ValueError(f'frequency must lie in (0, 4], not {frequency}')
  i = np.arange(1, 120, 2)
  a = np.zeros(120)
  a[i] = np.exp(2 * i * np.log(frequency) - special.gammaln(i + 1))
  a[a < 1e-18 * a.sum()] = 0
  return power_series(a / a.sum())


def erf(variance: float = 1.0) -> Dual:
  r"""Of erf on inputs of this variance: :math:`\arcsin(\beta r) / \arcsin \beta`,
  :math:`\beta = 2 \kappa / (1 + 2 \kappa)`.

  Guarantees (each is a test): it is that; deep kernels are those of `kernels.nngp` and `kernels.ntk`
  where the variance of a layer is stationary.

  Raises:
    ValueError: variance lies outside (0, 3]: series of larger ones are long.
  """
  if not 0 < variance <= 3:
    raise ValueError(f'variance must lie in (0, 3], not {variance}')
  beta, k = 2 * variance / (1 + 2 * variance), np.arange(200)
  logs = special.gammaln(2 * k + 1) - 2 * special.gammaln(k + 1) - k * np.log(4)
  a = np.zeros(400)
  a[2 * k + 1] = np.exp(logs + (2 * k + 1) * np.log(beta)) / (2 * k + 1)
  a[a < 1e-18 * a.sum()] = 0
  return power_series(a / a.sum())


def relu() -> Dual:
  r"""Of :math:`\sqrt2 \max(u, 0)`, with :math:`\theta = \arccos r`:

  .. math:: v = \frac{\sin\theta + (\pi - \theta) \cos\theta}{\pi}, \quad v' = 1 - \frac\theta\pi,
     \quad v(0) = 1 / \pi, \quad v'(0) = 1 / 2, \quad v'(1) = 1

  Guarantees (each is a test): it is that, and so are slopes; deep kernels are those of `kernels`;
  gaps of 1e-12 keep their digits.
  """

  def angle(log_r):
    return 2 * np.arcsin(np.sqrt(-np.expm1(log_r) / 2))

  def log_value(log_r):
    log_r = np.asarray(log_r, np.float64)
    t = angle(log_r)
    lost = np.where(t < 1e-2, t**3 / 3 * (1 - t**2 / 10), np.sin(t) - t * np.cos(t))
    return np.log1p(np.expm1(log_r) + lost / np.pi)

  def log_slope(log_r):
    return np.log1p(-angle(np.asarray(log_r, np.float64)) / np.pi)

  return Dual(log_value, log_slope, 1 / np.pi, 0.5, 1.0)


def of_activation(activation: Callable[[np.ndarray], np.ndarray], degree: int = 60) -> Dual:
  """The dual of any smooth activation, by Gauss-Hermite quadrature, its series cut at a degree.

  The series is scaled to add up to 1, so what is cut off is spread over the rest. Of activations with
  a kink too much is cut off, and `relu` has a closed form instead.

  Guarantees (each is a test): sine and erf agree with their closed forms; the activation's scale does
  not matter.

  Raises:
    ValueError: degree is less than 1 or above 100; or activation is 0, or has more than 1e-6 of its
      square beyond the degree.
  """
  if not 1 <= degree <= 100:
    raise ValueError(f'degree must lie in [1, 100], not {degree}')
  points, weights = np.polynomial.hermite_e.hermegauss(200)
  values, weights = activation(points), weights / weights.sum()
  previous, current, a = np.zeros_like(points), np.ones_like(points), []
  for i in range(degree + 1):  # h_i, normalized
    a.append(np.sum(weights * values * current) ** 2)
    following = (points * current - np.sqrt(i) * previous) / np.sqrt(i + 1)
    previous, current = current, following
  total = np.sum(weights * values**2)
  if not total > 0:
    raise ValueError('activation must not be 0 everywhere')
  if (share := 1 - sum(a) / total) > 1e-6:
    raise ValueError(f'activation must be smooth: {share:.1e} of it lies beyond degree {degree}')
  a = np.asarray(a)
  return power_series(np.where(a > 1e-18 * a.sum(), a, 0) / a.sum())


def _times(power: int, log_r: np.ndarray) -> np.ndarray:
  """The log of a power; that of 0 to the 0 is 0."""
  return power * log_r if power else np.zeros_like(log_r)


def _log_sum(terms: Sequence[tuple[int, float]], log_r: np.ndarray) -> np.ndarray:
  """log of a sum of c r^i, where r^i may be too small for a float."""
  least = terms[0][0]
  return _times(least, log_r) + np.log(sum(c * np.exp(_times(i - least, log_r)) for i, c in terms))
