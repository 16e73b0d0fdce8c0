"""A plain convolutional network, without normalization or shortcuts."""

import flax.linen as nn
import jax
import jax.numpy as jnp

from research.models.convolution import CONVOLUTIONS, Conv, Convolution
from research.models.model import Model, check_choice, check_positive, from_linen


class CNN(nn.Module):
  n_classes: int
  widths: tuple[int, ...]
  convolution: Convolution

  @nn.compact
  def __call__(self, x):
    for layer, width in enumerate(self.widths):
      stride = 2 if layer else 1
      x = jax.nn.relu(Conv(width, stride=stride, implementation=self.convolution)(x))
    x = jnp.mean(x, axis=(1, 2))
    return nn.Dense(self.n_classes, kernel_init=nn.initializers.lecun_normal())(x)


def cnn(
  n_classes: int,
  *,
  widths: tuple[int, ...] = (32, 64, 64),
  convolution: Convolution = 'auto',
) -> Model:
  """3x3 convolutions and relu, the global average, and a linear layer, on inputs [B, H, W, C].

  The first convolution has stride 1, each further one stride 2. Convolutions start He-normal, the
  output layer LeCun-normal, biases at zero. `convolution` says how, not what, is computed: see
  `convolution.Conv`.

  Raises:
    ValueError: widths is empty; a width or n_classes is not positive; an unknown convolution.
  """
  check_positive(n_classes=n_classes, widths=widths)
  check_choice(CONVOLUTIONS, convolution=convolution)
  if not widths:
    raise ValueError('widths must name at least one layer, not ()')
  return from_linen(CNN(n_classes, tuple(widths), convolution))
