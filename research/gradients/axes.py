"""The axes of what a site emits: [examples, the scans around it, its own]."""

import math
from collections.abc import Sequence

import jax
from jax import lax

from research.gradients.sites import Site


def scan_axes(site: Site) -> tuple[list[int], list[int]]:
  """The axes of an emission over scans that slice the operand, and that repeat it."""
  axes = list(enumerate(site.view.scans, start=1))
  return [i for i, s in axes if s.sliced], [i for i, s in axes if not s.sliced]


def merged(x: jax.Array, *groups: Sequence[int]) -> jax.Array:
  """Axis 0, and one axis for each group of the others."""
  order = [0, *(axis for group in groups for axis in group)]
  sizes = [math.prod(x.shape[axis] for axis in group) for group in groups]
  return lax.transpose(x, order).reshape(x.shape[0], *sizes)
