"""Coherence of each layer of three networks: convolutional, with shuffled pixels, locally connected."""

import pandas as pd

from research.figures import arms, curves, style

PREFIX = 'coherence/alpha/'
COLORS = {
  'convolutional': arms.BLUE,
  'shuffled_pixels': arms.ORANGE,
  'locally_connected': arms.BLACK,
}
SHARED, LOCAL = 'Conv_', 'LocallyConnected_'


def figure(layers: pd.DataFrame) -> style.Figure:
  r"""A panel for each layer, a line for each network: what weight sharing and neighbouring pixels do.

  Lines are geometric means over members, bands their 95 % confidence intervals; dashed is
  :math:`1/m`, the value of orthogonal gradients. `LocallyConnected_k` is where `Conv_k` is in others.

  Args:
    layers: from `tables.load_runs`, of the runs `convolutional`, `shuffled_pixels` and
      `locally_connected`, or some of them.

  Raises:
    ValueError: there is no layer, a metric is missing, a run is unknown, or sample sizes differ.
  """
  metrics = [name for name in map(str, layers) if name.startswith(PREFIX)]
  places = sorted({_place(name) for name in metrics})
  if not places:
    raise ValueError(f"the table has no '{PREFIX}<layer>', which this figure shows")
  arms.require(layers, ['coherence/alpha', 'coherence/m_coherence'])
  if unknown := set(layers['run']) - {*COLORS}:
    raise ValueError(f'this figure shows {", ".join(COLORS)}, not {", ".join(sorted(unknown))}')
  table, m = _matched(layers, metrics), curves.sample_size(layers)
  limits = arms.limits(table, places, 'run', log=True, include=[1 / m])
  with style.context():
    figure = style.Figure(figsize=(style.PAGE, 2.1))
    panels = figure.subplots(1, len(places), sharey=True, squeeze=False)[0]
    for axes, place in zip(panels, places, strict=True):
      curves.coherence_axis(axes, limits, m)
      lines = arms.draw(axes, table, place, COLORS)
      curves.step_axis(axes, table['step'].max(), n_ticks=3)
      axes.set_title(place.removeprefix(PREFIX))
      axes.set_xlabel('step')
    panels[0].set_ylabel(rf'coherence $\alpha$, $m$ = {m}')
    arms.label_ends(panels[-1], lines.values(), gap=0.1)
  return figure


def _place(metric: str) -> str:
  return metric.replace(LOCAL, SHARED)


def _matched(table: pd.DataFrame, metrics: list[str]) -> pd.DataFrame:
  """The table with one column for each place in the network, whatever layer is there."""
  matched = table.copy()
  for metric in metrics:
    if (place := _place(metric)) != metric:
      matched[place] = matched[place].fillna(matched[metric]) if place in table else matched[metric]
  return matched
