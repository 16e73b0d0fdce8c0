r"""Kernels: covariances of Gaussian functions of the inputs, among them those of infinitely wide MLPs.

A kernel here is a function of two samples, [n, d] and [m, d], to their covariances, float64 [n, m].

Of wide networks of L hidden layers, with weights of variance :math:`\sigma_w^2 / \text{fan-in}` and
biases of variance :math:`\sigma_b^2`, with :math:`\phi` the activation and u, v Gaussian with the
covariances of layer l:

.. math::
  K^0 = \sigma_b^2 + \sigma_w^2 \frac{x \cdot x'}{d}, \qquad
  K^{l+1} = \sigma_b^2 + \sigma_w^2 E[\phi(u) \phi(v)], \qquad
  \Theta^0 = K^0, \quad \Theta^{l+1} = K^{l+1} + \Theta^l \, \sigma_w^2 E[\phi'(u) \phi'(v)]

:math:`K^L` is the covariance of the outputs at initialization (NNGP), :math:`\Theta^L` the inner
product of their gradients (NTK), both in the limit of infinite width.
"""

from collections.abc import Callable
from typing import Literal

import numpy as np
from scipy.spatial.distance import cdist

Kernel = Callable[[np.ndarray, np.ndarray], np.ndarray]
Activation = Literal['relu', 'erf']


def rbf(length: float) -> Kernel:
  r""":math:`\exp(-\|x - x'\|^2 / 2 \ell^2)`.

  Raises:
    ValueError: length is not positive.
  """
  _positive(length=length)
  return lambda x, z: np.exp(_sq_distances(x, z) / (-2 * length**2))


def matern(length: float, smoothness: float = 2.5) -> Kernel:
  r"""Matern kernels of smoothness 1/2, 3/2 or 5/2, with :math:`r = \|x - x'\| / \ell`:

  :math:`e^{-r}`, :math:`(1 + \sqrt3 r) e^{-\sqrt3 r}`,
  :math:`(1 + \sqrt5 r + 5 r^2 / 3) e^{-\sqrt5 r}`.

  Raises:
    ValueError: length is not positive, or smoothness another.
  """
  _positive(length=length)
  if smoothness not in (0.5, 1.5, 2.5):
    raise ValueError(f'smoothness must be 0.5, 1.5 or 2.5, not {smoothness}')

  def kernel(x, z):
    r = np.sqrt(2 * smoothness * _sq_distances(x, z)) / length
    factor = {0.5: 1.0, 1.5: 1 + r, 2.5: 1 + r + r**2 / 3}[smoothness]
    return factor * np.exp(-r)

  return kernel


def polynomial(degree: int, offset: float = 1.0) -> Kernel:
  r""":math:`(x \cdot x' / d + c)^p`.

  Raises:
    ValueError: degree is less than 1, or offset negative.
  """
  if degree < 1 or offset < 0:
    raise ValueError(
      f'degree must be at least 1, not {degree}, and offset not negative, not {offset}'
    )
  return lambda x, z: (_products(x, z) / x.shape[-1] + offset) ** degree


def nngp(
  depth: int = 2,
  activation: Activation = 'relu',
  weight_variance: float = 2.0,
  bias_variance: float = 0.0,
) -> Kernel:
  """The covariance of the outputs of wide MLPs of `depth` hidden layers at initialization.

  Guarantees (each is a test): it is that of sampled networks, within their error; of ReLUs it is
  homogeneous in each input where biases have no variance; depth 0 is the linear kernel.

  Raises:
    ValueError: depth or bias_variance is negative, weight_variance not positive, or the activation
      unknown.

  References: `Lee et al. (2018) <https://arxiv.org/abs/1711.00165>`_, eq. 5; for ReLUs `Cho & Saul
    (2009) <https://papers.nips.cc/paper/3628-kernel-methods-for-deep-learning>`_, for erf `Williams
    (1996) <https://papers.nips.cc/paper/1197-computing-with-infinite-networks>`_.
  """
  return _wide(depth, activation, weight_variance, bias_variance, tangent=False)


