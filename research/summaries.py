"""Numbers read off a table of runs: network by network, so that arms pair up."""

from collections.abc import Sequence

import numpy as np
import pandas as pd


def last(table: pd.DataFrame) -> pd.DataFrame:
  """The rows of the last step, by member."""
  return table[table['step'] == table['step'].max()].set_index('member')


def time_average(rows: pd.DataFrame, metric: str) -> pd.Series:
  """The mean of a metric over the steps that the rows span, for each member.

  By the trapezoidal rule: points are measured densely at first, and a mean over points would weigh
  the first steps many times over, and depend on the schedule. NaN for a member without any.
  """
  averages = {}
  for member, curve in rows.sort_values('step').groupby('member'):
    measured = curve.dropna(subset=[metric])
    steps, values = measured['step'].to_numpy(float), measured[metric].to_numpy(float)
    averages[member] = _trapezoid(steps, values) if len(steps) else np.nan
  return pd.Series(averages, dtype=float)


def in_epochs(table: pd.DataFrame, first: float, last: float) -> pd.DataFrame:
  """The rows after `first` epochs and up to `last`, without the initialization itself."""
  epochs = table['train/epoch']
  return table[(table['step'] > 0) & (epochs >= first) & (epochs <= last)]


def generalization_gap(rows: pd.DataFrame, n_classes: int = 10) -> pd.Series:
  r"""Training accuracy minus the accuracy on new examples with labels as noisy, row by row.

  The test labels are clean. Of new examples with a fraction :math:`\epsilon` of labels drawn from C
  classes, a network of accuracy a on clean ones is expected to be right on
  :math:`\epsilon / C + (1 - \epsilon) a`.

  References: `Chatterjee (2020) <https://arxiv.org/abs/2002.10657>`_.
  """
  noise = rows['task.label_noise']
  return rows['train/accuracy'] - (noise / n_classes + (1 - noise) * rows['test/accuracy'])


def early_means_and_gaps(table: pd.DataFrame, metrics: Sequence[str]) -> pd.DataFrame:
  """A row for each run: its label noise, means of metrics from epoch 1 to 4, and the final `gap`.

  Means over time, then over the networks of the run; NaN if one of them was lost.
  """
  rows = {}
  for run, arm in table.groupby('run'):
    early = in_epochs(arm, 1.0, 4.0)
    rows[run] = {'task.label_noise': arm['task.label_noise'].iloc[0]}
    rows[run] |= {name: time_average(early, name).mean(skipna=False) for name in metrics}
    rows[run]['gap'] = generalization_gap(last(arm)).mean(skipna=False)
  return pd.DataFrame.from_dict(rows, orient='index')


def plus_minus(values: pd.Series, form: str) -> str:
  """Mean ± standard error of a sample, for people."""
  n = values.count()
  if n < 2:
    return f'{values.mean():{form}}' if n else '–'
  return f'{values.mean():{form}} ± {values.std(ddof=1) / np.sqrt(n):{form}}'


def _trapezoid(steps: np.ndarray, values: np.ndarray) -> float:
  span = steps[-1] - steps[0]
  return float(np.trapezoid(values, steps) / span if span else values[0])
