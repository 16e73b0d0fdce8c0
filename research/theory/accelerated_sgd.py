r"""The exact risk of stochastic gradient descent, accelerated or not, on linear regression.

Examples are fresh at every step: :math:`x \sim N(0, H)`, :math:`y = x \cdot w^* + \varepsilon` with
:math:`\varepsilon \sim N(0, \sigma^2)`, and g is the gradient of half the squared error, a mean over a
batch of B. In the basis of the eigenvectors of H, with eigenvalues :math:`\lambda_i`, one step is

.. math:: y = a x + (1 - a) v, \quad x' = y - \delta \, g(y), \quad
   v' = \beta y + (1 - \beta) v - \gamma \, g(y), \quad a = \frac1{1 + \beta}

Here x and v are iterates, with errors :math:`u_i = (x_i, v_i)` from :math:`w^*`. Without noise
:math:`E u_i' = M_i E u_i`. As examples are Gaussian, second moments :math:`S_i = E u_i u_i^\top` close:
with :math:`c = (a, 1 - a)`, :math:`q = (\delta, \gamma)` and
:math:`T = \sum_k \lambda_k \, c^\top S_k c`,

.. math:: S_i' = M_i S_i M_i^\top + \frac{\lambda_i}{B} \big(T + \lambda_i c^\top S_i c + \sigma^2\big)
   \, q q^\top

With :math:`\beta = 0` this is plain SGD of rate :math:`\delta`, and v has no effect. Errors are excess
risks :math:`\frac12 \lambda_i E x_i^2`, in units of half a squared label. The recursion is linear: its
solution is a bias, from the start and without noise of labels, and a variance, from :math:`w^*`.

References: `Li et al. (2024) <https://arxiv.org/abs/2311.14222>`_, in whose notation the algorithm is.
  The recursion for Gaussian examples and the criterion of stability are ours.
"""

from typing import NamedTuple

import numpy as np


class Method(NamedTuple):
  """Step sizes: of SGD where beta = 0."""

  delta: float  # of the gradient in x
  gamma: float = 0.0  # of the gradient in v
  beta: float = 0.0  # the share of y in the next v

  @property
  def a(self) -> float:
    """The share of x in y."""
    return 1 / (1 + self.beta)


class Risk(NamedTuple):
  """Excess risks of each eigenvalue: half of lambda times the mean squared error of the weight."""

  last: np.ndarray  # [d] of the last iterate
  averaged: np.ndarray  # [d] of the mean of the iterates of the tail


def mean_matrices(eigenvalues: np.ndarray, method: Method) -> np.ndarray:
  r"""What a step makes of the mean error (x, v), for each eigenvalue: float64 [d, 2, 2].

  .. math:: M = \begin{pmatrix} (1 - \delta\lambda) a & (1 - \delta\lambda)(1 - a) \\
     (\beta - \gamma\lambda) a & (\beta - \gamma\lambda)(1 - a) + 1 - \beta \end{pmatrix}

  Raises:
    ValueError: eigenvalues are not positive numbers [d], or the method's step sizes are out of range.
  """
  values, (delta, gamma, beta) = _checked(eigenvalues, method)
  a = method.a
  seen, moved = 1 - delta * values, beta - gamma * values
  rows = [[seen * a, seen * (1 - a)], [moved * a, moved * (1 - a) + 1 - beta]]
  return np.moveaxis(np.array(rows), -1, 0)


def bias_rates(eigenvalues: np.ndarray, method: Method) -> np.ndarray:
  r"""By what factor a step shrinks the mean error at last, for each eigenvalue: float64 [d].

  The spectral radius of `mean_matrices`; of SGD :math:`|1 - \delta\lambda|`.

  Raises:
    ValueError: as in `mean_matrices`.
  """
  matrices = mean_matrices(eigenvalues, method)
  if not method.beta:
    return np.abs(matrices[:, 0, 0])  # v has no effect
  return np.abs(np.linalg.eigvals(matrices)).max(axis=-1)


def noise_gain(eigenvalues: np.ndarray, method: Method, batch_size: int = 1) -> float:
  r"""How much noise the noise of the steps makes again: second moments stay finite if it is below 1.

  With :math:`L_i S = M_i S M_i^\top + \frac{\lambda_i^2}{B} c^\top S c \, q q^\top`, which maps
  positive matrices to positive ones, the recursion is stable if the spectral radius of
  every L_i is below 1 and

  .. math:: \sum_i \frac{\lambda_i^2}{B} \, c^\top (1 - L_i)^{-1}[q q^\top] \, c < 1.

  Infinite if some L_i is not stable by itself. Of SGD with B = 1 it is
  :math:`\sum_i \delta \lambda_i / 2 (1 - \delta \lambda_i)`.

  Guarantees (each is a test): the formula of SGD; it crosses 1 where the spectral radius of the whole
  recursion, a matrix [3d, 3d], does.

  Raises:
    ValueError: as in `mean_matrices`, or batch_size is less than 1.
  """
  matrices, values, c, q = _parts(eigenvalues, method, batch_size)
  square = np.einsum('dik,djl->dijkl', matrices, matrices).reshape(-1, 4, 4)
  back = np.kron(q, q)[:, None] * np.kron(c, c)[None, :]
  own = square + (values**2 / batch_size)[:, None, None] * back
  if not method.beta:
    own, q, c = own[:, :1, :1], q[:1], c[:1]
  if np.abs(np.linalg.eigvals(own)).max() >= 1:
    return np.inf
  solved = np.linalg.solve(np.eye(own.shape[-1]) - own, np.kron(q, q)[:, None])[..., 0]
  return float(np.sum(values**2 / batch_size * (solved @ np.kron(c, c))))


