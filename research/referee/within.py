r"""How well measures rank networks that were trained on samples of one kind.

Where label noise, dataset or the number of examples differ, so does the gap, and whatever knows the
sample ranks networks well by that alone. Here networks are compared with those only that share the
values of some hyperparameters, the strata:

.. math:: \tau_{\text{within}} = \frac1{|K|} \sum_{k \in K} \tau_k

with :math:`\tau_k` Kendall's tau-b among the networks of stratum k, and K those where it exists. A
measure that is constant in a stratum has 0 there.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from research.referee.contest import contest
from research.referee.intervals import resamples
from research.referee.scores import kendall


def within(
  networks: pd.DataFrame,
  measures: Sequence[str],
  hyperparameters: Sequence[str],
  shared: Sequence[str],
  n_resamples: int = 200,
  level: float = 0.95,
  seed: int = 0,
) -> pd.DataFrame:
  """Tau within strata, with the percentile interval of the bootstrap over settings.

  Guarantees (each is a test): it is the mean of SciPy's tau over strata; 1 for what rises with the gap
  in each; 0 for what knows the shared hyperparameters alone, however well it ranks all networks; the
  order of the rows does not matter.

  Args:
    networks, measures, hyperparameters: as everywhere.
    shared: hyperparameters whose values are equal within a stratum.
    n_resamples: draws; each brings all seeds of a setting.
    level: of the interval.
    seed: of the draws.

  Returns:
    A row per measure; columns tau_within, in [-1, 1], tau_within_low and tau_within_high; NaN where it
    exists in no stratum.

  Raises:
    ValueError: as `contest.contest`; or `shared` names no hyperparameter, or something else.
  """
  table = contest(networks, measures, hyperparameters)
  if not shared or {*shared} - {*table.hyperparameters}:
    raise ValueError(f'shared must name some of the hyperparameters, not {", ".join(shared)}')
  places = [table.hyperparameters.index(name) for name in shared]
  strata = np.unique(table.codes[:, places], axis=0, return_inverse=True)[1].ravel()
  drawn = resamples(table.settings, n_resamples, seed)
  rows = []
  for column in table.columns:
    parts = [strata == k for k in range(strata.max() + 1)]
    here = [kendall(column[own], table.gap[own]).item() for own in parts]
    of_draws = [kendall(column[own], table.gap[own], drawn[:, own]) for own in parts]
    edges = _mean(np.array(of_draws))
    edges = edges[~np.isnan(edges)]
    quantiles = [(1 - level) / 2, (1 + level) / 2]
    low, high = np.quantile(edges, quantiles) if len(edges) else (np.nan, np.nan)
    value = float(_mean(np.array(here)[:, None])[0])
    rows.append({'tau_within': value, 'tau_within_low': low, 'tau_within_high': high})
  return pd.DataFrame(rows, index=list(table.measures))


def _mean(values: np.ndarray) -> np.ndarray:
  """Over the first axis, of those that are not NaN; NaN if none is."""
  known = ~np.isnan(values)
  count = known.sum(axis=0)
  total = np.where(known, values, 0).sum(axis=0)
  return np.where(count > 0, total / np.maximum(count, 1), np.nan)
