"""What contrastive losses keep: subclasses along training, features that compete, temperature, bits."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator

from research import tables
from research.figures import arms, style

GREEN = '#009E73'
MAJORITIES = {0.5: ('1 : 1', arms.BLUE), 0.75: ('3 : 1', arms.ORANGE)}
COMPETITORS = {
  'weaker': ('weaker', GREEN, 'o'),  # drawn first and largest: others may hide it
  'stronger, resampled': ('resampled', arms.ORANGE, 's'),
  'stronger': ('stronger', arms.BLUE, 'D'),
}
ENCODERS = {
  'wide': ('wide', GREEN, 'o'),
  'usual': ('usual', arms.BLUE, 'D'),
  'warm': ('warm', arms.ORANGE, 's'),
}


def figure(
  learned: pd.DataFrame,
  suppression: pd.DataFrame,
  temperature: pd.DataFrame,
  shared_bits: pd.DataFrame,
) -> style.Figure:
  """Subclasses learned and unlearned; features that compete; what the temperature trades; shared bits.

  Lines and markers are means over seeds, bands and bars their 95 % confidence intervals. Top left: d'
  between the two subclasses of a class, equal in number or three to one, under gradient descent on
  the supervised spectral loss; dashed is d' = 1. Top right: a linear probe for the class, eight
  irrelevant features being stronger than it, stronger but redrawn by augmentation, or weaker; dashed
  is chance. Bottom, encoders of digits: what they trade, with temperatures beside their points, lighter
  for higher ones; a linear probe, by temperature; a linear probe, by random bits that views share.

  Args:
    learned: columns seed, majority, step, subclass_d.
    suppression: seed, arm, width, class_accuracy.
    temperature: seed, temperature, uniformity, tolerance, probe_accuracy.
    shared_bits: seed, encoder, n_bits, probe_accuracy.

  Raises:
    ValueError: a column is missing.
  """
  _require(learned, 'learned', ('seed', 'majority', 'step', 'subclass_d'))
  _require(suppression, 'suppression', ('seed', 'arm', 'width', 'class_accuracy'))
  metrics = ('uniformity', 'tolerance', 'probe_accuracy')
  _require(temperature, 'temperature', ('seed', 'temperature', *metrics))
  _require(shared_bits, 'shared_bits', ('seed', 'encoder', 'n_bits', 'probe_accuracy'))
  with style.context():
    figure = style.Figure(figsize=(style.PAGE, 4.2))
    grid = figure.add_gridspec(2, 6)
    _draw_collapse(figure.add_subplot(grid[0, :3]), learned)
    _draw_competition(figure.add_subplot(grid[0, 3:]), suppression)
    _draw_trade(figure.add_subplot(grid[1, :2]), temperature)
    _draw_probe(figure.add_subplot(grid[1, 2:4]), temperature)
    _draw_bits(figure.add_subplot(grid[1, 4:]), shared_bits)
  return figure


def _draw_collapse(axes: Axes, table: pd.DataFrame) -> None:
  axes.set_title("Subclasses, supervised loss: d' in new inputs")
  axes.set_xscale('symlog', linthresh=1, linscale=0.3)
  axes.set_yscale('log')
  bottom, top = arms.limits(table, ['subclass_d'], 'majority', log=True, include=[1.0])
  axes.set_ylim(bottom, top)
  axes.set_xlim(0, table['step'].max())
  colors = {majority: look[1] for majority, look in MAJORITIES.items()}
  lines = arms.draw(
    axes, table, 'subclass_d', colors, by='majority', label=lambda majority: MAJORITIES[majority][0]
  )
  axes.axhline(1.0, color='0.35', linestyle='--', linewidth=0.7, zorder=1)
  axes.set_xticks([0, 1, 10, 100, 1000], ['0', '1', '10', '100', '1k'])
  axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f'{y:g}'))
  axes.set_xlabel('step')
  arms.label_ends(axes, lines.values(), gap=0.1)


def _draw_competition(axes: Axes, table: pd.DataFrame) -> None:
  axes.set_title('Class accuracy, irrelevant features beside it')
  axes.set_ylim(0.45, 1.03)
  lines = _draw_arms(axes, table, 'class_accuracy', 'arm', 'width', COMPETITORS)
  axes.axhline(0.5, color='0.35', linestyle='--', linewidth=0.7, zorder=1)
  axes.set_xticks([1, 4, 8, 12, 16])
  axes.set_xlabel('width of the embedding')
  axes.legend(handles=lines, loc='center right')


def _draw_trade(axes: Axes, table: pd.DataFrame) -> None:
  axes.set_title('What τ trades')
  axes.margins(0.16)
  axes.xaxis.set_major_locator(MaxNLocator(4))
  temperatures = sorted(table['temperature'].unique())
  bars = {
    name: tables.band(table.assign(step=0), name, 'temperature').set_index('temperature')
    for name in ('tolerance', 'uniformity')
  }
  x, y = (bars[name].loc[temperatures] for name in ('tolerance', 'uniformity'))
  axes.plot(x['mean'], y['mean'], color='0.6', linewidth=0.8, zorder=1)
  for i, tau in enumerate(temperatures):
    color = style.noise_color(i / max(len(temperatures) - 1, 1))
    reach = [[(b['high'] - b['mean'])[tau]] for b in (x, y)]
    axes.errorbar(
      [x['mean'][tau]],
      [y['mean'][tau]],
      xerr=reach[0],
      yerr=reach[1],
      fmt='o',
      color=color,
      markersize=4,
      elinewidth=0.9,
    )
    axes.annotate(
      f'{tau:g}', (x['mean'][tau], y['mean'][tau]), (4, -8), textcoords='offset points', color=color
    )
  axes.set_xlabel('tolerance')
  axes.set_ylabel('uniformity (nats)')


def _draw_probe(axes: Axes, table: pd.DataFrame) -> None:
  axes.set_title('Digit accuracy')
  axes.set_xscale('log')
  looks = {'all': ('all', arms.BLUE, 'o')}
  _draw_arms(axes, table.assign(arm='all'), 'probe_accuracy', 'arm', 'temperature', looks)
  ticks = [0.03, 0.1, 0.3, 1]
  axes.set_xticks(ticks, [f'{tau:g}' for tau in ticks])
  axes.set_xlabel('temperature τ')


def _draw_bits(axes: Axes, table: pd.DataFrame) -> None:
  axes.set_title('With random bits')
  lines = _draw_arms(axes, table, 'probe_accuracy', 'encoder', 'n_bits', ENCODERS)
  axes.set_xticks(sorted(table['n_bits'].unique()))
  axes.set_xlabel('bits')
  axes.legend(handles=lines, loc='lower left')


def _draw_arms(
  axes: Axes,
  table: pd.DataFrame,
  metric: str,
  by: str,
  against: str,
  looks: Mapping[Any, tuple[str, str, str]],
) -> list[Line2D]:
  """Means with bars, for each arm that is there."""
  bands = tables.band(table.assign(step=table[against]), metric, by)
  handles = []
  for i, (arm, (label, color, marker)) in enumerate(looks.items()):
    rows = bands[bands[by] == arm]
    if rows.empty:
      continue
    reach = (rows['high'] - rows['mean']).fillna(0)
    size = 3.5 + 0.8 * (len(looks) - 1 - i)
    look = {'markersize': size, 'capsize': 2, 'elinewidth': 0.9, 'color': color}
    drawn = axes.errorbar(rows['step'], rows['mean'], yerr=reach, fmt=f'{marker}-', **look)
    handles.append(drawn.lines[0])
    drawn.lines[0].set_label(label)
  return handles


def _require(table: pd.DataFrame, name: str, columns: Sequence[str]) -> None:
  if missing := [column for column in columns if column not in table]:
    raise ValueError(f'{name} must have a column {missing[0]!r}, which this figure shows')
