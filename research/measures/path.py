r"""The path norm: all products of weights along paths from an input to an output, squared and added."""

import jax
import jax.numpy as jnp

from research import trees
from research.measures.layers import Layer, layers_of
from research.measures.margins import log_margin, margins_of, percentile
from research.measures.measure import Trained
from research.measures.scaling import scaled
from research.types import Metrics, Params

IN_RANGE = 80.0  # nats; float32 ends at 88.7


def path(trained: Trained) -> Metrics:
  r"""The logarithm of the squared path norm, and of its ratio to the squared margin (nats).

  .. math:: \mu = \sum_c f_{w^2}(\mathbf 1)_c, \qquad \mu / \gamma^2

  :math:`f_{w^2}` is the network with every parameter squared, and :math:`\mathbf 1` an input of ones.
  In a network that is positively homogeneous in each unit (relu, no normalization), units then pass on
  what they get, and the output is the sum over paths of the product of squared weights; biases start
  paths of their own. In others (tanh, cosines, attention, normalization) it is the value of that
  network and no more: with normalization scales cancel in it, and where it is negative the logarithm
  is NaN.

  Where the sum is beyond float32, chains of dense layers and convolutions with nothing but kernels and
  biases are applied once more: squared kernels are divided by a bound on what they do, biases by the
  product of these so far, and the logarithm of the product is added. Other networks are left at inf, or
  -inf, there.

  Metrics: `path/log_norm`, `path/log_norm_over_margin`, scaled (`scaling.scaled`). Cost: two forward
  passes on one example, and the margins'.

  References: `Neyshabur, Tomioka & Srebro (2015) <https://arxiv.org/abs/1503.00036>`_; measures 43 and
  44 in the public code of `Dziugaite et al. (2020) <https://arxiv.org/abs/2010.11924>`_.

  Guarantees (each is a test): the sum over all paths, one by one, of a small network with biases; a
  layer times c and what follows it as it must changes nothing in networks with relu; the order of units
  does not matter; finite where the plain sum is beyond float32.

  Raises:
    ValueError: no leaf is a kernel; initial is not a tree like final.
  """
  n, layers = len(trained.inputs), layers_of(trained)
  ones = jnp.ones_like(trained.inputs[:1])

  def log_sum(params: Params) -> jax.Array:
    return jnp.log(jnp.sum(trained.model.apply(params, ones)))

  log_norm = log_sum(jax.tree.map(jnp.square, trained.final))
  if _is_chain(trained.final, layers):
    params, log_scale = _squared_and_scaled(trained.final, layers)
    in_range = jnp.isnan(log_norm) | (jnp.abs(log_norm) < IN_RANGE)
    log_norm = jnp.where(in_range, log_norm, log_sum(params) + log_scale)
  log_gamma = log_margin(percentile(margins_of(trained)))
  return {
    'path/log_norm': scaled(log_norm, n, log=True),
    'path/log_norm_over_margin': scaled(log_norm - 2 * log_gamma, n, log=True),
  }


def _squared_and_scaled(params: Params, layers: list[Layer]) -> tuple[Params, jax.Array]:
  """Parameters squared and divided, and the logarithm of what their network's outputs lack."""
  leaves = trees.named_leaves(params)
  before = jnp.float32(0)
  for layer in layers:  # its inputs were divided by exp(before), its outputs by exp(after)
    log_squares = 2 * jnp.log(jnp.abs(layer.final))
    fan_in = (2,) if layer.is_local else tuple(range(layer.final.ndim - 1))
    after = before + jnp.max(jax.nn.logsumexp(log_squares, axis=fan_in))
    if layer.bias is not None:
      log_bias = 2 * jnp.log(jnp.abs(layer.bias))
      after = jnp.maximum(after, jnp.max(log_bias))
      leaves[f'{layer.name}/bias'] = jnp.exp(log_bias - after)
    leaves[f'{layer.name}/kernel'] = jnp.exp(log_squares + before - after)
    before = after
  return jax.tree.unflatten(jax.tree.structure(params), list(leaves.values())), before


def _is_chain(params: Params, layers: list[Layer]) -> bool:
  """Whether the layers stand side by side, dense after convolutions, and hold all parameters."""
  names = [layer.name for layer in layers]
  leaves = {f'{name}/{leaf}' for name in names for leaf in ('kernel', 'bias')}
  flat = all(name and '/' not in name for name in names)
  return flat and trees.named_leaves(params).keys() <= leaves
