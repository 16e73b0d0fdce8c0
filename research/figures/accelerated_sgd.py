"""Accelerated SGD beside plain SGD, by eigenvalue: how fast a bias is forgotten, risks, and ratios."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from research import tables
from research.figures import arms, style

METHODS = {'sgd': ('SGD', arms.BLUE, 'o'), 'asgd': ('accelerated', arms.ORANGE, 's')}
PARTS = {
  'variance': ('variance', '#009E73', 'D'),
  'bias': ('bias', '#CC79A7', 'o'),
  'bias_last': ('bias, last iterate', '0.35', 's'),
}


def figure(rates: pd.DataFrame, bands: pd.DataFrame) -> style.Figure:
  """Left: nats of mean error forgotten in a step, by eigenvalue. Middle: excess risk of tail averages
  by band of eigenvalues, in half squared labels; lines are exact (geometric means over starts), markers
  simulated runs, with 95 % confidence intervals. Right: parts of the exact risk, accelerated over
  plain; dashed is 1.

  Args:
    rates: columns method, eigenvalue, rate.
    bands: seed, method, band, eigenvalue, bias, bias_last, variance, simulated.

  Raises:
    ValueError: a column is missing.
  """
  _require(rates, 'rates', ('method', 'eigenvalue', 'rate'))
  _require(bands, 'bands', ('seed', 'method', 'band', 'eigenvalue', *PARTS, 'simulated'))
  with style.context():
    figure = style.Figure(figsize=(style.PAGE, 2.4))
    axes = figure.subplots(1, 3)
    _draw_rates(axes[0], rates)
    _draw_risks(axes[1], bands)
    _draw_ratios(axes[2], bands)
    for each in axes:
      each.set_xlabel(r'eigenvalue $\lambda$')
  return figure


def _draw_rates(axes: Axes, table: pd.DataFrame) -> None:
  axes.set_title('Bias forgotten (nats per step)')
  axes.set_xscale('log')
  axes.set_yscale('log')
  for method, (label, color, _) in METHODS.items():
    rows = table[table['method'] == method].sort_values('eigenvalue')
    axes.plot(rows['eigenvalue'], -np.log(rows['rate']), color=color, label=label)
  axes.legend(loc='upper left')


def _draw_risks(axes: Axes, table: pd.DataFrame) -> None:
  axes.set_title('Excess risk by band (half sq. labels)')
  axes.set_xscale('log')
  axes.set_yscale('log')
  table = table.assign(step=table['eigenvalue'], exact=table['bias'] + table['variance'])
  exact, simulated = (
    tables.band(table, name, 'method', log=True).set_index('method')
    for name in ('exact', 'simulated')
  )
  for method, (label, color, marker) in METHODS.items():
    line, rows = exact.loc[method], simulated.loc[method]
    axes.plot(line['step'], line['mean'], color=color)
    reach = [(rows['mean'] - rows['low']).fillna(0), (rows['high'] - rows['mean']).fillna(0)]
    look = {'fmt': marker, 'markersize': 3.5, 'capsize': 2, 'elinewidth': 0.9, 'color': color}
    axes.errorbar(rows['step'], rows['mean'], yerr=reach, label=label, **look)


def _draw_ratios(axes: Axes, table: pd.DataFrame) -> None:
  axes.set_title('Accelerated over plain')
  axes.set_xscale('log')
  axes.set_yscale('log')
  axes.axhline(1, linestyle='--', color='0.35', linewidth=0.8)
  for part, (label, color, marker) in PARTS.items():
    wide = table.pivot(index=['seed', 'eigenvalue'], columns='method', values=part)
    ratios = (wide['asgd'] / wide['sgd']).rename('ratio').reset_index()
    ratios = ratios.assign(step=ratios['eigenvalue'], all=0)
    rows = tables.band(ratios, 'ratio', 'all', log=True)
    reach = [(rows['mean'] - rows['low']).fillna(0), (rows['high'] - rows['mean']).fillna(0)]
    look = {'fmt': f'{marker}-', 'markersize': 3.5, 'capsize': 2, 'elinewidth': 0.9}
    axes.errorbar(rows['step'], rows['mean'], yerr=reach, color=color, label=label, **look)
  axes.set_ylim(0.02, 500)
  axes.legend(loc='upper right')


def _require(table: pd.DataFrame, name: str, columns: Sequence[str]) -> None:
  if missing := [column for column in columns if column not in table]:
    raise ValueError(f'{name} must have a column {missing[0]!r}, which this figure shows')
