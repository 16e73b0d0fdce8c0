"""The leaderboard: how well each measure ranks networks, on average and at worst."""

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from research.figures import families, style

NEEDED = ('measure', 'baseline', 'tau', 'psi', 'sign_error_mean', 'sign_error_max')
BANDS = {  # of the baselines
  'baseline/oracle': ('oracle', '#009E73'),
  'baseline/remeasured': ('gap, measured again', '#56B4E9'),
  'baseline/random': ('random', '0.55'),
}
TITLES = {
  'tau': r"Kendall's $\tau$",
  'psi': r'granulated $\Psi$',
  'sign_error_mean': 'sign error: mean to largest',
}


def figure(board: pd.DataFrame, top: int | None = None) -> style.Figure:
  """A row per measure: tau, Psi and sign error, with their intervals; baselines are bands.

  Measures are coloured by family. Sign errors run from the mean over environments, a full marker, to
  the largest, a bar at the end of the line; 0.5 is chance. A band spans the interval of a baseline, or
  is a line where there is none; in the last panel, of its mean.

  Args:
    board: of `referee.ranking.leaderboard`.
    top: how many measures are shown, the first; all if None.

  Raises:
    ValueError: a column is missing, or there are no measures.
  """
  if missing := [name for name in NEEDED if name not in board]:
    raise ValueError(f'board must have a column {missing[0]!r}, which this figure shows')
  measures = board[~board['baseline'].astype(bool)][:top]
  if measures.empty:
    raise ValueError('board must have at least one measure that is no baseline')
  looks = families.looks(sorted(measures['measure'], key=families.family))
  with style.context():
    lines = -(-(len(looks) + 4) // 5)
    height = 0.145 * len(measures) + 0.75 + 0.17 * lines
    figure = style.Figure(figsize=(style.PAGE, height))
    axes = figure.subplots(1, 3, sharey=True)
    for panel, score in zip(axes, TITLES, strict=True):
      _draw_bands(panel, board, score)
      _draw_rows(panel, measures, score, looks)
      panel.set_title(TITLES[score])
    names = [families.short(name) for name in measures['measure']]
    axes[0].set_yticks(range(len(names)), names)
    axes[0].set_ylim(len(names) - 0.4, -0.6)
    for panel in axes[:2]:
      panel.axvline(0, color='0.35', linewidth=0.6, zorder=1)
      panel.set_xlabel('correlation with the gap')
    axes[2].axvline(0.5, color='0.35', linewidth=0.6, zorder=1)
    axes[2].set_xlim(-0.02, 1.02)
    axes[2].set_xlabel('share of pairs')
    shown: list[Artist] = [
      Patch(color=color, alpha=0.3, linewidth=0, label=label)
      for name, (label, color) in BANDS.items()
      if name in set(board['measure'])
    ]
    shown.append(
      Line2D([], [], color='0.35', marker='|', markevery=[1], label='largest sign error')
    )
    figure.legend(
      handles=[*families.handles(looks), *shown],
      loc='outside lower center',
      ncols=5,
      columnspacing=1.2,
      handlelength=1.4,
    )
  return figure


def _draw_bands(axes: Axes, board: pd.DataFrame, score: str) -> None:
  for name, (_, color) in BANDS.items():
    for _, row in board[board['measure'] == name].iterrows():
      low, high = (row.get(f'{score}_{edge}', np.nan) for edge in ('low', 'high'))
      if np.isfinite(low) and np.isfinite(high):
        axes.axvspan(low, high, color=color, alpha=0.3, linewidth=0, zorder=0)
      elif np.isfinite(row[score]):
        axes.axvline(row[score], color=color, alpha=0.6, linewidth=1.5, zorder=0)


def _draw_rows(axes: Axes, measures: pd.DataFrame, score: str, looks: dict) -> None:
  for y, (_, row) in enumerate(measures.iterrows()):
    look = looks[families.family(row['measure'])]
    if not np.isfinite(row[score]):
      axes.text(
        0.03, y, 'not computed', transform=axes.get_yaxis_transform(), va='center', fontsize=6
      )
      continue
    if score == 'sign_error_mean':
      worst = row['sign_error_max']
      axes.plot([row[score], worst], [y, y], color=look['color'], linewidth=0.6, alpha=0.7)
      axes.plot(worst, y, '|', color=look['color'], markersize=5, markeredgewidth=1.3)
    low, high = (row.get(f'{score}_{edge}', np.nan) for edge in ('low', 'high'))
    axes.plot([low, high], [y, y], color=look['color'], linewidth=1.6, alpha=0.55)
    axes.plot(row[score], y, linestyle='', markersize=3.5, **look)
