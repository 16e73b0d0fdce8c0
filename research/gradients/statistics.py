r"""Exact statistics of per-example gradients, at about the price of the training step.

With :math:`g_i = \nabla_\theta \ell_i(\theta)`, of m examples: the mean gradient :math:`\bar g`, the
squared norms :math:`\|g_i\|^2` leaf by leaf, and on request the Gram matrix
:math:`K_{ij} = \langle g_i, g_j \rangle`, the second moment :math:`\frac1m \sum_i g_i^2` of each
coordinate, products with a direction, and random sketches. All come out of one forward and one
backward pass; `[m, P]` numbers are never held. Sums accumulate in float32 at least.
"""

import functools
from collections.abc import Iterable
from typing import Any, Protocol

import flax.struct
import jax
import jax.numpy as jnp
from jax import lax

from research import sharding, trees
from research.gradients import groups, projections
from research.gradients.chunks import even, n_examples, sum_over_chunks
from research.gradients.gram import all_examples, complete, gram_by_chunks
from research.gradients.groups import Wanted
from research.gradients.independence import check_independence
from research.gradients.passes import emissions_of, largest_chunk, quick_chunk
from research.gradients.plan import Plan, make_plan
from research.types import Batch, Losses, Params


@flax.struct.dataclass
class GradientStatistics:
  """Statistics of the gradients of m examples at one point theta."""

  losses: jax.Array  # [m] per-example losses, nats
  mean_grad: Params  # like params: the gradient of the mean loss
  sq_norms: dict[str, jax.Array]  # {leaf path: [m]} squared norms of each example's gradient
  total_sq_norms: jax.Array  # [m] their sum over leaves
  gram: Any = None  # [m, m] or None: inner products of the examples' gradients
  layer_grams: Any = None  # {leaf path: [m, m]} or None: of each leaf's part of them
  second_moment: Params = None  # like params or None: mean over examples of the squared gradient
  products: Any = None  # [m] or None: inner products with the direction
  sketch: Any = None  # [m, k] or None: random projections that keep inner products on average


class Statistics(Protocol):
  """What `gradient_statistics` returns."""

  def __call__(
    self, params: Params, batch: Batch, direction: Params | None = None
  ) -> GradientStatistics: ...


def gradient_statistics(
  losses: Losses,
  *,
  gram: bool = False,
  layer_grams: bool = False,
  second_moment: bool = False,
  sketch: int | None = None,
  sketch_seed: int = 0,
  chunk_size: int | None = None,
  axis: str | None = None,
  gather: bool = True,
) -> Statistics:
  """Exact statistics of per-example gradients: `(params, batch) -> GradientStatistics`.

  Guarantees (each is a test): the mean gradient is `jax.grad` of the mean loss; every statistic is
  that of `jax.vmap(jax.grad(...))`, to a relative 1e-5 in float32 where no relu is within rounding of
  its kink (there, any two programs differ; in float64 they agree to 1e-9); nothing depends on the
  chunk size, on the number of devices, or (but for its own row) on the order of the examples; the
  loss scaled by c scales gradients by c and squared norms by c^2.

  Cost, in plain training steps on a CPU: 0.4 to 1.1, with `gram` 0.6 to 1.4, for four networks at 64
  to 256 examples (LOG.md); the package docstring has the flops and bytes of each kind of layer.
  Memory: that of the training step. A sample that does not fit streams through several passes.
  Composes with `jit`, `vmap` (over a population, or over directions) and `shard_map`.

  Args:
    losses: `(params, batch) -> [B]`, the loss of each example, which must not depend on the others.
    gram: whether to return the Gram matrix.
    layer_grams: whether to return that of each leaf too.
    second_moment: whether to return the mean squared gradient of each coordinate.
    sketch: k, to return random sketches of k numbers. Inner products of sketches are unbiased for
      those of the gradients, with a standard deviation of at most about sqrt(6 / k) of the product
      of the norms.
    sketch_seed: sketches of the same seed and size may be compared, also between batches.
    chunk_size: examples in one pass; None takes as many as a quarter of the memory holds what they
      emit, on a CPU its caches. It changes no result.
    axis: inside `shard_map`, the mesh axis over which the examples are sharded. Means are those of
      the whole sample, by one sum over devices.
    gather: with an axis, whether every device is given all rows [m] of what has a row for each
      example; otherwise only those of its own examples, and Gram matrices are [m / devices, m].

  The statistics take a `direction` besides, a tree like params, for their products with it.

  Raises:
    BatchCoupledError: the loss of one example depends on others; under `jit`, while tracing.
    ValueError: the sample is empty, chunk_size or sketch is not positive, the direction is not like
      params, the losses depend on none of the parameters or are not one for each example.
    TypeError: a leaf of the parameters is not a real floating-point array.
  """
  for name, value in (('chunk_size', chunk_size), ('sketch', sketch)):
    if value is not None and value < 1:
      raise ValueError(f'{name} must be at least 1, not {value}')
  gram = gram or layer_grams
  wanted = Wanted(gram=gram, second_moment=second_moment)

  def statistics(
    params: Params, batch: Batch, direction: Params | None = None
  ) -> GradientStatistics:
    m = n_examples(batch)
    if m == 0:
      raise ValueError('gradient statistics of an empty sample')
    params = jax.tree.map(jnp.asarray, params)
    if direction is not None:
      _check_direction(direction, params)
    check_independence(losses, params, batch)
    if axis is not None:
      params = sharding.vary(params, axis)
    plan = make_plan(losses, params, batch)
    chunk = chunk_size or largest_chunk(plan, m)
    if chunk_size is None and not gram:
      chunk = min(chunk, quick_chunk(plan, m))
    here = wanted if chunk >= m else Wanted(second_moment=second_moment)

    def one_pass(examples):
      loop = chunk < m
      return _measure(plan, params, examples, loop, here, axis, direction, sketch, sketch_seed)

    sums, rows = sum_over_chunks(one_pass, batch, even(m, chunk), like=params)
    means = jax.tree.map(lambda total: total / m, sums)
    if gram and not here.gram:
      columns = batch if axis is None else all_examples(batch, axis)
      rows['grams'] = gram_by_chunks(plan, params, batch, columns, even(m, chunk))
    if axis is not None:
      means = lax.pmean(means, axis)
      rows = _concatenate_shards(rows, axis) if gather else rows

    def like_params(values):
      leaves, structure = jax.tree.flatten(params)
      return jax.tree.unflatten(
        structure, [v.astype(x.dtype) for v, x in zip(values, leaves, strict=True)]
      )

    grams = rows.get('grams')
    return GradientStatistics(
      losses=rows['losses'],
      mean_grad=like_params(means['total']),
      sq_norms=rows['sq_norms'],
      total_sq_norms=_sum(rows['sq_norms'].values()),
      gram=_sum(grams.values()) if grams else None,
      layer_grams=grams if layer_grams else None,
      second_moment=like_params(means['total_square']) if second_moment else None,
      products=rows.get('products'),
      sketch=rows.get('sketch'),
    )

  return statistics


