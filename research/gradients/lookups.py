"""`table[indices]`: A is kept as indices; what lies outside of the table has no gradient."""

import math
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from research.gradients.sites import Site


def emitted(site: Site, indices: jax.Array) -> jax.Array:
  """Indices as float32, as which they travel, naming the row that was read."""
  indices = indices.astype(jnp.int32)  # a narrow type may not hold the number of rows
  if site.equation.params['mode'] == lax.GatherScatterMode.CLIP:
    indices = jnp.clip(indices, 0, site.equation.invars[0].aval.shape[0] - 1)  # pyright: ignore
  return indices.astype(jnp.float32)


def factors(site: Site, indices: jax.Array, d: jax.Array) -> tuple[jax.Array, jax.Array]:
  """Indices [c, T] and D [c, 1, T, F] of what c examples emit."""
  table = site.equation.invars[0].aval
  indices = indices[..., 0].reshape(indices.shape[0], -1).astype(jnp.int32)
  d = d.reshape(*indices.shape, math.prod(table.shape[1:]))  # pyright: ignore
  inside = (indices >= 0) & (indices < table.shape[0])  # pyright: ignore
  return indices, jnp.where(inside[..., None], d, 0)[:, None]


def entries(site: Site, table: Any) -> Any:
  """The table as [1, C, F]."""
  del site
  return table.reshape(1, table.shape[0], -1)
