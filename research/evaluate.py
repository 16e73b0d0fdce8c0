"""Loss and accuracy of one network on many examples, chunk by chunk inside one program."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import lax

from research import sharding
from research.types import Batch, Losses, Metrics, Params


def make_sums(
  apply: Callable[[Params, jax.Array], jax.Array],
  losses: Losses,
  *,
  normalize: Callable[[jax.Array], jax.Array],
  chunk_size: int,
  axis: str | None = None,
) -> Callable[[Params, Batch, dict[str, jax.Array]], Metrics]:
  """Returns `(params, examples, groups) -> sums over the examples`, of which `means` makes metrics.

  Args:
    apply: `(params, inputs) -> logits`.
    losses: `(params, batch) -> [B]`.
    normalize: what the network sees of the inputs as stored.
    chunk_size: examples [N, ...] are evaluated this many at a time; it must divide N.
    axis: inside `shard_map`, the mesh axis over which examples and groups are sharded.

  In the function returned, `groups` are weights [N] of groups of examples, 1 or 0; `'all'` is every
  example that is not padding.
  """

  def sums_of_chunk(params, examples, weights):
    examples = {**examples, 'inputs': normalize(examples['inputs'])}
    # The logits are those inside `losses`: XLA computes them once.
    logits = apply(params, examples['inputs'])
    correct = jnp.where(
      jnp.isnan(logits).any(axis=-1), jnp.nan, jnp.argmax(logits, axis=-1) == examples['labels']
    )
    sums = {f'weight_{name}': jnp.sum(weight) for name, weight in weights.items()}
    sums |= {f'correct_{name}': jnp.sum(weight * correct) for name, weight in weights.items()}
    return sums | {'loss': jnp.sum(weights['all'] * losses(params, examples))}

  def sums(params: Params, examples: Batch, groups: dict[str, jax.Array]) -> Metrics:
    if axis is not None:
      params = sharding.vary(params, axis)
    chunks = jax.tree.map(lambda x: x.reshape(-1, chunk_size, *x.shape[1:]), (examples, groups))
    of_chunks = lax.map(lambda chunk: sums_of_chunk(params, *chunk), chunks)
    of_all = jax.tree.map(lambda x: jnp.sum(x, axis=0), of_chunks)
    return of_all if axis is None else lax.psum(of_all, axis)

  return sums


def means(sums: Metrics) -> Metrics:
  """`{'loss', 'accuracy', 'accuracy_<group>', ...}` of the sums over all examples.

  The group `'all'` gives the names without suffix. The mean over an empty group is NaN, and so is the
  accuracy of a network that has diverged. Loss in nats, accuracy in [0, 1].
  """
  metrics = {'loss': sums['loss'] / sums['weight_all']}
  for name in sums:
    if name.startswith('correct_'):
      group = name.removeprefix('correct_')
      suffix = '' if group == 'all' else f'_{group}'
      metrics[f'accuracy{suffix}'] = sums[name] / sums[f'weight_{group}']
  return metrics
