r"""The mean gradient of a batch from which each coordinate's extremes are cut off.

Of the gradients :math:`g_1, \dots, g_m` of the examples, coordinate by coordinate, with the order
statistics :math:`g_{(1)} \le \dots \le g_{(m)}`,

.. math:: \tilde g = \frac1m \sum_{i=1}^m \min(\max(g_i,\, g_{(k+1)}),\, g_{(m-k)}).

What only k examples ask for, whatever its size, is replaced by what the others would have. A network
that can memorize an example only by what that example alone asks for is kept from it.

References: `Chatterjee (2020) <https://arxiv.org/abs/2002.10657>`_, winsorized SGD.
"""

from collections.abc import Callable, Iterator

import jax
import jax.numpy as jnp
from jax import lax

from research import sharding
from research.gradients.chunks import even, n_examples, sum_over_chunks
from research.gradients.groups import as_rows, column_sums, form
from research.gradients.independence import check_independence
from research.gradients.mean import mean_gradient
from research.gradients.passes import emissions_of
from research.gradients.plan import Group, make_plan
from research.gradients.taps import Emissions
from research.types import Batch, Losses, Params

# Bytes of gradients formed at once; and coordinates winsorized at once, which on a CPU stay in cache.
BLOCK_BYTES = {'cpu': 64 << 20, 'gpu': 2 << 30, 'tpu': 2 << 30}
COORDINATES = {'cpu': 2048, 'gpu': 1 << 24, 'tpu': 1 << 24}


def winsorized_mean(
  losses: Losses, *, percent: float, axis: str | None = None
) -> Callable[[Params, Batch], tuple[jax.Array, Params]]:
  """`(params, batch) -> (mean loss [], winsorized mean gradient like params)`.

  In each coordinate, gradients beyond the c-th and the (100 - c)-th percentile are moved there. The
  percentiles are those of the gradients nearest to them in order: k = (m - 1) c / 100, rounded, are
  moved at either end; of 100 examples, c of them. That is `np.percentile(..., method='nearest')`,
  but where (m - 1) c / 100 is halfway between two integers, and NumPy may cut off one more at one end
  than at the other.

  Guarantees (each is a test): with k = 0, this is the mean gradient; nothing depends on the order of
  the examples or on the number of devices; a positive scale of the loss scales the gradient; NaNs
  stay.

  Cost: one pass, then 4 (k + 1) m operations for each parameter, which no product of matrices
  does. Memory: that of the training step, and gradients of a block of coordinates. Composes with
  `jit`, `vmap` and `shard_map`, under which devices share the coordinates.

  Args:
    losses: `(params, batch) -> [B]`, the loss of each example, which must not depend on the others.
    percent: c, in [0, 50).
    axis: inside `shard_map`, the mesh axis over which the examples are sharded; the percentiles are
      those of the whole batch.

  Raises:
    BatchCoupledError: the loss of one example depends on others; under `jit`, while tracing.
    ValueError: percent is out of range, or clips none of the examples; the batch is empty; the losses
      depend on none of the parameters or are not one for each example.
    TypeError: a leaf of the parameters is not a real floating-point array.
  """
  if not 0 <= percent < 50:
    raise ValueError(f'percent must lie in [0, 50), not {percent}')

  def gradient(params: Params, batch: Batch) -> tuple[jax.Array, Params]:
    n_devices = 1 if axis is None else lax.axis_size(axis)
    m = n_examples(batch) * n_devices
    if m == 0:
      raise ValueError('the winsorized gradient of an empty batch')
    params = jax.tree.map(jnp.asarray, params)
    check_independence(losses, params, batch)
    k = round((m - 1) * percent / 100)
    if k == 0 and percent:
      raise ValueError(
        f'percent={percent:g} of {m} examples clips none; take 0, or more than {50 / max(m - 1, 1):.3g}'
      )
    if k == 0:
      return mean_gradient(losses, axis=axis)(params, batch)
    local = params if axis is None else sharding.vary(params, axis)
    plan = make_plan(losses, local, batch)
    values, emissions = emissions_of(plan, local, batch, in_a_loop=False)
    leaves, structure = jax.tree.flatten(params)
    means = [jnp.zeros_like(x) for x in leaves]
    for group in plan.groups:  # of a leaf, they are disjoint: each is winsorized by itself
      blocks = [_mean(group, emissions, block, k, axis) for block in _blocks(group, m)]
      placed = group.to_leaf(jnp.concatenate(blocks, axis=-1), leaves[group.leaf].shape)
      means[group.leaf] += placed.astype(means[group.leaf].dtype)
    loss = jnp.mean(values)
    loss = loss if axis is None else lax.pmean(loss, axis)
    return loss, jax.tree.unflatten(structure, means)

  return gradient


