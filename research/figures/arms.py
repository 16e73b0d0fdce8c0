"""What figures of named runs share: a curve with its band for each arm, and the last step."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from research import tables

BLUE, ORANGE, BLACK = '#0072B2', '#E69F00', '#000000'  # of Wong (2011); apart in grey print too


def require(table: pd.DataFrame, metrics: Iterable[str]) -> None:
  """Checks that the table holds what a figure shows.

  Raises:
    ValueError: a column is missing, or a metric is nowhere measured.
  """
  for name in ['run', 'step', *metrics]:
    if name not in table:
      raise ValueError(f'the table has no {name!r}, which this figure shows')
    if table[name].isna().all():
      raise ValueError(f'{name!r} was measured at no step of these runs')


def draw(
  axes: Axes,
  table: pd.DataFrame,
  metric: str,
  colors: Mapping[Any, str],
  linestyle: str = '-',
  by: str = 'run',
  label: Callable[[Any], str] = lambda run: run.replace('_', ' '),
) -> dict[Any, Line2D]:
  """Draws the mean over members, with its 95 % confidence band, for each arm that has the metric.

  On a log axis the mean is the geometric one, and the band that of the logarithms. Set scale and limits
  of y first: a band ends there.

  Args:
    axes, table, metric: where, of what runs, and what is drawn.
    colors: of each arm that may be drawn, in this order.
    linestyle: of all of them.
    by: the column that tells the arms apart.
    label: the name of an arm.
  """
  bands = tables.band(table, metric, by, log=axes.get_yscale() == 'log')
  lines, (bottom, top) = {}, axes.get_ylim()
  for arm, color in colors.items():
    curve = bands[bands[by] == arm]
    if curve.empty:
      continue
    if curve['low'].notna().any():
      low, high = (curve[edge].clip(bottom, top) for edge in ('low', 'high'))
      axes.fill_between(curve['step'], low, high, color=color, alpha=0.18, linewidth=0)
    (line,) = axes.plot(curve['step'], curve['mean'], linestyle, color=color, label=label(arm))
    lines[arm] = line
  return lines


def limits(
  table: pd.DataFrame,
  metrics: Sequence[str],
  by: str,
  *,
  log: bool = False,
  include: Sequence[float] = (),
) -> tuple[float, float]:
  """Limits of y that hold the values to `include` and all means; of very wide bands, only a part."""
  bands = pd.concat([tables.band(table, metric, by, log=log) for metric in metrics])
  means = [*bands['mean'], *include] or [1.0]
  bottom, top = min(means), max(means)
  low, high = np.fmin(bottom, bands['low'].min()), np.fmax(top, bands['high'].max())
  if log:
    return float(max(low, bottom / 2) / 1.15), float(min(high, 2 * top) * 1.15)
  reach = 0.3 * (top - bottom) or 0.1
  low, high = max(low, bottom - reach), min(high, top + reach)
  margin = 0.05 * (high - low)
  return float(low - margin), float(high + margin)


def label_ends(axes: Axes, lines: Iterable[Line2D], gap: float) -> None:
  """Writes the name of each line to its right, in its colour, at least `gap` (of the axis) apart.

  On linear and on log axes; set the limits first.
  """
  to_axes = axes.transData + axes.transAxes.inverted()
  ends = {line: np.asarray(line.get_xydata())[-1] for line in lines}
  heights = {line: np.clip(to_axes.transform(end)[1], 0, 1) for line, end in ends.items()}
  ordered = sorted(heights, key=heights.__getitem__)
  places = [heights[line] for line in ordered]
  for i in range(1, len(places)):
    places[i] = max(places[i], places[i - 1] + gap)
  for i in range(1, len(places) + 1):
    places[-i] = min(places[-i], 1 - (i - 1) * gap)
  for line, place in zip(ordered, places, strict=True):
    look = {'transform': axes.transAxes, 'verticalalignment': 'center'}
    axes.text(1.03, place, str(line.get_label()), color=line.get_color(), **look)


def legend(axes: Axes, solid: str, dashed: str) -> None:
  """Says, at the upper left, what solid and dashed lines are, whatever their colours."""
  handles = [
    Line2D([], [], color='0.35', linestyle='-', label=solid),
    Line2D([], [], color='0.35', linestyle='--', label=dashed),
  ]
  axes.legend(handles=handles, loc='upper left')


def ends(table: pd.DataFrame) -> pd.DataFrame:
  """The rows of the last step of each run."""
  return table[table['step'] == table.groupby('run')['step'].transform('max')]
