r"""Kernels of networks that are wide and deep, and the classifiers that they tend to with depth.

With a dual v (`duals`) and unit inputs of cosine r, the covariance and the tangent kernel of l layers
are

.. math:: S^0 = T^0 = r, \qquad S^{l+1} = v(S^l), \qquad T^{l+1} = S^{l+1} + T^l v'(S^l)

Both only depend on r, and both are followed as logarithms: the kernel of an example with itself grows
as :math:`v'(1)^l` while others vanish. Interpolation by T, as the depth grows, is one of

- v(0) = 0, v'(0) = 0: the label of the nearest neighbour;
- v(0) = 0, v'(0) > 0: the sign of :math:`\sum_j y_j \psi(r_j)`, a singular kernel, with
  :math:`\psi(r) \approx (1 - r)^{-q}` near 1 and :math:`q = -\log v'(0) / \log v'(1)`;
- v(0) > 0, v'(1) >= 1: the label of the majority.

On a sphere of d dimensions the second is consistent where q = d / 2, as is the Hilbert estimate, of
weights :math:`\|x - x_j\|^{-d}`. That psi is Koenigs' function of v, the limit of
:math:`S^l / v'(0)^l`, is an observation of ours. Of S what is left over vanishes at a geometric rate.
But :math:`T^l / v'(0)^l` is l psi and a rest that does not grow with l, of the order of
:math:`(1 - r)^{-q - 1}`: neighbours with gaps below 1 / l are weighted as by an exponent of q + 1, and
the depth that the limit takes grows with the number of examples.

References: `Radhakrishnan, Belkin & Uhler (2023) <https://arxiv.org/abs/2204.14126>`_;
  `Devroye, Gyorfi & Krzyzak (1998) <https://doi.org/10.1006/jmva.1997.1725>`_.
"""

from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np
from scipy import linalg
from scipy.interpolate import CubicSpline
from scipy.spatial.distance import cdist

from research.theory.duals import Dual

Limit = Literal['nearest neighbour', 'singular kernel', 'majority']


class LogKernels(NamedTuple):
  """Logs of both kernels, in the shape of the cosines."""

  nngp: np.ndarray
  ntk: np.ndarray


def log_cosines(x: np.ndarray, z: np.ndarray) -> np.ndarray:
  """log x.z of unit inputs [n, k] and [m, k], float64 [n, m]: exactly 0 of equal inputs.

  It comes from the distances, so that those of close inputs keep their digits.

  Raises:
    ValueError: x or z is no matrix of rows of length 1, or a cosine is negative.
  """
  x, z = (np.asarray(a, np.float64) for a in (x, z))
  for name, a in (('x', x), ('z', z)):
    if a.ndim != 2 or not np.allclose(np.sum(a**2, 1), 1, rtol=0, atol=1e-6):
      raise ValueError(f'{name} must have rows of length 1: divide them by their norms')
  gaps = cdist(x, z, 'sqeuclidean') / 2
  if gaps.max(initial=0) > 1 + 1e-6:
    raise ValueError('x must lie in one orthant with z: cosines must not be negative')
  with np.errstate(divide='ignore'):
    return np.log1p(-np.minimum(gaps, 1))


def log_kernels(dual: Dual, depth: int, log_r: np.ndarray) -> LogKernels:
  """log S and log T of `depth` layers, from log r.

  Guarantees (each is a test): they are those of exact fractions, where floats of S underflow too;
  those of `kernels.nngp` and `kernels.ntk`, for ReLUs and erf; of equal inputs S is exactly 1, and T
  the sum of powers of v'(1).

  Cost: three logs or exponentials for each term of v, element and layer; `tabulated` has it take a
  table's elements in place of all.

  Raises:
    ValueError: depth is negative, or log_r positive.
  """
  if depth < 0:
    raise ValueError(f'depth must be at least 0, not {depth}')
  covariance = np.asarray(log_r, np.float64)
  if not np.all(covariance <= 0):
    raise ValueError('log_r must be at most 0: the log of a cosine')
  tangent = covariance
  for _ in range(depth):
    slope, covariance = dual.log_slope(covariance), dual.log_value(covariance)
    tangent = np.logaddexp(covariance, tangent + slope)
  return LogKernels(covariance, tangent)


def exponent(dual: Dual) -> float:
  """q = -log v'(0) / log v'(1), of the singular kernel.

  Guarantees (each is a test): the published q of duals; of v = a r / (1 - (1 - a) r) it is 1.

  Raises:
    ValueError: dual has another limit.
  """
  if limit(dual) != 'singular kernel':
    raise ValueError(f'dual must tend to a singular kernel, not to the {limit(dual)}')
  return float(-np.log(dual.slope_at_0) / np.log(dual.slope_at_1))


def limit(dual: Dual) -> Limit:
  """Which classifier interpolation by the tangent kernel tends to, as the depth grows.

  Raises:
    ValueError: dual is linear, so that depth changes nothing, or has v(0) > 0 and v'(1) < 1, where all
      inputs become one.
  """
  if dual.value_at_0 > 0:
    if dual.slope_at_1 < 1:
      raise ValueError("dual must have v'(1) at least 1 where v(0) > 0: all inputs become one")
    return 'majority'
  if dual.slope_at_0 >= 1:
    raise ValueError('dual must not be linear: depth changes nothing')
  return 'singular kernel' if dual.slope_at_0 > 0 else 'nearest neighbour'


