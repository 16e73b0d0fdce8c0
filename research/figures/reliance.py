"""Which feature is learned when: the AUC that is left with each feature randomized."""

import math

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from research.figures import arms, curves, style

PREFIX = 'reliance/random/'
STANDARD = 'reliance/standard/auc'
# From the simplest; the other features have the second colour.
ORDER = ('linear', 'noisy_linear', 'noise', 'slab3', 'slab5', 'slab7', 'top', 'bottom')
COLUMNS = 4


def figure(table: pd.DataFrame) -> style.Figure:
  """A panel for each run: AUC as such, with the simple feature randomized, and with the complex one.

  Black, dashed: nothing is randomized. Blue: the simple feature is; orange: the complex one. A
  feature is relied on where randomizing it brings the line down, to 0.5 (thin) if on nothing else.
  Lines are means over members, bands their 95 % confidence intervals.

  Args:
    table: from `tables.load_runs`, with the instrument `reliance` on tasks of two classes.

  Raises:
    ValueError: the metrics of the instrument are missing.
  """
  arms.require(table, [STANDARD])
  runs = list(dict.fromkeys(table['run']))
  n_rows = math.ceil(len(runs) / COLUMNS)
  n_columns = math.ceil(len(runs) / n_rows)
  with style.context():
    figure = style.Figure(figsize=(style.PAGE, 0.3 + 1.7 * n_rows))
    panels = figure.subplots(n_rows, n_columns, squeeze=False, sharey=True)
    for axes, run in zip(panels.flat, runs, strict=False):
      _draw(axes, table[table['run'] == run])
      axes.set_title(run.replace('_', ' '))
    for axes in panels.flat[len(runs) :]:
      axes.set_axis_off()
    for axes in panels[-1]:
      axes.set_xlabel('step')
    for axes in panels[:, 0]:
      axes.set_ylabel('AUC')
    _legend(figure)
  return figure


def blocks_of(own: pd.DataFrame) -> list[str]:
  """The features of one run, from the simplest."""
  suffix = '/auc'
  measured = [name for name in map(str, own) if name.startswith(PREFIX) and name.endswith(suffix)]
  found = [name[len(PREFIX) : -len(suffix)] for name in measured if own[name].notna().any()]
  return sorted(found, key=lambda name: (*ORDER, name).index(name))


def draw_standard(axes: Axes, own: pd.DataFrame) -> None:
  """The AUC with nothing randomized, drawn above the line of a feature that does not matter."""
  for line in arms.draw(axes, own, STANDARD, {own['run'].iloc[0]: arms.BLACK}, '--').values():
    line.set(linewidth=1, zorder=4)


def _draw(axes: Axes, own: pd.DataFrame) -> None:
  axes.set_ylim(0.35, 1.05)
  axes.axhline(0.5, color='0.35', linestyle='--', linewidth=0.7, zorder=1)
  run = own['run'].iloc[0]
  draw_standard(axes, own)
  for block, color in zip(blocks_of(own), (arms.BLUE, arms.ORANGE), strict=False):
    arms.draw(axes, own, f'{PREFIX}{block}/auc', {run: color})
  curves.step_axis(axes, int(own['step'].max()), n_ticks=3)


def _legend(figure: style.Figure) -> None:
  names = {'simple randomized': arms.BLUE, 'complex randomized': arms.ORANGE}
  handles = [Line2D([], [], color=arms.BLACK, linestyle='--', linewidth=1, label='as is')]
  handles += [Line2D([], [], color=color, label=name) for name, color in names.items()]
  figure.legend(handles=handles, loc='outside upper right', ncols=3)
