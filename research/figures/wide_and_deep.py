"""What networks that are wide and deep come to: accuracy, examples, exponents, depth."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import NullLocator

from research import tables
from research.figures import arms, style

GREEN, PINK = '#009E73', '#CC79A7'
CLASSIFIERS = {  # from the top down: label and colour
  'best': ('best possible', '0.35'),
  'hilbert': ('Hilbert estimate', GREEN),
  'covariance': ('cubic, NNGP', arms.BLUE),
  'cubic': ('cubic, q = 1', arms.BLUE),
  'sine': ('sine, q = 1', arms.BLUE),
  'nearest': ('nearest neighbour', GREEN),
  'square': ("square, v'(0) = 0", arms.BLUE),
  'majority': ('majority', GREEN),
  'constant': ('constant, v(0) = 0.2', arms.BLUE),
}
BY_SIZE = {
  'singular': ('singular, q = 1', arms.BLUE, 'o'),
  'hilbert': ('Hilbert', GREEN, 'D'),
  'nearest': ('nearest', arms.ORANGE, 's'),
}
DIMENSIONS = {1: (arms.ORANGE, 's'), 2: (arms.BLUE, 'o'), 3: (GREEN, 'D')}
NETWORKS = {'relu': ('ReLU', arms.ORANGE, 's'), 'constant': ('v(0) = 0.2', arms.BLUE, 'o')}


def figure(
  networks: pd.DataFrame, depths: pd.DataFrame, sizes: pd.DataFrame, exponents: pd.DataFrame
) -> style.Figure:
  """Accuracy of deep networks and of rules; votes by depth; error by examples; accuracy by exponent.

  Means over seeds with 95 % confidence intervals. Top left: networks in blue, below the rule in green
  that they come to. Top right: the share of points to which a network gives the majority's label.
  Bottom left: error in excess of the best possible. Bottom right: accuracy of singular kernels less
  that of the Hilbert estimate, in points of a hundred; dotted is q = d / 2.

  Args:
    networks: columns seed, classifier, accuracy.
    depths: seed, network, depth, share.
    sizes: seed, classifier, n, excess.
    exponents: seed, dim, exponent, accuracy, hilbert.

  Raises:
    ValueError: a column is missing.
  """
  _require(networks, 'networks', ('seed', 'classifier', 'accuracy'))
  _require(depths, 'depths', ('seed', 'network', 'depth', 'share'))
  _require(sizes, 'sizes', ('seed', 'classifier', 'n', 'excess'))
  _require(exponents, 'exponents', ('seed', 'dim', 'exponent', 'accuracy', 'hilbert'))
  with style.context():
    figure = style.Figure(figsize=(style.PAGE, 4.4))
    axes = figure.subplots(2, 2)
    _draw_networks(axes[0, 0], networks)
    _draw_depths(axes[0, 1], depths)
    _draw_sizes(axes[1, 0], sizes)
    _draw_exponents(axes[1, 1], exponents)
  return figure


def _bars(axes: Axes, table: pd.DataFrame, metric: str, against: str, color, marker, label) -> None:
  band = tables.band(table.assign(step=table[against], all=0), metric, 'all')
  reach = (band['high'] - band['mean']).fillna(0)
  look = {'markersize': 3.5, 'capsize': 2, 'elinewidth': 0.9, 'color': color}
  drawn = axes.errorbar(band['step'], band['mean'], yerr=reach, fmt=f'{marker}-', **look)
  drawn.lines[0].set_label(label)


def _draw_networks(axes: Axes, table: pd.DataFrame) -> None:
  axes.set_title('Accuracy, 2-dimensional sphere')
  names = [name for name in CLASSIFIERS if name in set(table['classifier'])]
  band = tables.band(table.assign(step=0), 'accuracy', 'classifier').set_index('classifier')
  for y, name in enumerate(names):
    reach = np.nan_to_num(band['high'][name] - band['mean'][name])
    look = {'fmt': 'o', 'markersize': 4, 'capsize': 2, 'elinewidth': 0.9}
    axes.errorbar([band['mean'][name]], [y], xerr=[reach], color=CLASSIFIERS[name][1], **look)
  axes.set_yticks(range(len(names)), [CLASSIFIERS[name][0] for name in names])
  axes.invert_yaxis()
  axes.set_xlabel('accuracy')


def _draw_depths(axes: Axes, table: pd.DataFrame) -> None:
  axes.set_title('Share of points with the label of the majority')
  axes.set_xscale('log')
  for name, (label, color, marker) in NETWORKS.items():
    if len(rows := table[table['network'] == name]):
      _bars(axes, rows, 'share', 'depth', color, marker, label)
  axes.axhline(1.0, color='0.35', linestyle='--', linewidth=0.7, zorder=1)
  axes.set_xlabel('hidden layers')
  axes.legend(loc='center', bbox_to_anchor=(0.55, 0.55))


def _draw_sizes(axes: Axes, table: pd.DataFrame) -> None:
  axes.set_title('Excess error')
  axes.set_xscale('log')
  for name, (label, color, marker) in BY_SIZE.items():
    if len(rows := table[table['classifier'] == name]):
      _bars(axes, rows, 'excess', 'n', color, marker, label)
  ticks = sorted(table['n'].unique())
  axes.set_xticks(ticks, [f'{n:g}' for n in ticks])
  axes.xaxis.set_minor_locator(NullLocator())
  axes.set_ylim(0, None)
  axes.set_xlabel('examples')
  axes.legend(loc='upper right')


def _draw_exponents(axes: Axes, table: pd.DataFrame) -> None:
  axes.set_title('Accuracy less that of Hilbert (points)')
  table = table.assign(points=100 * (table['accuracy'] - table['hilbert']))
  for dim, (color, marker) in DIMENSIONS.items():
    if len(rows := table[table['dim'] == dim]):
      _bars(axes, rows, 'points', 'exponent', color, marker, f'd = {dim}')
      axes.axvline(dim / 2, color=color, linestyle=':', linewidth=0.8, zorder=1, ymax=0.84)
  axes.axhline(0.0, color='0.35', linewidth=0.6, zorder=1)
  axes.set_xscale('log')
  ticks = sorted(table['exponent'].unique())
  axes.set_xticks(ticks, [f'{q:g}' for q in ticks])
  axes.xaxis.set_minor_locator(NullLocator())
  axes.set_xlabel('exponent q')
  axes.set_ylim(None, axes.get_ylim()[1] + 1)  # room for the legend
  axes.legend(loc='upper right', ncols=3, columnspacing=1)


def _require(table: pd.DataFrame, name: str, columns: Sequence[str]) -> None:
  if missing := [column for column in columns if column not in table]:
    raise ValueError(f'{name} must have a column {missing[0]!r}, which this figure shows')
