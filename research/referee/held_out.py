r"""Combinations of measures, learned on some networks and judged on others.

Leave out all networks with one value of a hyperparameter: the widest, say, or one dataset. Learn from
the rest how measures predict the gap, and rank those that were left out. If a combination of measures
knows more than the best of them, it shows here; that it fits the networks that it was learned on shows
nothing.

Predictors:
- `ridge`: :math:`\hat g = \beta^T z`, with z standardized ranks; the penalty is chosen by
  cross-validation in the learning part, where the seeds of a setting stay together.
- `isotonic`: :math:`\hat g = \frac1k \sum_j f_j(z_j)`, with each f_j the increasing function that fits
  the gap best; one that does not rise with the gap is constant.
- `mean`: of z over measures.
- `best`: the measure with the largest tau in the learning part. Its name is reported.
- each of `baselines`, as it is: what can be had, and what chance has.

Ranks: z of a measure is the share of networks of the learning part that are below it, ties by half,
standardized by mean and deviation there. So it is for those left out: nothing is learned from them.
A measure that could not be computed has z = 0, the mean.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from sklearn.isotonic import IsotonicRegression
from sklearn.model_selection import GroupKFold

from research.referee import baselines
from research.referee.contest import contest
from research.referee.robust import EFFECTIVE, sign_errors, summary
from research.referee.scores import kendall

PENALTIES = np.logspace(-1, 5, 7)


def ranks(learned: np.ndarray, columns: np.ndarray) -> np.ndarray:
  """Standardized ranks, among the columns [n, k] that are learned from, of columns [m, k]: [m, k].

  Guarantees (each is a test): of what is learned from, mean 0 and deviation 1; no increasing function
  of a measure changes them; those of one network do not depend on which others are left out.
  """
  found = np.zeros(columns.shape)
  for k in range(columns.shape[1]):
    known = np.sort(learned[np.isfinite(learned[:, k]), k])
    if len(known) and known[0] < known[-1]:
      spread = _shares(known, known)
      z = (_shares(known, columns[:, k]) - spread.mean()) / spread.std()
      found[:, k] = np.where(np.isfinite(columns[:, k]), z, 0)
  return found


def _shares(known: np.ndarray, values: np.ndarray) -> np.ndarray:
  sides = [np.searchsorted(known, values, side) for side in ('left', 'right')]
  return (sides[0] + sides[1]) / (2 * len(known))


def ridge(z: np.ndarray, gap: np.ndarray, settings: np.ndarray, of: np.ndarray) -> np.ndarray:
  """Learns from ranks z [n, k] and gap [n], and predicts the gap of ranks [m, k]: [m].

  Guarantees (each is a test): it is what scikit-learn's RidgeCV finds with the same folds.
  """
  folds = min(5, len(np.unique(settings)))
  if folds < 2:
    return np.full(len(of), gap.mean())
  errors = []
  for learn, judge in GroupKFold(folds).split(z, gap, settings):
    found = _ridges(z[learn], gap[learn], z[judge])
    errors.append(np.mean((found - gap[judge]) ** 2, axis=1))
  return _ridges(z, gap, of)[np.argmin(np.mean(errors, axis=0))]


def _ridges(z: np.ndarray, gap: np.ndarray, of: np.ndarray) -> np.ndarray:
  """What each of PENALTIES predicts, [penalties, m]."""
  center = z.mean(axis=0)
  left, values, right = np.linalg.svd(z - center, full_matrices=False)
  shrunk = values / (values**2 + PENALTIES[:, None])
  coefficients = (shrunk * (left.T @ (gap - gap.mean()))) @ right
  return gap.mean() + coefficients @ (of - center).T


def isotonic(z: np.ndarray, gap: np.ndarray, of: np.ndarray) -> np.ndarray:
  """The mean over measures of increasing fits to the gap; arguments as `ridge`."""
  fits = [
    IsotonicRegression(out_of_bounds='clip').fit(z[:, k], gap).predict(of[:, k])
    for k in range(z.shape[1])
  ]
  return np.mean(fits, axis=0)


def held_out(
  networks: pd.DataFrame,
  measures: Sequence[str],
  hyperparameters: Sequence[str],
  axis: str,
  within: str = 'changes',
  effective: float = EFFECTIVE,
  seed: int = 0,
) -> pd.DataFrame:
  """Judges every predictor on each value of a hyperparameter in turn, learned on all others.

  Guarantees (each is a test): nothing about the networks that are left out, not their gap and not the
  measures of the others among them, changes the prediction for one; combinations of noise rank no
  better than chance; if two measures know half of the gap each, a combination beats the best; if one
  knows all, it is chosen.

  Args:
    networks, measures, hyperparameters, within, effective: as everywhere; baselines are added.
    axis: the hyperparameter; any column of settings, such as the dataset.
    seed: of the baselines.

  Returns:
    A row per value and predictor. Columns: axis; left_out; predictor; chosen, the name of the best
    measure for `best`, else the predictor; n, networks that it is judged on; tau, among them;
    sign_error_mean and sign_error_max over the environments of the other hyperparameters, NaN if none
    is judged.

  Raises:
    ValueError: as `contest.contest`; there are no measures; or the axis is no hyperparameter, or has
      one value.
  """
  table = contest(networks, measures, hyperparameters)
  if not table.measures:
    raise ValueError('measures must name at least one column')
  if axis not in table.hyperparameters:
    raise ValueError(f'axis must be one of the hyperparameters, not {axis!r}')
  place = table.hyperparameters.index(axis)
  if len(table.values[place]) < 2:
    raise ValueError(f'axis must have two values or more; {axis!r} has one')
  others = [name for name in table.hyperparameters if name != axis]
  entered = baselines.with_baselines(networks, table.hyperparameters, seed)
  rows = []
  for code, value in enumerate(table.values[place]):
    out = table.codes[:, place] == code
    scored, chosen = predictions(table.columns.T, table.gap, table.settings, out)
    judged = entered[out].assign(**scored)
    names = [*scored, *baselines.NAMES]
    wrong = sign_errors(judged, names, others, within, effective) if others else None
    for name in names:
      tau = kendall(judged[name].to_numpy(), judged['gap'].to_numpy()).item()
      row = {'axis': axis, 'left_out': value, 'predictor': name, 'n': int(out.sum()), 'tau': tau}
      row['chosen'] = table.measures[chosen] if name == 'best' else name
      errors = np.array([]) if wrong is None else wrong[wrong['measure'] == name]['sign_error']
      of_errors = summary(np.asarray(errors, np.float64))
      rows.append(row | {f'sign_error_{key}': of_errors[key] for key in ('mean', 'max')})
  columns = ['axis', 'left_out', 'predictor', 'chosen', 'n']
  return pd.DataFrame(rows)[[*columns, 'tau', 'sign_error_mean', 'sign_error_max']]


def predictions(
  columns: np.ndarray, gap: np.ndarray, settings: np.ndarray, out: np.ndarray
) -> tuple[dict[str, np.ndarray], int]:
  """What each predictor says of the networks that are left out, and which measure is the best.

  Args:
    columns: [n, k], the measures.
    gap, settings: [n].
    out: bool [n], who is left out.
  """
  learned, rest, target = columns[~out], columns[out], gap[~out]
  z, of = ranks(learned, learned), ranks(learned, rest)
  taus = [kendall(column, target).item() for column in learned.T]
  best = int(np.argmax(np.nan_to_num(taus, nan=-2)))
  scored = {
    'ridge': ridge(z, target, settings[~out], of),
    'isotonic': isotonic(z, target, of),
    'mean': of.mean(axis=1),
    'best': rest[:, best],
  }
  return scored, best