def risk(
  eigenvalues: np.ndarray,
  method: Method,
  *,
  start: np.ndarray | float,
  noise: float,
  burn_in: int,
  n_averaged: int,
  batch_size: int = 1,
) -> Risk:
  r"""The exact excess risk of each eigenvalue after burn_in + n_averaged iterates.

  The mean is over iterates :math:`x_s, \dots, x_{s + n - 1}` with s = burn_in and x_0 the start; the
  last is the last of them. For the mean, :math:`E[(\sum x) u]` and :math:`E[(\sum x)^2]` go along with
  the second moments: six numbers for each eigenvalue and step, O(d) a step.

  Bias and variance are two calls: with noise 0, and with start 0. They add up.

  Guarantees (each is a test): it is the mean of simulated runs, within their error; bias and variance
  add up; of SGD with one eigenvalue, the geometric series.

  Args:
    eigenvalues: [d], positive.
    method: step sizes.
    start: squared errors of the first weights [d], or of each of them; x and v start alike.
    noise: the variance of the noise of labels.
    burn_in: how many iterates are left out of the mean.
    n_averaged: how many are in it.
    batch_size: B.

  Raises:
    ValueError: as in `noise_gain`; start, noise or burn_in is negative, or n_averaged below 1.
  """
  matrices, values, c, q = _parts(eigenvalues, method, batch_size)
  start = np.broadcast_to(np.asarray(start, np.float64), values.shape)
  if not np.all(start >= 0):
    raise ValueError('start must be squared errors, none of them negative')
  if not noise >= 0:
    raise ValueError(f'noise must be at least 0, not {noise}')
  if burn_in < 0 or n_averaged < 1:
    raise ValueError(
      f'burn_in must be at least 0 and n_averaged at least 1, not {burn_in} and {n_averaged}'
    )
  m00, m01, m10, m11 = matrices.reshape(-1, 4).T
  qq = q[0] ** 2, q[0] * q[1], q[1] ** 2
  xx, xv, vv = (start.copy() for _ in range(3))
  sx, sv, ss = (np.zeros_like(values) for _ in range(3))  # E[sum * x], E[sum * v], E[sum^2]
  for t in range(burn_in + n_averaged):
    if t:
      ahead = c[0] ** 2 * xx + 2 * c[0] * c[1] * xv + c[1] ** 2 * vv
      kick = values / batch_size * (values @ ahead + values * ahead + noise)
      xx, xv, vv = (
        m00**2 * xx + 2 * m00 * m01 * xv + m01**2 * vv + kick * qq[0],
        m00 * m10 * xx + (m00 * m11 + m01 * m10) * xv + m01 * m11 * vv + kick * qq[1],
        m10**2 * xx + 2 * m10 * m11 * xv + m11**2 * vv + kick * qq[2],
      )
    if t >= burn_in:
      sx, sv = m00 * sx + m01 * sv, m10 * sx + m11 * sv  # of the sum so far, with this iterate
      ss = ss + 2 * sx + xx
      sx, sv = sx + xx, sv + xv
  return Risk(values * xx / 2, values * ss / (2 * n_averaged**2))


def _parts(eigenvalues, method: Method, batch_size: int):
  matrices = mean_matrices(eigenvalues, method)
  if batch_size < 1:
    raise ValueError(f'batch_size must be at least 1, not {batch_size}')
  c, q = np.array([method.a, 1 - method.a]), np.array([method.delta, method.gamma])
  return matrices, np.asarray(eigenvalues, np.float64), c, q


def _checked(eigenvalues, method: Method) -> tuple[np.ndarray, Method]:
  values = np.asarray(eigenvalues, np.float64)
  if values.ndim != 1 or not values.size or not np.all((values > 0) & np.isfinite(values)):
    raise ValueError('eigenvalues must be positive numbers [d], at least one')
  if not (method.delta > 0 and method.gamma >= 0 and 0 <= method.beta < 1):
    raise ValueError(
      f'method must have delta above 0, gamma at least 0 and beta in [0, 1), not {method}'
    )
  return values, method
