"""Networks trained on easy, and on hard, examples: coherence, and accuracy among their own kind."""

import pandas as pd

from research.figures import arms, curves, style

COLORS = {'easy': arms.BLUE, 'hard': arms.ORANGE}
M_COHERENCE, TRAIN, TEST = 'coherence/m_coherence', 'train/accuracy', 'test/accuracy'


def figure(easy_and_hard: pd.DataFrame) -> style.Figure:
  """Two panels: m-coherence; accuracy on the training examples (dashed) and on the test examples.

  Test examples are of the same side as those trained on. Lines are means over members (geometric ones
  of coherence), bands their 95 % confidence intervals; dashed at the left is 1, the m-coherence of
  orthogonal gradients.

  Args:
    easy_and_hard: from `tables.load_runs`, of the runs `easy` and `hard`.

  Raises:
    ValueError: a metric is missing, or sample sizes differ.
  """
  table = easy_and_hard
  arms.require(table, ['coherence/alpha', M_COHERENCE, TRAIN, TEST])
  m = curves.sample_size(table)
  with style.context():
    figure = style.Figure(figsize=(style.PAGE, 2.2))
    coherence, accuracy = figure.subplots(1, 2)
    limits = arms.limits(table, [M_COHERENCE], 'run', log=True, include=[1.0])
    curves.coherence_axis(coherence, limits, m=1)
    arms.draw(coherence, table, M_COHERENCE, COLORS)
    coherence.set_title(f'm-coherence, $m$ = {m}')
    accuracy.set_ylim(-0.02, 1.02)
    accuracy.set_title('Accuracy, each on its own side')
    arms.draw(accuracy, table, TRAIN, COLORS, linestyle='--')
    lines = arms.draw(accuracy, table, TEST, COLORS)
    arms.label_ends(accuracy, lines.values(), gap=0.09)
    arms.legend(accuracy, solid='test', dashed='training')
    for axes in (coherence, accuracy):
      curves.step_axis(axes, table['step'].max(), n_ticks=5)
      axes.set_xlabel('step')
  return figure
