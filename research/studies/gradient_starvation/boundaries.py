r"""The shape of a boundary in the plane of the moons: how far it is from a line, and from the examples.

A network's logit difference is put on a grid over the box of `BOX`, in the coordinates that the task
was made in, (linear, curved). Networks of equal data are looked at one by one, and, as the paper does,
by the mean of their logit differences. How the boundary is tilted against the line between the class
means, and how close to the examples it is compared with theirs, the instrument `boundary_angle` says.
"""

import pathlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from research.instruments import make_measure
from research.instruments.boundary import boundary_angle
from research.instruments.starvation import logit_differences
from research.population import Population
from research.restored import of_each, restored
from research.types import Params

BOX = (-2.0, 2.0)  # of both coordinates: the examples lie within (-1.9, 1.9)
POINTS = 101  # of the grid, along each coordinate
DIRECTIONS = 90  # of the lines that are tried, in half a turn


class Plane(NamedTuple):
  """What networks say on a grid, and the examples that they were trained on."""

  axis: np.ndarray  # [G] the grid along either coordinate
  logits: np.ndarray  # [R, G, G], logit difference at (linear, curved)
  inputs: np.ndarray  # [n, 2], (linear, curved)
  labels: np.ndarray  # [n]
  of_inputs: np.ndarray  # [R, n], logit difference of the examples


def measured(workdirs: Sequence[pathlib.Path]) -> pd.DataFrame:
  """A row for each network of runs on the moons.

  `nonlinear_area`; the least and the mean of the `distances` of the training set, `smallest_margin`
  and `mean_margin`; what `boundary_angle` measures on the training set; and for the figure, as
  arrays: `logits` on every other point of the grid, which is `axis` along either coordinate, `inputs`
  and `labels` of the training set.
  """
  rows = []
  for workdir in workdirs:
    population, step, state = restored(workdir)
    found, tilts = plane(population, state.params), tilt(population, state.params)
    for member, logits in enumerate(found.logits):
      right = (found.of_inputs[member] > 0) == (found.labels == 1)
      row = {'run': workdir.name, 'member': member, 'step': step}
      row['nonlinear_area'] = nonlinear_area(logits, found.axis)
      apart = distances(logits, found.axis, found.inputs, right)
      row |= {'smallest_margin': apart.min(), 'mean_margin': apart.mean()}
      row |= {name: float(values[member]) for name, values in tilts.items()}
      row |= {'logits': logits[::2, ::2].round(3), 'axis': found.axis[::2].round(3)}
      rows.append(row | {'inputs': found.inputs.round(3), 'labels': found.labels})
  return pd.DataFrame(rows)


def plane(population: Population, params: Params) -> Plane:
  """What the networks of a run say of the plane; every leaf of the parameters is [R, ...]."""
  task, axis = population.task, np.linspace(*BOX, POINTS, dtype=np.float32)
  grid = np.stack(np.meshgrid(axis, axis, indexing='ij'), axis=-1).reshape(-1, 2)
  differences = logit_differences(population.model.apply)
  on_grid, of_inputs = (
    of_each(differences, params, {'inputs': task.normalize(u)}).astype(np.float64)
    for u in (grid, task.train.inputs)
  )
  shape = (-1, POINTS, POINTS)
  return Plane(axis, on_grid.reshape(shape), task.train.inputs, task.train.labels, of_inputs)


def tilt(population: Population, params: Params) -> dict[str, np.ndarray]:
  """What `boundary_angle` measures on the training set: {name: [R]}."""
  train, measure = population.task.train, make_measure([boundary_angle()], population.network)
  batch = {'inputs': population.task.normalize(train.inputs), 'labels': train.labels}
  return of_each(measure, params, batch)


def nonlinear_area(logits: np.ndarray, axis: np.ndarray, directions: int = DIRECTIONS) -> float:
  r"""The share of a square grid where a sign differs from that of the best line: 0 for a line.

  .. math:: \min_{w, b} \frac1{G^2} \sum_g
     1[\mathrm{sign} f(g) \ne \mathrm{sign}(w \cdot g - b)]

  Over all offsets b exactly, and over so many directions w, evenly over half a turn, of either
  sign; so it is not below the minimum over all lines, nor above it by more than the share between
  two lines of neighbouring directions.

  Args:
    logits: [G, G].
    axis: [G], the grid along either coordinate.
    directions: how many.
  """
  positive = (logits > 0).reshape(-1)
  grid = np.stack(np.meshgrid(axis, axis, indexing='ij'), axis=-1).reshape(-1, 2)
  n, least = len(positive), np.inf
  for angle in np.pi * np.arange(directions) / directions:
    heights = np.round(grid @ np.array([np.cos(angle), np.sin(angle)]), 6)
    order = np.argsort(heights, kind='stable')
    ordered, below = heights[order], np.concatenate([[0], np.cumsum(positive[order])])  # [n + 1]
    between = np.concatenate([[True], ordered[1:] > ordered[:-1], [True]])  # a line fits in here
    wrong = below + (n - np.arange(n + 1)) - (below[-1] - below)  # if positive is above
    wrong = np.minimum(wrong, n - wrong)[between]
    least = min(least, wrong.min() / n)
  return float(least)


def distances(
  logits: np.ndarray, axis: np.ndarray, inputs: np.ndarray, right: np.ndarray
) -> np.ndarray:
  """The distance [n] of each example to where the logit difference changes its sign.

  Negative for an example on the wrong side. The boundary is where the logit difference, linear
  between neighbours on the grid, is zero on the grid's edges; the error is of the order of the square
  of the spacing where the boundary is smooth. Infinite without any boundary in the box.

  Args:
    logits: [G, G] on the grid.
    axis: [G].
    inputs: [n, 2], the examples.
    right: bool [n], whether each is on its side.
  """
  crossings = np.concatenate([_crossings(logits, axis), _crossings(logits.T, axis)[:, ::-1]])
  if not len(crossings):
    return np.full(len(inputs), np.inf)
  apart = np.linalg.norm(inputs[:, None] - crossings[None], axis=-1).min(axis=1)
  return np.where(right, apart, -apart)


def _crossings(logits: np.ndarray, axis: np.ndarray) -> np.ndarray:
  """Points [k, 2] on edges along the first coordinate where the interpolated logits are zero."""
  here, there = logits[:-1], logits[1:]
  i, j = np.nonzero((here > 0) != (there > 0))
  share = here[i, j] / (here[i, j] - there[i, j])
  return np.stack([axis[i] + share * (axis[i + 1] - axis[i]), axis[j]], axis=1)
