r"""Perturbations of inputs that raise the loss: projected gradient ascent."""

from typing import Literal

import jax
import jax.numpy as jnp
from jax import lax

from research import sharding
from research.types import Batch, Losses, Params

NORMS = ('linf', 'l2')


def projected_gradient(
  losses: Losses,
  params: Params,
  batch: Batch,
  *,
  norm: Literal['linf', 'l2'],
  radius: float,
  step_size: float,
  iterations: int,
  bounds: tuple[float, ...] = (),
) -> jax.Array:
  r"""The perturbation :math:`\delta` of each input, by ascent on its loss within a ball.

  From :math:`\delta = 0`, `iterations` times, with the gradient g of the example's loss at
  :math:`x + \delta`,

  .. math:: \delta \leftarrow \Pi\left(\delta + \eta\, \mathrm{sign}(g)\right) \quad (\ell_\infty),
     \qquad \delta \leftarrow \Pi\left(\delta + \eta\, g / \|g\|_2\right) \quad (\ell_2),

  where :math:`\Pi` projects on the ball of the norm, then on the box of admissible inputs.

  Guarantees (each is a test): :math:`\|\delta\| \le` `radius`, and :math:`x + \delta` lies in
  `bounds` if x does; examples do not know of each other; of a linear classifier it is the exact
  worst case, :math:`\delta = \pm\epsilon\, \mathrm{sign}(w)` or :math:`\pm\epsilon\, w / \|w\|`,
  once the steps are long enough to get there; inputs whose gradient is zero stay where they are.

  Only the direction of each gradient matters, so any losses that rise with the loss in question do.
  Where a network is sure of the label, `odds_against` has a gradient that cross-entropy loses to
  rounding.

  Args:
    losses: `(params, batch) -> [B]`; of each example alone.
    params: of the network.
    batch: 'inputs' [B, ...] and what else `losses` reads.
    norm: `linf` or `l2`, over all coordinates of an input.
    radius: :math:`\epsilon`, of the ball, in units of the inputs as the network sees them.
    step_size: :math:`\eta`, likewise.
    iterations: of the ascent; each costs a gradient.
    bounds: the least and the greatest admissible value of a coordinate; () for none.

  Returns:
    [B, ...] like the inputs; no gradient flows through it.

  Raises:
    ValueError: norm is unknown.

  References: `Madry et al. (2018) <https://arxiv.org/abs/1706.06083>`_; there from a random start.
  """
  if norm not in NORMS:
    raise ValueError(f'norm must be one of {", ".join(NORMS)}, not {norm}')
  params, batch = lax.stop_gradient((params, batch))
  x = batch['inputs']

  def loss(delta):
    return jnp.sum(losses(params, {**batch, 'inputs': x + delta}))

  def ascend(delta, _):
    grad = jax.grad(loss)(delta)
    return project(delta + step_size * (jnp.sign(grad) if norm == 'linf' else unit(grad))), None

  def project(delta):
    delta = jnp.clip(delta, -radius, radius) if norm == 'linf' else shortened(delta, radius)
    return jnp.clip(x + delta, *bounds) - x if bounds else delta

  zeros = sharding.zeros_varying_like((params, batch), x.shape, x.dtype)
  return lax.scan(ascend, zeros, None, length=iterations)[0]


def check_ascent(
  radius: float, step_size: float | None, iterations: int, bounds: tuple[float, ...] = ()
) -> None:
  """Checks what an adversary is given, in training and where it is an instrument.

  Raises:
    ValueError: radius, iterations or a step_size that is not None is not positive; bounds are not in
      order; the message begins with its name.
  """
  for key, value in (('radius', radius), ('step_size', step_size)):
    if value is not None and not value > 0:
      raise ValueError(f'{key} must be positive, not {value}')
  if iterations < 1:
    raise ValueError(f'iterations must be at least 1, not {iterations}')
  if bounds and (len(bounds) != 2 or bounds[0] >= bounds[1]):
    raise ValueError(f'bounds must be the least and the greatest value, or (), not {bounds}')


def odds_against(logits: jax.Array, labels: jax.Array) -> jax.Array:
  r"""The log odds against the label, :math:`u_i = \log \sum_{c \ne y_i} e^{z_{ic}} - z_{iy_i}`, [B].

  The cross-entropy is :math:`\log(1 + e^u)`: it rises in the same direction, with a slope of
  :math:`1 / (1 + e^{-u})`. Where :math:`u < -17`, that slope is below the rounding of float32, and
  cross-entropy loses a part of its gradient or all of it; the log odds lose nothing.

  Args:
    logits: [B, C].
    labels: int [B].
  """
  is_label = jax.nn.one_hot(labels, logits.shape[-1], dtype=bool)
  others = jax.nn.logsumexp(jnp.where(is_label, -jnp.inf, logits), axis=-1)
  return others - jnp.sum(logits, axis=-1, where=is_label)


def lengths(x: jax.Array) -> jax.Array:
  """The l2 norm of each row, [B, 1, ...]."""
  return jnp.sqrt(jnp.sum(jnp.square(x), axis=tuple(range(1, x.ndim)), keepdims=True))


def unit(x: jax.Array) -> jax.Array:
  """Each row at length 1, however small it is; zero rows stay zero."""
  largest = jnp.max(jnp.abs(x), axis=tuple(range(1, x.ndim)), keepdims=True)
  x = x / jnp.where(largest == 0, 1.0, largest)  # or the squares of small numbers would vanish
  size = lengths(x)
  return x / jnp.where(size == 0, 1.0, size)


def shortened(x: jax.Array, radius: float) -> jax.Array:
  """Each row at a length of at most the radius."""
  return x * jnp.minimum(1.0, radius / jnp.maximum(lengths(x), 1e-30))
