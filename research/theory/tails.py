r"""How unlikely is an error as low as epsilon among hypotheses, of which a sample is at hand?

.. math:: I(\epsilon) = -\log P(e(h) \le \epsilon), \quad h \text{ of those that fit the training set}

is the inductive bias that the target epsilon takes beyond the one that the hypotheses bring (Boopathy
et al. 2024), in nats. Where many of the sample reach epsilon, it is counted. Where none does, all
depends on how the tail is continued; then the interval covers several ways to do that.
"""

from typing import NamedTuple

import numpy as np
from scipy import stats

from research.theory.chi_square_fits import checked, fit_to_sample

CONFIDENCE = 0.95
TAIL = 0.2  # share of the hypotheses that the extreme-value fit sees
FEWEST = 20  # of the sample, for any estimate


class Bias(NamedTuple):
  """Required inductive bias in nats, with its interval at 95 %.

  Attributes:
    value: the estimate; inf where no hypothesis can reach epsilon.
    low: the lower end of the interval, 0 at least.
    high: its upper end, perhaps inf.
    extrapolated: whether no hypothesis of the sample reaches epsilon, so that value and `high` rest on
      the form of the tail. What is proven then is `low` alone.
  """

  value: float
  low: float
  high: float
  extrapolated: bool


def required_bias(
  errors: np.ndarray, epsilon: float, generator: np.random.Generator, n_bootstrap: int = 200
) -> Bias:
  """I(epsilon) from the test errors of sampled hypotheses.

  If some of S reach epsilon they are counted (`count`). Else the value is that of a noncentral
  chi-square (`fitted`), at least log S; the interval begins where counting proves it to, at
  log(S / 3.7), and ends at the higher of the ends of both fits: the chi-square's and the extreme-value
  one's. An open interval is the usual case far below all errors.

  Guarantees (each is a test): the interval covers the truth in 95 % of repeated samples where
  hypotheses are counted, and in 93 % or more of those of the laws tried where they are not, down to
  probabilities of a hundredth of 1 / S: skewed to either side, with chi-squares or others; lower
  epsilon, more bias; neither the order of the errors nor the unit of errors and epsilon matters.

  Args:
    errors: test errors of hypotheses that fit the training set, [S].
    epsilon: the target error.
    generator: of the bootstrap.
    n_bootstrap: resamples.

  Raises:
    ValueError: there are fewer than FEWEST errors, one is not finite, they do not vary, or epsilon is
      not positive and finite.
  """
  errors = checked(errors, FEWEST)
  counted = count(errors, epsilon)
  if not counted.extrapolated:
    return counted
  fits = [
    fitted(errors, epsilon, generator, n_bootstrap),
    extreme_value(errors, epsilon, generator, n_bootstrap),
  ]
  value = max(fits[0].value, float(np.log(len(errors))))
  return Bias(value, counted.low, max(value, *(fit.high for fit in fits)), True)


def count(errors: np.ndarray, epsilon: float) -> Bias:
  """I(epsilon) by the share of the sample at or below epsilon, with Clopper and Pearson's interval.

  Where none is, the value is inf and the interval [log(S / 3.7), inf): all that is known.

  Raises:
    ValueError: as in required_bias, but that one error is enough.
  """
  errors = np.asarray(errors, np.float64).reshape(-1)
  if not len(errors) or not np.isfinite(errors).all():
    raise ValueError('errors must be finite, and at least one')
  _check_target(epsilon)
  k, n = int(np.sum(errors <= epsilon)), len(errors)
  least, most = clopper_pearson(k, n, CONFIDENCE)
  return Bias(_nats(k / n), _nats(most), _nats(least), k == 0)


def clopper_pearson(k: int, n: int, confidence: float) -> tuple[float, float]:
  r"""The exact interval of a probability of which k of n independent trials are evidence.

  With :math:`\alpha` = 1 - confidence, its ends are the quantiles :math:`\alpha/2` of
  Beta(k, n - k + 1) and :math:`1 - \alpha/2` of Beta(k + 1, n - k). It covers the truth at least as
  often as it says. Where k = 0 it is :math:`[0, 1 - (\alpha/2)^{1/n}]`.

  Guarantees (each is a test): it is SciPy's; it covers as often as it says, by enumeration.

  Raises:
    ValueError: k is not in [0, n], n is not positive, or confidence is not in (0, 1).

  References: `Clopper and Pearson (1934) <https://doi.org/10.1093/biomet/26.4.404>`_.
  """
  if n < 1 or not 0 <= k <= n:
    raise ValueError(f'k must lie in [0, n] with n positive, not {k} of {n}')
  if not 0 < confidence < 1:
    raise ValueError(f'confidence must lie in (0, 1), not {confidence}')
  tail = (1 - confidence) / 2
  low = float(stats.beta.ppf(tail, k, n - k + 1)) if k else 0.0
  return low, float(stats.beta.ppf(1 - tail, k + 1, n - k)) if k < n else 1.0


