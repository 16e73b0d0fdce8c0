r"""Coherence from the gradients of mini-batches alone, where examples have none of their own."""

import jax
import jax.numpy as jnp
import optax

from research import rngs
from research.gradients.chunks import n_examples, sum_over_chunks
from research.instruments.instrument import Instrument, Network
from research.types import Batch, Metrics, Params


def batch_coherence(*, batch_size: int = 8, seed: int = 0) -> Instrument:
  r"""Coherence of the examples, inferred from the gradients of mini-batches of k of them.

  For models that couple their examples (train-mode BatchNorm), or whose per-example gradients cost
  too much. The m examples are cut at random into :math:`B = m / k` mini-batches, whose mean losses
  have the gradients :math:`W_1, \dots, W_B`, all at the same :math:`\theta`, and the coherence

  .. math:: \alpha_W = \frac{\|\frac1B \sum_b W_b\|^2}{\frac1B \sum_b \|W_b\|^2},

  which is above that of the examples. If a mini-batch were k independent draws of a distribution,
  its :math:`\alpha` would be, by the theorem of Chatterjee & Zielinski,

  .. math:: \alpha_\text{theorem} = \frac{\alpha_W}{k - (k-1) \alpha_W}.

  But the mini-batches share out a finite sample. With :math:`S = \|\bar g\|^2`, which every cut
  gives exactly, and :math:`Q = \frac1m \sum_i \|g_i\|^2`, two distinct examples have an inner product
  of :math:`(mS - Q) / (m - 1)` on average, and over random cuts

  .. math::
    \mathbb E \|W_b\|^2 = \frac Qk + \frac{k-1}k \frac{mS - Q}{m - 1}
    \quad\Longrightarrow\quad
    \alpha = \frac SQ = \frac{(m-k) \alpha_W}{(m-1) k - (k-1) m \alpha_W},

  so that :math:`1/\alpha` is unbiased. For orthogonal gradients of equal norm the theorem gives
  :math:`1 / (m-k+1)`, this gives :math:`1/m`.

  Guarantees (each is a test): both alphas lie in [0, 1]; for k = 1 both are the coherence of the
  examples; identical gradients give 1; orthogonal ones of equal norm give what is said above; over all
  cuts, :math:`1/\alpha` averages to that of the examples; the scale of the loss does not matter. If
  every gradient is zero, the values are NaN. Where :math:`\alpha_W` is near 1, little can be inferred:
  the theorem's inverse has the slope :math:`k / (k - (k-1) \alpha_W)^2`, up to k.

  Metrics: `batch_coherence/alpha`, `batch_coherence/m_coherence` (:math:`m \alpha`),
  `batch_coherence/alpha_theorem`, `batch_coherence/m_coherence_theorem`, and
  `batch_coherence/alpha_of_batches` (:math:`\alpha_W`).

  Memory: one gradient, and the activations of k examples.

  Args:
    batch_size: k. It must divide the sample, into at least two.
    seed: of the cut, which is the same at every step.

  Raises:
    ValueError: batch_size is not positive; while tracing, it does not divide the sample so.

  References: `Chatterjee & Zielinski (2022) <https://arxiv.org/abs/2203.10036>`_ for the theorem;
    the correction for finite samples is ours.
  """
  if batch_size < 1:
    raise ValueError(f'batch_size must be at least 1, not {batch_size}')
  k = batch_size

  def measure(network: Network, params: Params, batch: Batch) -> Metrics:
    m = n_examples(batch)
    if m % k or m < 2 * k:
      raise ValueError(
        f'batch_coherence.batch_size={k} does not cut the {m} examples of the sample into mini-batches'
        ' of equal size, at least two'
      )
    order = rngs.named_generator(seed, 'batch_coherence').permutation(m)

    def one_batch(examples):
      gradient = jax.grad(lambda params: jnp.mean(network.losses(params, examples)))(params)
      gradient = optax.tree.cast(gradient, jnp.float32)
      return (gradient, optax.tree.norm(gradient, squared=True)), ()

    shuffled = jax.tree.map(lambda x: x[order], batch)
    (total, total_sq), _ = sum_over_chunks(one_batch, shuffled, k, like=params)
    n = m // k
    alpha_w = optax.tree.norm(total, squared=True) / (n * total_sq)
    alpha = (m - k) * alpha_w / ((m - 1) * k - (k - 1) * m * alpha_w)
    theorem = alpha_w / (k - (k - 1) * alpha_w)
    return {
      'batch_coherence/alpha': alpha,
      'batch_coherence/m_coherence': m * alpha,
      'batch_coherence/alpha_theorem': theorem,
      'batch_coherence/m_coherence_theorem': m * theorem,
      'batch_coherence/alpha_of_batches': alpha_w,
    }

  return Instrument(measure=measure, price=1.0)
