"""Convolution as a matrix product: the same numbers as XLA's own, and faster on the CPU."""

from typing import Literal, get_args

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax

Convolution = Literal['auto', 'lax', 'patches']
CONVOLUTIONS = get_args(Convolution)

he_normal = nn.initializers.he_normal()  # truncated normal of variance 2 / fan_in


class Conv(nn.Module):
  """`y[b,p,q,f] = bias[f] + sum_ijc x[b, s p + i, s q + j, c] kernel[i,j,c,f]`, x zero-padded.

  NHWC inputs [B, H, W, C], square kernel [k, k, C, F], padding SAME: outputs are
  [B, ceil(H/s), ceil(W/s), F]. Kernels start He-normal (variance 2 / (k k C)), biases at zero.

  `implementation` changes neither parameters nor, up to rounding, outputs and gradients:

  - 'lax': `lax.conv_general_dilated`.
  - 'patches': k*k strided slices of the padded input, side by side, and one matrix product. Holds
    k*k times the input. A 1x1 convolution is a (strided) slice and a matrix product.
  - 'auto': 'patches' on the CPU, 'lax' elsewhere.

  The reason, measured on 2 CPU cores with jax 0.10.2 (4 networks of 3x3 convolutions of widths
  32-64-64, 28x28 inputs, batch 64): on the CPU, XLA is slow at the grouped convolutions that a
  vmapped population or per-example gradients make of `lax`, and loses the threads in loops.

  ====================================  ============  =======
  milliseconds                          lax           patches
  ====================================  ============  =======
  training step, networks vmapped       330           97
  training step, networks unrolled      103           85
  training step, networks in a scan     1936          51
  per-example gradients, chunks of 8    964 to 1706   43 to 72
  ====================================  ============  =======

  It has a price where channels are few and nothing is vmapped: the training step of one ResNet-16
  (32x32 inputs, batch 64) takes 127 ms and 98 MiB with 'lax', 187 ms and 323 MiB with 'patches'.
  """

  features: int
  size: int = 3
  stride: int = 1
  use_bias: bool = True
  implementation: Convolution = 'auto'

  @nn.compact
  def __call__(self, x):
    shape = (self.size, self.size, x.shape[-1], self.features)
    kernel = self.param('kernel', he_normal, shape)
    implementation = self.implementation
    if implementation == 'auto':
      implementation = 'patches' if jax.default_backend() == 'cpu' else 'lax'
    convolve = {'lax': _convolve, 'patches': _multiply_patches}[implementation]
    y = convolve(x, kernel, self.stride)
    if self.use_bias:
      y += self.param('bias', nn.initializers.zeros, (self.features,)).reshape(1, 1, 1, -1)
    return y


class LocallyConnected(nn.Module):
  """A convolution whose weights are not shared: each position has a kernel of its own.

  `y[b,p,q,f] = bias[p,q,f] + sum_ijc x[b, s p + i, s q + j, c] kernel[p,q,ijc,f]`, padded as `Conv`.
  """

  features: int
  size: int = 3
  stride: int = 1

  @nn.compact
  def __call__(self, x):
    patches = _patches(x, self.size, self.stride)  # [B, P, Q, K]
    kernel = self.param('kernel', _he_normal_at_positions, (*patches.shape[1:], self.features))
    bias = self.param('bias', nn.initializers.zeros, (*patches.shape[1:3], self.features))
    return jnp.einsum('bpqk,pqkf->bpqf', patches, kernel) + bias[None]


_he_normal_at_positions = nn.initializers.he_normal(batch_axis=(0, 1))


def _convolve(x: jax.Array, kernel: jax.Array, stride: int) -> jax.Array:
  layout = ('NHWC', 'HWIO', 'NHWC')
  return lax.conv_general_dilated(x, kernel, (stride, stride), 'SAME', dimension_numbers=layout)


def _multiply_patches(x: jax.Array, kernel: jax.Array, stride: int) -> jax.Array:
  size, _, n_in, n_out = kernel.shape
  return _patches(x, size, stride) @ kernel.reshape(size * size * n_in, n_out)


def _patches(x: jax.Array, size: int, stride: int) -> jax.Array:
  """What a convolution sees at each position: [B, H, W, C] -> [B, rows, columns, k k C]."""
  rows, row_padding = _same_padding(x.shape[1], size, stride)
  columns, column_padding = _same_padding(x.shape[2], size, stride)
  x = jnp.pad(x, ((0, 0), row_padding, column_padding, (0, 0)))
  slices = [
    x[:, i : i + (rows - 1) * stride + 1 : stride, j : j + (columns - 1) * stride + 1 : stride]
    for i in range(size)
    for j in range(size)
  ]
  return jnp.concatenate(slices, axis=-1)


def _same_padding(length: int, size: int, stride: int) -> tuple[int, tuple[int, int]]:
  """The output's length ceil(length / stride), and the zeros before and after that it takes."""
  n_out = -(-length // stride)
  total = max((n_out - 1) * stride + size - length, 0)
  return n_out, (total // 2, total - total // 2)
