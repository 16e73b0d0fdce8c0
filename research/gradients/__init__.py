r"""Exact statistics of the gradients of each example, for any losses function.

`gradient_statistics` is the door. It needs nothing but `losses(params, batch) -> [B]`:

    stats = gradient_statistics(losses)(params, batch)
    stats.mean_grad        # what the optimizer wants
    stats.sq_norms         # {leaf: [m]}, squared norms of each example's gradient

Every gradient instrument (coherence, noise scale, stiffness, ...) is a formula on these statistics.
"""

from research.gradients.gram import cross_gram
from research.gradients.independence import COUPLED, BatchCoupledError, check_independence
from research.gradients.mean import mean_gradient
from research.gradients.statistics import GradientStatistics, gradient_statistics

__all__ = [
  'COUPLED',
  'BatchCoupledError',
  'GradientStatistics',
  'check_independence',
  'cross_gram',
  'gradient_statistics',
  'mean_gradient',
]
