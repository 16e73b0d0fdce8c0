"""Functions of many examples, a chunk at a time: sums added up, rows kept in order."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from research import sharding


def n_examples(batch: Any) -> int:
  """The length of the first axis, which all arrays of a batch share.

  Raises:
    ValueError: they do not.
  """
  sizes = {jnp.shape(x)[:1] for x in jax.tree.leaves(batch)}
  if len(sizes) != 1 or () in sizes:
    shapes = [jnp.shape(x) for x in jax.tree.leaves(batch)]
    raise ValueError(
      f'the arrays of a batch must share their first axis; their shapes are {shapes}'
    )
  return sizes.pop()[0]


def sum_over_chunks(
  function: Callable[[Any], tuple[Any, Any]], batch: Any, chunk: int, like: Any = ()
) -> tuple[Any, Any]:
  """Applies `examples [c, ...] -> (sums, rows [c, ...])` to chunks of a batch.

  Sums are added, rows concatenated. The last chunk may be smaller than the others. Chunks run one
  after another, by `lax.scan`. Inside `shard_map`, sums vary over the mesh axes that the batch or an
  array of `like` varies over.
  """
  m = n_examples(batch)
  whole = m // chunk
  if chunk >= m:
    return function(batch)
  chunks = jax.tree.map(lambda x: x[: whole * chunk].reshape(whole, chunk, *x.shape[1:]), batch)
  shapes, _ = jax.eval_shape(function, jax.tree.map(lambda x: x[:chunk], batch))

  def add(sums, examples):
    more, rows = function(examples)
    return jax.tree.map(jnp.add, sums, more), rows

  zeros = lambda s: sharding.zeros_varying_like((like, batch), s.shape, s.dtype)  # noqa: E731
  sums, rows = lax.scan(add, jax.tree.map(zeros, shapes), chunks)
  rows = jax.tree.map(lambda x: x.reshape(whole * chunk, *x.shape[2:]), rows)
  if whole * chunk < m:
    sums, last = add(sums, jax.tree.map(lambda x: x[whole * chunk :], batch))
    rows = jax.tree.map(lambda a, b: jnp.concatenate([a, b]), rows, last)
  return sums, rows


def even(m: int, chunk: int) -> int:
  """The size of chunks that are as few as those of `chunk`, and as equal as can be."""
  m, chunk = max(1, m), max(1, min(m, chunk))
  return -(-m // -(-m // chunk))
