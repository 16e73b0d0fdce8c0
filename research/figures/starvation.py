"""Starvation of a weak feature by a strong one: in two examples, exactly, and on the moons."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from research.figures import arms, curves, style
from research.theory.starvation import toy

COLORS = {
  'overlapping': arms.BLACK,
  'separable': arms.BLUE,
  'spectral_decoupling': arms.ORANGE,
}
NAMES = {
  'overlapping': 'no line\nseparates',
  'separable': 'a line\nseparates',
  'spectral_decoupling': 'spectral\ndecoupling',
}
RESPONSES = {1: 'Strong feature of the moons', 6: 'Weak feature of the moons'}
PENALTIES = {
  'ridge': (arms.BLUE, 'weight decay'),
  'decoupled': (arms.ORANGE, 'spectral decoupling'),
}
STRENGTHS = np.linspace(2.0, 6.0, 41)


def figure(features: pd.DataFrame) -> style.Figure:
  r"""The response to a weak feature, against the strength of another one, and over training.

  Left: the fixed points of two examples with two features (`theory.starvation.toy`), exact. Middle and
  right: :math:`|z_j|` of the features 1 and 6 of the moons, counted from 0 by strength, in the basis
  that the tangent kernel has at that moment; means over members, bands their 95 % confidence
  intervals.

  Args:
    features: from `tables.load_runs`, of the runs `overlapping`, `separable` and
      `spectral_decoupling`, or some of them.

  Raises:
    ValueError: a metric is missing, or a run is unknown.
  """
  metrics = {j: f'starvation/response/{j}' for j in RESPONSES}
  arms.require(features, metrics.values())
  if unknown := set(features['run']) - {*COLORS}:
    raise ValueError(f'this figure shows {", ".join(COLORS)}, not {", ".join(sorted(unknown))}')
  table = features.assign(**{name: features[name].abs() for name in metrics.values()})
  with style.context():
    figure = style.Figure(figsize=(style.PAGE, 2.1))
    of_two, *of_moons = figure.subplots(1, 1 + len(metrics))
    _draw_toy(of_two)
    lines = {}
    for axes, (j, title) in zip(of_moons, RESPONSES.items(), strict=True):
      axes.set_ylim(0, arms.limits(table, [metrics[j]], 'run', include=[0.0])[1])
      lines = arms.draw(axes, table, metrics[j], COLORS, label=NAMES.__getitem__)
      curves.step_axis(axes, table['step'].max(), n_ticks=3)
      axes.set_title(title)
      axes.set_xlabel('step')
    of_moons[0].set_ylabel(r'response $|z_j|$')
    arms.label_ends(of_moons[-1], lines.values(), gap=0.19)
  return figure


def _draw_toy(axes: Axes) -> None:
  found = [toy(float(strength)) for strength in STRENGTHS]
  for name, (color, label) in PENALTIES.items():
    axes.plot(STRENGTHS, [getattr(it, name).response[1] for it in found], color=color, label=label)
  axes.set_ylim(1.1, 1.9)
  axes.set_title('Two examples, exact')
  axes.set_xlabel('strength of the other feature')
  axes.set_ylabel('response $z_2^*$')
  axes.legend(loc='lower left')
