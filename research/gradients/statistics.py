r"""Gradient statistics by a vectorized map of the gradient over chunks of examples.

With :math:`g_i = \nabla_\theta \ell_i(\theta)`, of m examples: the mean gradient :math:`\bar g`, the
squared norms :math:`\|g_i\|^2` leaf by leaf, and on request the Gram matrix
:math:`K_{ij} = \langle g_i, g_j \rangle` and the second moment :math:`\frac1m \sum_i g_i^2` of each
coordinate. Sums accumulate in float32 at least. At most `chunk_size` gradients are held at once.
"""

import functools
from collections.abc import Callable
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
from jax import lax

from research import sharding, trees
from research.gradients.independence import check_independence
from research.types import Batch, Losses, Params

# Bytes of per-example gradients alive at once. Small chunks stay in the processor's cache.
CHUNK_BYTES = {'cpu': 8 << 20, 'gpu': 1 << 30, 'tpu': 1 << 30}
EXACT = lax.Precision.HIGHEST  # GPUs and TPUs round float32 products to fewer bits by default
GRAM_CHUNK_BYTES = {'cpu': 512 << 20, 'gpu': 4 << 30, 'tpu': 4 << 30}


@flax.struct.dataclass
class GradientStatistics:
  """Statistics of the gradients of m examples at one point theta."""

  losses: jax.Array  # [m] per-example losses, nats
  mean_grad: Params  # like params: the gradient of the mean loss
  sq_norms: dict[str, jax.Array]  # {leaf path: [m]} squared norms of each example's gradient
  total_sq_norms: jax.Array  # [m] their sum over leaves
  gram: Any = None  # [m, m] or None: inner products of the examples' gradients
  second_moment: Params = None  # like params or None: mean over examples of the squared gradient


def gradient_statistics(
  losses: Losses,
  *,
  gram: bool = False,
  second_moment: bool = False,
  chunk_size: int | None = None,
  axis: str | None = None,
) -> Callable[[Params, Batch], GradientStatistics]:
  """Exact statistics of per-example gradients: `(params, batch) -> GradientStatistics`.

  Guarantees (each is a test): the mean gradient is `jax.grad` of the mean loss; nothing depends on
  the chunk size, on the number of devices, or (but for its own row) on the order of the examples;
  the loss scaled by c scales gradients by c and squared norms by c^2.

  Cost: one gradient of each example, about 1.5 gradients of the mean loss in flops for dense layers;
  with `gram`, once more per block of rows that fits in memory. Memory: `chunk_size` gradients.
  Composes with `jit`, `vmap` (over a population) and `shard_map`.

  Args:
    losses: `(params, batch) -> [B]`, the loss of each example, which must not depend on the others.
    gram: whether to return the Gram matrix.
    second_moment: whether to return the mean squared gradient of each coordinate.
    chunk_size: gradients held at once; None chooses by memory. It changes no result.
    axis: inside `shard_map`, the mesh axis over which the examples are sharded. Statistics are those
      of the whole sample: [m] and [m, m] are gathered, means are averaged over devices.

  Raises:
    BatchCoupledError: the loss of one example depends on others; under `jit`, while tracing.
    ValueError: the sample is empty, or chunk_size is not positive.
  """
  if chunk_size is not None and chunk_size < 1:
    raise ValueError(f'chunk_size must be at least 1, not {chunk_size}')

  def per_example(params: Params, examples: Batch) -> tuple[jax.Array, Params]:
    """Losses [c] and gradients, like params but with leading [c], in float32 at least."""

    def one(params, example):
      batch_of_one = jax.tree.map(lambda x: x[None], example)
      return losses(params, batch_of_one)[0]

    values, grads = jax.vmap(jax.value_and_grad(one), in_axes=(None, 0))(params, examples)
    return values, jax.tree.map(lambda g: g.astype(jnp.promote_types(g.dtype, jnp.float32)), grads)

  def sums_of_chunk(params, examples):
    values, grads = per_example(params, examples)
    flat = jax.tree.map(lambda g: g.reshape(g.shape[0], -1), grads)
    sq_norms = {
      name: jnp.einsum('cp,cp->c', g, g, precision=EXACT)
      for name, g in trees.named_leaves(flat).items()
    }
    # ones @ G, never sum(G, axis=0): XLA's column sums are many times slower on the CPU.
    sums = {'grad': jax.tree.map(lambda g: _column_sums(g), flat)}
    if second_moment:
      sums['square'] = jax.tree.map(lambda g: _column_sums(jnp.square(g)), flat)
    return sums, (values, sq_norms)

  def statistics(params: Params, batch: Batch) -> GradientStatistics:
    m = jax.tree.leaves(batch)[0].shape[0]
    if m == 0:
      raise ValueError('gradient statistics of an empty sample')
    check_independence(losses, params, batch)
    if axis is not None:
      params = sharding.vary(params, axis)

    chunk = chunk_size or _chunk_that_fits(params, m, CHUNK_BYTES)
    sums, (values, sq_norms) = _sum_over_chunks(sums_of_chunk, params, batch, min(chunk, m))
    like_params = lambda total: jax.tree.map(  # noqa: E731
      lambda p, s: (s / m).reshape(p.shape).astype(p.dtype), params, total
    )
    means = {key: like_params(total) for key, total in sums.items()}
    kernel = None
    if gram:
      columns = batch if axis is None else _all_examples(batch, axis)
      chunk = chunk_size or _chunk_that_fits(params, m, GRAM_CHUNK_BYTES)
      kernel = _gram(lambda p, examples: per_example(p, examples)[1], params, batch, columns, chunk)
    if axis is not None:
      means = lax.pmean(means, axis)
      values, sq_norms, kernel = _concatenate_shards((values, sq_norms, kernel), axis)
    total = functools.reduce(jnp.add, sq_norms.values())
    return GradientStatistics(values, means['grad'], sq_norms, total, kernel, means.get('square'))

  return statistics


