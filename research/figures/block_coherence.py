"""Coherence of the gradient in each feature's block, and reliance on the feature, over training."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from research.figures import arms, curves, reliance, style

PREFIX = 'block_coherence/m_coherence/'


def figure(coherence: pd.DataFrame) -> style.Figure:
  """For each pair of features, m-coherence of their blocks, and under it which of them is relied on.

  Blue: the simpler feature, orange the other. Above: geometric means over members of m-coherence, with
  1, the value of orthogonal gradients, dashed. Below: AUC as such (black, dashed) and with the
  feature of the colour randomized; one that is relied on comes down. Bands are 95 % confidence
  intervals.

  Args:
    coherence: from `tables.load_runs`, with the instruments `block_coherence` and `reliance`.

  Raises:
    ValueError: the metrics of an instrument are missing.
  """
  arms.require(coherence, [reliance.STANDARD, 'block_coherence/m_coherence'])
  runs = list(dict.fromkeys(coherence['run']))
  with style.context():
    figure = style.Figure(figsize=(style.PAGE, 3.1))
    panels = figure.subplots(2, len(runs), squeeze=False, sharey='row', height_ratios=[1.6, 1])
    blocks = {run: reliance.blocks_of(coherence[coherence['run'] == run]) for run in runs}
    limits = _limits(coherence, blocks)
    for (above, below), run in zip(panels.T, runs, strict=True):
      own = coherence[coherence['run'] == run]
      _draw_coherence(above, own, blocks[run], limits)
      _draw_reliance(below, own, blocks[run])
      above.set_title(run.replace('_', ', '))
      above.tick_params(labelbottom=False)
      below.set_xlabel('step')
    panels[0, 0].set_ylabel('m-coherence')
    panels[1, 0].set_ylabel('AUC without')
    names = {'simpler feature': arms.BLUE, 'other feature': arms.ORANGE}
    handles = [Line2D([], [], color=color, label=name) for name, color in names.items()]
    figure.legend(handles=handles, loc='outside upper right', ncols=2)
    figure.align_ylabels()
  return figure


def _limits(table: pd.DataFrame, blocks: dict[str, list[str]]) -> tuple[float, float]:
  bounds = [
    arms.limits(table[table['run'] == run], [PREFIX + name], 'run', log=True, include=[1.0])
    for run, names in blocks.items()
    for name in names
  ]
  return max(min(low for low, _ in bounds), 0.1), max(high for _, high in bounds)


def _draw_coherence(
  axes: Axes, own: pd.DataFrame, blocks: list[str], limits: tuple[float, float]
) -> None:
  curves.coherence_axis(axes, limits, m=1)
  for block, color in zip(blocks, (arms.BLUE, arms.ORANGE), strict=False):
    arms.draw(axes, own, PREFIX + block, {own['run'].iloc[0]: color})
  curves.step_axis(axes, int(own['step'].max()), n_ticks=3)


def _draw_reliance(axes: Axes, own: pd.DataFrame, blocks: list[str]) -> None:
  run = own['run'].iloc[0]
  axes.set_ylim(0.35, 1.05)
  axes.axhline(0.5, color='0.35', linestyle='--', linewidth=0.7, zorder=1)
  reliance.draw_standard(axes, own)
  for block, color in zip(blocks, (arms.BLUE, arms.ORANGE), strict=False):
    arms.draw(axes, own, f'{reliance.PREFIX}{block}/auc', {run: color})
  curves.step_axis(axes, int(own['step'].max()), n_ticks=3)
