r"""The shape of a boundary in the plane of the moons: how far it is from a line, and from the examples.

A network's logit difference is put on a grid over the box of `BOX`, in the coordinates that the task
was made in, (linear, curved). Networks of equal data are looked at one by one, and, as the paper does,
by the mean of their logit differences.
"""

import pathlib
from collections.abc import Sequence
from typing import NamedTuple

import jax
import numpy as np
import pandas as pd

from research.population import Population
from research.restored import restored
from research.tasks import Task

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


def plane(workdir: str | pathlib.Path) -> Plane:
  """What the networks of a finished run say.

  Raises:
    FileNotFoundError, CheckpointError: as `restored` does.
  """
  population, _, state = restored(workdir)
  task, axis = population.task, np.linspace(*BOX, POINTS, dtype=np.float32)
  grid = np.stack(np.meshgrid(axis, axis, indexing='ij'), axis=-1).reshape(-1, 2)
  params = jax.device_get(state.params)
  on_grid, of_inputs = (outputs(population, params, u) for u in (grid, task.train.inputs))
  shape = (-1, POINTS, POINTS)
  return Plane(axis, on_grid.reshape(shape), task.train.inputs, task.train.labels, of_inputs)


def outputs(population: Population, params, inputs: np.ndarray) -> np.ndarray:
  """The logit differences of all networks [R, n] at inputs [n, 2], not yet as networks see them."""
  seen = _seen(population.task, inputs)

  @jax.jit
  def differences(params):
    logits = population.model.apply(params, seen)
    return logits[:, 1] - logits[:, 0]

  members = range(len(population.seeds))
  return np.stack([differences(jax.tree.map(lambda x, r=r: x[r], params)) for r in members]).astype(
    np.float64
  )


def measured(workdirs: Sequence[pathlib.Path]) -> pd.DataFrame:
  """A row for each network of runs on the moons: `nonlinear_area` and `smallest_margin`."""
  rows = []
  for workdir in workdirs:
    found = plane(workdir)
    for member, logits in enumerate(found.logits):
      right = (found.of_inputs[member] > 0) == (found.labels == 1)
      row = {'run': workdir.name, 'member': member, 'step': 0}
      row['nonlinear_area'] = nonlinear_area(logits, found.axis)
      row['smallest_margin'] = smallest_margin(logits, found.axis, found.inputs, right)
      rows.append(row)
  return pd.DataFrame(rows)


def planes(workdirs: Sequence[pathlib.Path]) -> pd.DataFrame:
  """What the figure shows, a row for each run: `Plane` on every other point of the grid, as arrays."""
  rows = []
  for workdir in workdirs:
    found = plane(workdir)
    row = {
      'run': workdir.name,
      'axis': found.axis[::2],
      'logits': found.logits[:, ::2, ::2].round(3),
    }
    rows.append(row | {'inputs': found.inputs, 'labels': found.labels})
  return pd.DataFrame(rows)


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


def smallest_margin(
  logits: np.ndarray, axis: np.ndarray, inputs: np.ndarray, right: np.ndarray
) -> float:
  """The least distance from an example to where the logit difference changes its sign.

  Negative, and minus the largest such distance, if an example is on the wrong side. The boundary is
  where the logit difference, linear between neighbours on the grid, is zero on the grid's edges; the
  error is of the order of the square of the spacing where the boundary is smooth. Infinite without
  any boundary in the box.

  Args:
    logits: [G, G] on the grid.
    axis: [G].
    inputs: [n, 2], the examples.
    right: bool [n], whether each is on its side.
  """
  crossings = np.concatenate([_crossings(logits, axis), _crossings(logits.T, axis)[:, ::-1]])
  if not len(crossings):
    return float('inf')
  apart = np.linalg.norm(inputs[:, None] - crossings[None], axis=-1).min(axis=1)
  return float(-apart[~right].max() if (~right).any() else apart.min())


def _crossings(logits: np.ndarray, axis: np.ndarray) -> np.ndarray:
  """Points [k, 2] on edges along the first coordinate where the interpolated logits are zero."""
  here, there = logits[:-1], logits[1:]
  i, j = np.nonzero((here > 0) != (there > 0))
  share = here[i, j] / (here[i, j] - there[i, j])
  return np.stack([axis[i] + share * (axis[i + 1] - axis[i]), axis[j]], axis=1)


def _seen(task: Task, inputs: np.ndarray) -> jax.Array:
  return jax.numpy.asarray(task.normalize(inputs))