def fitted(
  errors: np.ndarray, epsilon: float, generator: np.random.Generator, n_bootstrap: int = 200
) -> Bias:
  """I(epsilon) under the scaled noncentral chi-square with the sample's cumulants (`fit_to_sample`).

  The interval is of the bootstrap over hypotheses (percentiles): of how the fit scatters, not of how
  far the law is from a chi-square.

  Raises:
    ValueError: as in required_bias.
  """
  errors = checked(errors, FEWEST)
  _check_target(epsilon)
  value = -fit_to_sample(errors).log_probability(epsilon)
  return _interval(
    value,
    [
      -fit_to_sample(sample).log_probability(epsilon)
      for sample in _resampled(errors, generator, n_bootstrap)
    ],
    errors,
    epsilon,
  )


def extreme_value(
  errors: np.ndarray, epsilon: float, generator: np.random.Generator, n_bootstrap: int = 200
) -> Bias:
  r"""I(epsilon) with the tail below a low quantile u continued by a generalized Pareto law.

  .. math:: P(e \le \epsilon) = \frac{k}{S}
    \Big( 1 + \xi \frac{u - \epsilon}{\sigma} \Big)^{-1/\xi}

  fitted by probability-weighted moments to the k = TAIL S lowest errors. Where :math:`\xi < 0` the
  tail ends, and below its end the value is inf. The interval is of the bootstrap.

  Raises:
    ValueError: as in required_bias.

  References: `Hosking & Wallis (1987) <https://doi.org/10.1080/00401706.1987.10488243>`_, eq. 10.
  """
  errors = checked(errors, FEWEST)
  _check_target(epsilon)
  value = _pareto_nats(errors, epsilon)
  return _interval(
    value,
    [_pareto_nats(sample, epsilon) for sample in _resampled(errors, generator, n_bootstrap)],
    errors,
    epsilon,
  )


def errors_of_fitting(test_errors: np.ndarray, train_errors: np.ndarray, most: float) -> np.ndarray:
  """The test errors of the hypotheses that fit the training set: of train error `most` or less.

  Raises:
    ValueError: none of them does.
  """
  test_errors, train_errors = np.asarray(test_errors), np.asarray(train_errors)
  fits = train_errors <= most
  if not fits.any():
    raise ValueError(
      f'train_errors must be at most {most:g} for some hypothesis: of {len(fits)} none fits the '
      f'training set, the best has {np.nanmin(train_errors):.3g}; train longer, or allow more'
    )
  return test_errors[fits]


def _pareto_nats(errors: np.ndarray, epsilon: float) -> float:
  ordered = np.sort(errors)
  k = max(int(TAIL * len(ordered)), 10)
  threshold = ordered[k]
  if epsilon >= threshold:
    return _nats(float(np.mean(errors <= epsilon)))
  below = np.sort(threshold - ordered[:k])
  places = (np.arange(1, k + 1) - 0.35) / k
  first, second = below.mean(), np.mean((1 - places) * below)
  if not first > 2 * second:
    return np.inf  # the lowest errors coincide: there is no tail to continue
  shape = 2 - first / (first - 2 * second)
  scale = 2 * first * second / (first - 2 * second)
  if abs(shape) < 1e-6:
    return _nats(k / len(errors)) + (threshold - epsilon) / scale
  inside = 1 + shape * (threshold - epsilon) / scale
  if inside <= 0:
    return np.inf
  return _nats(k / len(errors)) + float(np.log(inside) / shape)


def _resampled(errors, generator, n_bootstrap: int):
  for _ in range(n_bootstrap):
    sample = generator.choice(errors, len(errors))
    if sample.min() < sample.max():
      yield sample


def _interval(value: float, resampled: list[float], errors, epsilon: float) -> Bias:
  tail = (1 - CONFIDENCE) / 2
  low, high = np.quantile(resampled, [tail, 1 - tail], method='inverted_cdf')
  none = not np.any(errors <= epsilon)
  return Bias(float(value), float(max(low, 0.0)), float(high), none)


def _nats(probability: float) -> float:
  return float(0.0 - np.log(probability)) if probability > 0 else np.inf  # never -0.0


def _check_target(epsilon: float) -> None:
  if not 0 < epsilon < np.inf:
    raise ValueError(f'epsilon must be positive and finite, not {epsilon}')