def _column_sums(g: jax.Array) -> jax.Array:
  return jnp.matmul(jnp.ones(g.shape[0], g.dtype), g, precision=EXACT)


def _chunk_that_fits(params: Params, m: int, budgets: dict[str, int]) -> int:
  budget = budgets.get(jax.default_backend(), budgets['gpu'])
  chunk = max(1, min(m, budget // (4 * trees.n_parameters(params))))
  return -(-m // -(-m // chunk))  # as few chunks, but of equal size where that is possible


def _split(batch: Batch, chunk: int) -> tuple[Batch, Batch | None]:
  """The whole chunks [q, chunk, ...] of a batch, and what is left over."""
  whole = jax.tree.leaves(batch)[0].shape[0] // chunk
  chunks = jax.tree.map(lambda x: x[: whole * chunk].reshape(whole, chunk, *x.shape[1:]), batch)
  rest = jax.tree.map(lambda x: x[whole * chunk :], batch)
  return chunks, rest if jax.tree.leaves(rest)[0].shape[0] else None


def _sum_over_chunks(
  function: Callable, params: Params, batch: Batch, chunk: int
) -> tuple[Any, Any]:
  """Applies `(params, examples) -> (sums, rows [c, ...])` to chunks: sums added, rows in order."""
  chunks, rest = _split(batch, chunk)
  if jax.tree.leaves(chunks)[0].shape[0] == 1 and rest is None:
    return function(params, batch)
  shapes, _ = jax.eval_shape(function, params, jax.tree.map(lambda x: x[0], chunks))
  sums = jax.tree.map(
    lambda s: sharding.zeros_varying_like((params, batch), s.shape, s.dtype), shapes
  )

  def add(sums, examples):
    more, rows = function(params, examples)
    return jax.tree.map(jnp.add, sums, more), rows

  sums, rows = lax.scan(add, sums, chunks)
  rows = jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), rows)
  if rest is not None:
    sums, last = add(sums, rest)
    rows = jax.tree.map(lambda a, b: jnp.concatenate([a, b]), rows, last)
  return sums, rows


def _gram(grads_of: Callable, params: Params, rows: Batch, columns: Batch, chunk: int) -> jax.Array:
  """Inner products [rows, columns] of gradients by blocks; a block's columns are recomputed."""

  def products(a, b):
    pairs = zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True)
    rows = lambda x: x.reshape(x.shape[0], -1)  # noqa: E731
    blocks = (jnp.matmul(rows(x), rows(y).T, precision=EXACT) for x, y in pairs)
    return functools.reduce(jnp.add, blocks)

  if rows is columns and chunk >= jax.tree.leaves(rows)[0].shape[0]:
    grads = grads_of(params, rows)
    return products(grads, grads)

  def block_of_rows(params, some):
    left = grads_of(params, some)
    block = lambda params, others: ((), products(grads_of(params, others), left))  # noqa: E731
    return (), _sum_over_chunks(block, params, columns, chunk)[1].T

  return _sum_over_chunks(block_of_rows, params, rows, chunk)[1]


def _all_examples(batch: Batch, axis: str) -> Batch:
  return jax.tree.map(lambda x: lax.all_gather(x, axis, tiled=True), batch)


def _concatenate_shards(tree: Any, axis: str) -> Any:
  """Concatenates the rows of all devices, the same on every device, by one sum of padded rows."""
  n, i = lax.axis_size(axis), lax.axis_index(axis)

  def padded(x):
    whole = sharding.zeros_varying_like(x, (n * x.shape[0], *x.shape[1:]), x.dtype)
    return lax.dynamic_update_slice_in_dim(whole, x, i * x.shape[0], 0)

  return lax.psum(jax.tree.map(padded, tree), axis)
