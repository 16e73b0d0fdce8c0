"""Errors of two worlds by the number of examples, and how well measures tell the worlds apart."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from research import tables
from research.figures import arms, style

WORLDS = {'linear': (arms.BLUE, 'o'), 'random': (arms.ORANGE, 's')}
GREY = '0.35'
DASHED = {'linestyle': '--', 'linewidth': 0.8}


def figure(errors: pd.DataFrame, measures: pd.DataFrame) -> style.Figure:
  """Test error, fit of the sample, and how far apart the worlds are in each measure.

  Left and middle: points are means over seeds with 95 % confidence intervals, lines are closed forms.
  Right: for each measure the largest gap between its distribution functions in the two worlds, with as
  many examples as coordinates, where no measure can tell, and with more, where some can; the cross is
  the test error itself. Dashed is the gap that chance exceeds with a probability of about 0.01 in any
  of the measures.

  Args:
    errors: columns seed, n, world, train_fit, test_error, expected_fit, expected_error.
    measures: n (at the smaller of two the worlds look alike), measure, gap, trials; the one that reads
      the test error is called 'test error ...'.

  Raises:
    ValueError: a column is missing.
  """
  of_errors = ('train_fit', 'test_error', 'expected_fit', 'expected_error')
  for name, table, columns in (
    ('errors', errors, ('seed', 'n', 'world', *of_errors)),
    ('measures', measures, ('n', 'measure', 'gap', 'trials')),
  ):
    if missing := [column for column in columns if column not in table]:
      raise ValueError(f'{name} must have a column {missing[0]!r}, which this figure shows')
  with style.context():
    figure = style.Figure(figsize=(style.PAGE, 2.2))
    left, middle, right = figure.subplots(1, 3)
    _draw_by_n(left, errors, 'test_error', 'expected_error', 'Test error')
    _draw_by_n(middle, errors, 'train_fit', 'expected_fit', 'Share of the sample that is fitted')
    middle.legend(loc='lower left')
    _draw_gaps(right, measures)
  return figure


def _draw_by_n(axes: Axes, table: pd.DataFrame, metric: str, expected: str, title: str) -> None:
  axes.set_title(title)
  axes.set_ylim(-0.03, 1.05)
  axes.set_xlabel('training examples n')
  for world, (color, marker) in WORLDS.items():
    rows = table[table['world'] == world]
    axes.plot(rows.groupby('n')[expected].mean(), color=color, linewidth=0.9)
    band = tables.band(rows.assign(step=rows['n']), metric, 'world')
    reach = (band['high'] - band['mean']).fillna(0)
    look = {'fmt': marker, 'markersize': 3.5, 'color': color, 'capsize': 2, 'elinewidth': 0.9}
    axes.errorbar(band['step'], band['mean'], yerr=reach, **look, label=f'{world} labels')


def _draw_gaps(axes: Axes, table: pd.DataFrame) -> None:
  axes.set_title('How far apart measures are')
  axes.set_ylim(-0.03, 1.05)
  peeks = table['measure'].str.startswith('test error')
  looks = (('o', arms.BLUE), ('^', GREY))
  for n, (marker, color) in zip(sorted(table['n'].unique()), looks, strict=False):
    gaps = np.sort(table[(table['n'] == n) & ~peeks]['gap'])[::-1]
    ranks = np.arange(1, len(gaps) + 1)
    axes.plot(ranks, gaps, marker, markersize=3, color=color, label=f'n = {n}')
  blind = table[table['n'] == table['n'].min()]
  leak = blind[blind['measure'].str.startswith('test error')]['gap']
  axes.plot([0] * len(leak), leak, 'x', color='#D55E00', markersize=5, label='test error')
  alpha = 0.01 / max(len(blind) - len(leak), 1)
  axes.axhline(np.sqrt(np.log(2 / alpha) / blind['trials'].min()), color=GREY, **DASHED)
  axes.set_xlabel('measures, the largest gap first')
  axes.legend(loc='center right')
