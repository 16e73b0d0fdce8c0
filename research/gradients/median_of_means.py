r"""The median of the mean gradients of a few parts of a batch.

References: `Zielinski, Krishnan & Chatterjee (2020) <https://arxiv.org/abs/2003.07422>`_, of three.
"""

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import lax

from research import sharding
from research.gradients.chunks import n_examples
from research.medians import median
from research.types import Batch, Losses, Params


def median_of_means(
  losses: Losses, *, n_groups: int = 3, axis: str | None = None
) -> Callable[[Params, Batch], tuple[jax.Array, Params]]:
  r"""`(params, batch) -> (mean loss [], median of the mean gradients of its parts, like params)`.

  .. math:: \tilde g = \operatorname{median}_{j} \; \frac{n}{m} \sum_{i \in S_j} g_i

  coordinate by coordinate, over the n parts :math:`S_j` of the batch: its first m / n examples, the
  next, and so on. Of an even number, the mean of the two in the middle. Guarantees (each is a test):
  one part gives the mean gradient; the result is the same on any number of devices.

  Cost: one backward pass. Memory: a gradient for each part; on several devices, for each run of
  examples in one part and on one device besides. Composes with `jit`, `vmap` and `shard_map`.

  Args:
    losses: `(params, batch) -> [B]`.
    n_groups: n, which must divide the m examples of a batch.
    axis: inside `shard_map`, the mesh axis over which the batch is sharded.

  Raises:
    ValueError: n_groups is not positive, or does not divide the batch.
  """
  if n_groups < 1:
    raise ValueError(f'n_groups must be at least 1, not {n_groups}')

  def mean_loss(params, examples):
    return jnp.mean(losses(params, examples))

  def gradient(params: Params, batch: Batch) -> tuple[jax.Array, Params]:
    n_devices = 1 if axis is None else lax.axis_size(axis)
    here = n_examples(batch)
    m = here * n_devices
    if m == 0 or m % n_groups:
      raise ValueError(f'n_groups={n_groups} does not divide the {m} examples of the batch')
    run = math.gcd(here, m // n_groups)  # examples that are in one part, and on one device
    per_part = m // n_groups // run
    runs = jax.tree.map(lambda x: x.reshape(here // run, run, *x.shape[1:]), batch)
    local = params if axis is None else sharding.vary(params, axis)
    values, gradients = jax.vmap(jax.value_and_grad(mean_loss), (None, 0))(local, runs)
    loss = jnp.mean(values)
    if axis is not None:
      number = lax.axis_index(axis) * (here // run) + jnp.arange(here // run)
      parts = lambda g: jnp.zeros((n_groups, *g.shape[1:]), g.dtype).at[number // per_part].add(g)  # noqa: E731
      gradients = jax.tree.map(lambda g: lax.psum(parts(g), axis) / per_part, gradients)
      loss = lax.pmean(loss, axis)
    return loss, jax.tree.map(lambda g: median([*g]), gradients)

  return gradient
