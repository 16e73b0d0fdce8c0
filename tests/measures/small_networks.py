"""An MLP that is right about all of its 40 examples."""

import jax
import jax.numpy as jnp
import numpy as np

from research.measures import Trained
from research.models import make_model

MODEL = make_model(3, name='mlp', widths=(8,))
X = jax.random.normal(jax.random.key(0), (40, 5))


def trained(seed=0, order=None):
  keys = jax.random.split(jax.random.key(seed), 3)
  start, end = (MODEL.init(k, X[:1]) for k in keys[:2])
  labels = jnp.argmax(MODEL.apply(end, X), axis=-1)
  order = np.arange(40) if order is None else order
  return Trained(MODEL, start, end, X[order], labels[order], keys[2])


def scaled_up(params):
  """The same function: a ReLU layer times 8, the next over 8."""
  first = jax.tree.map(lambda x: 8.0 * x, params['Dense_0'])
  second = params['Dense_1'] | {'kernel': params['Dense_1']['kernel'] / 8}
  return params | {'Dense_0': first, 'Dense_1': second}
