"""How two quantities go together over settings of training, each setting being one point."""

from collections.abc import Callable

import numpy as np
import pandas as pd
from scipy import stats

from research.studies.claim import Verdict

SAMPLES = 2000


def bootstrapped(
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
  parts = [*table.groupby(strata).indices.values()] if strata else [np.arange(len(table))]
  samples = []
  for _ in range(SAMPLES):
    rows = [part[generator.integers(len(part), size=len(part))] for part in parts]
    samples.append(statistic(table.iloc[np.concatenate(rows)]))
  low, high = np.nanpercentile(samples, [2.5, 97.5])
  interval = f'95 % interval {low:.2f} to {high:.2f}'
  return Verdict(
    holds=bool(high < 0 if below else low > 0),
    ours=statistic(table),
    stderr=float(np.nanstd(samples)),
    n=len(table),
    note='; '.join(filter(None, [note, interval])),
  )


def rank(table: pd.DataFrame, one: str, other: str) -> float:
  """Spearman's rank correlation of two columns; NaN where one does not vary."""
  first, second = (stats.rankdata(table[name].to_numpy()) for name in (one, other))
  if np.ptp(first) == 0 or np.ptp(second) == 0:
    return np.nan
  return float(np.corrcoef(first, second)[0, 1])