def _mean(group: Group, emissions: Emissions, block: slice, k: int, axis: str | None) -> jax.Array:
  """The winsorized mean [B, C, columns] of a block of columns of a group."""

  def rows_of(emitted):
    return (), as_rows(form(group, emitted, block))

  emitted = {key: emissions[key] for key in group.keys}
  m = n_examples(emitted)
  # Patches of images take more than the gradients that are formed of them.
  chunk = even(m, _of_backend(BLOCK_BYTES) // (4 * group.patches)) if group.patches else m
  _, rows = sum_over_chunks(rows_of, emitted, chunk)  # [m, p]
  mean = winsorized(rows, k) if axis is None else _over_devices(rows, k, axis)
  return mean.reshape(*group.shape[:2], -1)


def _over_devices(rows: jax.Array, k: int, axis: str) -> jax.Array:
  """Inside `shard_map`: of the rows of all devices; each winsorizes its share of the coordinates."""
  p, n = rows.shape[1], lax.axis_size(axis)
  rows = jnp.pad(rows, ((0, 0), (0, -p % n)))
  share = lax.all_to_all(rows, axis, split_axis=1, concat_axis=0, tiled=True)
  return lax.all_gather(winsorized(share, k), axis, tiled=True, to='invarying')[:p]


def winsorized(rows: jax.Array, k: int) -> jax.Array:
  """The mean [p] of rows [m, p], of each column the k smallest and largest numbers moved inwards."""
  m, p = rows.shape
  width = even(p, _of_backend(COORDINATES))
  starts = jnp.arange(0, p, width)
  rows = jnp.pad(rows, ((0, 0), (0, -p % width)))

  def mean(start):
    piece = lax.dynamic_slice_in_dim(rows, start, width, axis=1)
    low, high = _nth_smallest(piece, k), -_nth_smallest(-piece, k)
    return column_sums(jnp.clip(piece, low, high)) / m

  return lax.map(mean, starts).reshape(-1)[:p]


def _nth_smallest(rows: jax.Array, n: int) -> jax.Array:
  """In each column, the number [1, p] that comes after the n smallest.

  One row after another is inserted into the n + 1 smallest so far, s_0 <= s_1 <= ...; of which each
  becomes max(s_{j-1}, min(s_j, x)). On a CPU, `lax.top_k` takes 30 times as long or more.
  """
  infinity = jnp.asarray(jnp.inf, rows.dtype)

  def insert(smallest, row):
    before = lax.pad(smallest, -infinity, [(1, -1, 0), (0, 0, 0)])
    return jnp.maximum(before, jnp.minimum(smallest, row)), None

  first = sharding.zeros_varying_like(rows, (n + 1, rows.shape[1]), rows.dtype) + infinity
  return lax.scan(insert, first, rows[:, None])[0][n:]


def _blocks(group: Group, m: int) -> Iterator[slice]:
  """Blocks of columns of which the gradients of m examples may be held at once."""
  b, c, f = group.shape
  width = even(f, _of_backend(BLOCK_BYTES) // (4 * m * b * c))
  for start in range(0, f, width):
    yield slice(start, min(f, start + width))


def _of_backend(budgets: dict[str, int]) -> int:
  return budgets.get(jax.default_backend(), budgets['gpu'])
