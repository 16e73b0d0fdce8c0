"""Beyond the paper: does coherence early in training predict the generalization gap at its end?

Each setting (width, depth, examples, label noise, learning rate, batch size) is one point: means over
its networks. What has to be beaten is the training loss over the same early epochs, which is free.
Intervals are percentiles over 2,000 bootstrap samples of the settings.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd

from research.studies.claim import Verdict
from research.summaries import early_means_and_gaps

NOISE, COHERENCE, LOSS = 'task.label_noise', 'coherence/alpha_unbiased', 'train/loss'
SAMPLES = 2000


def early_coherence_predicts_the_gap(prediction: pd.DataFrame) -> Verdict:
  """Over settings, the more coherent gradients are early in training (epochs 1 to 4), the smaller is
  the generalization gap at the end (Spearman's rank correlation, below 0)."""
  return _bootstrapped(
    early_means_and_gaps(prediction, [COHERENCE, LOSS]), lambda it: _rank(it, COHERENCE), below=True
  )


def early_coherence_beats_the_training_loss(prediction: pd.DataFrame) -> Verdict:
  """Early coherence predicts the gap better than the training loss over the same epochs does
  (difference of the absolute rank correlations)."""
  table = early_means_and_gaps(prediction, [COHERENCE, LOSS])
  note = f'coherence {_rank(table, COHERENCE):.2f}, loss {_rank(table, LOSS):.2f}'
  return _bootstrapped(
    table, lambda it: abs(_rank(it, COHERENCE)) - abs(_rank(it, LOSS)), note=note
  )


def coherence_predicts_at_equal_label_noise(prediction: pd.DataFrame) -> Verdict:
  """Among settings of equal label noise, too, early coherence goes with a smaller gap (rank correlation
  within each label noise, averaged; below 0)."""

  def within(it):
    return float(np.mean([_rank(part, COHERENCE) for _, part in it.groupby(NOISE)]))

  table = early_means_and_gaps(prediction, [COHERENCE, LOSS])
  by_noise = {noise: _rank(part, COHERENCE) for noise, part in table.groupby(NOISE)}
  note = ', '.join(f'{noise:.0%} {rank:.2f}' for noise, rank in by_noise.items())
  return _bootstrapped(table, within, below=True, note=note, strata=NOISE)


def _rank(table: pd.DataFrame, name: str) -> float:
  if table[name].nunique() < 2 or table['gap'].nunique() < 2:
    return np.nan
  return float(table[name].corr(table['gap'], method='spearman'))


def _bootstrapped(
  table: pd.DataFrame,
  statistic: Callable[[pd.DataFrame], float],
  *,
  below: bool = False,
  note: str = '',
  strata: str | None = None,
) -> Verdict:
  """Whether a statistic is above 0 (or below), beyond its 95 % percentile interval.

  Args:
    table: one row for each setting, which are resampled with replacement.
    statistic: of such a table.
    below: whether it must be below 0.
    note: put before the interval.
    strata: a column within whose values to resample.
  """
  if lost := int(table.isna().any(axis=1).sum()):
    return Verdict(holds=None, n=len(table) - lost, note=f'{lost} settings could not be measured')
  if len(table) < 10:
    return Verdict(holds=None, n=len(table), note='needs ten settings or more')
  generator = np.random.default_rng(0)
  parts = [part for _, part in table.groupby(strata)] if strata else [table]
  samples = []
  for _ in range(SAMPLES):
    drawn = [part.iloc[generator.integers(len(part), size=len(part))] for part in parts]
    samples.append(statistic(pd.concat(drawn)))
  low, high = np.nanpercentile(samples, [2.5, 97.5])
  interval = f'95 % interval {low:.2f} to {high:.2f}'
  return Verdict(
    holds=bool(high < 0 if below else low > 0),
    ours=statistic(table),
    stderr=float(np.nanstd(samples)),
    n=len(table),
    note='; '.join(filter(None, [note, interval])),
  )
