r"""Pairs of examples: whether a step on one helps or hurts another, from the Gram matrix.

With :math:`K_{ij} = \langle g_i, g_j \rangle` over m examples. All three read the same matrix.
"""

import jax
import jax.numpy as jnp

from research.gradients import GradientStatistics
from research.instruments.instrument import GradientInstrument
from research.types import Batch, Metrics


def stiffness() -> GradientInstrument:
  r"""Stiffness: the mean sign and the mean cosine of the gradients of two distinct examples.

  .. math::
    S_\text{sign} = \mathbb E_{i \ne j} \operatorname{sign} K_{ij}, \qquad
    S_{\cos} = \mathbb E_{i \ne j} \frac{K_{ij}}{\sqrt{K_{ii} K_{jj}}}

  A gradient of zero has no direction; its cosines count as 0.

  Metrics: `stiffness/sign`, `stiffness/cosine`, in [-1, 1]. Memory: [m, m].

  References: `Fort et al. (2019) <https://arxiv.org/abs/1901.09491>`_, Eqs. 5 and 6.
  """

  def formula(stats: GradientStatistics, batch: Batch) -> Metrics:
    return {
      'stiffness/sign': _mean_over_pairs(jnp.sign(stats.gram)),
      'stiffness/cosine': _mean_over_pairs(_cosines(stats.gram)),
    }

  return GradientInstrument(formula=formula, price=1.25, gram=True)


def confusion() -> GradientInstrument:
  r"""Gradient confusion: how much the worst pair of distinct examples disagrees.

  .. math:: \eta = \max\bigl(0, -\min_{i \ne j} K_{ij}\bigr)

  the smallest bound with :math:`K_{ij} \ge -\eta`; and the lowest cosine, free of scale.

  Metrics: `confusion/bound` (squared gradient norm), `confusion/min_cosine`. Memory: [m, m].

  References: `Sankararaman et al. (2020) <https://arxiv.org/abs/1904.06963>`_, Definition 2.1.
  """

  def formula(stats: GradientStatistics, batch: Batch) -> Metrics:
    return {
      'confusion/bound': jnp.maximum(0.0, -_min_over_pairs(stats.gram)),
      'confusion/min_cosine': _min_over_pairs(_cosines(stats.gram)),
    }

  return GradientInstrument(formula=formula, price=1.25, gram=True)


def g_vendi() -> GradientInstrument:
  r"""G-Vendi: the effective number of distinct gradient directions in the sample.

  .. math:: \exp\Bigl(-\sum_i \lambda_i \log \lambda_i\Bigr), \quad
     \lambda = \text{eigenvalues of } \tfrac1m \bigl[\cos(g_i, g_j)\bigr]_{ij}

  1 if all gradients are parallel, m if all are orthogonal. Zero gradients are left out.

  Metrics: `g_vendi/effective_number` (examples), `g_vendi/entropy` (nats). Cost: an eigenvalue
  decomposition, m^3, besides the statistics.

  References: `Jung et al. (2025), Prismatic Synthesis <https://arxiv.org/abs/2505.20161>`_; the Vendi
    score is of `Friedman & Dieng (2023) <https://arxiv.org/abs/2210.02410>`_. Exact kernel here,
    where the former projects gradients at random.
  """

  def formula(stats: GradientStatistics, batch: Batch) -> Metrics:
    cosines = _cosines(stats.gram)
    eigenvalues = jnp.linalg.eigvalsh(cosines / jnp.trace(cosines))
    entropy = jnp.sum(jax.scipy.special.entr(jnp.maximum(eigenvalues, 0.0)))
    return {'g_vendi/effective_number': jnp.exp(entropy), 'g_vendi/entropy': entropy}

  return GradientInstrument(formula=formula, price=1.25, gram=True)


def _cosines(gram: jax.Array) -> jax.Array:
  """Cosines [m, m]; 0 where a gradient is zero, also on the diagonal; NaN where one is NaN."""
  norms = jnp.sqrt(jnp.diagonal(gram))
  products = norms[:, None] * norms[None, :]
  return jnp.where(products == 0, 0.0, gram / jnp.where(products == 0, 1.0, products))


def _mean_over_pairs(values: jax.Array) -> jax.Array:
  m = values.shape[0]
  return (jnp.sum(values) - jnp.trace(values)) / (m * (m - 1)) if m > 1 else jnp.nan * values[0, 0]


def _min_over_pairs(values: jax.Array) -> jax.Array:
  m = values.shape[0]
  lowest = jnp.min(jnp.where(jnp.eye(m, dtype=bool), jnp.inf, values))
  # XLA's minimum over a large array passes over NaNs on the CPU.
  return jnp.where(jnp.isnan(values).any() | (m == 1), jnp.nan, lowest)
