"""A linear student's errors: by time, by the number of examples, by the size of its first weights."""

from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, NullFormatter, NullLocator

from research import tables
from research.figures import arms, style

GREEN, GREY = '#009E73', '0.35'
LOADS = ((arms.BLUE, 'o'), (arms.ORANGE, 's'), (GREEN, 'D'))
WAYS = {  # by load: which column, its label, colour and marker
  'late': ('trained for long', arms.ORANGE, 's'),
  'best': ('stopped at best', arms.BLUE, 'o'),
  'ridge': ('best ridge', GREEN, '_'),
}


def figure(curves: pd.DataFrame, loads: pd.DataFrame, starts: pd.DataFrame) -> style.Figure:
  """Markers are means over samples, with 95 % confidence intervals; lines are the theory.

  Left: errors by time from zero weights at each load, on new examples (solid) and on those of training
  (dashed, without samples). Middle: errors on new examples by load, after long training, at the best
  time and of the best ridge. Right: after long training, by the variance of the first weights; lines
  join the markers.

  Args:
    curves: columns seed, load, start, time, generalization, generalization_theory, training_theory.
    loads: seed, load, and late, best, ridge, each with and without _theory.
    starts: seed, load, start, late.

  Raises:
    ValueError: a column is missing.
  """
  both = [name for way in WAYS for name in (way, f'{way}_theory')]
  names = ('generalization', 'generalization_theory', 'training_theory')
  _require(curves, 'curves', ('seed', 'load', 'start', 'time', *names))
  _require(loads, 'loads', ('seed', 'load', *both))
  _require(starts, 'starts', ('seed', 'load', 'start', 'late'))
  with style.context():
    figure = style.Figure(figsize=(style.PAGE, 2.4))
    axes = figure.subplots(1, 3)
    _draw_times(axes[0], curves[curves['start'] == 0])
    _draw_loads(axes[1], loads)
    _draw_starts(axes[2], starts)
    axes[0].set_ylabel(r'squared error $/\ \sigma_w^2$')
  return figure


def _draw_times(axes: Axes, table: pd.DataFrame) -> None:
  axes.set_title('Errors by time')
  axes.set_xscale('log')
  axes.set_yscale('log')
  bands = tables.band(table.assign(step=table['time']), 'generalization', 'load', log=True)
  for (load, rows), (color, marker) in zip(table.groupby('load'), LOADS, strict=False):
    theory = rows.groupby('time')[['generalization_theory', 'training_theory']].mean()
    axes.plot(theory['generalization_theory'], color=color, zorder=1)
    axes.plot(theory['training_theory'], '--', color=color, linewidth=0.9, zorder=1)
    shown = bands[bands['load'] == load].iloc[::4]
    _bars(axes, shown, marker, color, f'{load:g}')
  _scale(axes, 0.03, 40, (0.1, 1, 10))
  axes.set_xlabel('time')
  axes.legend(title='load', loc='upper left', handletextpad=0.2, borderpad=0.1, title_fontsize=7.5)


def _draw_loads(axes: Axes, table: pd.DataFrame) -> None:
  axes.set_title('New examples, by load')
  axes.set_xscale('log')
  axes.set_yscale('log')
  for way, (label, color, marker) in WAYS.items():
    axes.plot(table.groupby('load')[f'{way}_theory'].mean(), color=color, zorder=1)
    bands = tables.band(table.assign(step=table['load'], all=0), way, 'all', log=True)
    _bars(axes, bands, marker, color, label)
  _ticks(axes, (0.125, 0.25, 0.5, 1, 2, 4), ('1/8', '1/4', '1/2', '1', '2', '4'))
  _scale(axes, 0.2, 30, (0.3, 1, 3, 10))
  axes.set_xlabel('load (examples per weight)')
  axes.legend(loc='upper left', handletextpad=0.2, borderpad=0.1)


def _draw_starts(axes: Axes, table: pd.DataFrame) -> None:
  axes.set_title('After long training')
  axes.set_yscale('log')
  bands = tables.band(table.assign(step=table['start']), 'late', 'load', log=True)
  for (load, rows), (color, marker) in zip(bands.groupby('load'), LOADS, strict=False):
    axes.plot(rows['step'], rows['mean'], color=color, linewidth=0.9)
    _bars(axes, rows, marker, color, f'{load:g}')
  axes.set_xlabel(r'variance of first weights $/\ \sigma_w^2$')
  _scale(axes, 0.2, 30, (0.3, 1, 3, 10))


def _scale(axes: Axes, low: float, high: float, ticks: Sequence[float]) -> None:
  axes.set_ylim(low, high)
  axes.set_yticks(list(ticks), [f'{tick:g}' for tick in ticks])
  axes.yaxis.set_minor_formatter(NullFormatter())


def _bars(axes: Axes, rows: pd.DataFrame, marker: str, color: str, label: str) -> None:
  reach = [(rows['mean'] - rows['low']).fillna(0), (rows['high'] - rows['mean']).fillna(0)]
  look = {'fmt': marker, 'markersize': 3, 'capsize': 1.5, 'elinewidth': 0.8, 'color': color}
  axes.errorbar(rows['step'], rows['mean'], yerr=reach, label=label, **look)


def _ticks(axes: Axes, places: Sequence[float], labels: Sequence[str]) -> None:
  axes.xaxis.set_major_locator(FixedLocator(list(places)))
  axes.set_xticks(list(places), list(labels))
  axes.xaxis.set_minor_locator(NullLocator())
  axes.xaxis.set_minor_formatter(NullFormatter())


def _require(table: pd.DataFrame, name: str, columns: Sequence[str]) -> None:
  if missing := [column for column in columns if column not in table]:
    raise ValueError(f'{name} must have a column {missing[0]!r}, which this figure shows')
