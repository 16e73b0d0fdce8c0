"""Robust averages of gradients: what they do to memorizing, and to learning."""

import pandas as pd
from matplotlib.axes import Axes

from research import tables
from research.figures import arms, style
from research.summaries import generalization_gap

PREFIX = 'c='
# Name and marker. M3 has an update every three batches: what it is to be compared with is beside it.
MEDIANS = {'rm3': ('RM3', 'D'), 'm3': ('M3', 's'), 'mean_of_three': ('mean\nof 3', 'x')}
CORRUPT, TEST = 'train/accuracy_corrupt', 'test/accuracy'
METRICS = ['task.label_noise', CORRUPT, TEST, 'train/accuracy']
PANELS = {CORRUPT: 'Accuracy on corrupt labels', 'gap': 'Generalization gap', TEST: 'Test accuracy'}


def figure(averaging: pd.DataFrame) -> style.Figure:
  """At the last step, against the percentage c that winsorized SGD clips; medians at the right.

  Markers are means over members, bars their 95 % confidence intervals; the thin line is plain SGD,
  c = 0. The gap is training accuracy minus the accuracy on new examples with labels as noisy.

  Args:
    averaging: from `tables.load_runs`, of runs named `c=<percent>`, `rm3`, `m3` and `mean_of_three`,
      SGD on batches three times as large.

  Raises:
    ValueError: a metric is missing, or a run has another name.
  """
  arms.require(averaging, METRICS)
  ends = arms.ends(averaging)
  ends = ends.assign(gap=generalization_gap(ends))
  places = _places(ends['run'].unique().tolist())
  with style.context():
    figure = style.Figure(figsize=(style.PAGE, 2.1))
    for axes, (metric, title) in zip(figure.subplots(1, 3), PANELS.items(), strict=True):
      _draw(axes, ends, metric, places)
      axes.set_title(title)
  return figure


def _places(runs: list[str]) -> dict[str, float]:
  """Where each run is: at its c; the medians beyond the largest c."""
  percents = {run: run.removeprefix(PREFIX) for run in runs if run.startswith(PREFIX)}
  if unknown := set(runs) - {*percents, *MEDIANS}:
    raise ValueError(
      f'runs are named c=<percent>, {", ".join(MEDIANS)}, not {", ".join(sorted(unknown))}'
    )
  places = {run: float(percent) for run, percent in percents.items()}
  last = max(places.values(), default=0.0)
  step = 0.28 * max(last, 1.0)
  medians = [run for run in MEDIANS if run in runs]
  return places | {run: last + (i + 1.2) * step for i, run in enumerate(medians)}


def _draw(axes: Axes, ends: pd.DataFrame, metric: str, places: dict[str, float]) -> None:
  bars = tables.band(ends, metric, 'run').set_index('run')
  percents = sorted((run for run in places if run not in MEDIANS), key=places.__getitem__)
  if 'c=0' in bars.index:
    axes.axhline(float(bars['mean']['c=0']), color='0.35', linewidth=0.6, zorder=1)
  medians = {run: look for run, look in MEDIANS.items() if run in places}
  series = [
    (percents, 'o-', arms.BLUE),
    *(([run], look[1], arms.ORANGE) for run, look in medians.items()),
  ]
  for runs, form, color in series:
    rows = bars.reindex(runs)
    reach = (rows['high'] - rows['mean']).fillna(0)
    x = [places[run] for run in runs]
    look = {'markersize': 4, 'capsize': 2, 'elinewidth': 0.9, 'color': color}
    axes.errorbar(x, rows['mean'], yerr=reach, fmt=form, **look)
  ticks = {places[run]: run.removeprefix(PREFIX) for run in percents}
  ticks |= {places[run]: look[0] for run, look in medians.items()}
  axes.set_xticks(list(ticks), list(ticks.values()))
  axes.set_xlabel('clipped at each side, c (%)', loc='left')
