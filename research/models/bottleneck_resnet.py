"""Residual networks for large images, of bottleneck blocks: ResNet-50, 101, 152."""

from functools import partial
from typing import get_args

import flax.linen as nn
import jax
import jax.numpy as jnp

from research.models.convolution import CONVOLUTIONS, Conv, Convolution
from research.models.model import Model, check_choice, check_positive, from_linen
from research.models.resnet import Norm, normalization

EXPANSION = 4  # channels of a block's output over those inside it


class Bottleneck(nn.Module):
  """`x + conv1(relu(norm(conv3(relu(norm(conv1(relu(norm(x)))))))))`; the 3x3 one has the stride."""

  channels: int
  stride: int
  norm: partial
  conv: partial

  @nn.compact
  def __call__(self, x):
    y = jax.nn.relu(self.norm()(x))
    if self.stride > 1 or x.shape[-1] != EXPANSION * self.channels:
      x = self.conv(EXPANSION * self.channels, size=1, stride=self.stride)(y)
    y = self.conv(self.channels, size=1)(y)
    y = self.conv(self.channels, stride=self.stride)(jax.nn.relu(self.norm()(y)))
    return x + self.conv(EXPANSION * self.channels, size=1)(jax.nn.relu(self.norm()(y)))


class BottleneckResNet(nn.Module):
  n_classes: int
  stages: tuple[int, ...]
  width: int
  norm: partial
  conv: partial

  @nn.compact
  def __call__(self, x):
    x = self.conv(self.width, size=7, stride=2)(x)
    x = nn.max_pool(x, (3, 3), (2, 2), 'SAME')
    for stage, blocks in enumerate(self.stages):
      for block in range(blocks):
        stride = 2 if stage and not block else 1
        x = Bottleneck(2**stage * self.width, stride, self.norm, self.conv)(x)
    x = jnp.mean(jax.nn.relu(self.norm()(x)), axis=(1, 2))
    return nn.Dense(self.n_classes, kernel_init=nn.initializers.lecun_normal())(x)


def bottleneck_resnet(
  n_classes: int,
  *,
  stages: tuple[int, ...] = (3, 4, 6, 3),
  width: int = 64,
  norm: Norm = 'group',
  groups: int = 32,
  convolution: Convolution = 'auto',
) -> Model:
  """A pre-activation ResNet of bottleneck blocks on inputs [B, H, W, C]: ResNet-50 by default.

  A 7x7 stem of `width` channels and stride 2; the maximum over 3x3, stride 2; stages of so many
  blocks, each with twice the channels of the one before at half its resolution, 4 `width` at first;
  norm, relu, the global average, and a linear layer. `stages` (3, 4, 23, 3) is ResNet-101,
  (3, 8, 36, 3) ResNet-152. With 1,000 classes ResNet-50 has 25,549,352 parameters, and takes 4.0 G
  multiplications and additions for an image of 224 x 224.

  Convolutions have no bias and start He-normal, the output layer LeCun-normal, scales at one. `norm`
  and `convolution` are as in `resnet`.

  References: `He et al. (2016) <https://arxiv.org/abs/1603.05027>`_, with the stride of a block in its
  3x3 convolution; `Wu and He (2018) <https://arxiv.org/abs/1803.08494>`_ for the norm.

  Raises:
    ValueError: stages is empty; a stage, width or n_classes is not positive; groups does not divide
      width; an unknown norm or convolution.
  """
  check_positive(n_classes=n_classes, stages=stages, width=width, groups=groups)
  check_choice(get_args(Norm), norm=norm)
  check_choice(CONVOLUTIONS, convolution=convolution)
  if not stages:
    raise ValueError('stages must name at least one stage, not ()')
  if width % groups:
    raise ValueError(f'groups must divide width={width}, not be {groups}')
  conv = partial(Conv, use_bias=False, implementation=convolution)
  module = BottleneckResNet(n_classes, tuple(stages), width, normalization(norm, groups), conv)
  return from_linen(module, per_example=norm != 'batch')
