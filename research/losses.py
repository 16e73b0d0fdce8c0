"""Losses of each example of a batch: `[B, C], [B] -> [B]`, in nats. The mean is taken in the step."""

from collections.abc import Callable
from typing import Literal

import jax
import jax.numpy as jnp
import optax

from research.types import Batch, Losses, Params


def cross_entropy(logits: jax.Array, labels: jax.Array) -> jax.Array:
  r"""Cross-entropy :math:`-\log \mathrm{softmax}(z_i)_{y_i}` of logits [B, C] and labels [B]."""
  return optax.softmax_cross_entropy_with_integer_labels(logits, labels)


def squared_error(logits: jax.Array, labels: jax.Array) -> jax.Array:
  r"""Squared error :math:`\frac12 \|z_i - e_{y_i}\|^2` to the one-hot label."""
  return 0.5 * jnp.sum(jnp.square(logits - jax.nn.one_hot(labels, logits.shape[-1])), axis=-1)


def hinge(logits: jax.Array, labels: jax.Array) -> jax.Array:
  r"""Hinge loss :math:`\max(0, 1 + \max_{c \ne y_i} z_{ic} - z_{iy_i})`, for any number of classes."""
  is_label = jax.nn.one_hot(labels, logits.shape[-1], dtype=bool)
  own = jnp.sum(logits, axis=-1, where=is_label)
  other = jnp.max(logits, axis=-1, where=~is_label, initial=-jnp.inf)
  return jnp.maximum(0.0, 1.0 + other - own)


LOSSES = {'cross_entropy': cross_entropy, 'squared_error': squared_error, 'hinge': hinge}


def make_losses(
  apply: Callable[[Params, jax.Array], jax.Array],
  *,
  name: Literal['cross_entropy', 'squared_error', 'hinge'] = 'cross_entropy',
) -> Losses:
  """The losses function of a model: `(params, batch) -> [B]`, the primitive of the house.

  Args:
    apply: `(params, inputs [B, ...]) -> logits [B, C]`.
    name: which loss.
  """
  loss = LOSSES[name]

  def losses(params: Params, batch: Batch) -> jax.Array:
    return loss(apply(params, batch['inputs']), batch['labels'])

  return losses
