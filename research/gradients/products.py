"""`dot_general`: contracted axes are rows C, batch axes blocks, free axes of the data positions."""

import math
from typing import Any

import jax

from research.gradients.axes import merged, scan_axes
from research.gradients.sites import Site


def factors(site: Site, x: jax.Array, d: jax.Array) -> tuple[jax.Array, jax.Array]:
  """A [c, B, T, C] and D [c, B, T, F] of what c examples emit."""
  contracted, batch, free = _axes(site, site.data)
  n_columns = len(_axes(site, site.operand)[2])
  sliced, repeated = scan_axes(site)
  k = 1 + len(site.view.scans)

  own = lambda axes: [k + axis for axis in axes]  # noqa: E731
  a = merged(x, [*sliced, *own(batch)], [*repeated, *own(free)], own(contracted))

  # The result of the product has the batch axes, the free ones of the left operand, of the right one.
  b, end = len(batch), len(batch) + len(free) + n_columns
  split = b + (len(free) if site.data == 0 else n_columns)
  left, right = own(range(b, split)), own(range(split, end))
  positions, columns = (left, right) if site.data == 0 else (right, left)
  return a, merged(d, [*sliced, *own(range(b))], [*repeated, *positions], columns)


def entries(site: Site, operand: Any) -> Any:
  """The operand as [B, C, F]."""
  contracted, batch, free = _axes(site, site.operand)
  c, f = (math.prod(operand.shape[axis] for axis in axes) for axes in (contracted, free))
  return operand.transpose((*batch, *contracted, *free)).reshape(-1, c, f)


def _axes(site: Site, operand: int) -> tuple[list[int], list[int], list[int]]:
  """The contracted, batch and free axes of an operand."""
  contracted, batch = site.equation.params['dimension_numbers']
  rank = site.equation.invars[operand].aval.ndim  # pyright: ignore
  used = (*contracted[operand], *batch[operand])
  free = [axis for axis in range(rank) if axis not in used]
  return list(contracted[operand]), list(batch[operand]), free
