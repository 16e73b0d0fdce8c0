"""Coherence of each layer against steps: small multiples that share their colours and limits."""

import math
import re

import pandas as pd

from research.figures import curves, style

PREFIX = 'coherence/alpha/'


def figure(table: pd.DataFrame) -> style.Figure:
  r"""One panel for each layer, as many as there are metrics `coherence/alpha/<layer>`.

  Lines are geometric means over members, bands their 95 % confidence intervals; dashed is
  :math:`1/m`, the value of orthogonal gradients. Layers come in the order of their names and numbers.

  Args:
    table: from `tables.load_runs`; the runs differ in `task.label_noise` and their seeds only.

  Raises:
    ValueError: there is no layer, a metric is missing, or the runs cannot be compared.
  """
  metrics = sorted((name for name in map(str, table) if name.startswith(PREFIX)), key=_with_numbers)
  if not metrics:
    raise ValueError(f"the table has no '{PREFIX}<layer>', which this figure shows")
  curves.require(table, ['coherence/alpha', 'coherence/m_coherence', *metrics])
  m = curves.sample_size(table)
  limits = curves.coherence_limits(table, metrics, m)
  n_rows, n_columns = _grid(len(metrics))
  with style.context():
    figure = style.Figure(figsize=(style.PAGE, 0.8 + 1.2 * n_rows))
    for i, metric in enumerate(metrics):
      axes = figure.add_subplot(n_rows, n_columns, i + 1)
      curves.coherence_axis(axes, limits, m)
      curves.draw(axes, table, metric)
      curves.step_axis(axes, table['step'].max(), n_ticks=4)
      axes.set_title(_short(metric.removeprefix(PREFIX)))
      axes.tick_params(labelleft=i % n_columns == 0, labelbottom=i + n_columns >= len(metrics))
    figure.supxlabel('step')
    figure.supylabel(rf'coherence $\alpha$, $m = {m}$')
    (orthogonal, *lines), _ = figure.axes[0].get_legend_handles_labels()
    figure.legend(
      handles=[*lines, orthogonal],
      labelcolor='linecolor',
      loc='outside upper left',
      ncols=min(len(lines) + 1, 6),
    )
  return figure


def _grid(n: int) -> tuple[int, int]:
  """Rows and columns for n panels: at most 4 columns, 6 if there are many, and few empty places."""
  n_rows = math.ceil(n / (4 if n <= 24 else 6))
  return n_rows, math.ceil(n / n_rows)


def _with_numbers(name: str) -> list[tuple[int, str]]:
  """Sorts `Dense_10` after `Dense_2`."""
  return [(int(part) if part.isdigit() else -1, part) for part in re.findall(r'\d+|\D+', name)]


def _short(name: str) -> str:
  return name if len(name) <= 22 else f'…{name[-21:]}'
