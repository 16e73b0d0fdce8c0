"""Feature blocks: named parts of the input, each of which tells something of the label."""

from collections.abc import Mapping
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax


@dataclass(frozen=True, eq=False)
class Blocks:
  r"""Which coordinates of an input belong to which feature.

  Features are blocks of coordinates of a vector u; the network sees :math:`x = u Q` with an
  orthogonal Q, or u itself. All functions take what the network sees, inputs [B, ...], and give the
  same.

  Attributes:
    masks: {name: bool, of the shape of one input}: the coordinates of u; no two overlap.
    rotation: Q, float32 [d, d], for inputs that are vectors; None for the identity.

  Raises:
    ValueError: blocks overlap or are empty; Q does not fit, or is not orthogonal.
  """

  masks: Mapping[str, np.ndarray]
  rotation: np.ndarray | None = None

  def __post_init__(self):
    masks = list(self.masks.values())
    if not masks or not all(mask.dtype == bool and mask.any() for mask in masks):
      raise ValueError('masks must be bool, each with a coordinate at least')
    if np.sum(masks, axis=0).max() > 1:
      raise ValueError(f'masks of {", ".join(self.masks)} overlap')
    if self.rotation is not None:
      (d,) = masks[0].shape
      if self.rotation.shape != (d, d):
        raise ValueError(f'rotation must be [{d}, {d}], not {list(self.rotation.shape)}')
      if np.abs(self.rotation @ self.rotation.T - np.eye(d)).max() > 1e-4:
        raise ValueError('rotation must be orthogonal')

  def rotated(self, u: jax.Array) -> jax.Array:
    """What the network sees of u [B, ...]."""
    return u if self.rotation is None else _product(u, self.rotation)

  def unrotated(self, inputs: jax.Array) -> jax.Array:
    """u, of what the network sees; also of directions in the space of inputs."""
    return inputs if self.rotation is None else _product(inputs, self.rotation.T)

  def randomized(
    self, inputs: jax.Array, name: str, order: np.ndarray | jax.Array, *, complement: bool = False
  ) -> jax.Array:
    """Inputs with one block replaced by that of other rows; with `complement`, all but that block.

    Args:
      inputs: [B, ...].
      name: of the block.
      order: int [B]: row i gets the block of row `order[i]`, one joint permutation for the block.
      complement: whether to replace everything else instead.
    """
    u = self.unrotated(inputs)
    return self.rotated(jnp.where(self._mask(name, complement), u[order], u))

  def sq_norms(self, inputs: jax.Array) -> dict[str, jax.Array]:
    """{name: [B]}, squared lengths of the parts of each row that lie in each block."""
    squares = jnp.square(self.unrotated(inputs))
    axes = tuple(range(1, squares.ndim))
    return {name: jnp.sum(squares, axis=axes, where=self._mask(name)) for name in self.masks}

  def _mask(self, name: str, complement: bool = False) -> np.ndarray:
    mask = self.masks[name][None]
    return ~mask if complement else mask


def other_rows(n: int, generator: np.random.Generator) -> np.ndarray:
  """A random order [n] in which no row is its own place: one cycle through all rows, of two or more.

  Every row goes to every other place equally often.
  """
  cycle = generator.permutation(n)
  order = np.empty(n, np.int32)
  order[cycle] = np.roll(cycle, 1)
  return order


def _product(u: jax.Array, matrix: np.ndarray) -> jax.Array:
  return jnp.matmul(u, matrix, precision=lax.Precision.HIGHEST)
