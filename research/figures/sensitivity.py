"""How sensitive interpolating fits are, by the width of their features and by their examples."""

from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import NullFormatter

from research import tables
from research.figures import arms, style

ACTIVATIONS = {'tanh': ('tanh', arms.BLUE, 'o'), 'square': ('square', arms.ORANGE, 's')}
FEATURES = {'random_features': 'Random features', 'tangent': 'Tangent features'}


def figure(widths: pd.DataFrame, examples: pd.DataFrame) -> style.Figure:
  """Means over seeds with 95 % confidence intervals, in labels.

  Left and middle: by the number of units; dashed is the universal law with a constant of 1. Right:
  random features of tanh, by the number of examples.

  Args:
    widths: columns seed, features, activation, width, law, sensitivity.
    examples: seed, n, sensitivity.

  Raises:
    ValueError: a column is missing.
  """
  names = ('seed', 'features', 'activation', 'width', 'law', 'sensitivity')
  _require(widths, 'widths', names)
  _require(examples, 'examples', ('seed', 'n', 'sensitivity'))
  with style.context():
    figure = style.Figure(figsize=(style.PAGE, 2.3))
    axes = figure.subplots(1, 3)
    for each, (features, title) in zip(axes, FEATURES.items(), strict=False):
      _draw_widths(each, widths[widths['features'] == features], title)
    axes[0].set_ylabel('sensitivity (labels)')
    axes[0].legend(loc='lower left')
    axes[2].set_title('Random features, tanh')
    rows = tables.band(examples.assign(step=examples['n'], all=0), 'sensitivity', 'all')
    _bars(axes[2], rows, *ACTIVATIONS['tanh'])
    axes[2].set_ylim(0, None)
    axes[2].set_xlabel('examples')
  return figure


def _draw_widths(axes: Axes, table: pd.DataFrame, title: str) -> None:
  axes.set_title(title)
  axes.set_xscale('log')
  axes.set_yscale('log')
  bands = tables.band(table.assign(step=table['width']), 'sensitivity', 'activation', log=True)
  for activation, look in ACTIVATIONS.items():
    _bars(axes, bands[bands['activation'] == activation], *look)
  law = table.groupby('width')['law'].mean()
  axes.plot(law, '--', color='0.35', linewidth=0.9, label='universal law')
  axes.set_xticks([*law.index], [f'{width:g}' for width in law.index])
  axes.xaxis.set_minor_formatter(NullFormatter())
  axes.minorticks_off()
  axes.set_ylim(0.3, 40)
  axes.set_yticks([1, 3, 10, 30], ['1', '3', '10', '30'])
  axes.set_xlabel('units')


def _bars(axes: Axes, rows: pd.DataFrame, label: str, color: str, marker: str) -> None:
  reach = [(rows['mean'] - rows['low']).fillna(0), (rows['high'] - rows['mean']).fillna(0)]
  look = {'fmt': f'{marker}-', 'markersize': 3.5, 'capsize': 2, 'elinewidth': 0.9, 'color': color}
  axes.errorbar(rows['step'], rows['mean'], yerr=reach, label=label, **look)


def _require(table: pd.DataFrame, name: str, columns: Sequence[str]) -> None:
  if missing := [column for column in columns if column not in table]:
    raise ValueError(f'{name} must have a column {missing[0]!r}, which this figure shows')
