"""Whether the loss of one example depends on the other examples of its batch."""

import math

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from research.types import Batch, Losses, Params

COUPLED = (
  'the loss of one example depends on the other examples of its batch (train-mode BatchNorm, or a'
  ' contrastive loss), so examples have no gradients of their own; use a norm that sees one example'
  " at a time (model.norm='group' or 'layer'), or unmount each gradient instrument"
  ' (instruments.NAME=none)'
)


class BatchCoupledError(ValueError):
  """The examples of a batch are not independent, so that none has a gradient of its own."""


def check_independence(losses: Losses, params: Params, batch: Batch) -> None:
  """Checks that the loss of an example is the same, whatever else is in its batch.

  Train-mode BatchNorm and contrastive losses couple the examples of a batch. The gradient of one
  example is then not defined, and what `vmap(grad)` returns instead is silently wrong: through
  train-mode BatchNorm on batches of one, exactly zero.

  The loss of the first example is compared in two companies: the first examples of the batch, and
  copies of itself.

  Cost: two forward passes of at most eight examples, by one compiled program.

  Args:
    losses: `(params, batch) -> [B]`.
    params: parameters of one network.
    batch: at least two examples [B, ...]; fewer cannot be coupled. While params and batch are being
      traced, arrays of their shapes, drawn at random, take their places.

  Raises:
    BatchCoupledError: the two losses differ.
  """
  n = min(8, jax.tree.leaves(batch)[0].shape[0])
  if n < 2:
    return
  with jax.ensure_compile_time_eval():
    params, examples = jax.tree.map(_concrete, (params, jax.tree.map(lambda x: x[:n], batch)))
    evaluate = jax.jit(losses)

    def first_loss(rows):
      company = jax.tree.map(lambda x: jnp.asarray(x[np.array(rows)]), examples)
      return float(evaluate(params, company)[0])

    here, there = first_loss([*range(n)]), first_loss([0] * n)

  if math.isnan(here) and math.isnan(there):
    return  # says nothing about dependence
  if not abs(here - there) <= 1e-5 * (1 + abs(here)):
    raise BatchCoupledError(COUPLED)


def _concrete(x: jax.Array) -> np.ndarray | jax.Array:
  """The array itself, or while it is traced a random one: normal numbers, labels 0 and 1, or keys."""
  is_key = jnp.issubdtype(x.dtype, jax.dtypes.prng_key)
  if not isinstance(x, Tracer):
    return x if is_key else np.asarray(x)
  if is_key:
    return jax.random.split(jax.random.key(0, impl=jax.random.key_impl(x)), x.shape)
  generator = np.random.default_rng(x.size)
  if jnp.issubdtype(x.dtype, jnp.inexact):
    return generator.normal(size=x.shape).astype(x.dtype)
  return generator.integers(0, 2, x.shape).astype(x.dtype)
