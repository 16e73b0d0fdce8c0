"""Whether the loss of one example depends on the other examples of its batch."""

import math

import jax
import jax.numpy as jnp

from research.types import Batch, Losses, Params

COUPLED = (
  'the loss of one example depends on the other examples of its batch (train-mode BatchNorm, or a'
  ' contrastive loss), so examples have no gradients of their own; use a norm that sees one example'
  " at a time (model.norm='group' or 'layer'), or measure without gradient instruments"
)


class BatchCoupledError(ValueError):
  """The examples of a batch are not independent, so that none has a gradient of its own."""


def check_independence(losses: Losses, params: Params, batch: Batch) -> None:
  """Checks that the loss of an example is the same, whatever else is in its batch.

  Train-mode BatchNorm and contrastive losses couple the examples of a batch. The gradient of one
  example is then not defined, and what `vmap(grad)` returns instead is silently wrong: through
  train-mode BatchNorm on batches of one, exactly zero.

  The loss of the first example is compared in two companies: the first examples of the batch, and
  the same with the last of them exchanged for another copy of the first.

  Cost: two forward passes of at most eight examples, by one compiled program.

  Args:
    losses: `(params, batch) -> [B]`.
    params: parameters of one network, concrete.
    batch: at least two examples [B, ...], concrete; fewer cannot be coupled.

  Raises:
    BatchCoupledError: the two losses differ.
  """
  n = min(8, jax.tree.leaves(batch)[0].shape[0])
  if n < 2:
    return
  evaluate = jax.jit(losses)

  def first_loss(rows):
    company = jax.tree.map(lambda x: jnp.asarray(x)[jnp.array(rows)], batch)
    return float(evaluate(params, company)[0])

  here, there = first_loss([*range(n)]), first_loss([*range(n - 1), 0])
  if math.isnan(here) and math.isnan(there):
    return  # says nothing about dependence
  if not abs(here - there) <= 1e-5 * (1 + abs(here)):
    raise BatchCoupledError(COUPLED)
