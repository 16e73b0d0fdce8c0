"""Who the gradient is for, and who is learned first: examples with pristine and with corrupt labels."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from research.figures import arms, curves, style

SHARE = 'groups/share/corrupt'
PRISTINE, CORRUPT = 'train/accuracy_pristine', 'train/accuracy_corrupt'


def figure(noise: pd.DataFrame) -> style.Figure:
  """Corrupt examples' share of the gradient, and the accuracy on pristine and on corrupt ones.

  Lines are means over members, bands their 95 % confidence intervals; thin and dashed at the left is
  the fraction of examples that are corrupt, their share if all contributed alike. Dashed at the right:
  accuracy on corrupt examples.

  Args:
    noise: from `tables.load_runs`; the runs differ in `task.label_noise` and their seeds only. Those
      without noise, or with nothing else, have one group alone and are not shown.

  Raises:
    ValueError: a metric is missing, or the runs cannot be compared.
  """
  arms.require(noise, [curves.NOISE])
  both = noise[noise[curves.NOISE].between(0, 1, inclusive='neither')]
  curves.require(both, [SHARE, PRISTINE, CORRUPT])
  with style.context():
    figure = style.Figure(figsize=(style.PAGE, 2.2))
    share, accuracy = figure.subplots(1, 2)
    lines = _draw_share(share, both)
    arms.label_ends(share, lines.values(), gap=0.09)
    _draw_accuracy(accuracy, both)
    for axes in (share, accuracy):
      curves.step_axis(axes, both['step'].max(), n_ticks=5)
      axes.set_xlabel('step')
  return figure


def _draw_share(axes: Axes, table: pd.DataFrame) -> dict[float, Line2D]:
  bottom, top = arms.limits(table, [SHARE], curves.NOISE, include=[0.0, 1.0])
  axes.set_ylim(max(bottom, -0.5), min(top, 1.5))  # shares add up to 1, and need not be positive
  axes.set_title("Corrupt examples' share of the gradient")
  lines = curves.draw(axes, table, SHARE)
  for noise, line in lines.items():
    axes.axhline(noise, color=line.get_color(), linestyle='--', linewidth=0.7, zorder=1)
  return lines


def _draw_accuracy(axes: Axes, table: pd.DataFrame) -> None:
  axes.set_ylim(-0.02, 1.02)
  axes.set_title('Training-label accuracy')
  curves.draw(axes, table, PRISTINE)
  for line in curves.draw(axes, table, CORRUPT).values():
    line.set_linestyle('--')
  arms.legend(axes, solid='pristine examples', dashed='corrupt examples')