def _measure(
  plan: Plan,
  params: Params,
  examples: Batch,
  in_a_loop: bool,
  wanted: Wanted,
  axis: str | None,
  direction: Params | None,
  sketch: int | None,
  sketch_seed: int,
) -> tuple[dict[str, Any], dict[str, Any]]:
  """One pass: sums over examples, a list of arrays like the leaves, and rows [c, ...]."""
  leaves, c = jax.tree.leaves(params), n_examples(examples)
  losses, emissions = emissions_of(plan, params, examples, in_a_loop)
  gather = functools.partial(all_examples, axis=axis) if axis is not None else None
  key = jax.random.key(sketch_seed)

  dtypes = [jnp.promote_types(x.dtype, jnp.float32) for x in leaves]
  zeros = [jnp.zeros(x.shape, dtype) for x, dtype in zip(leaves, dtypes, strict=True)]
  sums: dict[str, Any] = {'total': list(zeros)}
  if wanted.second_moment:
    sums['total_square'] = list(zeros)
  no_rows = {
    name: sharding.zeros_varying_like((params, losses), (c,), dtype)
    for name, dtype in zip(plan.names, dtypes, strict=True)
  }
  rows: dict[str, Any] = {'losses': losses, 'sq_norms': no_rows}
  products, sketches, grams = [], [], {}
  for number, group in enumerate(plan.groups):
    i, name = group.leaf, plan.names[group.leaf]
    of_group = groups.statistics(group, emissions, wanted, gather)
    for which in sums:
      placed = group.to_leaf(getattr(of_group, which), leaves[i].shape)
      sums[which][i] = sums[which][i] + placed
    rows['sq_norms'][name] = rows['sq_norms'][name] + of_group.sq_norms
    if wanted.gram:
      grams[name] = grams.get(name, 0.0) + of_group.gram
    if direction is not None:
      v = jax.tree.leaves(direction)[i]
      products.append(projections.products(group, emissions, v))
    if sketch:
      key_of_group = jax.random.fold_in(key, number)
      sketches.append(projections.sketch(group, emissions, sketch, key_of_group))
  if wanted.gram:
    rows['grams'] = complete(grams, plan)
  if direction is not None:
    rows['products'] = _sum(products)
  if sketch:
    rows['sketch'] = _sum(sketches)
  return sums, rows


def _check_direction(direction: Params, params: Params) -> None:
  shapes, expected = (
    {name: jnp.shape(x) for name, x in trees.named_leaves(tree).items()}
    for tree in (direction, params)
  )
  for name in {**expected, **shapes}:
    if shapes.get(name) != expected.get(name):
      raise ValueError(
        f'the direction must be a tree like the parameters; {name} is {shapes.get(name, "missing")}'
        f', not {expected.get(name, "there")}'
      )


def _sum(arrays: Iterable[jax.Array]) -> jax.Array:
  return functools.reduce(jnp.add, arrays)


def _concatenate_shards(tree: Any, axis: str) -> Any:
  """Concatenates the rows of all devices, the same on every device, by one sum of padded rows."""
  n, i = lax.axis_size(axis), lax.axis_index(axis)

  def padded(x):
    whole = sharding.zeros_varying_like(x, (n * x.shape[0], *x.shape[1:]), x.dtype)
    return lax.dynamic_update_slice_in_dim(whole, x, i * x.shape[0], 0)

  return lax.psum(jax.tree.map(padded, tree), axis)
