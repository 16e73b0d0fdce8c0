r"""Gaussian functions that fit a training set: which values they have elsewhere, exactly.

Of functions f with covariance K (a kernel), those with :math:`f(X) = y` have at other inputs

.. math:: f(X_*) \sim N\big( K_*^\top K^{-1} y, \; K_{**} - K_*^\top K^{-1} K_* \big),

each output by itself. It takes one Cholesky factor of K, no iteration and no sample.
"""

import warnings
from typing import NamedTuple

import numpy as np
from scipy import linalg

from research.theory.kernels import Kernel

JITTERS = (0.0, 1e-12, 1e-10, 1e-8)
MISFIT = 1e-3


class Posterior(NamedTuple):
  r"""The law of the values of a function that fits the training set, at test inputs.

  Attributes:
    mean: [m, C].
    covariance: [m, m], of each output.
    jitter: what was added to the diagonal of K, in units of its mean, so that it has a factor.
    misfit: the largest difference between the mean and the targets, at the training inputs.
    amplitude: the factor of the kernel under which the targets are most likely,
      :math:`\mathrm{tr}(y^\top K^{-1} y) / nC`. With it, the mean is the same, and the covariance is
      `amplitude` times `covariance`.
  """

  mean: np.ndarray
  covariance: np.ndarray
  jitter: float
  misfit: float
  amplitude: float


def posterior(
  kernel: Kernel, inputs: np.ndarray, targets: np.ndarray, test_inputs: np.ndarray
) -> Posterior:
  """Conditions Gaussian functions on a training set.

  Guarantees (each is a test): it is the law of samples of the joint Gaussian with y at X, and that of
  scikit-learn's regressor; at training inputs, mean y and covariance 0; the order of the examples does
  not matter; of a kernel that is nearly singular it warns.

  Cost: n^3 / 3 + n^2 (m + C) multiplications and 24 n^2 bytes: n = 10,000, m = 1,000 takes about half
  a minute on 2 cores, and 2.4 GB.

  Warns:
    RuntimeWarning: K needs jitter, or its condition number is above 1e12. How far the functions can
      stray is then a matter of rounding and of the jitter, and so are bits far out in a tail.

  Args:
    kernel: of `research.theory.kernels`.
    inputs: X, [n, d].
    targets: y, [n, C].
    test_inputs: [m, d].

  Raises:
    ValueError: shapes do not agree; K has no Cholesky factor, even with a jitter of 1e-8; or the
      functions do not fit the targets (to 1e-3 of the largest): inputs that coincide have different
      targets, or nearly.
  """
  inputs, targets, test_inputs = (np.asarray(x, np.float64) for x in (inputs, targets, test_inputs))
  if (
    targets.ndim != 2
    or not len(targets)
    or len(targets) != len(inputs)
    or inputs.shape[1:] != test_inputs.shape[1:]
  ):
    raise ValueError(
      f'inputs, targets and test_inputs must be [n, d], [n, C] and [m, d], not {list(inputs.shape)},'
      f' {list(targets.shape)} and {list(test_inputs.shape)}'
    )
  matrix = kernel(inputs, inputs)
  scale, factor, jitter = float(np.trace(matrix)) / len(matrix), None, 0.0
  for jitter in JITTERS:
    try:
      shifted = matrix.copy()
      shifted.flat[:: len(matrix) + 1] += jitter * scale
      factor = linalg.cholesky(shifted, lower=True, overwrite_a=True)
      break
    except linalg.LinAlgError:
      continue
  if factor is None:
    raise ValueError(
      f'kernel must have a matrix that is not singular on the {len(inputs)} training inputs; with '
      f'{JITTERS[-1]:g} of jitter it still is: are inputs repeated, is the length too large?'
    )
  cross = kernel(inputs, test_inputs)  # [n, m]
  half = linalg.solve_triangular(factor, cross, lower=True)
  whitened = linalg.solve_triangular(factor, targets, lower=True)
  solution = linalg.solve_triangular(factor, whitened, lower=True, trans=1)
  misfit = float(np.abs(matrix @ solution - targets).max())
  if misfit > MISFIT * np.abs(targets).max():
    raise ValueError(
      f'kernel must have functions that fit the training set; the closest misses a target by '
      f'{misfit:.3g} (jitter {jitter:g}): are inputs repeated with other labels, is the length too '
      'large?'
    )
  (pocon,) = linalg.get_lapack_funcs(('pocon',), (factor,))
  condition = pocon(factor, np.abs(matrix).sum(0).max(), uplo='L')[0]
  if jitter or condition < 1e-12:
    warnings.warn(
      f'kernel: its matrix on the {len(inputs)} training inputs is nearly singular (jitter {jitter:g}, '
      f'reciprocal condition {condition:.1g}); bits far out in the tail depend on that',
      RuntimeWarning,
      stacklevel=2,
    )
  covariance = kernel(test_inputs, test_inputs) - half.T @ half
  amplitude = float(np.mean(whitened**2))
  return Posterior(half.T @ whitened, (covariance + covariance.T) / 2, jitter, misfit, amplitude)
