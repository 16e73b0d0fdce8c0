r"""One scaled noncentral chi-square in place of an unknown law of errors, and what that is worth.

.. math:: e \sim s \, \chi'^2_k(a), \qquad \kappa_1 = s (k + a), \quad \kappa_2 = 2 s^2 (k + 2a), \quad
  \kappa_3 = 8 s^3 (k + 3a)

Its three parameters can be had from three cumulants, or from a sample by maximum likelihood. Where e
is a sum of chi-squares of unequal weights, no such law has its tail: the fit is good where the sample
has points, and wrong in logarithms by factors below them. Errors of trained networks are of no known
law; there, a fit is an extrapolation too.
"""

import numpy as np
from scipy import stats

from research.theory.quadratic_forms import QuadraticForm


def fit_by_cumulants(mean: float, variance: float, third: float) -> QuadraticForm:
  r"""The scaled noncentral chi-square with these cumulants.

  With :math:`\kappa_1 s^2 - \kappa_2 s + \kappa_3 / 8 = 0`, the smaller root,
  :math:`a = \kappa_2 / 2s^2 - \kappa_1 / s` and :math:`k = \kappa_1 / s - a`. No such law has a
  third cumulant above :math:`2 \kappa_2^2 / \kappa_1` or below :math:`3/4` of that, where k = 0: there,
  it is the one at that end, with a = 0 or with k = 1, and has the first two cumulants alone. Not k
  below 1, unless a = 0: the law would have an atom at no error at all, or nearly.

  Guarantees (each is a test): the cumulants of a scaled noncentral chi-square give it back; mean and
  variance are always met.

  Raises:
    ValueError: mean or variance is not positive and finite.
  """
  for name, value in (('mean', mean), ('variance', variance)):
    if not 0 < value < np.inf:
      raise ValueError(f'{name} must be positive and finite, not {value}')
  root = np.sqrt(max(variance**2 - mean * third / 2, 0.0))
  central = variance / (2 * mean)  # the scale where a = 0
  least = mean - np.sqrt(mean**2 - variance / 2) if central < mean else central  # where k = 1
  scale = max((variance - root) / (2 * mean), least)
  noncentrality = max(variance / (2 * scale**2) - mean / scale, 0.0)
  return _law(scale, mean / scale - noncentrality, noncentrality)


def fit_to_sample(errors: np.ndarray) -> QuadraticForm:
  """`fit_by_cumulants` with the unbiased estimates of the cumulants (k-statistics) of a sample [S].

  Raises:
    ValueError: there are fewer than three errors, or they do not vary, or one is not finite.
  """
  errors = checked(errors, 3)
  return fit_by_cumulants(*(float(stats.kstat(errors, order)) for order in (1, 2, 3)))


def fit_by_likelihood(errors: np.ndarray) -> QuadraticForm:
  """The scaled noncentral chi-square of maximum likelihood, as SciPy's search finds it.

  This is what Boopathy et al. (2024) do with 10,000 samples. The search can stop at a poor law, with
  k near 0; seconds. Prefer `fit_to_sample`.

  Raises:
    ValueError: as in fit_to_sample.
  """
  degrees, noncentrality, _, scale = stats.ncx2.fit(checked(errors, 3), floc=0)
  return _law(scale, degrees, noncentrality)


def sankaran_log_probability(law: QuadraticForm, epsilon: float) -> float:
  r"""What Boopathy et al. (2024) take for log P where SciPy's underflows: :math:`-z^2 / 2`, nats.

  z is Sankaran's normal approximation (1963) of a single noncentral chi-square; that the prefactor of
  the normal tail is left out makes little difference so far out, but the approximation is not made
  for there.

  Raises:
    ValueError: the law has more than one part.
  """
  if law.weights.size != 1:
    raise ValueError(f'law must have one part, not {law.weights.size}')
  scale, k = float(law.weights[0]), float(law.degrees[0])
  a = float(law.shifts[0]) / scale
  x = epsilon / scale
  h = 1 - 2 / 3 * (k + a) * (k + 3 * a) / (k + 2 * a) ** 2
  p = (k + 2 * a) / (k + a) ** 2
  m = (h - 1) * (1 - 3 * h)
  centre = 1 + h * p * (h - 1 - 0.5 * (2 - h) * m * p)
  z = ((x / (k + a)) ** h - centre) / (h * np.sqrt(2 * p) * (1 + 0.5 * m * p))
  return float(-(z**2) / 2)


def checked(errors: np.ndarray, fewest: int) -> np.ndarray:
  """Errors as float64 [S].

  Raises:
    ValueError: there are fewer than `fewest`, or they do not vary, or one is not finite.
  """
  errors = np.asarray(errors, np.float64).reshape(-1)
  if len(errors) < fewest:
    raise ValueError(f'errors must be those of at least {fewest} hypotheses, not {len(errors)}')
  if not np.isfinite(errors).all():
    raise ValueError(f'errors must be finite; {np.sum(~np.isfinite(errors))} are not')
  if errors.min() == errors.max():
    raise ValueError('errors must not be all the same: they have no law to fit')
  return errors


def _law(scale: float, degrees: float, noncentrality: float) -> QuadraticForm:
  return QuadraticForm(np.array([scale]), np.array([degrees]), np.array([scale * noncentrality]))
