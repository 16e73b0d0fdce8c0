r"""Gradient starvation: which features of a linear model are learned, and which starve.

Of n examples with labels :math:`y_i = \pm 1` and outputs :math:`f = \Phi\theta`, logits of the class 1,
let :math:`Y = \mathrm{diag}(y)` and :math:`K = \Phi\Phi^\top`: the kernel of a linear model, or of a
network the tangent kernel. Its features are the singular vectors of

.. math:: Y\Phi = U S V^\top, \qquad Y K Y = U S^2 U^\top,

with strengths :math:`s_j`, in logits per unit of parameter. The response :math:`z = U^\top Y f`, in
logits, says how much of each feature the outputs have: the margins are :math:`Yf = Uz`. Where the
cross-entropy is minimised with a penalty on the parameters, the response to one feature depends on the
strengths of the others. Feature i starves feature j where :math:`\partial z_j^* / \partial s_i^2 < 0`.

Everything here is NumPy in float64. Losses are summed over the examples. With their mean, a penalty
:math:`c \|\theta\|^2` is :math:`\lambda = 2nc` here, and :math:`\frac cn \|f\|^2` is
:math:`\lambda = 2c`.

References: `Pezeshki et al. (2021) <https://arxiv.org/abs/2011.09468>`_. The implicit derivative and
the Newton iterations are ours.
"""

from typing import Any, NamedTuple

import numpy as np
from scipy.special import expit

ITERATIONS = 200  # of Newton's method; tens are enough
TOLERANCE = 1e-8  # of the last step, relative to the largest margin; steps converge quadratically
UNDECIDED = 1e-5  # of the largest sum of a vector's entries: below, the sum has no sign

TOY_PENALTY, TOY_DECOUPLING = 0.01, 0.002  # lambda of |theta|^2, of |f|^2


class Features(NamedTuple):
  """The features of a kernel with labels: the strongest is the first."""

  strengths: np.ndarray  # [n] s_j >= 0, logits per unit of parameter
  basis: np.ndarray  # [n, n] U: column j is feature j


class FixedPoint(NamedTuple):
  """Where training with a penalty ends."""

  dual: np.ndarray  # [n] alpha_i in (0, 1), the loss's slope: 1 - p(y_i)
  margins: np.ndarray  # [n] y_i f_i, logits
  response: np.ndarray  # [n] z_j, logits


class Toy(NamedTuple):
  """Two examples with two features, and where training ends with either penalty."""

  features: Features
  ridge: FixedPoint
  decoupled: FixedPoint


def oriented(basis: Any) -> Any:
  r"""The vectors in the columns of [n, k], NumPy's or JAX's, each with the sign that is ours.

  :math:`\sum_i U_{ij} \ge 0`: training moves the response to feature j from zero outputs, where
  :math:`\dot z = \frac12 S^2 U^\top 1`, to positive values. Where that sum is zero, to rounding, the
  entry of largest magnitude is positive, the first if several are.
  """
  xp = basis.__array_namespace__()
  sums, largest = xp.sum(basis, axis=0), xp.argmax(xp.abs(basis), axis=0)
  undecided = xp.abs(sums) <= UNDECIDED * len(basis) ** 0.5
  decisive = xp.where(undecided, basis[largest, xp.arange(basis.shape[1])], sums)
  return basis * xp.where(decisive < 0, -1.0, 1.0).astype(basis.dtype)[None]


def features(kernel: np.ndarray, signs: np.ndarray) -> Features:
  r"""The features :math:`Y K Y = U S^2 U^\top` of a kernel.

  Guarantees (each is a test): of :math:`\Phi\Phi^\top`, they are the left singular vectors and the
  singular values of :math:`Y\Phi`; the order of the examples changes the rows of U alone; flipping
  all signs changes nothing; signs of columns are as `oriented` says. Of equal strengths, only the
  space that their vectors span is determined.

  Args:
    kernel: [n, n], symmetric, positive semi-definite; eigenvalues below zero are taken for rounding.
    signs: [n], y = 1 or -1.

  Raises:
    ValueError: kernel is not square and symmetric; signs are not n numbers 1 or -1.
  """
  kernel, signs = np.asarray(kernel, np.float64), np.asarray(signs, np.float64)
  square = kernel.ndim == 2 and kernel.shape[0] == kernel.shape[1]
  if not square or np.abs(kernel - kernel.T).max() > 1e-4 * np.abs(kernel).max():
    raise ValueError(f'kernel must be a symmetric matrix, not one of shape {kernel.shape}')
  if signs.shape != kernel.shape[:1] or not np.all(np.abs(signs) == 1):
    raise ValueError(f'signs must be {len(kernel)} numbers, each 1 or -1')
  values, vectors = np.linalg.eigh(signs[:, None] * (kernel + kernel.T) / 2 * signs[None])
  return Features(np.sqrt(np.maximum(values[::-1], 0)), oriented(vectors[:, ::-1]))


