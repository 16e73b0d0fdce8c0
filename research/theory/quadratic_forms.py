r"""Squared errors of Gaussian functions: sums of noncentral chi-squares, and their lower tails.

A squared error whose parts are Gaussian is, after a rotation,

.. math:: e = c + \sum_i w_i \, \chi'^2_{k_i}(a_i), \qquad w_i > 0, \quad m_i = w_i a_i,

with :math:`\chi'^2_k(a)` noncentral chi-squares of k degrees of freedom and noncentrality a. It is kept
by weights w, degrees k and shifts m = w a, which stay finite as w goes to 0; where w = 0, m adds to the
constant c. Its cumulant generating function is

.. math:: K(t) = \log E e^{te} = tc + \sum_i \Big[ -\frac{k_i}{2} \log(1 - 2 t w_i)
  + \frac{t m_i}{1 - 2 t w_i} \Big], \qquad t < \frac{1}{2 \max w}.

What is asked for is :math:`\log P(e \le \epsilon)`, in nats, far out in the tail, where a sample has no
points and where its density is not that of any chi-square that has the same mean and variance.
"""

import dataclasses
from typing import NamedTuple

import numpy as np
from scipy import optimize, special, stats

LOG_2PI = np.log(2 * np.pi)


class Estimated(NamedTuple):
  """A logarithm of a probability that was sampled."""

  value: float  # nats
  stderr: float  # nats, by the delta method


