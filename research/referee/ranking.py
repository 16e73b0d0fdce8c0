"""All scores of all measures in one table, and what knows the gap or nothing among them."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from research.referee import baselines, information, intervals, robust, scores
from research.referee.contest import contest
from research.referee.scores import kendall


def leaderboard(
  networks: pd.DataFrame,
  measures: Sequence[str],
  hyperparameters: Sequence[str],
  n_resamples: int = 200,
  level: float = 0.95,
  within: str = 'changes',
  effective: float = robust.EFFECTIVE,
  seed: int = 0,
) -> pd.DataFrame:
  """A row per measure and baseline, the highest Psi first; measures without one come last, by name.

  Every score is over the networks that have the measure: `computed` says how many those are, and a
  measure that few have was not put to the same test as the others.

  Guarantees (each is a test): every score is that of its own function; each measure and baseline has
  one row, whatever could be computed of it; the order of rows and measures does not matter.

  Args:
    networks: a row per trained network, as the package says.
    measures: names of columns.
    hyperparameters: names of columns.
    n_resamples: draws of the bootstrap; 0 for no intervals.
    level: of the intervals.
    within: what an environment is, as in `robust`.
    effective: pairs that an environment needs.
    seed: of baselines and draws.

  Returns:
    Columns: rank, from 1; measure; baseline, whether it is one; computed, networks that have it, and
    networks, all there are; tau, in [-1, 1]; psi, Psi; psi/<hyperparameter>, psi_i; information, K,
    and given, its S; sign_error_mean, sign_error_percentile_90, sign_error_max, in [0, 1]; worst, the
    environment of the last, and worst_axis; environments, that were judged; and for tau, psi,
    sign_error_mean and sign_error_max `_low` and `_high`.

  Cost: most is tau of the draws, n^2 n_resamples multiplications a measure.

  Raises:
    ValueError: as `contest.contest`, `robust.sign_errors` and `intervals.intervals`.
  """
  measures = contest(networks, measures, hyperparameters).measures
  entered = baselines.with_baselines(networks, list(hyperparameters), seed)
  names = [*measures, *baselines.NAMES]
  table = contest(entered, names, hyperparameters)
  of_axes = scores.granulated(entered, names, hyperparameters)
  known = information.conditional(entered, names, hyperparameters)
  wrong = robust.sign_errors(entered, names, hyperparameters, within, effective)
  rows = []
  for name, column in zip(names, table.columns, strict=True):
    row = {'measure': name, 'baseline': name in baselines.NAMES}
    row |= {'computed': int((~np.isnan(column)).sum()), 'networks': len(column)}
    row |= {'tau': kendall(column, table.gap).item(), 'psi': of_axes.loc[name, 'mean']}
    row |= {f'psi/{axis}': of_axes.loc[name, axis] for axis in table.hyperparameters}
    row |= known.loc[name].to_dict()
    row |= _robust(wrong[wrong['measure'] == name])
    rows.append(row)
  found = pd.DataFrame(rows)
  if n_resamples:
    arguments = (n_resamples, level, within, effective, seed)
    ranges = intervals.intervals(entered, names, hyperparameters, *arguments)
    found = found.merge(ranges, left_on='measure', right_index=True)
  found = found.sort_values('measure').sort_values('psi', ascending=False, kind='stable')
  found = found.reset_index(drop=True)
  found.insert(0, 'rank', np.arange(1, len(found) + 1))
  return found


def _robust(wrong: pd.DataFrame) -> dict[str, float | int | str]:
  judged = wrong.dropna(subset='sign_error')
  errors = judged['sign_error'].to_numpy(np.float64)
  row = {f'sign_error_{key}': value for key, value in robust.summary(errors).items()}
  worst = judged.iloc[int(np.argmax(errors))] if len(judged) else {'environment': '', 'axis': ''}
  return row | {
    'worst': worst['environment'],
    'worst_axis': worst['axis'],
    'environments': len(judged),
  }
