"""The gradient of the mean loss, and nothing else: what training without instruments computes."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from research import sharding
from research.types import Batch, Losses, Params


def mean_gradient(
  losses: Losses, *, axis: str | None = None
) -> Callable[[Params, Batch], tuple[jax.Array, Params]]:
  """`(params, batch) -> (mean loss [], its gradient like params)`, by one backward pass.

  Args:
    losses: `(params, batch) -> [B]`.
    axis: inside `shard_map`, the mesh axis over which the batch is sharded.
  """

  def mean_loss(params, batch):
    return jnp.mean(losses(params, batch))

  return sharding.mean_over_shards(jax.value_and_grad(mean_loss), axis)
