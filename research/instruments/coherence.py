r"""Coherence: how far one gradient step helps more than one example (Chatterjee & Zielinski 2020).

For the gradients :math:`g_1, \dots, g_m` of a sample, with mean :math:`\bar g`:

.. math::
  \alpha = \frac{\|\bar g\|^2}{\frac1m \sum_i \|g_i\|^2}, \qquad
  m\alpha = \frac{\|\sum_i g_i\|^2}{\sum_i \|g_i\|^2}, \qquad
  \hat\alpha = \frac{m\alpha - 1}{m - 1} = \frac{\sum_{i \ne j} \langle g_i, g_j \rangle}
                                               {(m - 1) \sum_i \|g_i\|^2}.

:math:`\alpha` is the loss drop of a small gradient step over the drop if each example could be
stepped on alone. m-coherence, :math:`m\alpha`, counts the examples (itself included) that a step on
one example helps. Both depend on m; :math:`\hat\alpha`, over distinct pairs, is the ratio of
unbiased estimates of numerator and denominator, and the number to compare between sample sizes.
"""

from typing import Any

import jax.numpy as jnp

from research import trees
from research.gradients import GradientStatistics
from research.instruments.instrument import GradientInstrument
from research.types import Batch, Metrics


def coherence(*, per_layer: bool = True) -> GradientInstrument:
  r"""Coherence overall and of each layer's block of parameters.

  Guarantees (each is a test): :math:`0 \le \alpha \le 1`; identical gradients give
  :math:`\alpha = 1`; m orthogonal gradients of equal norm give :math:`\alpha = 1/m`, m-coherence 1 and
  unbiased 0; k copies of each of d orthogonal gradients give m-coherence k; the scale of the loss does
  not matter. If every gradient is zero, nothing is measured: the values are NaN.

  Metrics: `coherence/alpha`, `coherence/m_coherence`, `coherence/alpha_unbiased`, and the same with
  `/<layer>` appended, where a layer is a kernel with its bias.

  Cost: the statistics; nothing beyond them.

  Args:
    per_layer: whether to report layers besides the whole network.

  References: `Chatterjee & Zielinski (2020) <https://arxiv.org/abs/2008.01217>`_, Section 2;
    `Chatterjee & Zielinski (2022) <https://arxiv.org/abs/2203.10036>`_.
  """

  def formula(stats: GradientStatistics, batch: Batch) -> Metrics:
    sq_mean = {
      name: jnp.sum(jnp.square(g.astype(jnp.float32)))
      for name, g in trees.named_leaves(stats.mean_grad).items()
    }
    mean_sq = {name: jnp.mean(sq_norms) for name, sq_norms in stats.sq_norms.items()}
    metrics = _ratios(sum(sq_mean.values()), sum(mean_sq.values()), stats.losses.size, '')
    if per_layer:
      over, under = trees.sum_by_layer(sq_mean), trees.sum_by_layer(mean_sq)
      for layer in over:
        metrics |= _ratios(over[layer], under[layer], stats.losses.size, f'/{layer}')
    return metrics

  return GradientInstrument(formula=formula, price=1.0)


def _ratios(sq_mean: Any, mean_sq: Any, m: int, suffix: str) -> Metrics:
  alpha = sq_mean / mean_sq
  return {
    f'coherence/alpha{suffix}': alpha,
    f'coherence/m_coherence{suffix}': m * alpha,
    f'coherence/alpha_unbiased{suffix}': (m * alpha - 1) / (m - 1) if m > 1 else jnp.nan * alpha,
  }
