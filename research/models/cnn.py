"""A plain convolutional network, without normalization or shortcuts."""

import flax.linen as nn
import jax
import jax.numpy as jnp

from research.models.convolution import CONVOLUTIONS, Conv, Convolution, LocallyConnected
from research.models.model import Model, check_choice, check_positive, from_linen


class CNN(nn.Module):
  n_classes: int
  widths: tuple[int, ...]
  dense: tuple[int, ...]
  shared: bool
  convolution: Convolution

  @nn.compact
  def __call__(self, x):
    for layer, width in enumerate(self.widths):
      stride = 2 if layer else 1
      if self.shared:
        x = Conv(width, stride=stride, implementation=self.convolution)(x)
      else:
        x = LocallyConnected(width, stride=stride)(x)
      x = jax.nn.relu(x)
    x = x.reshape(x.shape[0], -1) if self.dense else jnp.mean(x, axis=(1, 2))
    for width in self.dense:
      x = jax.nn.relu(nn.Dense(width, kernel_init=nn.initializers.he_normal())(x))
    return nn.Dense(self.n_classes, kernel_init=nn.initializers.lecun_normal())(x)


def cnn(
  n_classes: int,
  *,
  widths: tuple[int, ...] = (32, 64, 64),
  dense: tuple[int, ...] = (),
  shared: bool = True,
  convolution: Convolution = 'auto',
) -> Model:
  """3x3 convolutions and relu, the global average, and a linear layer, on inputs [B, H, W, C].

  The first convolution has stride 1, each further one stride 2. With `dense`, its hidden layers with
  relu follow the last convolution in place of the average, and see every position. Without `shared`
  weights, each position of each convolution has a kernel of its own: locally connected layers, whose
  receptive fields and initial distributions are those of the convolutions. Hidden layers start
  He-normal, the output layer LeCun-normal, biases at zero. `convolution` says how, not what, is
  computed: see `convolution.Conv`.

  Raises:
    ValueError: widths is empty; a width or n_classes is not positive; an unknown convolution.
  """
  check_positive(n_classes=n_classes, widths=widths, dense=dense)
  check_choice(CONVOLUTIONS, convolution=convolution)
  if not widths:
    raise ValueError('widths must name at least one layer, not ()')
  return from_linen(CNN(n_classes, tuple(widths), tuple(dense), shared, convolution))
