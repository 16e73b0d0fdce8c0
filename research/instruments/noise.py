r"""Gradient noise: how large a batch must be for its gradient to point somewhere."""

import jax
import jax.numpy as jnp

from research import trees
from research.gradients import GradientStatistics
from research.instruments.instrument import GradientInstrument
from research.types import Batch, Metrics


def noise_scale() -> GradientInstrument:
  r"""The simple noise scale: the batch size at which gradient noise equals gradient signal.

  .. math::
    B_\text{simple} = \frac{\operatorname{tr} \Sigma}{\|G\|^2}, \qquad
    \operatorname{tr} \Sigma = \frac{m}{m-1} \Bigl(\frac1m \sum_i \|g_i\|^2 - \|\bar g\|^2\Bigr), \qquad
    \|G\|^2 = \|\bar g\|^2 - \frac{1}{m} \operatorname{tr} \Sigma

  with the unbiased estimates of both from m examples, in examples. Where the estimate of
  :math:`\|G\|^2` is not positive, the sample is too small to tell signal from none: the value is NaN.

  Metrics: `noise/scale` (examples), `noise/trace` and `noise/signal` (squared loss per parameter unit).

  References: `McCandlish et al. (2018) <https://arxiv.org/abs/1812.06162>`_, Eq. 2.9 and Appendix A.1.
  """

  def formula(stats: GradientStatistics, batch: Batch) -> Metrics:
    m = stats.losses.size
    sq_mean = sum(jnp.sum(jnp.square(g)) for g in _float32(stats.mean_grad))
    mean_sq = jnp.mean(stats.total_sq_norms)
    trace = (mean_sq - sq_mean) * m / (m - 1) if m > 1 else jnp.nan * mean_sq
    signal = sq_mean - trace / m
    scale = jnp.where(signal > 0, trace / signal, jnp.nan)
    return {'noise/scale': scale, 'noise/trace': trace, 'noise/signal': signal}

  return GradientInstrument(formula=formula, price=1.0)


def gsnr() -> GradientInstrument:
  r"""Gradient signal-to-noise ratio, of each parameter: its squared mean gradient over its variance.

  .. math:: r_j = \frac{\bar g_j^2}{\frac1m \sum_i (g_{ij} - \bar g_j)^2}

  Metrics: `gsnr/mean`, over the parameters whose gradient varies, and `gsnr/mean/<leaf>`. A parameter
  whose gradient is the same for every example (zero, of a dead unit) has no ratio and is left out;
  likewise one whose ratio is above about 2e6 / m, where rounding hides the variance. Without any
  signal, r is about 1/m: compare it at equal m.

  Memory: the second moment of each coordinate, [P].

  References: `Liu et al. (2020) <https://arxiv.org/abs/2001.07384>`_, Definition 2.1.
  """

  def formula(stats: GradientStatistics, batch: Batch) -> Metrics:
    means = trees.named_leaves(stats.mean_grad)
    squares = trees.named_leaves(stats.second_moment)
    rounding = 4 * jnp.finfo(jnp.float32).eps * stats.losses.size  # of a sum of m terms
    metrics: Metrics = {}
    totals, counts = [], []
    for name, mean in means.items():
      sq_mean = jnp.square(mean.astype(jnp.float32))
      variance = squares[name] - sq_mean
      varies = variance > rounding * squares[name]
      total = jnp.sum(jnp.where(varies, sq_mean / jnp.where(varies, variance, 1.0), 0.0))
      totals.append(total)
      counts.append(jnp.sum(varies))
      metrics[f'gsnr/mean/{name}'] = total / counts[-1]
    return {'gsnr/mean': sum(totals) / sum(counts), **metrics}

  return GradientInstrument(formula=formula, price=1.5, second_moment=True)


def _float32(tree) -> list[jax.Array]:
  return [leaf.astype(jnp.float32) for leaf in jax.tree.leaves(tree)]