@dataclasses.dataclass(frozen=True, eq=False)
class QuadraticForm:
  """The law of a sum of noncentral chi-squares.

  Attributes:
    weights: w, float64 [r], not negative.
    degrees: k, float64 [r], not negative; need not be whole numbers.
    shifts: m = w a, float64 [r], not negative.

  Raises:
    ValueError: an array is of another shape, or an entry out of range or not finite.
  """

  weights: np.ndarray
  degrees: np.ndarray
  shifts: np.ndarray

  def __post_init__(self):
    shape = np.shape(self.weights)
    for name in ('weights', 'degrees', 'shifts'):
      values = np.asarray(getattr(self, name), np.float64)
      object.__setattr__(self, name, values)
      if values.shape != shape or values.ndim != 1 or not values.size:
        raise ValueError(f'{name} must be [r] like weights, not {list(values.shape)}')
      if not (np.isfinite(values).all() and values.min() >= 0):
        raise ValueError(f'{name} must be finite and not negative')

  @property
  def least(self) -> float:
    """The infimum of e: what no draw of the Gaussians can undo."""
    return float(self.shifts[self.weights == 0].sum())

  def cumulants(self) -> tuple[float, float, float]:
    r"""Mean, variance and third cumulant:
    :math:`\kappa_r = 2^{r-1} (r-1)! \sum_i w_i^{r-1} (k_i w_i + r m_i)`."""
    w, k, m = self.weights, self.degrees, self.shifts
    return tuple(
      float(factor * np.sum(w ** (r - 1) * (k * w + r * m)))
      for r, factor in ((1, 1), (2, 2), (3, 8))
    )  # pyright: ignore[reportReturnType]

  def cgf(self, t: float) -> tuple[float, float, float]:
    """K(t), its first and its second derivative, for t < 1 / (2 max w)."""
    w, k, m = self.weights, self.degrees, self.shifts
    s = 1 / (1 - 2 * t * w)
    value = np.sum(-k / 2 * np.log1p(-2 * t * w) + (t * s) * m)
    first = np.sum(k * w * s + m * s**2)
    second = np.sum(2 * k * w**2 * s**2 + 4 * m * w * s**3)
    return float(value), float(first), float(second)

  def saddlepoint(self, epsilon: float) -> float:
    r"""The t at which :math:`K'(t) = \epsilon`; -inf where there is none: at or below the
    least error, or too close above it for a float; inf too far above the mean for one.

    Raises:
      ValueError: epsilon is not finite.
    """
    if not np.isfinite(epsilon):
      raise ValueError(f'epsilon must be finite, not {epsilon}')
    if epsilon <= self.least:
      return -np.inf
    mean, variance, _ = self.cumulants()
    if epsilon == mean:
      return 0.0
    if self.weights.size == 1:  # a quadratic equation in 1 / (1 - 2tw)
      w, k, m = self.weights[0], self.degrees[0], self.shifts[0]
      s = 2 * epsilon / (k * w + np.sqrt((k * w) ** 2 + 4 * m * epsilon))
      return float((1 - 1 / s) / (2 * w)) if s > 1e-300 else -np.inf
    last, unit = 1 / (2 * self.weights.max()), abs(epsilon - mean) / variance
    if epsilon < mean:
      low = -unit
      while self.cgf(low)[1] > epsilon:
        low *= 4
        if low < -1e300:
          return -np.inf
      return self._where_slope_is(epsilon, low, 0.0)
    share = 0.5  # of the way to the last t
    while self.cgf(last * share)[1] < epsilon:
      share = (1 + share) / 2
      if share == 1:
        return np.inf
    return self._where_slope_is(epsilon, 0.0, last * share)

  def _where_slope_is(self, epsilon: float, low: float, high: float) -> float:
    slope = lambda t: self.cgf(t)[1] - epsilon  # noqa: E731
    return optimize.root_scalar(slope, bracket=(low, high), method='brentq', xtol=1e-300).root

  def log_probability(self, epsilon: float) -> float:
    r"""log P(e <= epsilon) in nats, by the saddlepoint approximation of Lugannani and Rice.

    .. math:: P \approx \Phi(u) + \varphi(u) \Big( \frac1u - \frac1v \Big), \qquad
      u = \mathrm{sign}(t) \sqrt{2 (t \epsilon - K(t))}, \quad v = t \sqrt{K''(t)},

    at the saddlepoint t. It is computed in logarithms, so that nothing underflows: for
    :math:`u < 0`, :math:`\log \varphi(u) + \log(R(-u) + 1/u - 1/v)` with Mills' ratio R.

    One chi-square is computed exactly where P is above 1e-290. Guarantees (each is a test): of sums of
    equal weights it is within 2 % of P where degrees add up to ten, 6 % at three, 17 % at one; of other
    sums, within the error of importance sampling; it rises with epsilon, and is never positive; e and
    epsilon may be in any unit; -inf below the least error, 0 far above the mean. Not made for a single
    part with k below a half and a above 0, which has nearly an atom at 0.

    Cost: r numbers, about 30 times.

    References: `Lugannani & Rice (1980) <https://doi.org/10.2307/1426607>`_; for quadratic forms
      `Kuonen (1999) <https://doi.org/10.1093/biomet/86.4.929>`_.
    """
    if not self.weights.any():
      return 0.0 if epsilon > self.least else -np.inf
    exact = self._one_chi_square(epsilon)
    if exact > -660:
      return exact
    t = self.saddlepoint(epsilon)
    if np.isneginf(t):
      return -np.inf
    if np.isposinf(t):
      return 0.0
    value, _, second = self.cgf(t)
    u = np.sign(t) * np.sqrt(2 * max(t * epsilon - value, 0.0))
    v = t * np.sqrt(second)
    if abs(u) < 1e-4:  # the limit at the mean
      _, variance, third = self.cumulants()
      return float(np.log(special.ndtr(u) + third / (6 * np.sqrt(2 * np.pi) * variance**1.5)))
    if u > 0:
      rest = special.ndtr(-u) - np.exp(-(u**2) / 2 - LOG_2PI / 2) * (1 / u - 1 / v)
      return float(np.log1p(-min(max(rest, 0.0), 1 - 1e-16)))
    mills = np.sqrt(np.pi / 2) * special.erfcx(-u / np.sqrt(2))
    return float(min(-(u**2) / 2 - LOG_2PI / 2 + np.log(mills + 1 / u - 1 / v), 0.0))

  def _one_chi_square(self, epsilon: float) -> float:
    """log P of a single part by SciPy; -inf where that underflows, or there are more."""
    if self.weights.size > 1 or epsilon <= 0:
      return -np.inf
    w, k, m = self.weights[0], max(float(self.degrees[0]), 1e-9), self.shifts[0]
    with np.errstate(all='ignore'):
      found = stats.ncx2.logcdf(epsilon / w, k, m / w) if m else stats.chi2.logcdf(epsilon / w, k)
    return float(found) if np.isfinite(found) else -np.inf

  def chernoff(self, epsilon: float) -> float:
    r"""The bound :math:`\log P(e \le \epsilon) \le \min_{t \le 0} K(t) - t \epsilon`, in nats.

    So its negative is a lower bound on the bits (times log 2) that epsilon takes; 0 above the mean.
    """
    if epsilon >= self.cumulants()[0]:
      return 0.0
    t = self.saddlepoint(epsilon)
    return -np.inf if np.isneginf(t) else self.cgf(t)[0] - t * epsilon

  def sample(self, n: int, generator: np.random.Generator, tilt: float = 0.0) -> np.ndarray:
    r"""n draws of e, float64 [n], under the law whose density is :math:`e^{te - K(t)}` times its own.

    A tilted sum is one of the same kind: :math:`w/(1 - 2tw)`, k and :math:`m/(1 - 2tw)^2`.
    """
    s = 1 / (1 - 2 * tilt * self.weights)
    free = self.weights > 0
    w, k, m = (x[free] for x in (self.weights * s, self.degrees, self.shifts * s**2))
    return self.least + generator.noncentral_chisquare(k, m / w, (n, len(w))) @ w

  def sampled_log_probability(
    self, epsilon: float, n: int, generator: np.random.Generator
  ) -> Estimated:
    r"""log P(e <= epsilon) by importance sampling: from n draws of the law tilted to have this mean.

    .. math:: P = E_t \big[ 1_{e \le \epsilon} \, e^{K(t) - t e} \big]

    Unbiased for P at any depth of the tail, without an approximation; its error is a few percent of P
    with n = 10,000, and grows only with the logarithm of the depth. Above the mean it is plain Monte
    Carlo.

    Raises:
      ValueError: epsilon is not above the least error.
    """
    t = min(self.saddlepoint(epsilon), 0.0)
    if np.isneginf(t):
      raise ValueError(f'epsilon must exceed the least error, {self.least:.6g}, not {epsilon}')
    draws = self.sample(n, generator, t)
    value = self.cgf(t)[0]
    inside = draws <= epsilon
    factors = np.where(inside, np.exp(t * (epsilon - draws)), 0.0)  # at most 1
    mean = factors.mean()
    if not mean:
      return Estimated(-np.inf, np.nan)
    stderr = factors.std(ddof=1) / np.sqrt(n) / mean
    return Estimated(float(value - t * epsilon + np.log(mean)), float(stderr))


