r"""Lazy training: a wide network that is fitted without ridge is the interpolant of least norm.

With a kernel K of examples [n, n] and targets y, the interpolant is :math:`f(x) = k(x, X) \alpha`,
:math:`\alpha = K^{-1} y`. In the kernel's space its norm is

.. math:: \|f\|^2 = y^\top K^{-1} y

which says how smooth it is: :math:`|f(x) - f(x')| \le \|f\| \, d(x, x')` with the kernel's own distance
:math:`d^2 = K(x, x) + K(x', x') - 2 K(x, x')`. Of targets of 1 and -1 all examples have margin 1, or
:math:`1 / \|f\|` normalized. That is at least :math:`\sqrt{\lambda_{\min}(K) / n}`, as
:math:`\|y\|^2 = n`.

Benign overfitting (`Zhu et al. 2023 <https://arxiv.org/abs/2305.19377>`_): the interpolant fits labels
of which some are wrong, and its error is all the same near the least possible, where classes are apart
and dimensions many. Their theorems bound margin and smallest eigenvalue from below.
"""

from typing import NamedTuple

import numpy as np
from scipy import linalg
from scipy.special import ndtr

from research.theory.kernels import Kernel


class Mixture(NamedTuple):
  """Examples of two classes.

  Attributes:
    inputs: float64 [n, d].
    labels: the class, 1 or -1, [n].
    targets: the same after flips, [n].
  """

  inputs: np.ndarray
  labels: np.ndarray
  targets: np.ndarray


class Interpolant(NamedTuple):
  """The interpolant of least norm.

  Attributes:
    inputs: of the examples, [n, d].
    weights: alpha, [n].
    sq_norm: of the function, in the kernel's space.
    margin: the least of the examples' margins over the function's norm.
    smallest: the smallest eigenvalue of K.
    scale: the mean of K's diagonal. Times `sq_norm`, and as divisor of `margin` squared and
      `smallest`, it gives numbers that a factor of the kernel does not change.
  """

  inputs: np.ndarray
  weights: np.ndarray
  sq_norm: float
  margin: float
  smallest: float
  scale: float


def mixture(
  rng: np.random.Generator, n: int, dim: int, separation: float, flips: float = 0.0
) -> Mixture:
  r"""n examples :math:`x = y \mu e_1 + z`, z standard Gaussian; a share of the labels is turned.

  The least possible error on labels that are not turned is `least_error`.

  Guarantees (each is a test): means, variances, and the number of turned labels, which is exact.

  Raises:
    ValueError: n or dim is less than 1, separation negative, or flips outside [0, 1].
  """
  for name, value in {'n': n, 'dim': dim}.items():
    if value < 1:
      raise ValueError(f'{name} must be at least 1, not {value}')
  if not separation >= 0:
    raise ValueError(f'separation must be at least 0, not {separation}')
  if not 0 <= flips <= 1:
    raise ValueError(f'flips must lie in [0, 1], not {flips}')
  labels = rng.choice([-1.0, 1.0], size=n)
  inputs = rng.normal(size=(n, dim))
  inputs[:, 0] += separation * labels
  turned = np.arange(n) < round(flips * n)  # examples are in no order
  return Mixture(inputs, labels, np.where(turned, -labels, labels))


def least_error(separation: float) -> float:
  r""":math:`\Phi(-\mu)`: of the sign of the first input.

  Guarantees (each is a test): the error of that sign on samples.
  """
  return float(ndtr(-separation))


def interpolant(kernel: Kernel, inputs: np.ndarray, targets: np.ndarray) -> Interpolant:
  """The function of least norm through the targets [n], 1 or -1.

  Guarantees (each is a test): it goes through all targets; the norm is that of the fit of least norm
  in features whose products are the kernel; the margin is at least the bound by the smallest
  eigenvalue, and equal to it where K is a multiple of the identity; differences of the function are
  bounded by its norm; a factor of the kernel changes neither the function nor scaled numbers.

  Cost: a Cholesky factorization and the eigenvalues of K.

  Raises:
    ValueError: targets are others, or kernel is singular on the inputs within rounding.
  """
  targets = np.asarray(targets, np.float64)
  if targets.shape != (len(inputs),) or not np.all(np.abs(targets) == 1):
    raise ValueError(f'targets must be {len(inputs)} numbers that are 1 or -1')
  gram = kernel(inputs, inputs)
  smallest = float(linalg.eigvalsh(gram, subset_by_index=(0, 0))[0])
  scale = float(np.trace(gram)) / len(gram)
  if smallest < 1e-12 * scale * len(gram):
    raise ValueError(
      'kernel must be positive definite on the inputs: drop equal inputs, or add depth'
    )
  weights = linalg.cho_solve(linalg.cho_factor(gram, lower=True), targets)
  sq_norm = float(targets @ weights)
  margin = float(np.min(targets * (gram @ weights))) / np.sqrt(sq_norm)
  return Interpolant(np.asarray(inputs), weights, sq_norm, float(margin), smallest, scale)


def predict(kernel: Kernel, fitted: Interpolant, inputs: np.ndarray) -> np.ndarray:
  """f at inputs [m, d]: float64 [m]; the sign is the class."""
  return kernel(inputs, fitted.inputs) @ fitted.weights


def least_margin(fitted: Interpolant) -> float:
  r"""What the normalized margin is at least: :math:`\sqrt{\lambda_{\min}(K) / n}`."""
  return float(np.sqrt(fitted.smallest / len(fitted.weights)))
