"""Bits that a network knows of the labels, and bits that simple classifiers explain, in training."""

import pandas as pd
from matplotlib.axes import Axes

from research.figures import arms, curves, style

LABELS = 'simplicity/information_labels'
BY = 'simplicity/performance_correlation/'
BEYOND, NULL = 'simplicity/information_beyond/linear', 'simplicity/information_beyond_null/linear'
OTHERS = {'nearest5': '#009E73', 'mlp8': '#CC79A7', 'fourier4': '#56B4E9'}
NAMES = {
  'linear': 'linear',
  'nearest5': '5 neighbours',
  'mlp8': '8 units',
  'fourier4': 'low frequencies',
}


def figure(natural: pd.DataFrame) -> style.Figure:
  """A panel for each dataset: what the network knows, what a linear classifier explains, what is left.

  Black: I(F;Y), bits that predictions tell of the labels of the test set. Blue: the part that the
  linear classifier explains; orange: I(F;Y|L), what is known beyond it, with the estimate of shuffled
  predictions dashed. Thin: what other classifiers explain. Lines are means over members, bands their
  95 % confidence intervals.

  Args:
    natural: from `tables.load_runs`, with the instrument `simple_explanation`.

  Raises:
    ValueError: a metric of the linear classifier is missing.
  """
  arms.require(natural, [LABELS, f'{BY}linear', BEYOND, NULL])
  runs = list(dict.fromkeys(natural['run']))
  with style.context():
    figure = style.Figure(figsize=(style.PAGE, 2.3))
    panels = figure.subplots(1, len(runs), squeeze=False, sharey=True)[0]
    lines = []
    for axes, run in zip(panels, runs, strict=True):
      lines = _draw(axes, natural[natural['run'] == run], run)
      axes.set_title(run.replace('_', ' '))
      axes.set_xlabel('step')
    panels[0].set_ylabel('bits')
    arms.label_ends(panels[-1], lines, gap=0.09)
  return figure


def _draw(axes: Axes, own: pd.DataFrame, run: str) -> list:
  series = [(LABELS, arms.BLACK, '-', 'I(F;Y)'), (f'{BY}linear', arms.BLUE, '-', NAMES['linear'])]
  series += [(BEYOND, arms.ORANGE, '-', 'beyond linear'), (NULL, arms.ORANGE, '--', '')]
  others = [name for name in OTHERS if f'{BY}{name}' in own and own[f'{BY}{name}'].notna().any()]
  thin = [(f'{BY}{name}', OTHERS[name], '-', NAMES[name]) for name in others]
  axes.set_ylim(arms.limits(own, [LABELS], 'run', include=[0.0, 3.3]))
  lines = []
  for metric, color, form, name in series + thin:
    drawn = arms.draw(axes, own, metric, {run: color}, form, label=lambda _, name=name: name)
    line = drawn[run]
    line.set_linewidth(0.8 if (metric, color, form, name) in thin or form == '--' else 1.5)
    lines += [line] * bool(name)
  curves.step_axis(axes, int(own['step'].max()), n_ticks=4)
  return lines
