r"""The lengths of the gradients of the examples."""

import jax.numpy as jnp

from research.gradients import GradientStatistics
from research.instruments.instrument import GradientInstrument
from research.types import Batch, Metrics


def gradient_norms() -> GradientInstrument:
  r"""The largest, the mean and the median norm :math:`\|g_i\|` of the examples' gradients.

  The largest, :math:`\max_i \|g_i\|`, is the empirical Lipschitz constant L of the loss at
  :math:`\theta`: the constant that bounds on generalization by stability ask for, here of this sample
  at this point instead of all examples at all points.

  Metrics: `gradient_norms/max`, `gradient_norms/mean`, `gradient_norms/median`, in nats per unit of
  parameter. Cost: less than the mean gradient's, which alone it does not need.

  References: `Chatterjee & Zielinski (2022) <https://arxiv.org/abs/2203.10036>`_, Theorem 1, has L.
  """

  def formula(stats: GradientStatistics, batch: Batch) -> Metrics:
    norms = jnp.sqrt(stats.total_sq_norms)  # [m]
    mean = jnp.mean(norms)
    return {
      # XLA's maximum over a large array passes over NaNs on the CPU.
      'gradient_norms/max': jnp.where(jnp.isnan(mean), jnp.nan, jnp.max(norms)),
      'gradient_norms/mean': mean,
      'gradient_norms/median': jnp.median(norms),
    }

  return GradientInstrument(formula=formula, price=0.65)
