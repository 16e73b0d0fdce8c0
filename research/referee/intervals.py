"""Intervals of the scores: what they would have been with other networks of the same kind.

The bootstrap draws settings with replacement, as many as there are, and each brings all its seeds:
networks that differ in the seed alone say much the same, and to draw them one by one would count them
as independent. Every score is computed again on each draw; the interval is that between percentiles.

What to know of it. A draw lacks a third of the settings, and with them most pairs that differ in one
hyperparameter alone: intervals of Psi and of sign errors are wider than they need be. The largest of
several noisy numbers is too large on average, and larger still in a draw: an interval of the maximum
may lie above the score. Environments that a draw leaves with too few pairs are not judged in it.

Measured on 100 grids of 24 settings and 3 seeds, with 100 draws each: intervals of 95 % held tau in 94,
Psi in 95, the mean sign error in 96 and the largest in 98; their widths were those of a standard error
that is 0.92, 1.10, 1.20 and 1.35 times the true one.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from research.referee.contest import contest
from research.referee.couples import couples
from research.referee.robust import EFFECTIVE, environments, errors, weights
from research.referee.scores import kendall, mean, psi
from research.rngs import named_generator

SCORES = ('tau', 'psi', 'sign_error_mean', 'sign_error_max')


def resamples(settings: np.ndarray, n_resamples: int, seed: int = 0) -> np.ndarray:
  """How many times each network is in each draw: whole numbers [R, n], equal for one setting.

  Guarantees (each is a test): networks of a setting go together; a draw has as many settings as there
  are; the order of the rows does not matter.

  Raises:
    ValueError: n_resamples is not at least 1.
  """
  if n_resamples < 1:
    raise ValueError(f'n_resamples must be at least 1, not {n_resamples}')
  numbers = np.unique(settings, return_inverse=True)[1]
  count = int(numbers.max()) + 1
  rng = named_generator(seed, 'referee/resamples')
  drawn = rng.multinomial(count, np.full(count, 1 / count), size=n_resamples)
  return drawn[:, numbers]


def intervals(
  networks: pd.DataFrame,
  measures: Sequence[str],
  hyperparameters: Sequence[str],
  n_resamples: int = 200,
  level: float = 0.95,
  within: str = 'changes',
  effective: float = EFFECTIVE,
  seed: int = 0,
) -> pd.DataFrame:
  """Percentile intervals of tau, Psi, and the mean and largest sign error.

  Guarantees (each is a test): each draw has the scores of the table of its networks; the true scores
  lie in their intervals about as often as the level says, or more; the order of the rows does not
  matter.

  Args:
    networks, measures, hyperparameters, within, effective: as everywhere.
    n_resamples: draws.
    level: the share of draws within an interval.
    seed: of the draws.

  Returns:
    A row per measure; columns `<score>_low` and `<score>_high` for each of SCORES, NaN where no draw
    has the score.

  Cost: of tau, n^2 n_resamples multiplications a measure.

  Raises:
    ValueError: as `contest.contest` and `robust.sign_errors`; or a level not in (0, 1).
  """
  if not 0 < level < 1:
    raise ValueError(f'level must lie in (0, 1), not {level}')
  found = draws(networks, measures, hyperparameters, n_resamples, within, effective, seed)
  rows = []
  for name in found:
    row = {}
    for score, values in found[name].items():
      values = values[~np.isnan(values)]
      edges = [(1 - level) / 2, (1 + level) / 2]
      low, high = np.quantile(values, edges) if len(values) else (np.nan, np.nan)
      row |= {f'{score}_low': low, f'{score}_high': high}
    rows.append(row)
  columns = [f'{score}_{edge}' for score in SCORES for edge in ('low', 'high')]
  return pd.DataFrame(rows, index=list(found), columns=columns)


def draws(
  networks: pd.DataFrame,
  measures: Sequence[str],
  hyperparameters: Sequence[str],
  n_resamples: int = 200,
  within: str = 'changes',
  effective: float = EFFECTIVE,
  seed: int = 0,
) -> dict[str, dict[str, np.ndarray]]:
  """The scores in each draw, `{measure: {score: [n_resamples]}}`; arguments as `intervals`."""
  table = contest(networks, measures, hyperparameters)
  pairs = couples(table)
  ids, _ = environments(table, pairs, within)
  weight = weights(table, pairs)
  multiplicity = resamples(table.settings, n_resamples, seed)
  of_pairs = (multiplicity[:, pairs.first] * multiplicity[:, pairs.second]).T.astype(np.float64)
  found = {}
  for name, column in zip(table.measures, table.columns, strict=True):
    wrong, _ = errors(column, table.gap, pairs, ids, weight, of_pairs, effective)
    found[name] = {
      'tau': kendall(column, table.gap, multiplicity),
      'psi': psi(column, table.gap, pairs, of_pairs, len(hyperparameters))[1],
      'sign_error_mean': mean(wrong),
      'sign_error_max': _largest(wrong),
    }
  return found


def _largest(values: np.ndarray) -> np.ndarray:
  """Over the first axis, of those that are not NaN; NaN if none is."""
  largest = np.max(np.where(np.isnan(values), -np.inf, values), axis=0, initial=-np.inf)
  return np.where(np.isfinite(largest), largest, np.nan)
