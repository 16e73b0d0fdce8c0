"""Overfitting that is benign or not: error, margin and eigenvalue by dimension, error by smoothness."""

from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from research import tables
from research.figures import arms, style

GREEN = '#009E73'
SEPARATIONS = {1.5: (arms.ORANGE, 's'), 3.0: (GREEN, 'D'), 6.0: (arms.BLUE, 'o')}
MARKERS = ('o', 's', 'D', '^')


def figure(mixtures: pd.DataFrame, smoothness: pd.DataFrame) -> style.Figure:
  """Excess error; normalized margin and its lower bound; excess error by the interpolant's norm.

  Means over seeds with 95 % confidence intervals. Left: error on right labels in excess of the least
  possible, a fifth of the training labels turned, or dashed none. Middle: the normalized margin, and
  dashed the root of the smallest eigenvalue over the number of examples, at separation 6; both with
  the kernel's mean diagonal as unit. Right: means over seeds at separation 6, one point for each
  dimension and depth.

  Args:
    mixtures: columns seed, dim, separation, flips, excess, margin, least_margin.
    smoothness: seed, dim, depth, sq_norm, excess.

  Raises:
    ValueError: a column is missing.
  """
  metrics = ('excess', 'margin', 'least_margin')
  _require(mixtures, 'mixtures', ('seed', 'dim', 'separation', 'flips', *metrics))
  _require(smoothness, 'smoothness', ('seed', 'dim', 'depth', 'sq_norm', 'excess'))
  with style.context():
    figure = style.Figure(figsize=(style.PAGE, 2.5))
    axes = figure.subplots(1, 3)
    _draw_excess(axes[0], mixtures)
    _draw_margin(axes[1], mixtures)
    _draw_smoothness(axes[2], smoothness)
  return figure


def _bars(axes: Axes, table: pd.DataFrame, metric: str, color, line: str) -> Line2D:
  band = tables.band(table.assign(step=table['dim'], all=0), metric, 'all')
  reach = (band['high'] - band['mean']).fillna(0)
  look = {'markersize': 3.5, 'capsize': 2, 'elinewidth': 0.9, 'color': color}
  return axes.errorbar(band['step'], band['mean'], yerr=reach, fmt=line, **look).lines[0]


def _dimensions(axes: Axes, table: pd.DataFrame) -> None:
  ticks = sorted(table['dim'].unique())
  axes.set_xscale('log')
  axes.set_xticks(ticks, [f'{dim:g}' for dim in ticks])
  axes.xaxis.set_minor_locator(NullLocator())
  axes.set_xlabel('dimensions')


def _draw_excess(axes: Axes, table: pd.DataFrame) -> None:
  axes.set_title('Excess error')
  _dimensions(axes, table)
  for separation, (color, marker) in SEPARATIONS.items():
    rows = table[table['separation'] == separation]
    for flips, line in zip(sorted(rows['flips'].unique(), reverse=True), ('-', '--'), strict=False):
      drawn = _bars(axes, rows[rows['flips'] == flips], 'excess', color, marker + line)
      if line == '-':
        drawn.set_label(f'separation {separation:g}')
  axes.set_ylim(None, 1.2 * axes.get_ylim()[1])
  axes.legend(loc='upper left')


def _draw_margin(axes: Axes, table: pd.DataFrame) -> None:
  axes.set_title('Normalized margin')
  _dimensions(axes, table)
  rows = table[(table['separation'] == 6.0) & (table['flips'] == table['flips'].max())]
  _bars(axes, rows, 'margin', arms.BLUE, 'o-').set_label('margin')
  _bars(axes, rows, 'least_margin', arms.BLUE, 'o--').set_label('lower bound')
  axes.set_ylim(0, None)
  axes.legend(loc='lower right')


def _draw_smoothness(axes: Axes, table: pd.DataFrame) -> None:
  axes.set_title('Excess error by smoothness')
  means = table.groupby(['dim', 'depth'])[['sq_norm', 'excess']].mean().reset_index()
  dims, depths = sorted(means['dim'].unique()), sorted(means['depth'].unique())
  for i, dim in enumerate(dims):
    color = style.noise_color(i / max(len(dims) - 1, 1))
    for marker, depth in zip(MARKERS, depths, strict=False):
      row = means[(means['dim'] == dim) & (means['depth'] == depth)]
      axes.plot(row['sq_norm'], row['excess'], marker, color=color, markersize=4)
    axes.plot([], [], 'o', color=color, markersize=4, label=f'd = {dim:g}')
  for marker, depth in zip(MARKERS, depths, strict=False):
    label = f'{depth:g} layer' + ('' if depth == 1 else 's')
    axes.plot([], [], marker, color='0.35', markersize=4, label=label)
  axes.set_xscale('log')
  axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
  axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f'{x:g}'))
  axes.xaxis.set_minor_locator(NullLocator())
  axes.set_xlabel('squared norm of the interpolant')
  axes.set_ylim(None, 1.7 * means['excess'].max())  # room for the legend
  axes.legend(loc='upper left', ncols=2, fontsize=6.5, labelspacing=0.25, handletextpad=0.2)


def _require(table: pd.DataFrame, name: str, columns: Sequence[str]) -> None:
  if missing := [column for column in columns if column not in table]:
    raise ValueError(f'{name} must have a column {missing[0]!r}, which this figure shows')
