"""Bits that tasks take, how they follow from the dimension, and how well that can be estimated."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from research import tables
from research.figures import arms, style

GREEN, PINK, GREY = '#009E73', '#CC79A7', '0.45'
SWEPT = {'MNIST': arms.BLUE, 'CIFAR-10': arms.ORANGE, 'ImageNet': GREEN}
# What our datasets are called, where they stand, and their colour.
OURS = {
  'mnist': ('MNIST', arms.BLUE),
  'cifar10_partial': ('CIFAR-10, part', arms.ORANGE),
  'fashion_mnist': ('Fashion-MNIST', PINK),
  'digits': ('digits 8 × 8', arms.BLACK),
}
BESIDE = {'mnist': 'MNIST', 'cifar10_partial': 'CIFAR-10'}  # the rows of the paper's tasks
FARTHEST = 300  # dimension shown


def figure(
  published: pd.DataFrame,
  sweeps: pd.DataFrame,
  measured: pd.DataFrame,
  samples: pd.DataFrame,
  estimators: pd.DataFrame,
) -> style.Figure:
  """Difficulty by task, by dimension and by sample, and the estimated dimension beside the true one.

  Top left: each task's bits by the paper's inputs, as read from its figure, and by our measurements,
  with the bootstrap interval of the dimension and the extrapolated separation (mean over seeds). Top
  right: bits by the intrinsic dimension, all else as in the paper, whose own dimension is marked.
  Bottom left: bits from samples of the images, every input estimated from them. Bottom right: the
  dimension that is estimated on spheres, by the true one; dashed where they are equal, crosses with
  noise. In the bottom row markers are means over seeds, bars their 95 % confidence intervals.

  Args:
    published: columns task, log10_bits, read_log10_bits.
    sweeps: task, swept, value, factor, log10_bits.
    measured: dataset, seed, log10_bits, log10_bits_low, log10_bits_high.
    samples: dataset, seed, n, log10_bits.
    estimators: seed, m, n, noise, pooled.

  Raises:
    ValueError: a column is missing.
  """
  _require(published, 'published', ('task', 'log10_bits', 'read_log10_bits'))
  _require(sweeps, 'sweeps', ('task', 'swept', 'value', 'factor', 'log10_bits'))
  intervals = ('log10_bits', 'log10_bits_low', 'log10_bits_high')
  _require(measured, 'measured', ('dataset', 'seed', *intervals))
  _require(samples, 'samples', ('dataset', 'seed', 'n', 'log10_bits'))
  _require(estimators, 'estimators', ('seed', 'm', 'n', 'noise', 'pooled'))
  with style.context():
    figure = style.Figure(figsize=(style.PAGE, 4.6))
    grid = figure.add_gridspec(2, 2, width_ratios=(1.15, 1), hspace=0.08)
    _draw_tasks(figure.add_subplot(grid[0, 0]), published, measured)
    _draw_dimensions(figure.add_subplot(grid[0, 1]), sweeps)
    _draw_estimates(figure.add_subplot(grid[1, 1]), estimators)
    _draw_samples(figure.add_subplot(grid[1, 0]), samples)
  return figure


def _draw_tasks(axes: Axes, published: pd.DataFrame, measured: pd.DataFrame) -> None:
  axes.set_title('Difficulty by task')
  means = measured.groupby('dataset').mean(numeric_only=True)
  bits = dict(zip(published['task'], published['log10_bits'], strict=True))
  for name in OURS:
    if name in means.index and name not in BESIDE:
      bits[OURS[name][0]] = means['log10_bits'][name]
  rows = {task: i for i, task in enumerate(sorted(bits, key=bits.__getitem__))}
  y = [rows[task] for task in published['task']]
  axes.plot(published['read_log10_bits'], y, '|', color=GREY, markersize=8, label="paper's figure")
  axes.plot(
    published['log10_bits'], y, 'o', color=arms.BLUE, markersize=3.5, label="paper's inputs"
  )
  for i, name in enumerate(name for name in OURS if name in means.index):
    mean = means.loc[name]
    at = rows[BESIDE.get(name, OURS[name][0])]
    reach = [
      [max(0, mean['log10_bits'] - mean['log10_bits_low'])],
      [max(0, mean['log10_bits_high'] - mean['log10_bits'])],
    ]
    axes.errorbar(
      [mean['log10_bits']],
      [at],
      xerr=reach,
      fmt='D',
      color=arms.ORANGE,
      markersize=3,
      elinewidth=1,
      label='' if i else 'our measurement',
    )
  axes.set_yticks([*rows.values()], [*rows])
  axes.set_ylim(-0.7, len(rows) - 0.3)
  axes.set_xlabel('difficulty (log10 of bits)')
  axes.legend(loc='lower right', handletextpad=0.3)


def _draw_dimensions(axes: Axes, sweeps: pd.DataFrame) -> None:
  axes.set_title('Difficulty by dimension')
  axes.set_xscale('log')
  part = sweeps[(sweeps['swept'] == 'm') & (sweeps['value'] <= FARTHEST)]
  part = part[np.isfinite(part['log10_bits'])]
  lines = []
  for task, color in SWEPT.items():
    rows = part[part['task'] == task].sort_values('value')
    if rows.empty:
      continue
    lines += axes.plot(rows['value'], rows['log10_bits'], color=color, label=task)
    given = rows[rows['factor'] == 1]
    axes.plot(given['value'], given['log10_bits'], 'o', color=color, markersize=4)
  axes.set_ylim(0, 1.05 * part['log10_bits'].max())
  axes.set_xticks([2, 5, 10, 20, 50, 100, 300], ['2', '5', '10', '20', '50', '100', '300'])
  axes.minorticks_off()
  axes.set_xlabel('intrinsic dimension m')
  axes.set_ylabel('difficulty (log10 of bits)')
  arms.label_ends(axes, lines, gap=0.1)


def _draw_estimates(axes: Axes, estimators: pd.DataFrame) -> None:
  axes.set_title('Estimated dimension of spheres')
  clean = estimators[estimators['noise'] == 0]
  ends = [0, 1.05 * clean['m'].max()]
  axes.plot(ends, ends, '--', color='0.35', linewidth=0.7, zorder=1)
  lines = []
  looks = zip(sorted(clean['n'].unique()), ((arms.ORANGE, 's'), (arms.BLUE, 'o')), strict=False)
  for n, (color, marker) in looks:
    line = _bars(axes, clean[clean['n'] == n], 'pooled', 'm', f'{marker}-', color)
    line.set_label(f'n = {n:,}')
    lines.append(line)
  noisy = estimators[(estimators['noise'] > 0) & (estimators['noise'] == estimators['noise'].max())]
  if not noisy.empty:
    place = np.asarray(_bars(axes, noisy, 'pooled', 'm', 'x', PINK).get_xydata())[0]
    name = f'with noise of {noisy["noise"].max():g}'
    axes.annotate(name, place, (6, 0), textcoords='offset points', va='center', color=PINK)
  axes.set_xlim(0, ends[1])
  axes.set_ylim(0, ends[1])
  axes.set_xlabel('true dimension')
  axes.set_ylabel('estimated dimension')
  arms.label_ends(axes, lines, gap=0.1)


def _draw_samples(axes: Axes, samples: pd.DataFrame) -> None:
  axes.set_title('Difficulty by size of the sample')
  axes.set_xscale('log')
  for name, (label, color) in OURS.items():
    part = samples[samples['dataset'] == name]
    if part.empty:
      continue
    line = _bars(axes, part, 'log10_bits', 'n', 'o-', color)
    line.set_label(label)
  ticks = sorted(samples['n'].unique())
  axes.set_xticks(ticks, [f'{n:,}' for n in ticks])
  axes.minorticks_off()
  bottom, top = axes.get_ylim()
  axes.set_ylim(bottom, top + 0.2 * (top - bottom))  # room for the names
  axes.set_xlabel('images in the sample')
  axes.set_ylabel('difficulty (log10 of bits)')
  axes.legend(loc='upper left')


def _bars(axes: Axes, table: pd.DataFrame, metric: str, against: str, fmt: str, color: str):
  """Means with bars of their confidence; returns the line."""
  band = tables.band(table.assign(step=table[against], arm=''), metric, 'arm')
  reach = (band['high'] - band['mean']).fillna(0)
  look = {'markersize': 3.5, 'capsize': 2, 'elinewidth': 0.9, 'color': color}
  return axes.errorbar(band['step'], band['mean'], yerr=reach, fmt=fmt, **look).lines[0]


def _require(table: pd.DataFrame, name: str, columns: Sequence[str]) -> None:
  if missing := [column for column in columns if column not in table]:
    raise ValueError(f'{name} must have a column {missing[0]!r}, which this figure shows')
