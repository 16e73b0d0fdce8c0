r"""Groups of examples: what each contributes to the gradient, and how coherent each is in itself."""

import jax.numpy as jnp
from jax import lax

from research.gradients import GradientStatistics
from research.instruments.instrument import GradientInstrument
from research.types import Batch, Metrics


def group_coherence() -> GradientInstrument:
  r"""Coherence of, and between, the examples with pristine labels and those with corrupt ones.

  Of m gradients :math:`g_i` with mean :math:`g`, a group G of :math:`m_G` examples contributes
  :math:`g_G = \frac1m \sum_{i \in G} g_i`, so that the contributions add up to g. Its share of the
  step, and its own coherence, are

  .. math::
    f_G = \frac{\langle g, g_G \rangle}{\langle g, g \rangle}, \qquad
    m_G \alpha_G = \frac{\|\sum_G g_i\|^2}{\sum_G \|g_i\|^2}, \qquad
    \hat\alpha_G = \frac{m_G \alpha_G - 1}{m_G - 1},

  and the cosine between the two groups is that of their mean gradients. To first order, :math:`f_G`
  is the part of the fall of the mean loss that a step owes to the group.

  Guarantees (each is a test): shares add up to 1 (to rounding); identical gradients are shared by the
  sizes of the groups, whose cosine is 1; of groups with orthogonal gradients, each shares by its
  squared sum, and their cosine is 0; a group that is the whole sample has the sample's coherence; the
  scale of the loss and the order of the examples do not matter.

  Where the sample holds no example of a group (no label is noisy, or all are; test labels are
  pristine), the group's share is 0 and the rest of it, with the cosine, does not exist: NaN. So is
  the unbiased alpha of a single example.

  Metrics, for G in `pristine`, `corrupt`: `groups/share/G`, `groups/alpha/G`, `groups/m_coherence/G`,
  `groups/alpha_unbiased/G`; and `groups/cosine`, in [-1, 1]. Corrupt labels are those that were
  redrawn, whether or not they changed. Memory: [m, m].

  References: `Chatterjee (2020) <https://arxiv.org/abs/2002.10657>`_, whose :math:`f_p` and
    :math:`f_c` these shares are, there on the batch of the step (`on='batch'` here);
    `Chatterjee & Zielinski (2022) <https://arxiv.org/abs/2203.10036>`_ for coherence.
  """

  def formula(stats: GradientStatistics, batch: Batch) -> Metrics:
    is_corrupt = batch.get('corrupt', jnp.zeros(stats.losses.shape, bool))
    masks = jnp.stack([~is_corrupt, is_corrupt]).astype(stats.gram.dtype)  # [2, m]
    sizes = jnp.sum(masks, axis=1)
    # Products of the sums of the groups' gradients [2, 2], and sums of their squared norms [2].
    products = jnp.einsum('ai,ij,bj->ab', masks, stats.gram, masks, precision=lax.Precision.HIGHEST)
    sq_norms = jnp.sum(masks * jnp.diagonal(stats.gram)[None], axis=1)
    shares = jnp.sum(products, axis=1) / jnp.sum(products)
    m_coherence = jnp.diagonal(products) / sq_norms
    unbiased = jnp.where(sizes > 1, (m_coherence - 1) / (sizes - 1), jnp.nan)
    lengths = jnp.sqrt(jnp.diagonal(products))
    metrics: Metrics = {'groups/cosine': products[0, 1] / lengths[0] / lengths[1]}
    for i, name in enumerate(('pristine', 'corrupt')):
      metrics |= {
        f'groups/share/{name}': shares[i],
        f'groups/alpha/{name}': m_coherence[i] / sizes[i],
        f'groups/m_coherence/{name}': m_coherence[i],
        f'groups/alpha_unbiased/{name}': unbiased[i],
      }
    return metrics

  return GradientInstrument(formula=formula, price=1.25, gram=True)
