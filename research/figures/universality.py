"""What hypotheses cost a Bayes mixture over random networks, and which hypotheses are cheap."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, NullFormatter, NullLocator

from research import tables
from research.figures import arms, style

GREEN, PINK, GREY = '#009E73', '#CC79A7', '0.35'
PREDICTIVES = {  # from the top down
  'mixture': 'exact mixture',
  'langevin': 'Langevin',
  'sgld': 'SGLD',
  'map ensemble': 'ensemble, MAP',
  'ensemble': 'ensemble',
  'one network': 'one network',
}
SIZES = ((arms.BLUE, 'o'), (arms.ORANGE, 's'))
DEPTHS = ((arms.BLUE, 'o'), (arms.ORANGE, 's'))


def figure(
  regrets: pd.DataFrame,
  widths: pd.DataFrame,
  envelope: pd.DataFrame,
  initializations: pd.DataFrame,
  predictives: pd.DataFrame,
) -> style.Figure:
  """Regret by weight, by examples and by width; weight by complexity; initialization; predictives.

  Means over replicates with 95 % confidence intervals. Top left: regret at the number of examples
  nearest to 400 against the share of networks, in other samples, that compute the target; the line is
  -log P. Top middle: regret of four targets, with their bounds dashed, and of the table code in grey.
  Top right: regret by the width of the hidden layer, of the same targets. Bottom left: the largest
  weight of a function by its Lempel-Ziv complexity; dashed is the bound. Bottom middle: complexity of
  a tanh network's function by the scale of its weights. Bottom right: how much more an average
  prediction loses than the truth.

  Args:
    regrets: columns seed, target, kind, mass, n, regret, bound, table_code.
    widths: seed, target, kind, width, regret.
    envelope: seed, complexity, highest, line.
    initializations: seed, depth, scale, lempel_ziv.
    predictives: seed, n_train, arm, excess.

  Raises:
    ValueError: a column is missing.
  """
  of_regret = ('seed', 'target', 'kind', 'mass', 'n', 'regret', 'bound', 'table_code')
  require(regrets, 'regrets', of_regret)
  require(widths, 'widths', ('seed', 'target', 'kind', 'width', 'regret'))
  require(envelope, 'envelope', ('seed', 'complexity', 'highest', 'line'))
  require(initializations, 'initializations', ('seed', 'depth', 'scale', 'lempel_ziv'))
  require(predictives, 'predictives', ('seed', 'n_train', 'arm', 'excess'))
  regrets = regrets.groupby(['seed', 'target', 'kind', 'n'], as_index=False).mean(numeric_only=True)
  shown = _four(regrets)
  with style.context():
    figure = style.Figure(figsize=(style.PAGE, 4.2))
    axes = figure.subplots(2, 3)
    _draw_rarity(axes[0, 0], regrets)
    _draw_growth(axes[0, 1], regrets, shown)
    _draw_widths(axes[0, 2], widths, shown)
    _draw_envelope(axes[1, 0], envelope)
    _draw_scales(axes[1, 1], initializations)
    draw_predictives(axes[1, 2], predictives)
  return figure


def _four(table: pd.DataFrame) -> dict[int, tuple[str, str]]:
  """Of the targets: the heaviest, one between, the rarest, a random table; labels and colours."""
  mass = table[table['kind'] == 'network'].groupby('target')['mass'].mean().sort_values()
  mass = mass[mass > 0]
  middle = int(np.argmin(np.abs(np.log(mass) - np.log(mass.iloc[[0, -1]]).mean())))
  shown = {}
  for place, color in ((-1, GREEN), (middle, arms.BLUE), (0, arms.ORANGE)):
    power = f'{mass.iloc[place]:.0e}'.split('e')
    shown[mass.index[place]] = (rf'$P = {power[0]}\cdot10^{{{int(power[1])}}}$', color)
  random = table[table['kind'] == 'random']['target']
  return shown | {target: ('random table', PINK) for target in random.unique()[:1]}


def _bars(axes: Axes, x, rows: pd.DataFrame, **look) -> Line2D:
  reach = (rows['high'] - rows['mean']).fillna(0)
  return axes.errorbar(x, rows['mean'], yerr=reach, capsize=2, elinewidth=0.9, **look).lines[0]


def _draw_rarity(axes: Axes, table: pd.DataFrame) -> None:
  at = min(table['n'].unique(), key=lambda n: abs(n - 400))
  rows = table[(table['kind'] == 'network') & (table['n'] == at) & (table['mass'] > 0)]
  axes.set_title(f'Regret at {at:g} examples (nats)')
  band = tables.band(rows.assign(step=0), 'regret', 'target').set_index('target')
  mass = rows.groupby('target')['mass'].mean()
  axes.set_xscale('log')
  ends = np.array([mass.max() * 2, mass.min() / 2])
  axes.plot(ends, -np.log(ends), '--', color=GREY, linewidth=0.8, label='$-\\log P$', zorder=1)
  _bars(axes, mass, band, fmt='o', markersize=3.5, color=arms.BLUE, label='mixture')
  axes.set_xlim(*ends)
  axes.set_ylim(0, None)
  axes.set_xlabel('share of networks P')
  axes.legend(loc='upper left')


def _draw_growth(axes: Axes, table: pd.DataFrame, shown: dict) -> None:
  axes.set_title('Regret (nats), bound dashed')
  axes.set_xscale('log')
  axes.set_yscale('log')
  for target, (label, color) in shown.items():
    rows = table[table['target'] == target]
    band = tables.band(rows.assign(step=rows['n']), 'regret', 'target')
    axes.fill_between(band['step'], band['low'], band['high'], color=color, alpha=0.18, linewidth=0)
    axes.plot(band['step'], band['mean'], color=color, label=label)
    axes.plot(rows.groupby('n')['bound'].mean(), '--', color=color, linewidth=0.9)
  code = table.groupby('n')['table_code'].mean()
  axes.plot(code, ':', color=GREY, label='table code')
  ticks = [n for n in sorted(table['n'].unique()) if n in (12, 50, 200, 800)]
  axes.set_xticks(ticks, [f'{n:g}' for n in ticks])
  axes.xaxis.set_minor_locator(NullLocator())
  axes.set_ylim(1, 2000)
  axes.set_xlabel('examples')
  axes.legend(loc='upper left', handlelength=1.2, labelspacing=0.25, fontsize=6.5)


def _draw_widths(axes: Axes, table: pd.DataFrame, shown: dict) -> None:
  axes.set_title('Regret by width (nats)')
  axes.set_xscale('log')
  axes.set_yscale('log')
  for target, (_, color) in shown.items():
    rows = table[table['target'] == target]
    band = tables.band(rows.assign(step=rows['width']), 'regret', 'target')
    if not band.empty:
      _bars(axes, band['step'], band, fmt='o-', markersize=3.5, color=color)
  ticks = sorted(table['width'].unique())
  axes.set_xticks(ticks, [f'{width:g}' for width in ticks])
  axes.xaxis.set_minor_locator(NullLocator())
  axes.set_ylim(1, 2000)
  axes.set_xlabel('hidden units')


def _draw_envelope(axes: Axes, table: pd.DataFrame) -> None:
  axes.set_title('Largest weight by complexity')
  seen = table[np.isfinite(table['highest'])]
  band = tables.band(seen.assign(step=seen['complexity'], all=0), 'highest', 'all')
  _bars(axes, band['step'], band, fmt='o', markersize=3.5, color=arms.BLUE)
  line = table.groupby('complexity')['line'].mean()
  axes.plot(line, '--', color=GREY, linewidth=0.9)
  axes.set_xlabel('Lempel-Ziv complexity (bits)')
  axes.set_ylabel(r'$\log_2 P$')


def _draw_scales(axes: Axes, table: pd.DataFrame) -> None:
  axes.set_title('Complexity (bits), tanh')
  axes.set_xscale('log', base=2)
  for (depth, rows), (color, marker) in zip(table.groupby('depth'), DEPTHS, strict=False):
    band = tables.band(rows.assign(step=rows['scale']), 'lempel_ziv', 'depth')
    look = {'fmt': f'{marker}-', 'markersize': 3.5, 'color': color}
    label = f'{depth} hidden layer' + 's' * (depth != 1)
    _bars(axes, band['step'], band, **look, label=label)
  scales = sorted(table['scale'].unique())
  axes.xaxis.set_major_locator(FixedLocator(scales))
  axes.set_xticks(scales, [f'{scale:g}' for scale in scales])
  axes.set_xlabel(r'scale of weights $\sigma_w$')
  axes.legend(loc='lower right')


def draw_predictives(axes: Axes, table: pd.DataFrame) -> None:
  """Excess log loss by arm and number of training examples: columns seed, n_train, arm, excess."""
  axes.set_title('Excess log loss (nats)')
  axes.set_xscale('log')
  names = [name for name in PREDICTIVES if name in set(table['arm'])]
  for k, (size, rows) in enumerate(table.groupby('n_train')):
    color, marker = SIZES[k % len(SIZES)]
    band = tables.band(rows.assign(step=0), 'excess', 'arm', log=True).set_index('arm').loc[names]
    reach = np.stack([band['mean'] - band['low'], band['high'] - band['mean']])
    y = np.arange(len(names)) + (0.17 if k else -0.17)
    look = {'fmt': marker, 'markersize': 3.5, 'color': color, 'capsize': 2, 'elinewidth': 0.9}
    axes.errorbar(band['mean'], y, xerr=np.nan_to_num(reach), **look, label=f'n = {size}')
  axes.set_yticks(range(len(names)), [PREDICTIVES[name] for name in names])
  axes.xaxis.set_minor_formatter(NullFormatter())
  axes.invert_yaxis()
  axes.legend(loc='upper right', handletextpad=0.3)


def require(table: pd.DataFrame, name: str, columns: Sequence[str]) -> None:
  if missing := [column for column in columns if column not in table]:
    raise ValueError(f'{name} must have a column {missing[0]!r}, which this figure shows')