def response(basis: np.ndarray, signs: np.ndarray, outputs: np.ndarray) -> np.ndarray:
  r"""The response :math:`z = U^\top Y f` [..., k] in a basis [n, k], of outputs [..., n] in logits."""
  return (np.asarray(outputs, np.float64) * signs) @ basis


def response_from_start(kernel: np.ndarray, signs: np.ndarray, outputs: np.ndarray) -> np.ndarray:
  """The responses [T, n] of outputs [T, n] at T times, in the basis of one kernel, that at the start.

  So the paper follows a network: by the features that its tangent kernel has at initialization.
  """
  return response(features(kernel, signs).basis, signs, outputs)


def ridge_fixed_point(strengths: np.ndarray, basis: np.ndarray, penalty: float) -> FixedPoint:
  r"""The minimum of :math:`\sum_i \log(1 + e^{-y_i f_i}) + \frac\lambda2 \|\theta\|^2`, and its dual.

  With :math:`\theta = \frac1\lambda \Phi^\top Y \alpha`, the minimum is the only solution of

  .. math:: \log\frac{1 - \alpha}{\alpha} = Yf = \frac1\lambda U S^2 U^\top \alpha, \qquad
     z^* = \frac1\lambda S^2 U^\top \alpha.

  It is found by Newton's method in :math:`w = V^\top \theta`, where z = S w, since sums in
  :math:`U^\top \alpha` cancel if strengths differ much. A step is halved until the objective falls:
  where the penalty is small, whole steps may run in circles.

  Guarantees (each is a test): agrees with gradient descent and with SciPy's minimum over
  :math:`\theta`; solves its equation; converges for penalties from 1e-10 to 1e4 and strengths that
  differ by 1e6.

  Args:
    strengths: s [n], not negative, in any order.
    basis: U [n, n], orthogonal.
    penalty: lambda, positive.

  Raises:
    ValueError: an argument is out of range.
    ArithmeticError: Newton's method does not converge.
  """
  _check(basis, penalty, strengths)
  phi = basis * np.asarray(strengths, np.float64)[None]  # Y Phi V

  def objective(w):
    return np.sum(np.logaddexp(0, -phi @ w)) + penalty / 2 * (w @ w)

  w = np.zeros(len(basis))
  for _ in range(ITERATIONS):
    margins = phi @ w
    alpha = expit(-margins)
    gradient = penalty * w - alpha @ phi
    slope = alpha * expit(margins)
    step = -np.linalg.solve((phi.T * slope[None]) @ phi + penalty * np.eye(len(w)), gradient)
    here = objective(w)
    size, rounding = 1.0, 1e-13 * here
    while objective(w + size * step) > here + 1e-4 * size * (gradient @ step) + rounding:
      size /= 2
    w = w + size * step
    if size == 1 and _negligible(phi @ step, margins):
      return FixedPoint(expit(-phi @ w), phi @ w, strengths * w)
  raise ArithmeticError(f'the fixed point was not found in {ITERATIONS} iterations')


def decoupled_fixed_point(
  basis: np.ndarray, penalty: float, targets: np.ndarray | float = 0.0
) -> FixedPoint:
  r"""The minimum of :math:`\sum_i \log(1 + e^{-y_i f_i}) + \frac\lambda2 \|f - \gamma\|^2`.

  Spectral decoupling: the outputs are penalised, not the parameters. If K is regular, every f can be
  had, and each margin solves an equation of its own, in which no strength occurs:

  .. math:: \log\frac{1 - \alpha_i}{\alpha_i} = y_i f_i = \frac{\alpha_i}\lambda + y_i \gamma_i,
     \qquad z^* = U^\top Y f.

  Without an offset, :math:`\gamma = 0`, all margins are the same. Newton's method starts at zero:
  from there to the solution the equation's curvature has one sign, and no step goes too far.

  Guarantees (each is a test): without targets, alpha is the same for all examples and solves
  :math:`\log((1 - \alpha) / \alpha) = \alpha / \lambda`; agrees with SciPy's roots and with gradient
  descent on :math:`\theta`, whatever the strengths; it is the ridge's, if K is the identity.

  Args:
    basis: U [n, n], orthogonal; the margins do not depend on it.
    penalty: lambda, positive.
    targets: y_i gamma_i, number or [n]: what the penalty pulls the margins to, in logits. With an
      offset for each class, `signs * np.where(signs > 0, offset_of_plus, offset_of_minus)`.

  Raises:
    ValueError: an argument is out of range.
    ArithmeticError: Newton's method does not converge.
  """
  _check(basis, penalty)
  targets = np.broadcast_to(np.asarray(targets, np.float64), len(basis))
  margins = np.zeros(len(basis))
  for _ in range(ITERATIONS):
    alpha = expit(-margins)
    slope = 1 + alpha * expit(margins) / penalty
    step = (alpha / penalty + targets - margins) / slope
    margins = margins + step
    if _negligible(step, margins):
      return FixedPoint(expit(-margins), margins, margins @ basis)
  raise ArithmeticError(f'the fixed point was not found in {ITERATIONS} iterations')


