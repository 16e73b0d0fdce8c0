"""Coherence of real and of random labels: a panel for each dataset and network."""

import math

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.gridspec import GridSpec

from research.figures import arms, curves, style

CELL = ['task.name', 'model.name']
M_COHERENCE, ACCURACY = 'coherence/m_coherence', 'train/accuracy'
METRICS = [*CELL, 'coherence/alpha', M_COHERENCE, ACCURACY]
DATASETS = {'mnist': 'MNIST', 'fashion_mnist': 'Fashion-MNIST'} | dict.fromkeys(
  ('cifar10', 'cifar10_partial'), 'CIFAR-10'
)
MODELS = {'mlp': 'MLP', 'cnn': 'CNN', 'vit': 'ViT', 'resnet': 'ResNet'}


def figure(labels: pd.DataFrame) -> style.Figure:
  """For each dataset and network, m-coherence, and under it the accuracy on the labels trained on.

  Lines are means over members (geometric ones of coherence), bands their 95 % confidence intervals;
  dashed is 1, the m-coherence of orthogonal gradients. Coherence has one scale in all panels, but each
  its own sample size m, and its own steps.

  Args:
    labels: from `tables.load_runs`; runs of one `task.name` and `model.name` differ in
      `task.label_noise` and their seeds only.

  Raises:
    ValueError: a metric is missing, or runs of one panel cannot be compared.
  """
  arms.require(labels, METRICS)
  cells = [cell for _, cell in labels.groupby(CELL)]
  for cell in cells:
    curves.require(cell, METRICS)
  bounds = [_limits(cell) for cell in cells]
  limits = (min(low for low, _ in bounds), max(high for _, high in bounds))
  n_rows = math.ceil(len(cells) / 3)
  n_columns = math.ceil(len(cells) / n_rows)
  with style.context():
    figure = style.Figure(figsize=(style.PAGE, 0.3 + 2.1 * n_rows))
    grid = GridSpec(2 * n_rows, n_columns, figure, height_ratios=[2.6, 1] * n_rows)
    for i, cell in enumerate(cells):
      row, column = divmod(i, n_columns)
      coherence, accuracy = (figure.add_subplot(grid[2 * row + k, column]) for k in (0, 1))
      _draw(coherence, accuracy, cell, limits, names=column == n_columns - 1)
      if column == 0:
        coherence.set_ylabel('m-coherence')
        accuracy.set_ylabel('accuracy')
      for axes in (coherence, accuracy):
        axes.tick_params(labelleft=column == 0)
    figure.align_ylabels()
  return figure


def _draw(
  coherence: Axes, accuracy: Axes, cell: pd.DataFrame, limits: tuple[float, float], names: bool
) -> None:
  dataset, model = cell[CELL].iloc[0]
  title = f'{DATASETS.get(dataset, dataset)}, {MODELS.get(model, model)}'
  coherence.set_title(f'{title}, $m$ = {curves.sample_size(cell)}', fontsize=7.5)
  curves.coherence_axis(coherence, limits, m=1)
  lines = curves.draw(coherence, cell, M_COHERENCE)
  accuracy.set_ylim(-0.05, 1.05)
  curves.draw(accuracy, cell, ACCURACY)
  for axes in (coherence, accuracy):
    curves.step_axis(axes, cell['step'].max(), n_ticks=5)
  coherence.tick_params(labelbottom=False)
  accuracy.set_xlabel('step')
  if names:
    arms.label_ends(coherence, lines.values(), gap=0.13)


def _limits(cell: pd.DataFrame) -> tuple[float, float]:
  return arms.limits(cell, [M_COHERENCE], curves.NOISE, log=True, include=[1.0])
