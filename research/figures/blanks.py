"""Colored MNIST without colour or shape: what networks are right on, and how sure they are."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize

from research.figures import arms, style
from research.figures.colored_mnist import NAMES

SHAPES, COLORS = ('digit', 'blank'), {'gray': 'gray', 'colored': 'in colour'}
ROWS: Mapping[str, tuple[str, str, float, str]] = {  # label, colours, greatest value, format
  'accuracy': ('accuracy, %', 'PuOr', 100.0, '{:.1f}'),
  'entropy': ('entropy, nats', 'cividis', float(np.log(2)), '{:.3f}'),
}
TO_PERCENT = 100.0
DARK = 0.45  # luminance below which text is white


def figure(blanks: pd.DataFrame) -> style.Figure:
  """Accuracy and entropy of predictions on test images with and without shape and colour, by arm.

  Of each cell the mean over members, and below it their standard error. Images have a digit or are
  blank, of the mean intensity of all (rows), and are gray or in their colour (columns), which is
  right for a tenth of them. Chance is 50 %; the entropy of a fair coin, ln 2, is 0.693 nats.

  Args:
    blanks: a row for each network of the runs `erm`, `official`, `reset`, `unscaled`, `irm`, or some
      of them: `accuracy/S/C`, in [0, 1], and `entropy/S/C`, in nats, S in digit, blank, C in gray,
      colored.

  Raises:
    ValueError: a column is missing, or a run is unknown.
  """
  arms.require(blanks, [f'{what}/{s}/{c}' for what in ROWS for s in SHAPES for c in COLORS])
  if unknown := set(blanks['run']) - {*NAMES}:
    raise ValueError(f'this figure shows {", ".join(NAMES)}, not {", ".join(sorted(unknown))}')
  runs = [run for run in NAMES if run in set(blanks['run'])]
  with style.context():
    figure = style.Figure(figsize=(style.PAGE, 2.7))
    panels = figure.subplots(len(ROWS), len(runs), squeeze=False)
    for line, (what, (label, colors, most, form)) in zip(panels, ROWS.items(), strict=True):
      shades = ScalarMappable(Normalize(0, most), colors)
      for axes, run in zip(line, runs, strict=True):
        own = blanks[blanks['run'] == run]
        cells = own[[f'{what}/{s}/{c}' for s in SHAPES for c in COLORS]].to_numpy()
        _draw(axes, cells * (TO_PERCENT if what == 'accuracy' else 1.0), shades, form)
      line[0].set_yticks(range(len(SHAPES)), SHAPES)
      figure.colorbar(shades, ax=[*line], label=label, fraction=0.05, aspect=14)
    for axes, run in zip(panels[0], runs, strict=True):
      axes.set_title(NAMES[run])
    for axes in panels[-1]:
      axes.set_xticks(range(len(COLORS)), COLORS.values())
  return figure


def _draw(axes: Axes, cells: np.ndarray, shades: ScalarMappable, form: str) -> None:
  """The means of cells [R, 4], two by two, with what they are."""
  means, shape = cells.mean(axis=0), (len(SHAPES), len(COLORS))
  n = len(cells)
  errors = cells.std(axis=0, ddof=1) / np.sqrt(n) if n > 1 else np.full(len(means), np.nan)
  colors = shades.to_rgba(means)
  axes.imshow(colors.reshape(*shape, 4), aspect='auto')
  for (i, j), mean, error, color in zip(np.ndindex(shape), means, errors, colors, strict=True):
    ink = 'white' if color[:3] @ (0.299, 0.587, 0.114) < DARK else 'black'
    look: dict[str, Any] = {'color': ink, 'horizontalalignment': 'center'}
    axes.text(j, i - 0.03, form.format(mean), verticalalignment='bottom', fontsize=7, **look)
    axes.text(j, i + 0.07, f'±{form.format(error)}', verticalalignment='top', fontsize=5.5, **look)
  axes.grid(False)
  axes.set(xticks=[], yticks=[])
  axes.tick_params(length=0)
  for spine in axes.spines.values():
    spine.set_visible(False)
