"""Decision boundaries in the plane."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from research.figures import arms, style

COLUMNS = 5
NAMES = {'spectral_decoupling_half': 'half the penalty'}
LIMIT = 6.0  # nats, of the shades


def figure(
  axis: np.ndarray,
  logits: Mapping[str, np.ndarray],
  inputs: np.ndarray,
  labels: np.ndarray,
) -> style.Figure:
  """The boundary of each run, a panel each, with the examples: black where the mean logits change sign.

  Thin lines are the boundaries of single networks. Shades are the mean logit difference, cut off at
  6 nats. The first coordinate, by which a line can separate the classes, is upwards.

  Args:
    axis: [G], the grid along either coordinate.
    logits: {run: [R, G, G]}, logit differences of R networks at (first, second) coordinates.
    inputs: [n, 2], the examples.
    labels: [n], 0 or 1.

  Raises:
    ValueError: logits do not fit the grid; the message names the run.
  """
  for run, values in logits.items():
    if values.shape[1:] != (len(axis), len(axis)):
      raise ValueError(
        f'logits of {run} must be [R, {len(axis)}, {len(axis)}], not {list(values.shape)}'
      )
  n_columns = min(COLUMNS, len(logits))
  n_rows = math.ceil(len(logits) / n_columns)
  with style.context():
    width = style.PAGE / COLUMNS
    figure = style.Figure(figsize=(n_columns * width, 1.15 * n_rows * width))
    panels = figure.subplots(n_rows, n_columns, squeeze=False, sharex=True, sharey=True)
    panels = [*panels.flat]
    for axes, (run, values) in zip(panels, logits.items(), strict=False):
      mean = values.mean(axis=0)
      shades = np.clip(mean, -LIMIT, LIMIT)
      levels = np.linspace(-LIMIT, LIMIT, 13)
      axes.contourf(axis, axis, shades, levels=levels, cmap='PuOr', alpha=0.35)
      for one in values:
        _draw_boundary(axes, axis, one, colors='0.35', linewidths=0.4)
      _draw_boundary(axes, axis, mean, colors='black', linewidths=1.3)
      for label, color in ((0, arms.ORANGE), (1, arms.BLUE)):
        points = inputs[labels == label]
        axes.plot(points[:, 1], points[:, 0], '.', color=color, markersize=1.5)
      axes.set_title(NAMES.get(run, run.replace('_', ' ')))
      axes.set(xticks=[], yticks=[], aspect='equal')
    for axes in panels[len(logits) :]:
      axes.remove()
  return figure


def _draw_boundary(axes: Axes, axis: np.ndarray, logits: np.ndarray, **look: Any) -> None:
  if logits.min() < 0 < logits.max():  # or there is none, which matplotlib warns of
    axes.contour(axis, axis, logits, levels=[0], **look)
