"""Colored MNIST: what networks learn first, what later, and when the colour misleads them no more."""

import pandas as pd

from research.figures import arms, style

COLORS = {
  'erm': arms.BLACK,
  'official': arms.ORANGE,
  'reset': arms.BLUE,
  'unscaled': '#009E73',
  'irm': '#CC79A7',
}
NAMES = {
  'erm': 'plain',
  'official': 'decoupled',
  'reset': '... Adam made new',
  'unscaled': '... full rate',
  'irm': 'IRM',
}
PANELS = {
  'train/accuracy': 'Accuracy, training set',
  'test/accuracy': 'Accuracy where the colour misleads',
}
BY_COLOR, CHANCE = 0.1, 0.5


def figure(colored_mnist: pd.DataFrame) -> style.Figure:
  """Accuracy over training on the training set and on the test set, where the colour misleads.

  Lines are means over members, bands their 95 % confidence intervals; thin are chance, and at the
  right what following the colour alone gives, a tenth. `decoupled` is spectral decoupling as its
  authors schedule it; then with Adam's state made new at the switch, and without the factor 2e-5.

  Args:
    colored_mnist: from `tables.load_runs`, of the runs `erm`, `official`, `reset`, `unscaled` and
      `irm`, or some of them.

  Raises:
    ValueError: a metric is missing, or a run is unknown.
  """
  arms.require(colored_mnist, PANELS)
  if unknown := set(colored_mnist['run']) - {*COLORS}:
    raise ValueError(f'this figure shows {", ".join(COLORS)}, not {", ".join(sorted(unknown))}')
  with style.context():
    figure = style.Figure(figsize=(style.PAGE, 2.3))
    lines = {}
    for axes, (metric, title) in zip(figure.subplots(1, 2), PANELS.items(), strict=True):
      axes.set_ylim(0, 1)
      axes.set_xlim(0, colored_mnist['step'].max())
      for height in (CHANCE, BY_COLOR) if metric.startswith('test') else (CHANCE,):
        axes.axhline(height, color='0.35', linewidth=0.6, zorder=1)
      lines = arms.draw(axes, colored_mnist, metric, COLORS, label=NAMES.__getitem__)
      axes.set_title(title)
      axes.set_xlabel('step')
    arms.label_ends(axes, lines.values(), gap=0.09)
  return figure
