"""Which measures say the same: rank correlations of measures with each other, and with the gap."""

from collections.abc import Sequence

import matplotlib
import numpy as np
import pandas as pd
from scipy.cluster import hierarchy
from scipy.spatial.distance import squareform

from research.figures import families, style


def figure(networks: pd.DataFrame, measures: Sequence[str]) -> style.Figure:
  """Spearman's correlation of each two measures over the networks that have both; the gap comes first.

  Measures that order networks alike, or the other way round, stand together: they are ordered by
  clustering, average linkage of 1 - |correlation|. Grey is not known, as for a measure that is
  constant.

  Args:
    networks: a row per network, with a column `gap` and one per measure.
    measures: two or more names of columns.

  Raises:
    ValueError: a column is missing, or there are fewer than two measures.
  """
  measures = list(measures)
  if missing := [name for name in ('gap', *measures) if name not in networks]:
    raise ValueError(f'networks must have a column {missing[0]!r}, which this figure shows')
  if len(measures) < 2:
    raise ValueError('measures must name two columns or more')
  values = networks[['gap', *measures]].astype(float)
  values = values.where(np.isfinite(values))
  found = values.corr(method='spearman')
  order = ['gap', *clustered(found.loc[measures, measures])]
  matrix = found.loc[order, order].to_numpy()
  with style.context():
    side = min(max(0.13 * len(order) + 1.6, style.COLUMN), 9)
    figure = style.Figure(figsize=(side + 0.5, side))
    axes = figure.subplots()
    colors = matplotlib.colormaps['RdBu_r'].with_extremes(bad='0.8')
    image = axes.imshow(np.ma.masked_invalid(matrix), cmap=colors, vmin=-1, vmax=1)
    looks = families.looks(sorted(measures, key=families.family))
    names = [families.short(name) for name in order]
    size = 6 if len(order) > 20 else 7
    axes.set_yticks(range(len(order)), names, fontsize=size)
    axes.set_xticks(range(len(order)), names, fontsize=size, rotation=90)
    for labels in (axes.get_yticklabels(), axes.get_xticklabels()):
      for label, name in zip(labels[1:], order[1:], strict=True):
        label.set_color(looks[families.family(name)]['color'])
      labels[0].set_fontweight('bold')
    axes.axhline(0.5, color='black', linewidth=0.8)
    axes.axvline(0.5, color='black', linewidth=0.8)
    axes.grid(False)
    axes.tick_params(length=0)
    bar = figure.colorbar(image, ax=axes, shrink=0.6, pad=0.02)
    bar.set_label("Spearman's rank correlation")
  return figure


def clustered(correlations: pd.DataFrame) -> list[str]:
  """The names in an order in which those that correlate, with either sign, are neighbours."""
  distance = 1 - np.abs(np.nan_to_num(correlations.to_numpy(), nan=0.0))
  distance = (distance + distance.T) / 2
  np.fill_diagonal(distance, 0)
  condensed = squareform(np.clip(distance, 0, 1), checks=False)
  tree = hierarchy.linkage(condensed, 'average', optimal_ordering=True)
  names = correlations.index.tolist()
  return [names[k] for k in hierarchy.leaves_list(tree)]