def ntk(
  depth: int = 2,
  activation: Activation = 'relu',
  weight_variance: float = 2.0,
  bias_variance: float = 0.0,
) -> Kernel:
  """The neural tangent kernel of the same networks, their parameters scaled to unit variance.

  Guarantees (each is a test): it is the inner product of gradients of sampled wide networks, within
  their error; depth 0 is the linear kernel.

  Raises:
    ValueError: as in nngp.

  References: `Jacot et al. (2018) <https://arxiv.org/abs/1806.07572>`_, theorem 1.
  """
  return _wide(depth, activation, weight_variance, bias_variance, tangent=True)


def median_distance(inputs: np.ndarray, most: int = 2000) -> float:
  """The median distance between two of the first `most` inputs [n, d]: a usual length of a kernel.

  Raises:
    ValueError: there is but one input, or half of all pairs coincide.
  """
  x = inputs[:most]
  distances = np.sqrt(_sq_distances(x, x))[np.triu_indices(len(x), 1)]
  if not (len(distances) and np.median(distances) > 0):
    raise ValueError('inputs must differ: their median distance is 0')
  return float(np.median(distances))


def _wide(depth, activation, weight_variance, bias_variance, *, tangent: bool) -> Kernel:
  if depth < 0 or bias_variance < 0:
    raise ValueError(
      f'depth and bias_variance must not be negative, not {depth} and {bias_variance}'
    )
  _positive(weight_variance=weight_variance)
  if activation not in MOMENTS:
    raise ValueError(f'activation must be one of {", ".join(MOMENTS)}, not {activation!r}')
  moments = MOMENTS[activation]

  def kernel(x, z):
    dim = x.shape[-1]
    cross = bias_variance + weight_variance * _products(x, z) / dim
    own = bias_variance + weight_variance * np.sum(x**2, -1, keepdims=True) / dim  # [n, 1]
    other = bias_variance + weight_variance * np.sum(z**2, -1)[None] / dim  # [1, m]
    theta = cross
    for _ in range(depth):
      product, slope = moments(cross, own, other)
      cross = bias_variance + weight_variance * product
      theta = cross + theta * weight_variance * slope if tangent else theta
      own = bias_variance + weight_variance * moments(own, own, own)[0]
      other = bias_variance + weight_variance * moments(other, other, other)[0]
    return theta if tangent else cross

  return kernel


def _relu_moments(cross, own, other):
  r"""E[relu u relu v] and E[relu' u relu' v] of Gaussians with these covariances."""
  scale = np.sqrt(own * other)
  cosine = np.divide(cross, scale, out=np.zeros_like(cross + scale), where=scale > 0)
  angle = np.arccos(np.clip(cosine, -1, 1))
  product = scale * (np.sin(angle) + (np.pi - angle) * np.cos(angle)) / (2 * np.pi)
  return product, (np.pi - angle) / (2 * np.pi)


def _erf_moments(cross, own, other):
  r"""E[erf u erf v] and E[erf' u erf' v] of Gaussians with these covariances."""
  scale = (1 + 2 * own) * (1 + 2 * other)
  product = 2 / np.pi * np.arcsin(np.clip(2 * cross / np.sqrt(scale), -1, 1))
  return product, 4 / np.pi / np.sqrt(np.maximum(scale - 4 * cross**2, 1e-300))


MOMENTS = {'relu': _relu_moments, 'erf': _erf_moments}


def _products(x: np.ndarray, z: np.ndarray) -> np.ndarray:
  return np.asarray(x, np.float64) @ np.asarray(z, np.float64).T


def _sq_distances(x: np.ndarray, z: np.ndarray) -> np.ndarray:
  """Squared distances [n, m]: exactly 0 between equal inputs, as differences are taken first if few."""
  x, z = np.asarray(x, np.float64), np.asarray(z, np.float64)
  if x.shape[0] * z.shape[0] * x.shape[1] <= 2**24:
    return cdist(x, z, 'sqeuclidean')
  centre = x.mean(0)
  x, z = x - centre, z - centre
  found = np.sum(x**2, 1)[:, None] + np.sum(z**2, 1)[None] - 2 * x @ z.T
  return np.maximum(found, 0.0, out=found)


def _positive(**values: float) -> None:
  for name, value in values.items():
    if not value > 0:
      raise ValueError(f'{name} must be positive, not {value}')
