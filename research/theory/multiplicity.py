r"""Predictive multiplicity: how much models that are as good as the best disagree on single examples.

Of R models with losses L, those that are good within :math:`\epsilon` are
:math:`S_\epsilon = \{r : L_r \le \min L + \epsilon\}`, and the baseline is the best, the first if
several are. Predictions are probabilities [R, m, C]; of classes alone, one-hot. Two of them are as far
apart as the class on which they differ most: for two classes, by the difference of probabilities.

The set of all good models of a class is larger than any sample of it. Over seeds, or checkpoints, every
number here is a lower bound of what the class allows; it grows with R.

References: `Marx, Calmon and Ustun (2020) <https://arxiv.org/abs/1909.06677>`_ for classes, and
  `Watson-Daniels, Parkes and Ustun (2023) <https://arxiv.org/abs/2206.01131>`_ for probabilities. The
  distance for more than two classes is ours.
"""

import numpy as np


def good(losses: np.ndarray, epsilon: float) -> np.ndarray:
  """Which of R models have a loss within epsilon of the best: bool [R].

  Raises:
    ValueError: losses are not [R] numbers, at least one, or epsilon is negative.
  """
  losses = np.asarray(losses, np.float64)
  if losses.ndim != 1 or not losses.size or not np.all(np.isfinite(losses)):
    raise ValueError('losses must be finite numbers [R], at least one')
  if not epsilon >= 0:
    raise ValueError(f'epsilon must be at least 0, not {epsilon}')
  return losses <= losses.min() + epsilon + 1e-6  # an accuracy in float32 is a ninth digit off


def ambiguity(
  probabilities: np.ndarray, losses: np.ndarray, epsilon: float, threshold: float = 1.0
) -> float:
  r"""The share of examples on which some good model is at least `threshold` away from the baseline.

  .. math:: \alpha_\epsilon = \frac1m \Big|\big\{i : \max_{g \in S_\epsilon}
     \|g(x_i) - g_0(x_i)\|_\infty \ge \delta\big\}\Big|

  With one-hot predictions and any threshold in (0, 1], the share on which some good model chooses
  another class.

  Guarantees (each is a test): it is what loops over examples and models find; at least `discrepancy`;
  it never falls with epsilon or R, nor rises with the threshold; the order of examples, classes and
  models does not matter.

  Raises:
    ValueError: as in `good`; probabilities are not [R, m, C]; or threshold is not in (0, 1].
  """
  apart = _apart(probabilities, losses, epsilon, threshold)
  return float(np.mean(apart.any(axis=0)))


def discrepancy(
  probabilities: np.ndarray, losses: np.ndarray, epsilon: float, threshold: float = 1.0
) -> float:
  r"""The largest share of examples on which one good model is so far from the baseline.

  .. math:: \delta_\epsilon = \max_{g \in S_\epsilon}
     \frac1m \big|\{i : \|g(x_i) - g_0(x_i)\|_\infty \ge \delta\}\big|

  Guarantees (each is a test): as for `ambiguity`.

  Raises:
    ValueError: as in `ambiguity`.
  """
  apart = _apart(probabilities, losses, epsilon, threshold)
  return float(np.max(np.mean(apart, axis=1)))


def _apart(probabilities, losses, epsilon: float, threshold: float) -> np.ndarray:
  """Which good models are so far from the baseline on which examples: bool [G, m]."""
  if not 0 < threshold <= 1:
    raise ValueError(f'threshold must lie in (0, 1], not {threshold}')
  chosen = _chosen(probabilities, losses, epsilon)
  baseline = np.asarray(probabilities, np.float64)[np.argmin(losses)]
  reached = threshold - 1e-12  # 0.3 - 0.1 is less than 0.2
  return np.max(np.abs(chosen - baseline[None]), axis=2) >= reached


def _chosen(probabilities, losses, epsilon: float) -> np.ndarray:
  probabilities, kept = np.asarray(probabilities, np.float64), good(losses, epsilon)
  if probabilities.ndim != 3 or len(probabilities) != len(kept) or not probabilities.size:
    raise ValueError(f'probabilities must be [{len(kept)}, m, C], not {list(probabilities.shape)}')
  sums = probabilities.sum(axis=2)
  if not np.all(probabilities >= 0) or not np.allclose(sums, 1, rtol=0, atol=1e-4):
    raise ValueError('probabilities must be at least 0 and add up to 1 over classes')
  return probabilities[kept]