def error_law(mean: np.ndarray, covariance: np.ndarray, targets: np.ndarray) -> QuadraticForm:
  r"""The law of the mean squared error of functions whose values are Gaussian.

  .. math:: e = \frac{1}{nC} \sum_{ij} (f_{ij} - y_{ij})^2, \qquad
    f_{\cdot j} \sim N(\mu_{\cdot j}, \Sigma) \text{ independently for each output } j.

  With :math:`\Sigma = U \mathrm{diag}(\lambda) U^\top` it has n parts:
  :math:`w_i = \lambda_i / nC`, :math:`k_i = C`, :math:`m_i = \sum_j (U^\top (\mu - y))_{ij}^2 / nC`.

  Guarantees (each is a test): its mean and variance are those of samples of f, squared; where the
  covariance is 0 it is the error of the mean; rotating the examples changes nothing; the errors of
  single outputs add up to it in the mean.

  Args:
    mean: mu, [n, C].
    covariance: Sigma, [n, n], the same for each output; what is negative of its eigenvalues by
      rounding is taken for 0.
    targets: y, [n, C].

  Raises:
    ValueError: shapes do not agree, or the covariance is not a covariance: not symmetric, or with
      negative eigenvalues beyond rounding.
  """
  mean, covariance, targets = (np.asarray(x, np.float64) for x in (mean, covariance, targets))
  n, n_outputs = mean.shape
  if targets.shape != mean.shape or covariance.shape != (n, n):
    raise ValueError(
      f'targets and covariance must be {[n, n_outputs]} and {[n, n]}, not {list(targets.shape)} and '
      f'{list(covariance.shape)}'
    )
  if not np.allclose(covariance, covariance.T, atol=1e-8 * np.abs(covariance).max()):
    raise ValueError('covariance must be symmetric')
  eigenvalues, vectors = np.linalg.eigh((covariance + covariance.T) / 2)
  rounding = 1e-7 * max(eigenvalues[-1], 0.0)
  if eigenvalues[0] < -rounding:
    raise ValueError(
      f'covariance must have no negative eigenvalue; one is {eigenvalues[0]:.3g}, the largest '
      f'{eigenvalues[-1]:.3g}: give the kernel more jitter'
    )
  size = n * n_outputs
  shifts = np.sum((vectors.T @ (mean - targets)) ** 2, axis=1) / size
  weights = np.where(eigenvalues > 0, eigenvalues, 0.0) / size
  return QuadraticForm(weights, np.full(n, float(n_outputs)), shifts)
