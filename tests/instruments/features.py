"""Networks and data whose features are known, for tests of what networks rely on."""

import jax.numpy as jnp
import numpy as np

from research.instruments import Network
from research.losses import make_losses
from research.tasks import Blocks

MASKS = {'first': np.arange(6) < 2, 'second': np.arange(6) >= 2}


def rotation(d, seed=0):
  return np.linalg.qr(np.random.default_rng(seed).normal(size=(d, d)))[0].astype(np.float32)


def separable(m=400, seed=0):
  """Both blocks predict the label, each perfectly by its mean: u [m, 6] and labels [m]."""
  generator = np.random.default_rng(seed)
  labels = generator.permutation(np.arange(m) % 2).astype(np.int32)
  u = generator.uniform(0.2, 1.0, (m, 6)) * (2 * labels - 1)[:, None]
  return u.astype(np.float32), labels


def linear_network(weights, q=None):
  """z_1 - z_0 = <weights, u>, of a network that sees u Q."""
  q = np.eye(6, dtype=np.float32) if q is None else q
  blocks = Blocks(MASKS, None if np.array_equal(q, np.eye(6)) else q)
  w = jnp.asarray(q.T @ np.asarray(weights, np.float32))

  def apply(params, x):
    output = x @ params
    return jnp.stack([jnp.zeros_like(output), output], axis=1)

  return Network(make_losses(apply), apply, blocks), w
