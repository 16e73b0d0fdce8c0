"""Which hyperparameter each measure is wrong about: sign errors of measures by axis."""

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.patches import Rectangle

from research.figures import families, style

NEEDED = ('measure', 'axis', 'sign_error')


def figure(errors: pd.DataFrame) -> style.Figure:
  """The mean sign error over the environments of each axis; the worst single environment is ringed.

  Blue is right, white is chance, red is wrong. The last column is the largest sign error over all
  environments, by which rows are ordered, then by the mean; the ring is on the axis where it is. Grey
  is not judged.

  Args:
    errors: of `referee.robust.sign_errors`.

  Raises:
    ValueError: a column is missing, or no environment is judged.
  """
  if missing := [name for name in NEEDED if name not in errors]:
    raise ValueError(f'errors must have a column {missing[0]!r}, which this figure shows')
  judged = errors.dropna(subset='sign_error')
  if judged.empty:
    raise ValueError('errors must have at least one environment that is judged')
  axes_names = list(dict.fromkeys(errors['axis']))
  largest = judged.groupby('measure')['sign_error'].max()
  mean = judged.groupby('measure')['sign_error'].mean()
  measures = list(dict.fromkeys(errors['measure']))
  order = sorted(
    measures, key=lambda m: (largest.get(m, np.inf), mean.get(m, np.inf), measures.index(m))
  )
  table = judged.pivot_table(index='measure', columns='axis', values='sign_error', aggfunc='mean')
  table = table.reindex(index=order, columns=axes_names)
  table['largest'] = largest.reindex(order)
  worst = judged.loc[judged.groupby('measure')['sign_error'].idxmax()].set_index('measure')['axis']
  with style.context():
    height = 0.155 * len(order) + 1.2
    figure = style.Figure(figsize=(min(1.9 + 0.42 * len(table.columns), style.PAGE), height))
    axes = figure.subplots()
    colors = matplotlib.colormaps['RdBu_r'].with_extremes(bad='0.8')
    values = np.ma.masked_invalid(table.to_numpy(np.float64))
    image = axes.imshow(values, cmap=colors, vmin=0, vmax=1, aspect='auto')
    for y, name in enumerate(order):
      for x, value in enumerate(table.loc[name]):
        if np.isfinite(value):
          dark = abs(value - 0.5) > 0.33
          text = f'{value:.2f}'.replace('0.', '.', 1)
          look = {'color': 'white' if dark else 'black', 'fontsize': 5.5}
          axes.text(x, y, text, ha='center', va='center', **look)
      if largest.get(name, 0) > 0:
        place = axes_names.index(worst[name])
        box = Rectangle((place - 0.47, y - 0.45), 0.94, 0.9, fill=False, zorder=3)
        box.set(edgecolor='black', linewidth=0.9)
        axes.add_patch(box)
    axes.axvline(len(axes_names) - 0.5, color='white', linewidth=3, zorder=2)
    labels = [name.replace('_', ' ') for name in table.columns]
    axes.set_xticks(range(len(labels)), labels, rotation=45, ha='right', rotation_mode='anchor')
    axes.set_yticks(range(len(order)), [families.short(name) for name in order], fontsize=6.5)
    axes.grid(False)
    axes.tick_params(length=0)
    bar = figure.colorbar(image, ax=axes, pad=0.03, fraction=0.04)
    bar.set_label('sign error, mean over environments')
  return figure
