"""What the stability bound is made of, along runs with more and more label noise, and the gap."""

from collections.abc import Mapping

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from research.figures import arms, curves, style
from research.summaries import generalization_gap

SHARPNESS, NORM = 'sharpness/max_eigenvalue', 'gradient_norms/max'
ACCURACIES = ('train/accuracy', 'test/accuracy')


def figure(bound: pd.DataFrame, log_bounds: Mapping[float, float] | None = None) -> style.Figure:
  r"""Three panels: the largest eigenvalue of the Hessian, the largest gradient norm, the measured gap.

  The gap is that of accuracies, on labels as noisy as those trained on. Lines are means over members
  (geometric ones on log axes), bands their 95 % confidence intervals.

  Args:
    bound: from `tables.load_runs`; the runs differ in `task.label_noise` and their seeds only.
    log_bounds: for each label noise log10 of the bound at the end, to be named beside the gap.

  Raises:
    ValueError: a metric is missing, or the runs cannot be compared.
  """
  curves.require(bound, [SHARPNESS, NORM, *ACCURACIES])
  table = bound.assign(gap=generalization_gap(bound))
  with style.context():
    figure = style.Figure(figsize=(style.PAGE, 2.1))
    sharpness, norm, gap = figure.subplots(1, 3)
    _draw(sharpness, table, SHARPNESS, r'Sharpness, $\lambda_{\max}$', log=True)
    _draw(norm, table, NORM, 'Largest gradient norm', log=True)
    lines = _draw(gap, table, 'gap', 'Generalization gap')
    for noise, log_bound in (log_bounds or {}).items():
      lines[noise].set_label(f'{lines[noise].get_label()}\nbound $10^{{{log_bound:.0f}}}$')
    arms.label_ends(gap, lines.values(), gap=0.22 if log_bounds else 0.1)
  return figure


def _draw(
  axes: Axes, table: pd.DataFrame, metric: str, title: str, log: bool = False
) -> dict[float, Line2D]:
  limits = arms.limits(table, [metric], curves.NOISE, log=log, include=[] if log else [0.0])
  if log:
    axes.set_yscale('log')
    curves.log_ticks(axes.yaxis, *limits)
  axes.set_ylim(limits)
  lines = curves.draw(axes, table, metric)
  curves.step_axis(axes, table['step'].max(), n_ticks=4)
  axes.set_title(title)
  axes.set_xlabel('step')
  return lines