def log_singular_kernel(dual: Dual, log_r: np.ndarray) -> np.ndarray:
  r"""log of :math:`\psi(r) = \lim_l v^{(l)}(r) / v'(0)^l`; infinite at r = 1.

  Guarantees (each is a test): psi(v(r)) = v'(0) psi(r), Schroeder's equation; of
  v = a r / (1 - (1 - a) r) it is r / (1 - r); times :math:`(1 - r)^q` it stays within bounds;
  T over :math:`v'(0)^l` grows by it with every layer, and what is left has the exponent q + 1.

  Raises:
    ValueError: dual has another limit.
  """
  exponent(dual)
  found = np.asarray(log_r, np.float64).copy()
  found[found == 0] = np.inf
  rows = np.isfinite(found)
  here, n_layers = found[rows], 0
  while here.size and here.max() > -40:  # beyond, v(r) is v'(0) r to all digits
    here, n_layers = dual.log_value(here), n_layers + 1
  found[rows] = here - n_layers * np.log(dual.slope_at_0)
  return found


def interpolate(log_cross: np.ndarray, log_gram: np.ndarray, targets: np.ndarray) -> np.ndarray:
  r"""What interpolation without ridge says of m inputs, [m] or [m, C]: sign or argmax is the class.

  :math:`f(x) = k(x, X) K^{-1} y`, but for a positive factor of each input, which is that of the
  largest kernel: their sizes are no floats.

  Guarantees (each is a test): signs are those of a solution in plain floats, where these do; training
  inputs get their labels; a constant added to both logs changes nothing; deep networks of each kind
  say what `limiting` does.

  Args:
    log_cross: log kernels of inputs and examples, [m, n].
    log_gram: of examples among each other, [n, n].
    targets: plus and minus 1, [n], or one-hot, [n, C].

  Cost: a Cholesky factorization.

  Raises:
    ValueError: log_gram has no constant diagonal, or is not positive definite within rounding:
      examples coincide, or the network has too few layers to tell them apart.
  """
  own = np.diag(log_gram)
  if np.ptp(own) > 1e-6:
    raise ValueError('log_gram must have one diagonal: give inputs one length')
  try:
    factor = linalg.cho_factor(np.exp(log_gram - own[0]), lower=True)
  except linalg.LinAlgError as error:
    raise ValueError(
      'log_gram must be positive definite: drop equal examples, or add layers'
    ) from error
  weights = linalg.cho_solve(factor, np.asarray(targets, np.float64))
  return _votes(log_cross) @ weights


def limiting(dual: Dual, log_cross: np.ndarray, targets: np.ndarray) -> np.ndarray:
  """What interpolation tends to with depth, [m] or [m, C], but for positive factors of each input.

  Args:
    dual: of the network.
    log_cross: log cosines of inputs and examples, [m, n].
    targets: as for `interpolate`.

  Raises:
    ValueError: dual has no known limit.
  """
  targets, kind = np.asarray(targets, np.float64), limit(dual)
  if kind == 'nearest neighbour':
    return targets[np.argmax(log_cross, axis=1)]
  if kind == 'majority':
    return np.repeat(targets.sum(0)[None], len(log_cross), axis=0)
  return _votes(tabulated(lambda a: log_singular_kernel(dual, a), log_cross)) @ targets


def hilbert(log_cross: np.ndarray, targets: np.ndarray, dimension: int) -> np.ndarray:
  r"""The Hilbert kernel estimate :math:`\sum_j y_j \|x - x_j\|^{-d}` on a sphere of d dimensions.

  Guarantees (each is a test): it is that sum; training inputs get their labels.

  Raises:
    ValueError: dimension is less than 1.
  """
  if dimension < 1:
    raise ValueError(f'dimension must be at least 1, not {dimension}')
  with np.errstate(divide='ignore'):
    logs = -dimension / 2 * np.log(-2 * np.expm1(log_cross))
  return _votes(logs) @ np.asarray(targets, np.float64)


def tabulated(
  function: Callable[[np.ndarray], np.ndarray], log_r: np.ndarray, spacing: float = 0.02
) -> np.ndarray:
  """A smooth function of log r, from a cubic spline in log r / (1 - r), where that is cheaper.

  Cosines of 0 and 1 are left to the function itself.

  Guarantees (each is a test): kernels of every kind agree with their own values to 1e-6 in the log.
  """
  log_r = np.asarray(log_r, np.float64)
  found = np.empty_like(log_r)
  inner = np.isfinite(log_r) & (log_r < 0)
  for value in (0.0, -np.inf):
    if np.any(log_r == value):
      found[log_r == value] = function(np.array([value]))[0]
  if np.any(inner):
    z = log_r[inner] - np.log(-np.expm1(log_r[inner]))
    low, high = z.min() - spacing, z.max() + spacing
    grid = np.linspace(low, high, max(int((high - low) / spacing), 8))
    found[inner] = CubicSpline(grid, function(-np.logaddexp(0, -grid)))(z)
  return found


def _votes(logs: np.ndarray) -> np.ndarray:
  """exp of logs [m, n], each row but for a factor: its largest is 1, and an infinite one alone is."""
  top = logs.max(axis=1, keepdims=True)
  infinite = np.isposinf(top)
  finite = np.where(np.isfinite(top), top, 0)
  return np.where(infinite, np.isposinf(logs), np.exp(np.where(infinite, -1.0, logs - finite)))
