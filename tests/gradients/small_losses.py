"""Losses of one use of parameters, with what they are of."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

M = 7  # examples


def draw(seed=0, **shapes):
  """A tree of normal numbers, of the given shapes."""
  generator = np.random.default_rng(seed)
  normal = lambda shape: jnp.asarray(0.5 * generator.normal(size=shape), jnp.float32)  # noqa: E731
  return {name: normal(shape) for name, shape in shapes.items()}


def integers(low, high, *shape):
  return jnp.asarray(np.random.default_rng(1).integers(low, high, shape), jnp.int32)


def use(function, x, **shapes):
  """The mean of squares of a `function(params, example)`; examples are of shape x, or given."""
  batch = draw(1, x=(M, *x))['x'] if isinstance(x, tuple) else x

  def loss(params, example):
    return jnp.mean(jnp.square(jnp.tanh(function(params, example)) + 0.5))

  return jax.vmap(loss, (None, 0)), draw(**shapes), batch


def convolve(x, kernel, layout=('NHWC', 'HWIO', 'NHWC'), strides=(1, 1), padding='SAME', **more):
  """`conv_general_dilated` of one example without its batch axis."""
  y = lax.conv_general_dilated(x[None], kernel, strides, padding, dimension_numbers=layout, **more)
  return y[0]
