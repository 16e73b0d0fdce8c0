"""Residual networks for small images: CIFAR ResNet and, widened, WideResNet."""

from functools import partial
from typing import Literal, get_args

import flax.linen as nn
import jax
import jax.numpy as jnp

from research.models.convolution import CONVOLUTIONS, Conv, Convolution
from research.models.model import Model, check_choice, check_positive, from_linen

Norm = Literal['group', 'layer', 'batch']
STEM = 16  # channels, before widening


class BatchNorm(nn.Module):
  """Each channel to zero mean and unit variance over the batch at hand; no running statistics."""

  @nn.compact
  def __call__(self, x):
    scale = self.param('scale', nn.initializers.ones, (x.shape[-1],)).reshape(1, 1, 1, -1)
    bias = self.param('bias', nn.initializers.zeros, (x.shape[-1],)).reshape(1, 1, 1, -1)
    return jax.nn.standardize(x, axis=(0, 1, 2), epsilon=1e-5) * scale + bias


class Block(nn.Module):
  """`x + conv(relu(norm(conv(relu(norm(x))))))`; a new shape takes a 1x1 projection for `x +`."""

  channels: int
  stride: int
  norm: partial
  conv: partial

  @nn.compact
  def __call__(self, x):
    y = jax.nn.relu(self.norm()(x))
    if self.stride > 1 or x.shape[-1] != self.channels:
      x = self.conv(self.channels, size=1, stride=self.stride)(y)
    y = self.conv(self.channels, stride=self.stride)(y)
    return x + self.conv(self.channels)(jax.nn.relu(self.norm()(y)))


class ResNet(nn.Module):
  n_classes: int
  blocks: int  # in each of the three stages
  width: int
  norm: partial
  conv: partial

  @nn.compact
  def __call__(self, x):
    x = self.conv(STEM)(x)
    for stage in range(3):
      for block in range(self.blocks):
        stride = 2 if stage and not block else 1
        x = Block(2**stage * STEM * self.width, stride, self.norm, self.conv)(x)
    x = jnp.mean(jax.nn.relu(self.norm()(x)), axis=(1, 2))
    return nn.Dense(self.n_classes, kernel_init=nn.initializers.lecun_normal())(x)


def normalization(norm: Norm, groups: int) -> partial:
  """GroupNorm with so many groups ('group'), or with one ('layer'); or BatchNorm ('batch')."""
  norms = {
    'group': partial(nn.GroupNorm, num_groups=groups),
    'layer': partial(nn.GroupNorm, num_groups=1),
    'batch': partial(BatchNorm),
  }
  return norms[norm]


def resnet(
  n_classes: int,
  *,
  depth: int = 16,
  width: int = 1,
  norm: Norm = 'group',
  groups: int = 8,
  convolution: Convolution = 'auto',
) -> Model:
  """A pre-activation ResNet of `depth` layers on inputs [B, H, W, C]; WideResNet-depth-width.

  A 3x3 stem of 16 channels; three stages of n = (depth - 4) / 6 blocks, with 16, 32 and 64 times
  `width` channels, the second and third at half the resolution of the one before; norm, relu, the
  global average, and a linear layer. Convolutions have no bias and start He-normal, the output
  layer LeCun-normal, scales at one.

  `norm` is GroupNorm with `groups` groups ('group'); GroupNorm with a single group, over all of
  an example's activations ('layer'); or BatchNorm with the statistics of the batch it is given,
  in evaluation too, and of each device's shard on its own ('batch'). The last couples the examples
  of a batch: the model says so (`per_example` is False), and there is no such thing as the gradient
  of one example. It is there to be studied.

  References: `He et al. (2016) <https://arxiv.org/abs/1603.05027>`_, `Zagoruyko and Komodakis
  (2016) <https://arxiv.org/abs/1605.07146>`_, `Wu and He (2018) <https://arxiv.org/abs/1803.08494>`_.

  Raises:
    ValueError: depth is not 10, 16, 22, ...; width or n_classes is not positive; groups does not
      divide 16, the stem; an unknown norm or convolution.
  """
  check_positive(n_classes=n_classes, width=width, groups=groups)
  check_choice(get_args(Norm), norm=norm)
  check_choice(CONVOLUTIONS, convolution=convolution)
  blocks, remainder = divmod(depth - 4, 6)
  if blocks < 1 or remainder:
    raise ValueError(f'depth must be 6 n + 4 with n at least 1, not {depth}')
  if STEM % groups:
    raise ValueError(f'groups must divide the {STEM} channels of the stem, not be {groups}')
  conv = partial(Conv, use_bias=False, implementation=convolution)
  module = ResNet(n_classes, blocks, width, normalization(norm, groups), conv)
  return from_linen(module, per_example=norm != 'batch')
