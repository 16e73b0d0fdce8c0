"""The multilayer perceptron; without hidden layers, the linear classifier."""

import math
from typing import Literal

import flax.linen as nn
import jax
import jax.numpy as jnp

from research.models.model import Model, check_choice, check_positive, from_linen

he_normal, lecun_normal = nn.initializers.he_normal(), nn.initializers.lecun_normal()

# The activation, and the initialization of the layer in front of it.
ACTIVATIONS = {
  'relu': (jax.nn.relu, he_normal),
  'gelu': (jax.nn.gelu, he_normal),
  'tanh': (jax.nn.tanh, lecun_normal),
}


def by_fan_in(fan_in: int):
  """Uniform in +-1 / sqrt(fan_in)."""

  def init(key, shape, dtype=jnp.float32):
    return jax.random.uniform(key, shape, dtype, -1.0, 1.0) / math.sqrt(fan_in)

  return init


class MLP(nn.Module):
  n_classes: int
  widths: tuple[int, ...]
  activation: str
  initialization: str
  dropout: float

  @nn.compact
  def __call__(self, x, deterministic=True):
    activation, _ = ACTIVATIONS[self.activation]
    x = x.reshape(x.shape[0], -1)
    for width in self.widths:
      x = activation(self.dense(width, x.shape[-1])(x))
      if self.dropout:
        x = nn.Dropout(self.dropout)(x, deterministic=deterministic)
    return self.dense(self.n_classes, x.shape[-1], last=True)(x)

  def dense(self, width, fan_in, last=False):
    if self.initialization == 'fan_in':
      return nn.Dense(width, kernel_init=by_fan_in(fan_in), bias_init=by_fan_in(fan_in))
    if self.initialization == 'xavier':
      return nn.Dense(width, kernel_init=nn.initializers.xavier_uniform())
    signal = lecun_normal if last else ACTIVATIONS[self.activation][1]
    return nn.Dense(width, kernel_init=signal)


def mlp(
  n_classes: int,
  *,
  widths: tuple[int, ...] = (256, 256),
  activation: Literal['relu', 'gelu', 'tanh'] = 'relu',
  initialization: Literal['signal', 'fan_in', 'xavier'] = 'signal',
  dropout: float = 0.0,
) -> Model:
  r"""An MLP on flattened inputs, with one hidden layer for each of `widths`.

  With `initialization='signal'`, kernels start truncated normal, biases at zero. A layer keeps the
  size of its signal if the variance of its kernel is `1 / (fan_in E[f(z)^2])`, z standard normal, f
  the activation. For relu that is 2 / fan_in (He); for gelu, E[f^2] = 0.43, so nearly the same, and He
  is used too. tanh is the identity on small signals: 1 / fan_in (LeCun). The output layer, with no
  activation behind it, takes 1 / fan_in too: with relu, logits start about as large as the inputs.
  `fan_in` is what PyTorch's linear layers start with: kernels and biases uniform in
  :math:`\pm 1/\sqrt{\text{fan in}}`; `xavier`: kernels uniform in
  :math:`\pm\sqrt{6 / (\text{fan in} + \text{fan out})}`, biases zero.

  Args:
    n_classes: outputs.
    widths: of the hidden layers.
    activation, initialization: see above.
    dropout: the share of the units of each hidden layer that is silenced in training, in [0, 1).

  Raises:
    ValueError: a width or n_classes is not positive; dropout is out of range; an unknown activation
      or initialization.
  """
  check_positive(n_classes=n_classes, widths=widths)
  check_choice(ACTIVATIONS, activation=activation)
  check_choice(('signal', 'fan_in', 'xavier'), initialization=initialization)
  if not 0 <= dropout < 1:
    raise ValueError(f'dropout must lie in [0, 1), not {dropout}')
  module = MLP(n_classes, tuple(widths), activation, initialization, dropout)
  return from_linen(module, dropout=dropout > 0)
