"""The multilayer perceptron; without hidden layers, the linear classifier."""

from typing import Literal

import flax.linen as nn
import jax

from research.models.model import Model, check_choice, check_positive, from_linen

he_normal, lecun_normal = nn.initializers.he_normal(), nn.initializers.lecun_normal()

# The activation, and the initialization of the layer in front of it.
ACTIVATIONS = {
  'relu': (jax.nn.relu, he_normal),
  'gelu': (jax.nn.gelu, he_normal),
  'tanh': (jax.nn.tanh, lecun_normal),
}


class MLP(nn.Module):
  n_classes: int
  widths: tuple[int, ...]
  activation: str

  @nn.compact
  def __call__(self, x):
    activation, kernel_init = ACTIVATIONS[self.activation]
    x = x.reshape(x.shape[0], -1)
    for width in self.widths:
      x = activation(nn.Dense(width, kernel_init=kernel_init)(x))
    return nn.Dense(self.n_classes, kernel_init=lecun_normal)(x)


def mlp(
  n_classes: int,
  *,
  widths: tuple[int, ...] = (256, 256),
  activation: Literal['relu', 'gelu', 'tanh'] = 'relu',
) -> Model:
  """An MLP on flattened inputs, with one hidden layer for each of `widths`.

  Kernels start truncated normal, biases at zero. A layer keeps the size of its signal if the
  variance of its kernel is `1 / (fan_in E[f(z)^2])`, z standard normal, f the activation. For relu
  that is 2 / fan_in (He); for gelu, E[f^2] = 0.43, so nearly the same, and He is used too. tanh is
  the identity on small signals: 1 / fan_in (LeCun). The output layer, with no activation behind
  it, takes 1 / fan_in too: with relu, logits start about as large as the inputs.

  Raises:
    ValueError: a width or n_classes is not positive; an unknown activation.
  """
  check_positive(n_classes=n_classes, widths=widths)
  check_choice(ACTIVATIONS, activation=activation)
  return from_linen(MLP(n_classes, tuple(widths), activation))
