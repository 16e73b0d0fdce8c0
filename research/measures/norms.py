r"""Norms of parameters as vectors, and of how far they have moved."""

import jax
import jax.numpy as jnp
import optax

from research.measures.layers import check_trees, layers_of
from research.measures.measure import Trained
from research.measures.scaling import scaled
from research.types import Metrics


def norms(trained: Trained) -> Metrics:
  r"""The lengths of the parameters and of their way, and squared Frobenius norms of the kernels.

  .. math:: \|w\|_2, \qquad \|w - w_0\|_2, \qquad
     \sum_l \|W_l\|_F^2, \qquad \sum_l \|W_l - W_l^0\|_F^2

  w is all parameters as one vector, biases and scales too, which public code leaves out; W are kernels
  alone. All are scaled (`scaling.scaled`): without biases, the first is the root of |w| / n, and the
  third |w| over the root of n.

  Metrics: `norms/length`, `norms/distance`, `norms/sq_frobenius`, `norms/sq_frobenius_distance`. Cost:
  one pass over the parameters.

  References: `Jiang et al. (2020) <https://arxiv.org/abs/1912.02178>`_, 'distance to initialization'
  and 'parameter norm'; the distance is that of `Nagarajan & Kolter (2019)
  <https://arxiv.org/abs/1901.01672>`_.

  Guarantees (each is a test): norms by hand; parameters times c and both trees shifted alike move them
  as they must; the order of units does not matter; zero if nothing moved.

  Raises:
    ValueError: no leaf is a kernel; initial is not a tree like final.
  """
  check_trees(trained)
  n, layers = len(trained.inputs), layers_of(trained)
  moved = jax.tree.map(jnp.subtract, trained.final, trained.initial)
  kernels = [layer.final for layer in layers]
  ways = [layer.final - layer.initial for layer in layers]
  return {
    'norms/length': scaled(optax.tree.norm(trained.final), n),
    'norms/distance': scaled(optax.tree.norm(moved), n),
    'norms/sq_frobenius': scaled(optax.tree.norm(kernels, squared=True), n),
    'norms/sq_frobenius_distance': scaled(optax.tree.norm(ways, squared=True), n),
  }
