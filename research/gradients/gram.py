r"""Gram matrices of samples, or between two samples, too large to be measured in one pass."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from research.gradients import groups
from research.gradients.chunks import even, n_examples, sum_over_chunks
from research.gradients.independence import check_independence
from research.gradients.passes import emissions_of, largest_chunk
from research.gradients.plan import Plan, make_plan
from research.types import Batch, Losses, Params


def cross_gram(
  losses: Losses, *, per_layer: bool = False, chunk_size: int | None = None
) -> Callable[[Params, Batch, Batch], Any]:
  r"""Inner products of the gradients of two batches: `(params, rows, columns) -> [m, n]`.

  .. math:: K_{ij} = \langle \nabla_\theta \ell(x_i), \nabla_\theta \ell(x'_j) \rangle

  of rows x (say, test examples) and columns x' (say, training examples). Neither are ever held as
  gradients of the whole network.

  Cost: one pass over the rows, and for each chunk of them one over the columns.

  Args:
    losses: `(params, batch) -> [B]`.
    per_layer: whether to return `{leaf path: [m, n]}` instead of their sum.
    chunk_size: examples in one pass, as in `gradient_statistics`. It changes no result.

  Raises:
    BatchCoupledError, ValueError, TypeError: as `gradient_statistics` does.
  """
  if chunk_size is not None and chunk_size < 1:
    raise ValueError(f'chunk_size must be at least 1, not {chunk_size}')

  def products(params: Params, rows: Batch, columns: Batch) -> Any:
    m, n = n_examples(rows), n_examples(columns)
    if not m or not n:
      raise ValueError('gradient statistics of an empty sample')
    check_independence(losses, params, rows if m >= n else columns)
    plan = make_plan(losses, params, rows)
    chunk = chunk_size or largest_chunk(plan, max(m, n))
    grams = gram_by_chunks(plan, params, rows, columns, chunk)
    return grams if per_layer else functools.reduce(jnp.add, grams.values())

  return products


def gram_by_chunks(
  plan: Plan, params: Params, rows: Batch, columns: Batch, chunk: int
) -> dict[str, jax.Array]:
  """`{leaf path: [m, n]}` by blocks; the columns of a block are computed anew."""
  loop = chunk < max(n_examples(rows), n_examples(columns))

  def some_rows(examples):
    _, of_rows = emissions_of(plan, params, examples, loop)

    def some_columns(examples):
      _, of_columns = emissions_of(plan, params, examples, loop)
      grams: dict[str, Any] = {}
      for group in plan.groups:
        name = plan.names[group.leaf]
        grams[name] = grams.get(name, 0.0) + groups.gram_between(group, of_columns, of_rows)
      return (), grams

    _, grams = sum_over_chunks(some_columns, columns, even(n_examples(columns), chunk))
    return (), complete(jax.tree.map(jnp.transpose, grams), plan)

  return sum_over_chunks(some_rows, rows, even(n_examples(rows), chunk))[1]


def complete(grams: dict[str, jax.Array], plan: Plan) -> dict[str, jax.Array]:
  """The same, in the order of the leaves, and zeros for those that are not used."""
  zeros = jnp.zeros_like(next(iter(grams.values())))
  return {name: grams.get(name, zeros) for name in plan.names}


def all_examples(rows: Any, axis: str) -> Any:
  """Inside `shard_map`: the rows of all devices."""
  return jax.tree.map(lambda x: lax.all_gather(x, axis, tiled=True), rows)
