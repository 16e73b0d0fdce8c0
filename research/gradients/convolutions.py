"""`conv_general_dilated`: patches of the input are rows C, pixels positions, groups blocks."""

import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from research.gradients.axes import merged, scan_axes
from research.gradients.sites import Site


def factors(site: Site, x: jax.Array, d: jax.Array) -> tuple[jax.Array, jax.Array]:
  """A [c, B, T, C] and D [c, B, T, F] of what c examples emit."""
  spec = site.equation.params['dimension_numbers']
  (sliced, repeated), k = scan_axes(site), len(site.view.scans)

  def channels_last(y, spec):  # -> [c, slices, repeats, N, space, channels]
    own = (1 + k + axis for axis in (spec[0], *spec[2:], spec[1]))
    return lax.transpose(y, [0, *sliced, *repeated, *own])

  x, d = channels_last(x, spec.lhs_spec), channels_last(d, spec.out_spec)
  space = d.shape[k + 2 : -1]
  a = _patches(site, x, space)  # [c, slices, repeats, N, pixels, groups, C]
  groups = site.equation.params['feature_group_count']
  d = d.reshape(*a.shape[:-2], groups, d.shape[-1] // groups)
  blocks = [*range(1, 1 + len(sliced)), k + 3]
  positions = [*range(1 + len(sliced), 1 + k), k + 1, k + 2]
  return merged(a, blocks, positions, [k + 4]), merged(d, blocks, positions, [k + 4])


def entries(site: Site, kernel: Any) -> Any:
  """The kernel as [B, C, F]."""
  spec = site.equation.params['dimension_numbers'].rhs_spec
  groups = site.equation.params['feature_group_count']
  kernel = kernel.transpose((*spec[2:], spec[1], spec[0]))
  return kernel.reshape(math.prod(kernel.shape[:-1]), groups, -1).swapaxes(0, 1)


def convolve(site: Site, x: jax.Array, kernel: jax.Array) -> jax.Array:
  """The result of a convolution, as the product of patches and kernel."""
  params, spec = site.equation.params, site.equation.params['dimension_numbers']
  result, groups = site.equation.outvars[0].aval, params['feature_group_count']
  space = [result.shape[axis] for axis in spec.out_spec[2:]]  # pyright: ignore
  x = lax.transpose(x, (spec.lhs_spec[0], *spec.lhs_spec[2:], spec.lhs_spec[1]))
  alone = x.shape[0] == 1  # under `vmap`, an axis of length 1 costs copies
  a = _patches(site, x[0] if alone else x, space)
  blocks = entries(site, kernel)
  settings = dict(precision=params['precision'], preferred_element_type=result.dtype)  # pyright: ignore
  if groups == 1:
    y = jnp.matmul(a[..., 0, :], blocks[0], **settings)
  else:
    y = jnp.einsum('...gc,gcf->...gf', a, blocks, **settings)
  y = y.reshape(x.shape[0], *space, -1)
  return lax.transpose(
    y, np.argsort((spec.out_spec[0], *spec.out_spec[2:], spec.out_spec[1])).tolist()
  )


def _patches(site: Site, x: jax.Array, space: Sequence[int]) -> jax.Array:
  """The input pixels under each output pixel: [..., space, channels] -> [..., pixels, groups, C].

  By padding, strided slices and one concatenation, which XLA does faster than a convolution with
  unit kernels.

  Args:
    space: the sizes of the result.
  """
  params, kernel = site.equation.params, site.equation.invars[1].aval.shape  # pyright: ignore
  window = [kernel[axis] for axis in params['dimension_numbers'].rhs_spec[2:]]
  groups = params['feature_group_count']
  lead = x.shape[: -len(window) - 1]
  keep, ones = [(0, 0, 0)] * len(lead), [1] * len(lead)
  pairs = zip(params['padding'], params['lhs_dilation'], strict=True)
  padding = [(low, high, d - 1) for (low, high), d in pairs]
  if any(p != (0, 0, 0) for p in padding):
    x = lax.pad(x, jnp.zeros((), x.dtype), [*keep, *padding, (0, 0, 0)])
  strides, dilation = params['window_strides'], params['rhs_dilation']
  slices = []
  for offset in np.ndindex(*window):
    start = [o * d for o, d in zip(offset, dilation, strict=True)]
    stop = [b + (n - 1) * s + 1 for b, n, s in zip(start, space, strides, strict=True)]
    begin, end = [0 for _ in lead] + start + [0], [*lead, *stop, x.shape[-1]]
    slices.append(lax.slice(x, begin, end, [*ones, *strides, 1]))
  n_pixels, inputs = math.prod(space), x.shape[-1] // groups
  if groups == 1:
    joined = slices[0] if len(slices) == 1 else jnp.concatenate(slices, axis=-1)
    return joined.reshape(*lead, n_pixels, 1, len(slices) * inputs)
  stacked = jnp.stack(slices, axis=-2).reshape(*lead, n_pixels, len(slices), groups, inputs)
  return stacked.swapaxes(-3, -2).reshape(*lead, n_pixels, groups, -1)
