"""Logit differences of both classes, with the simple and with the complex features randomized."""

import math

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from research.figures import arms, reliance, style

QUANTILES = ('q05', 'q25', 'q50', 'q75', 'q95')
COLORS = {0: arms.ORANGE, 1: arms.BLUE}  # of the classes
COLUMNS = 4


def figure(table: pd.DataFrame) -> style.Figure:
  """A panel for each run: percentiles of the difference of logits in each class, at the last step.

  Thin lines go from the 5th to the 95th percentile, thick ones from the 25th to the 75th, with the
  median as a dot: means over members. Below each other: nothing randomized; the simple feature; all
  but the simple feature. What is not relied on leaves the distributions alone; what alone is relied
  on makes those of the two classes the same.

  Args:
    table: from `tables.load_runs`, with the instrument `reliance` on tasks of two classes.

  Raises:
    ValueError: the metrics of the instrument are missing.
  """
  arms.require(table, ['reliance/standard/class0/q50'])
  runs = list(dict.fromkeys(table['run']))
  n_rows = math.ceil(len(runs) / COLUMNS)
  n_columns = math.ceil(len(runs) / n_rows)
  with style.context():
    figure = style.Figure(figsize=(style.PAGE, 0.4 + 1.5 * n_rows))
    panels = figure.subplots(n_rows, n_columns, squeeze=False)
    for axes, run in zip(panels.flat, runs, strict=False):
      _draw(axes, arms.ends(table[table['run'] == run]))
      axes.set_title(run.replace('_', ' '))
    for axes in panels.flat[len(runs) :]:
      axes.set_axis_off()
    for axes in panels.flat[n_columns:]:
      axes.sharey(panels.flat[0])
    for axes in panels[:, 1:].flat:
      axes.tick_params(labelleft=False)
    for axes in panels[-1]:
      axes.set_xlabel('logit difference (nats)')
    _legend(figure)
  return figure


def _draw(axes: Axes, end: pd.DataFrame) -> None:
  simple, *_ = reliance.blocks_of(end)
  seen = {'as is': 'standard', 'simple\nrandomized': f'random/{simple}'}
  seen['complex\nrandomized'] = f'only/{simple}'
  places = dict(zip(seen, (2, 1, 0), strict=True))
  axes.axvline(0, color='0.6', linewidth=0.6, zorder=1)
  for name, inputs in seen.items():
    for label, color in COLORS.items():
      y = places[name] + (0.13 if label else -0.13)
      percentiles = [end[f'reliance/{inputs}/class{label}/{q}'].mean() for q in QUANTILES]
      q05, q25, median, q75, q95 = percentiles
      axes.plot([q05, q95], [y, y], color=color, linewidth=0.8)
      axes.plot([q25, q75], [y, y], color=color, linewidth=3, solid_capstyle='butt')
      axes.plot([median], [y], 'o', color='white', markeredgecolor=color, markersize=3)
  axes.set_yticks([*places.values()], [*places])
  axes.set_ylim(-0.5, 2.5)


def _legend(figure: style.Figure) -> None:
  handles = [
    Line2D([], [], color=color, linewidth=3, label=f'class {label}')
    for label, color in COLORS.items()
  ]
  figure.legend(handles=handles, loc='outside upper right', ncols=2)
