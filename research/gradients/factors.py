r"""What each kind of site emits, as the factors of a gradient.

Whatever the site, the gradient of example i with respect to its operand is, block by block,

.. math:: G_{ib} = \sum_{t=1}^{T} a_{ibt}\, d_{ibt}^\top \in \mathbb R^{C \times F},

with activations A [m, B, T, C] and cotangents D [m, B, T, F]. Blocks b are whatever the operand holds
independent copies of: groups of a convolution, batch axes of a product, slices of a scan. Positions t
are whatever it is shared over: tokens, pixels, the iterations of a scan. For a look-up, the rows of A
are unit vectors, and are kept as indices [m, T].
"""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from research.gradients.equations import bind
from research.gradients.sites import Rearrangement, Site, View


@dataclasses.dataclass(frozen=True, eq=False)
class Term:
  """How one site contributes to the gradient of its leaf.

  Attributes:
    site: the site.
    blocks, positions, rows, columns: B, T, C and F.
    flipped: whether C and F, A and D, have changed places.
  """

  site: Site
  blocks: int
  positions: int
  rows: int
  columns: int
  flipped: bool = False

  @property
  def sparse(self) -> bool:
    """Whether A is kept as the indices of rows."""
    return self.site.kind == 'rows'

  def factors(self, emission: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
    """A [c, B, T, C], or indices [c, T], and D [c, B, T, F], of any number of examples."""
    a, d = RULES[self.site.kind].factors(self.site, *emission)
    a, d = (d, a) if self.flipped else (a, d)
    return a, d if self.site.view.scale == 1.0 else d * self.site.view.scale

  def to_operand(self, blocks: Any) -> Any:
    """Numbers [B, C, F] in the shape of the operand, below the lengths of the scans that slice it."""
    blocks = blocks.swapaxes(1, 2) if self.flipped else blocks
    return RULES[self.site.kind].to_operand(self.site, blocks)

  def from_operand(self, operand: Any) -> Any:
    """The inverse of `to_operand`."""
    blocks = RULES[self.site.kind].from_operand(self.site, operand)
    return blocks.swapaxes(1, 2) if self.flipped else blocks

  def swapped(self) -> 'Term':
    """The same term, of the transposed entries."""
    return dataclasses.replace(self, rows=self.columns, columns=self.rows, flipped=not self.flipped)


def make_term(site: Site) -> Term:
  """The term of a site, with the sizes of its factors."""
  shapes = site.emitted_shapes
  emission = tuple(jax.ShapeDtypeStruct((1, *shape), jnp.float32) for shape in shapes)
  a, d = jax.eval_shape(lambda emission: RULES[site.kind].factors(site, *emission), emission)
  if site.kind == 'rows':
    return Term(site, 1, d.shape[2], site.equation.invars[0].aval.shape[0], d.shape[3])  # pyright: ignore
  return Term(site, d.shape[1], d.shape[2], a.shape[3], d.shape[3])


def view_of(view: View, leaf: Any) -> Any:
  """Applies the steps of a view to its leaf; after k slicing scans the result has k more axes."""
  apply = lambda x: x  # noqa: E731
  for step in reversed(view.steps):
    apply = _before(step, apply)
  return apply(leaf)


def _before(step: Any, rest: Any) -> Any:
  if isinstance(step, Rearrangement):
    return lambda x: rest(bind(step.equation, [x])[step.result])
  return jax.vmap(rest) if step.sliced else rest


# The rules: (site, data [c, scans, ...], cotangents [c, scans, ...]) -> A, D.


def _scans(site: Site) -> tuple[list[int], list[int]]:
  """The axes of an emission over scans that slice the operand, and that repeat it."""
  axes = list(enumerate(site.view.scans, start=1))
  return [i for i, s in axes if s.sliced], [i for i, s in axes if not s.sliced]


def _grouped(x: jax.Array, *groups: Sequence[int]) -> jax.Array:
  """Axes in the order of the groups, those of a group merged; axis 0 stays."""
  order = [0, *(axis for group in groups for axis in group)]
  sizes = [math.prod(x.shape[axis] for axis in group) for group in groups]
  return lax.transpose(x, order).reshape(x.shape[0], *sizes)


def _permutation(site: Site, *groups: Sequence[int]) -> tuple[list[int], list[int]]:
  """For `to_operand`: the shape of the operand with its axes in the order of groups, and the order."""
  sliced = [scan.length for scan in site.view.scans if scan.sliced]
  k, shape = len(sliced), site.equation.invars[site.operand].aval.shape  # pyright: ignore
  order = [*range(k), *(k + axis for group in groups for axis in group)]
  whole = [*sliced, *shape]
  return [whole[i] for i in order], order


class _Product:
  """`dot_general`: contracted axes are rows C, batch axes blocks, free axes of the data positions."""

  @staticmethod
  def _axes(site: Site) -> tuple[Any, ...]:
    contracted, batch = site.equation.params['dimension_numbers']
    x, w = site.data, site.operand
    rank_x, rank_w = (site.equation.invars[i].aval.ndim for i in (x, w))  # pyright: ignore
    free_x = [i for i in range(rank_x) if i not in (*contracted[x], *batch[x])]
    free_w = [i for i in range(rank_w) if i not in (*contracted[w], *batch[w])]
    return contracted[x], batch[x], free_x, contracted[w], batch[w], free_w

  @classmethod
  def factors(cls, site: Site, x: jax.Array, d: jax.Array) -> tuple[jax.Array, jax.Array]:
    rows, batch, free, _, _, columns = cls._axes(site)
    sliced, repeated = _scans(site)
    k = 1 + len(site.view.scans)
    a = _grouped(
      x,
      [*sliced, *(k + i for i in batch)],
      [*repeated, *(k + i for i in free)],
      [k + i for i in rows],
    )
    n_batch, n_free, n_columns = len(batch), len(free), len(columns)
    first = [*range(k + n_batch, k + n_batch + (n_free if site.data == 0 else n_columns))]
    second = [*range(k + n_batch + len(first), k + n_batch + n_free + n_columns)]
    positions, columns = (first, second) if site.data == 0 else (second, first)
    blocks = [*sliced, *range(k, k + n_batch)]
    return a, _grouped(d, blocks, [*repeated, *positions], columns)

  @classmethod
  def to_operand(cls, site: Site, blocks: Any) -> Any:
    *_, rows, batch, columns = cls._axes(site)
    shape, order = _permutation(site, batch, rows, columns)
    return blocks.reshape(shape).transpose(np.argsort(order))

  @classmethod
  def from_operand(cls, site: Site, operand: Any) -> Any:
    *_, rows, batch, columns = cls._axes(site)
    shape, order = _permutation(site, batch, rows, columns)
    end = len(shape) - len(columns)
    c, f = math.prod(shape[end - len(rows) : end]), math.prod(shape[end:])
    return operand.transpose(order).reshape(-1, c, f)


class _Convolution:
  """`conv_general_dilated`: patches of the input are rows, pixels positions, groups blocks."""

  @staticmethod
  def _axes(site: Site) -> Any:
    return site.equation.params['dimension_numbers']

  @classmethod
  def factors(cls, site: Site, x: jax.Array, d: jax.Array) -> tuple[jax.Array, jax.Array]:
    numbers, groups = cls._axes(site), site.equation.params['feature_group_count']
    sliced, repeated = _scans(site)
    lead = 1 + len(site.view.scans)
    scans = [*sliced, *repeated]
    lengths = [x.shape[i] for i in scans]

    def channels_last(y, spec):  # [c, scans, ...] -> [c * scans * N, space, channels]
      order = [0, *scans, *(lead + axis for axis in (spec[0], *spec[2:], spec[1]))]
      y = lax.transpose(y, order)
      return y.reshape(-1, *y.shape[lead + 1 :])

    x, d = channels_last(x, numbers.lhs_spec), channels_last(d, numbers.out_spec)
    a = patches(x, d.shape[1:-1], cls._window(site), site.equation.params, groups)
    n_pixels, columns = math.prod(d.shape[1:-1]), d.shape[-1] // groups
    d = d.reshape(-1, n_pixels, groups, columns)

    def ordered(y):  # [c * scans * N, pixels, groups, k] -> [c, sliced * groups, repeated * T, k]
      c = y.shape[0] // (math.prod(lengths) * cls._n(site))
      y = y.reshape(c, *lengths, cls._n(site), *y.shape[1:])
      k = len(lengths)
      slices, repeats = [*range(1, 1 + len(sliced))], [*range(1 + len(sliced), 1 + k)]
      return _grouped(y, [*slices, k + 3], [*repeats, k + 1, k + 2], [k + 4])

    return ordered(a), ordered(d)

  @classmethod
  def _n(cls, site: Site) -> int:
    return site.equation.invars[0].aval.shape[cls._axes(site).lhs_spec[0]]  # pyright: ignore

  @classmethod
  def _window(cls, site: Site) -> tuple[int, ...]:
    shape = site.equation.invars[1].aval.shape  # pyright: ignore
    return tuple(shape[axis] for axis in cls._axes(site).rhs_spec[2:])

  @classmethod
  def _order(cls, site: Site) -> tuple[list[int], list[int]]:
    """The operand as (scans, space, input channels, output channels)."""
    spec = cls._axes(site).rhs_spec
    return _permutation(site, spec[2:], [spec[1]], [spec[0]])

  @classmethod
  def to_operand(cls, site: Site, blocks: Any) -> Any:
    shape, order = cls._order(site)
    groups = site.equation.params['feature_group_count']
    k = sum(scan.sliced for scan in site.view.scans)
    window_and_inputs, outputs = shape[k:-1], shape[-1] // groups
    blocks = blocks.reshape(*shape[:k], groups, *window_and_inputs, outputs)
    axes = [*range(k), *range(k + 1, blocks.ndim - 1), k, blocks.ndim - 1]  # (.., groups, outputs)
    return blocks.transpose(axes).reshape(shape).transpose(np.argsort(order))

  @classmethod
  def from_operand(cls, site: Site, operand: Any) -> Any:
    shape, order = cls._order(site)
    groups = site.equation.params['feature_group_count']
    k = sum(scan.sliced for scan in site.view.scans)
    x = operand.transpose(order).reshape(*shape[:-1], groups, shape[-1] // groups)
    x = x.transpose([*range(k), x.ndim - 2, *range(k, x.ndim - 2), x.ndim - 1])
    return x.reshape(math.prod(shape[:k]) * groups, math.prod(shape[k:-1]), -1)


def patches(
  x: jax.Array, out_space: Sequence[int], window: Sequence[int], params: dict, groups: int
) -> jax.Array:
  """The input pixels under each output pixel: [n, space, channels] -> [n, pixels, groups, C].

  By padding, strided slices and one concatenation, which XLA does faster than a convolution with
  unit kernels.
  """
  pairs = zip(params['padding'], params['lhs_dilation'], strict=True)
  padding = [(low, high, d - 1) for (low, high), d in pairs]
  if any(p != (0, 0, 0) for p in padding):
    x = lax.pad(x, jnp.zeros((), x.dtype), [(0, 0, 0), *padding, (0, 0, 0)])
  strides, dilation = params['window_strides'], params['rhs_dilation']
  slices = []
  for offset in np.ndindex(*window):
    start = [o * d for o, d in zip(offset, dilation, strict=True)]
    stop = [b + (n - 1) * s + 1 for b, n, s in zip(start, out_space, strides, strict=True)]
    slices.append(lax.slice(x, [0, *start, 0], [x.shape[0], *stop, x.shape[-1]], [1, *strides, 1]))
  n, n_pixels, inputs = x.shape[0], math.prod(out_space), x.shape[-1] // groups
  if groups == 1:
    joined = slices[0] if len(slices) == 1 else jnp.concatenate(slices, axis=-1)
    return joined.reshape(n, n_pixels, 1, len(slices) * inputs)
  stacked = jnp.stack(slices, axis=-2)
  stacked = stacked.reshape(n, n_pixels, len(slices), groups, inputs)
  return stacked.transpose(0, 1, 3, 2, 4).reshape(n, n_pixels, groups, -1)


class _Rows:
  """`table[indices]`: the indices are kept; what lies outside of the table has no gradient."""

  @staticmethod
  def factors(site: Site, indices: jax.Array, d: jax.Array) -> tuple[jax.Array, jax.Array]:
    table = site.equation.invars[0].aval
    indices = indices.reshape(indices.shape[0], -1).astype(jnp.int32)
    d = d.reshape(*indices.shape, math.prod(table.shape[1:]))  # pyright: ignore
    inside = (indices >= 0) & (indices < table.shape[0])  # pyright: ignore
    return indices, jnp.where(inside[..., None], d, 0)[:, None]

  @staticmethod
  def to_operand(site: Site, blocks: Any) -> Any:
    return blocks.reshape(site.equation.invars[0].aval.shape)  # pyright: ignore

  @staticmethod
  def from_operand(site: Site, operand: Any) -> Any:
    return operand.reshape(1, operand.shape[0], -1)


RULES: dict[str, Any] = {'product': _Product, 'convolution': _Convolution, 'rows': _Rows}