def starvation_matrix(strengths: np.ndarray, basis: np.ndarray, penalty: float) -> np.ndarray:
  r"""How each response of the ridge's fixed point changes with each strength, at fixed basis.

  .. math:: M_{ij} = \frac{\partial z_j^*}{\partial s_i^2}
     = \Big[ \big(\lambda I + S^2 U^\top A U\big)^{-1} \Big]_{ji} \big( U^\top \alpha \big)_i, \qquad
     A = \mathrm{diag}(\alpha (1 - \alpha)),

  by the implicit function theorem. Where :math:`M_{ij} < 0`, feature i starves feature j.

  Guarantees (each is a test): agrees with `starvation_matrix_by_differences`; of one shared slope A
  (and so at a large penalty) it is diagonal: none starves.

  Returns:
    [n, n], logits per squared unit of strength.

  Raises:
    ValueError, ArithmeticError: as `ridge_fixed_point` does.
  """
  alpha = ridge_fixed_point(strengths, basis, penalty).dual
  coupling = (basis.T * (alpha * (1 - alpha))[None]) @ basis
  system = penalty * np.eye(len(basis)) + np.square(strengths)[:, None] * coupling
  return np.linalg.solve(system, np.diag(alpha @ basis)).T


def starvation_matrix_by_differences(
  strengths: np.ndarray, basis: np.ndarray, penalty: float, *, step: float = 1e-4
) -> np.ndarray:
  """The same by central differences, from fixed points with :math:`s_i^2 (1 \\pm` step).

  Raises:
    ValueError: a strength is zero, or step is not in (0, 1); or as `ridge_fixed_point` does.
    ArithmeticError: as `ridge_fixed_point` does.
  """
  if not 0 < step < 1:
    raise ValueError(f'step must lie in (0, 1), not {step}')
  if not np.all(np.asarray(strengths) > 0):
    raise ValueError('strengths must be positive for differences relative to them')
  squared = np.square(np.asarray(strengths, np.float64))
  rows = []
  for i in range(len(squared)):
    change = np.zeros_like(squared)
    change[i] = step * squared[i]
    there, here = (
      ridge_fixed_point(np.sqrt(squared + sign * change), basis, penalty).response
      for sign in (1, -1)
    )
    rows.append((there - here) / (2 * change[i]))
  return np.stack(rows)


def toy(strength: float) -> Toy:
  r"""The paper's two examples: one feature of the given strength, a second of strength 2.

  .. math:: U = \begin{pmatrix} \sqrt{1 - \delta^2} & -\delta \\ \delta & \sqrt{1 - \delta^2}
     \end{pmatrix}, \quad \delta = \tfrac12, \qquad S = \mathrm{diag}(s, 2),

  both labels 1, penalties :math:`0.005 \|\theta\|^2` or :math:`0.001 \|f\|^2` on the sum of two losses.
  The stronger the first feature, the smaller the ridge's response to the second; that of spectral
  decoupling stays. The strengths are in the order of the columns of U.

  Raises:
    ValueError: strength is not positive.
  """
  if not strength > 0:
    raise ValueError(f'strength must be positive, not {strength}')
  delta, rest = 0.5, np.sqrt(0.75)
  basis = np.array([[rest, -delta], [delta, rest]])
  strengths = np.array([strength, 2.0])
  return Toy(
    features=Features(strengths, basis),
    ridge=ridge_fixed_point(strengths, basis, TOY_PENALTY),
    decoupled=decoupled_fixed_point(basis, TOY_DECOUPLING),
  )


def _negligible(step: np.ndarray, margins: np.ndarray) -> bool:
  return bool(np.max(np.abs(step)) <= TOLERANCE * (1 + np.max(np.abs(margins))))


def _check(basis: np.ndarray, penalty: float, strengths: np.ndarray | None = None) -> None:
  if not 0 < penalty < np.inf:
    raise ValueError(f'penalty must be positive and finite, not {penalty}')
  square = basis.ndim == 2 and basis.shape[0] == basis.shape[1]
  if not square or not np.allclose(basis.T @ basis, np.eye(len(basis)), rtol=0, atol=1e-6):
    raise ValueError(f'basis must be an orthogonal matrix, not {basis.shape} numbers')
  if strengths is not None and (
    np.shape(strengths) != (len(basis),)
    or not np.all((np.asarray(strengths) >= 0) & np.isfinite(strengths))
  ):
    raise ValueError(f'strengths must be {len(basis)} finite numbers, none negative')
