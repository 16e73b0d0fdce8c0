r"""Coherence of the part of the gradient that each feature brings in."""

import jax
import jax.numpy as jnp
from jax import lax

from research import trees
from research.gradients.chunks import even, sum_over_chunks
from research.instruments.instrument import Instrument, Network
from research.types import Batch, Metrics, Params

FIRST = 'Dense_0'
CHUNK = 512  # examples whose gradients with respect to the first bias are held at a time


def block_coherence() -> Instrument:
  r"""Coherence of the first layer's gradient, feature by feature, for a dense first layer.

  With inputs :math:`x = u Q` (u in the coordinates of the features, Q orthogonal), the first layer
  computes :math:`u V + b` with :math:`V = Q W`, and the gradient of example i with respect to V is the
  outer product :math:`u_i \delta_i^\top` with the gradient :math:`\delta_i` for b. Rows of V belong to
  coordinates, hence blocks S of coordinates cut the gradient into orthogonal parts
  :math:`g_i^S = u_i^S \delta_i^\top`, of squared length :math:`\|u_i^S\|^2 \|\delta_i\|^2`, and

  .. math::
     m\alpha_S = \frac{\|\sum_i g_i^S\|^2}{\sum_i \|g_i^S\|^2}, \qquad
     \mathrm{share}_S = \frac{\|\sum_i g_i^S\|^2}{\sum_T \|\sum_i g_i^T\|^2}, \qquad
     m\alpha = \sum_S \frac{\sum_i \|g_i^S\|^2}{\sum_T \sum_i \|g_i^T\|^2}\, m\alpha_S:

  the block's own m-coherence, its share of the step's squared length, and that the layer's
  m-coherence is the mean of those of its blocks, weighted by their share of the gradients' energy.

  Guarantees (each is a test): agrees with the gradients of examples, written down and rotated; shares
  and energies add up to 1; the weighted mean is the coherence of the layer's kernel as `coherence`
  measures it; a block of noise independent of all else has m-coherence near 1; the scale of the
  loss and the order of the examples do not matter.

  Metrics, for each block S: `block_coherence/m_coherence/S`, `block_coherence/alpha_unbiased/S`
  (:math:`(m\alpha_S - 1)/(m - 1)`), `block_coherence/share/S`, `block_coherence/energy/S`; and
  `block_coherence/m_coherence`, of the kernel.

  Cost: three quarters of a gradient. Memory: that of 512 examples, and a kernel.

  Raises:
    ValueError: while tracing: the task has no feature blocks, or the network no dense first layer,
      'Dense_0', with a bias.

  References: ours; coherence is that of `Chatterjee & Zielinski (2022)
    <https://arxiv.org/abs/2203.10036>`_.
  """

  def measure(network: Network, params: Params, batch: Batch) -> Metrics:
    blocks, inputs = network.blocks, batch['inputs']
    m = len(inputs)
    if blocks is None:
      raise ValueError(
        'instruments.block_coherence needs a task with feature blocks, such as slabs'
      )
    leaves = trees.named_leaves(params)
    kernel, bias = leaves.get(f'{FIRST}/kernel'), leaves.get(f'{FIRST}/bias')
    if kernel is None or bias is None or kernel.shape != (inputs[0].size, bias.size):
      raise ValueError(
        f'instruments.block_coherence needs a network whose first layer, {FIRST}, is dense, with a'
        f' bias, on {inputs[0].size} inputs; its parameters are {", ".join(leaves)}'
      )

    def sums(examples):
      delta = _bias_gradients(network, params, examples)  # [c, h]
      squares = jnp.sum(jnp.square(delta), axis=1)  # [c]
      u = blocks.unrotated(examples['inputs']).reshape(len(delta), -1)
      total = jnp.matmul(u.T, delta, precision=lax.Precision.HIGHEST)  # [d, h]
      energies = {
        name: jnp.sum(squares * of_block)
        for name, of_block in blocks.sq_norms(examples['inputs']).items()
      }
      return (total, energies), ()

    (total, energies), _ = sum_over_chunks(sums, batch, even(m, CHUNK), like=params)
    steps = {
      name: jnp.sum(jnp.square(total), where=mask.reshape(-1, 1))
      for name, mask in blocks.masks.items()
    }
    all_steps, energy = sum(steps.values()), sum(energies.values())
    metrics: Metrics = {'block_coherence/m_coherence': all_steps / energy}
    for name in blocks.masks:
      m_coherence = steps[name] / energies[name]
      metrics |= {
        f'block_coherence/m_coherence/{name}': m_coherence,
        f'block_coherence/alpha_unbiased/{name}': (m_coherence - 1) / (m - 1),
        f'block_coherence/share/{name}': steps[name] / all_steps,
        f'block_coherence/energy/{name}': energies[name] / energy,
      }
    return metrics

  return Instrument(measure=measure, price=0.75)


def _bias_gradients(network: Network, params: Params, examples: Batch) -> jax.Array:
  """The gradients of the examples' losses with respect to the first bias, [c, h]."""

  def loss(bias, example):
    moved = trees.with_leaf(params, f'{FIRST}/bias', bias)
    return network.losses(moved, jax.tree.map(lambda x: x[None], example))[0]

  bias = trees.named_leaves(params)[f'{FIRST}/bias']
  return jax.vmap(jax.grad(loss), (None, 0))(bias, examples)
