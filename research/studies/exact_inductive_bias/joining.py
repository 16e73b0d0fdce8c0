"""Joining two theories: coherence early in training, and the bits that a target error takes.

Each setting of label noise, width, depth and training examples is one point. Bits are those of `tails`
to the error 0.03 among the networks of the setting that fit their labels; the rank correlation is over
settings, with a bootstrap interval over them; the intervals of the bits themselves do not enter it.
"""

import numpy as np
import pandas as pd

from research.studies.across_settings import bootstrapped, rank
from research.studies.claim import Verdict
from research.studies.exact_inductive_bias.networks import bits, errors_on_test
from research.summaries import early_means_and_gaps

NOISE, COHERENCE, REQUIRED = 'task.label_noise', 'coherence/alpha_unbiased', 'bits'
ERROR = 'mean_error'
TARGET = 0.03


def by_setting(table: pd.DataFrame) -> pd.DataFrame:
  """A row for each setting: label noise, early coherence, bits with their interval, how many fit.

  Bits are NaN where fewer than twenty networks fit.
  """
  found = early_means_and_gaps(table, [COHERENCE])
  for run, arm in table.groupby('run'):
    names = [REQUIRED, 'low', 'high', 'fit', ERROR]
    try:
      errors = errors_on_test(arm)
      it = bits(errors, TARGET)
      found.loc[run, names] = [it.value, it.low, it.high, len(errors), errors.mean()]
    except ValueError:
      found.loc[run, names] = np.nan
  return found


def coherence_and_bits_go_together(joining: pd.DataFrame) -> Verdict:
  """Over settings, the more coherent gradients are early in training (epochs 1 to 4), the fewer bits
  the error 0.03 takes among networks that fit (Spearman's rank correlation, below 0)."""
  table, note = _measured(joining)
  return bootstrapped(table, lambda it: rank(it, COHERENCE, REQUIRED), below=True, note=note)


def they_go_together_at_equal_label_noise(joining: pd.DataFrame) -> Verdict:
  """Among settings of equal label noise, too (rank correlation within each, averaged; below 0)."""

  def within(it):
    return float(np.mean([rank(part, COHERENCE, REQUIRED) for _, part in it.groupby(NOISE)]))

  table, fitting = _measured(joining)
  by_noise = {noise: rank(part, COHERENCE, REQUIRED) for noise, part in table.groupby(NOISE)}
  note = ', '.join(f'{noise:.0%} {value:.2f}' for noise, value in by_noise.items())
  return bootstrapped(table, within, below=True, note=f'{fitting}: {note}', strata=NOISE)


def coherence_and_errors_go_together(joining: pd.DataFrame) -> Verdict:
  """What takes no extrapolation: the more coherent gradients are early, the lower the mean test error
  of the networks that fit (Spearman's rank correlation, below 0)."""
  table = by_setting(joining)[[NOISE, COHERENCE, ERROR]]
  return bootstrapped(table, lambda it: rank(it, COHERENCE, ERROR), below=True)


def label_noise_takes_bits(joining: pd.DataFrame) -> Verdict:
  """The more labels are random, the more bits the error 0.03 takes (rank correlation of bits and label
  noise, above 0)."""
  table, note = _measured(joining)
  return bootstrapped(table, lambda it: rank(it, NOISE, REQUIRED), note=note)


def _measured(joining: pd.DataFrame) -> tuple[pd.DataFrame, str]:
  """Every setting, NaN where bits are not known and more than any where they are infinite; a note."""
  everything = by_setting(joining)
  table = everything[[NOISE, COHERENCE, REQUIRED]]
  finite = table[REQUIRED].replace(np.inf, np.nan)
  open_above = int(np.isinf(everything['high'].astype(float)).sum())
  note = f'bits of {open_above} of {len(everything)} settings have an interval that is open above'
  largest = np.where(np.isinf(table[REQUIRED].astype(float)), 2 * finite.max(), table[REQUIRED])
  return table.assign(**{REQUIRED: largest.astype(float)}), note
