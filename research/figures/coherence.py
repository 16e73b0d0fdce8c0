r"""Coherence and accuracy against steps, for runs that differ in label noise.

Chatterjee's claim at a glance: gradients of real examples agree early, :math:`m\alpha \gg 1`, those of
examples with random labels much less; and what is learned while they agree is what carries over to
the test set.
"""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from research.figures import arms, curves, style

METRICS = ['coherence/alpha', 'coherence/m_coherence', 'train/accuracy', 'test/accuracy']


def figure(table: pd.DataFrame) -> style.Figure:
  r"""Three panels: coherence, accuracy on the labels trained on, accuracy on the test set.

  Lines are means over members (geometric ones of coherence), bands their 95 % confidence intervals.
  The first panel has two scales: at its left :math:`\alpha`, at its right m-coherence, :math:`m\alpha`.

  Args:
    table: from `tables.load_runs`; the runs differ in `task.label_noise` and their seeds only.

  Raises:
    ValueError: a metric is missing, or the runs cannot be compared.
  """
  curves.require(table, METRICS)
  with style.context():
    figure = style.Figure(figsize=(style.PAGE, 2.1))
    coherence, train, test = figure.subplots(1, 3, width_ratios=[1.2, 1, 1])
    _draw_coherence(coherence, table)
    train.set_title('Training-label accuracy')
    _draw_accuracy(train, table, 'train/accuracy')
    test.set_title('Test accuracy')
    lines = _draw_accuracy(test, table, 'test/accuracy')
    test.tick_params(labelleft=False)
    arms.label_ends(test, lines.values(), gap=0.1)
    for axes in (coherence, train, test):
      curves.step_axis(axes, table['step'].max(), n_ticks=5)
      axes.set_xlabel('step')
  return figure


def _draw_coherence(axes: Axes, table: pd.DataFrame) -> None:
  m = curves.sample_size(table)
  limits = curves.coherence_limits(table, ['coherence/alpha'], m)
  curves.coherence_axis(axes, limits, m)
  curves.draw(axes, table, 'coherence/alpha')
  axes.set_title('Coherence of gradients')
  axes.set_ylabel(r'coherence $\alpha$')
  place = {'xytext': (3, 2), 'textcoords': 'offset points', 'fontsize': 6.5, 'color': '0.35'}
  axes.annotate('orthogonal', (0, 1 / m), **place)
  there_and_back = (lambda alpha: np.multiply(m, alpha), lambda m_alpha: np.divide(m_alpha, m))
  right = axes.secondary_yaxis('right', functions=there_and_back)
  right.spines['right'].set_visible(True)
  right.set_ylabel(f'm-coherence, $m = {m}$')
  curves.log_ticks(right.yaxis, *limits)


def _draw_accuracy(axes: Axes, table: pd.DataFrame, metric: str) -> dict:
  axes.set_ylim(-0.02, 1.02)
  return curves.draw(axes, table, metric)
