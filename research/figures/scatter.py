"""Each measure against the gap, a point per network."""

import textwrap
from collections.abc import Sequence

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.lines import Line2D

from research.figures import families, style
from research.referee.scores import kendall

COLUMNS = 4
LONGEST = 30  # characters of a title in one line


def figure(networks: pd.DataFrame, measures: Sequence[str], color: str) -> style.Figure:
  """Small panels, the gap over each measure, with tau; networks are coloured by a hyperparameter.

  A measure that is positive and spans more than a factor of 100 has a log axis. How many networks have
  no value of the measure is said in the panel.

  Args:
    networks: a row per network.
    measures: names of columns, each a panel.
    color: the hyperparameter. Numbers go from dark to light; others take the colours of the house.

  Raises:
    ValueError: a column is missing, or there are no measures.
  """
  measures = list(measures)
  if missing := [name for name in ('gap', color, *measures) if name not in networks]:
    raise ValueError(f'networks must have a column {missing[0]!r}, which this figure shows')
  if not measures:
    raise ValueError('measures must name at least one column')
  colors = _colors(networks[color])
  with style.context():
    rows = -(-len(measures) // COLUMNS)
    figure = style.Figure(figsize=(style.PAGE, 1.5 * rows + 0.45))
    axes = figure.subplots(rows, COLUMNS, sharey=True, squeeze=False)
    low, high = networks['gap'].min(), networks['gap'].max()
    axes[0, 0].set_ylim(low - 0.05 * (high - low + 0.01), high + 0.2 * (high - low + 0.01))
    for panel, name in zip(axes.flat, measures, strict=False):
      _draw(panel, networks, name, color, colors)
    for panel in axes.flat[len(measures) :]:
      panel.set_axis_off()
    for panel in axes[:, 0]:
      panel.set_ylabel('gap: test $-$ train error')
    label = color.replace('_', ' ')
    points = [
      Line2D([], [], linestyle='', marker='o', markersize=3.5, color=look, label=f'{value}')
      for value, look in colors.items()
    ]
    figure.legend(
      handles=points, loc='outside lower center', ncols=8, title=label, title_fontsize=7.5
    )
  return figure


def _colors(column: pd.Series) -> dict:
  values = sorted(column.unique(), key=lambda v: (isinstance(v, str), v))
  if pd.api.types.is_numeric_dtype(column):
    last = max(len(values) - 1, 1)
    return {
      v: to_hex(matplotlib.colormaps['viridis'](0.9 * k / last)) for k, v in enumerate(values)
    }
  return {value: families.COLORS[k % len(families.COLORS)] for k, value in enumerate(values)}


def _draw(axes: Axes, networks: pd.DataFrame, name: str, color: str, colors: dict) -> None:
  x, gap = networks[name].to_numpy(np.float64), networks['gap'].to_numpy(np.float64)
  known = np.isfinite(x)
  tau = kendall(x, gap).item()
  axes.set_title('\n'.join(textwrap.wrap(families.short(name), LONGEST)), fontsize=7)
  axes.text(0.03, 0.97, rf'$\tau$ = {tau:.2f}', transform=axes.transAxes, va='top', fontsize=6.5)
  order = np.random.default_rng(0).permutation(np.flatnonzero(known))  # no value hides another
  points = [colors[value] for value in networks[color].iloc[order]]
  axes.scatter(x[order], gap[order], c=points, s=4, alpha=0.7, linewidths=0)
  if known.any() and x[known].min() > 0 and x[known].max() > 100 * x[known].min():
    axes.set_xscale('log')
  else:
    axes.locator_params(axis='x', nbins=4)
  if not known.all():
    text = f'{int((~known).sum())} not computed'
    axes.text(0.97, 0.03, text, transform=axes.transAxes, ha='right', fontsize=6)
