r"""Measures that count: how many parameters there are, and what they could shatter."""

import jax.numpy as jnp

from research import trees
from research.measures.layers import layers_of
from research.measures.measure import Trained
from research.measures.scaling import scaled
from research.types import Metrics


def counts(trained: Trained) -> Metrics:
  r"""The number of parameters P, and a bound on the VC dimension up to a constant.

  .. math:: \mu = P, \qquad \mu = L\, P \log_2 P

  with L layers that have a kernel: the VC dimension of piecewise linear networks is of order :math:`P
  L \log P`. Both are scaled (`scaling.scaled`), and are the same for all networks of one shape. P
  counts every parameter, biases and scales too; public code counts kernels alone. The bound is for
  binary outputs and piecewise linear activations; for others it is a count like P.

  Metrics: `counts/params`, `counts/vc`. Cost: none.

  References: `Bartlett et al. (2019) <https://arxiv.org/abs/1703.02930>`_, Theorems 3 and 6; measures
  of its kind in `Jiang et al. (2020) <https://arxiv.org/abs/1912.02178>`_, with other logarithms and a
  constant for convolutions, which we do not follow.

  Guarantees (each is a test): the numbers of a network counted by hand; parameters, data and labels do
  not matter.

  Raises:
    ValueError: no leaf is a kernel.
  """
  n, depth = len(trained.inputs), len(layers_of(trained))
  p = jnp.float32(trees.n_parameters(trained.final))
  return {
    'counts/params': scaled(p, n),
    'counts/vc': scaled(depth * p * jnp.log2(p), n),
  }
