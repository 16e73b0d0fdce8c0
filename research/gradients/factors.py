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
from typing import Any

import jax
import jax.numpy as jnp

from research.gradients import convolutions, lookups, products
from research.gradients.equations import bind
from research.gradients.sites import Rearrangement, Site, View

# Of each kind of site: its factors, and the entries of its operand that they are about.
RULES: dict[str, Any] = {
  'product': products,
  'convolution': convolutions,
  'look-up': lookups,
}


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
    return self.site.kind == 'look-up'

  @property
  def empty(self) -> bool:
    """Whether there is nothing to it: an axis of length 0."""
    return 0 in (self.blocks, self.positions, self.rows, self.columns)

  def factors(self, emission: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
    """A [c, B, T, C], or indices [c, T], and D [c, B, T, F], of any number of examples."""
    a, d = RULES[self.site.kind].factors(self.site, *emission)
    a, d = (d, a) if self.flipped else (a, d)
    return a, d if self.site.view.scale == 1.0 else d * self.site.view.scale

  def entries(self, leaf: Any) -> Any:
    """What the factors are about, in an array like the leaf: [B, C, F]."""
    view, operand = self.site.view, _apply(self.site.view, leaf)
    n_slices = math.prod(scan.length for scan in view.scans if scan.sliced)
    k = sum(scan.sliced for scan in view.scans)
    operand = operand.reshape(n_slices, *operand.shape[k:])
    blocks = jax.vmap(lambda x: RULES[self.site.kind].entries(self.site, x))(operand)
    blocks = blocks.reshape(-1, *blocks.shape[2:])
    return blocks.swapaxes(1, 2) if self.flipped else blocks

  def swapped(self) -> 'Term':
    """The same term, of the transposed entries."""
    return dataclasses.replace(self, rows=self.columns, columns=self.rows, flipped=not self.flipped)


def make_term(site: Site) -> Term:
  """The term of a site, with the sizes of its factors."""
  shapes = site.emitted_shapes
  emission = tuple(jax.ShapeDtypeStruct((1, *shape), jnp.float32) for shape in shapes)
  a, d = jax.eval_shape(lambda emission: RULES[site.kind].factors(site, *emission), emission)
  if site.kind == 'look-up':
    return Term(site, 1, d.shape[2], site.equation.invars[0].aval.shape[0], d.shape[3])  # pyright: ignore
  return Term(site, d.shape[1], d.shape[2], a.shape[3], d.shape[3])


def _apply(view: View, leaf: Any) -> Any:
  """Applies the steps of a view to its leaf; after k slicing scans the result has k more axes."""
  apply = lambda x: x  # noqa: E731
  for step in reversed(view.steps):
    apply = _before(step, apply)
  return apply(leaf)


def _before(step: Any, rest: Any) -> Any:
  if isinstance(step, Rearrangement):
    return lambda x: rest(bind(step.equation, [x])[step.result])
  return jax.vmap(rest) if step.sliced else rest
