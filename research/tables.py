"""Runs -> one tidy table: a row per run, step and member; a column per metric and setting."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from research import trees
from research.records import METRICS, read_metrics
from research.variation import KEYS, Vary

ALWAYS = ('task.name', 'task.n_train', 'task.label_noise', 'optimizer.learning_rate')


def load_runs(root: str | Path, only: Sequence[str] | None = None) -> pd.DataFrame:
  """Reads every run at or below `root`, finished or at work, or `only` those of these names.

  Columns: run (its path from `root`); seed, of the member: the config's plus the member's place; the
  settings that differ between the runs, or between members (`vary`), under their dotted names, with
  `task.name`, `task.label_noise` and `optimizer.learning_rate` where there are any, lists as tuples,
  None where a run has no such setting; step, member, and the metrics, NaN where not measured. Sorted
  by run, step and member.

  Raises:
    FileNotFoundError: there are no rows of any run.
  """
  root = Path(root)
  tables, settings = {}, {}
  for config in sorted(root.rglob('config.json')):
    workdir = config.parent
    run = workdir.relative_to(root).as_posix()
    if not (workdir / METRICS).exists() or (only is not None and run not in only):
      continue
    table = read_metrics(workdir)
    if len(table):
      values = trees.flat(json.loads(config.read_text()))
      tables[run] = table
      settings[run] = {name: _hashable(value) for name, value in values.items()}
  if not tables:
    raise FileNotFoundError(f'no runs (config.json and {METRICS}) with rows at or below {root}')
  runs = [run for run, table in tables.items() for _ in range(len(table))]
  table = pd.concat(list(tables.values()), ignore_index=True)
  names = sorted({name for flat in settings.values() for name in flat})
  shown = [
    name
    for name in names
    if name != 'seed'
    and (name in ALWAYS or len({values.get(name) for values in settings.values()}) > 1)
  ]
  columns = {'run': runs, 'seed': table['member'] + [settings[run].get('seed', 0) for run in runs]}
  columns |= {name: [settings[run].get(name) for run in runs] for name in shown}
  columns |= _of_members(settings, runs, table['member'])
  table = pd.concat([pd.DataFrame(columns), table], axis=1)
  return table.sort_values(['run', 'step', 'member'], ignore_index=True)


def _of_members(settings, runs: list[str], members: pd.Series) -> dict[str, list]:
  """What members of a run differ in, under the names of the settings that it replaces."""
  own = {}
  for run, values in settings.items():
    given = {name: values.get(f'vary.{name}') or () for name in KEYS}
    own[run] = Vary(**given).of_members(values['population.size']) if any(given.values()) else {}
  names = [name for name in KEYS if any(name in of_run for of_run in own.values())]
  return {
    KEYS[name]: [
      own[run][name][member].item() if name in own[run] else settings[run].get(KEYS[name])
      for run, member in zip(runs, members, strict=True)
    ]
    for name in names
  }


def _hashable(value: Any) -> Any:
  """Lists as tuples."""
  return tuple(map(_hashable, value)) if isinstance(value, list | dict) else value


def band(
  table: pd.DataFrame, metric: str, by: str | Sequence[str], *, log: bool = False
) -> pd.DataFrame:
  """The mean of a metric over members at each step, with a 95 % confidence band.

  The band is mean ± t stderr, with stderr = s / sqrt(n) over the n members (of all the runs that
  share the values of `by`) where the metric was measured and finite, and t the 97.5 % quantile of
  Student's distribution with n - 1 degrees of freedom. With n = 1, stderr and band are NaN.

  Args:
    table: from `load_runs` or `read_metrics`.
    metric: a column of it.
    by: columns of it whose values tell the curves apart.
    log: whether to average logarithms: the geometric mean, and a band that is even on a log axis, for
      what is positive and scatters by factors. Values that are not positive are left out.

  Returns:
    Columns: those of `by`, step, mean, stderr, low, high, n; sorted; no row where n = 0.

  Raises:
    KeyError: the table has no such column.
    ValueError: one seed occurs twice among the networks of a curve.
  """
  keys = [by] if isinstance(by, str) else list(by)
  for name in [metric, *keys]:
    if name not in table:
      raise KeyError(f'no column {name!r}; there are {", ".join(table.columns)}')
  measured = table[table[metric] > 0] if log else table[table[metric].notna()]
  if 'seed' in measured and measured.duplicated([*keys, 'step', 'seed']).any():
    raise ValueError(
      f'networks of equal seed and equal {", ".join(keys)} are no independent sample: tell the runs'
      ' apart, or give them seeds as far apart as their populations are large'
    )
  if log:
    measured = measured.assign(**{metric: np.log(measured[metric])})
  groups = measured.groupby([*keys, 'step'], dropna=False)[metric]
  mean, stderr, n = groups.mean(), groups.sem(), groups.count()
  reach = stats.t.ppf(0.975, n - 1) * stderr
  low, high = mean - reach, mean + reach
  if log:
    mean, low, high = np.exp(mean), np.exp(low), np.exp(high)
    stderr = stderr * mean  # to first order
  columns = {'mean': mean, 'stderr': stderr, 'low': low, 'high': high, 'n': n}
  return pd.DataFrame(columns).reset_index()
