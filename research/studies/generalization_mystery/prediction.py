"""Beyond the paper: does coherence early in training predict the generalization gap at its end?

Each setting (width, depth, examples, label noise, learning rate, batch size) is one point: means over
its networks. What has to be beaten is the training loss over the same early epochs, which is free.
Intervals are percentiles over 2,000 bootstrap samples of the settings.
"""

import numpy as np
import pandas as pd

from research.studies.across_settings import bootstrapped, rank
from research.studies.claim import Verdict
from research.summaries import early_means_and_gaps

NOISE, COHERENCE, LOSS = 'task.label_noise', 'coherence/alpha_unbiased', 'train/loss'
GAP = 'gap'


def early_coherence_predicts_the_gap(prediction: pd.DataFrame) -> Verdict:
  """Over settings, the more coherent gradients are early in training (epochs 1 to 4), the smaller is
  the generalization gap at the end (Spearman's rank correlation, below 0)."""
  return bootstrapped(
    early_means_and_gaps(prediction, [COHERENCE, LOSS]),
    lambda it: rank(it, COHERENCE, GAP),
    below=True,
  )


def early_coherence_beats_the_training_loss(prediction: pd.DataFrame) -> Verdict:
  """Early coherence predicts the gap better than the training loss over the same epochs does
  (difference of the absolute rank correlations)."""
  table = early_means_and_gaps(prediction, [COHERENCE, LOSS])
  note = f'coherence {rank(table, COHERENCE, GAP):.2f}, loss {rank(table, LOSS, GAP):.2f}'
  return bootstrapped(
    table, lambda it: abs(rank(it, COHERENCE, GAP)) - abs(rank(it, LOSS, GAP)), note=note
  )


def coherence_predicts_at_equal_label_noise(prediction: pd.DataFrame) -> Verdict:
  """Among settings of equal label noise, too, early coherence goes with a smaller gap (rank correlation
  within each label noise, averaged; below 0)."""

  def within(it):
    return float(np.mean([rank(part, COHERENCE, GAP) for _, part in it.groupby(NOISE)]))

  table = early_means_and_gaps(prediction, [COHERENCE, LOSS])
  by_noise = {noise: rank(part, COHERENCE, GAP) for noise, part in table.groupby(NOISE)}
  note = ', '.join(f'{noise:.0%} {rank:.2f}' for noise, rank in by_noise.items())
  return bootstrapped(table, within, below=True, note=note, strata=NOISE)
