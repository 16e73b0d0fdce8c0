r"""Two interleaving half circles that a line tells apart, if only just.

The half circles of scikit-learn, :math:`(\cos t, \sin t)` for label 0 and
:math:`(1 - \cos t, \frac12 - \sin t)` for label 1, with t on a grid of :math:`[0, \pi]` and Gaussian
noise, are moved apart in the second coordinate by 0.3 each, which is then centred, reflected to its
label's side of zero, and moved by the margin :math:`\Delta` more: with :math:`s = 2y - 1`

.. math::  u_2 \to -s\,(|u_2| + \Delta).

A margin of 0.1 leaves a gap of at least 0.2 that a line fits in, though it passes some examples
closely; where :math:`\Delta < 0`, the classes overlap in that coordinate, and only a curve tells
them apart.

References: `Pezeshki et al. (2021) <https://arxiv.org/abs/2011.09468>`_, figures 1 to 3; after the
authors' code.
"""

from typing import Any

import numpy as np

from research.rngs import named_generator
from research.tasks.arguments import check_sizes, completed
from research.tasks.blocks import Blocks
from research.tasks.split import Split
from research.tasks.task import Task


def make(
  *,
  n_train: int = 300,
  n_test: int = 1000,
  noise: float = 0.1,
  margin: float = 0.1,
  rotation: float = 0.0,
  data_seed: int = 0,
) -> Task:
  """Such points, float32 [n, 2], not normalized.

  The coordinates come in the order of the authors, `linear` first: the one that has the margin, and
  block `curved` the other. Classes are balanced, up to one example. Both splits are drawn with noise
  of their own and centred by the mean of the train split.

  Guarantees (each is a test): what the authors' recipe makes of the same half circles and noise; the
  sign and the least size of `linear`; a rotation turns what the network sees and nothing else.

  Args:
    n_train: how many train examples, 2 or more.
    n_test: how many test examples.
    noise: the standard deviation of what is added to either coordinate.
    margin: Delta, of either sign.
    rotation: by which the network sees the points turned, in degrees.
    data_seed: the seed of the order and of the noise.

  Raises:
    ValueError: an argument is out of range (the message begins with its name).
  """
  _check(n_train, n_test, noise, data_seed)
  train, test = (
    half_circles(n, noise, named_generator(data_seed, f'moons_{which}'))
    for which, n in (('train', n_train), ('test', n_test))
  )
  height = apart(*train)[:, 1].mean()
  masks = {'linear': np.array([True, False]), 'curved': np.array([False, True])}
  blocks = Blocks(masks, _turn(rotation) if rotation else None)
  train, test = (
    Split(with_margin(apart(x, y), y, height, margin).astype(np.float32), y.astype(np.int32))
    for x, y in (train, test)
  )
  mean, std = np.zeros(2, np.float32), np.ones(2, np.float32)
  return Task('moons', train, test, 2, mean, std, blocks=blocks)


def sizes(**section: Any) -> dict[str, int]:
  """How many train and test examples `make` of the same arguments gives.

  Raises:
    ValueError: as `make` does.
  """
  arguments = completed(make, section)
  _check(*(arguments[key] for key in ('n_train', 'n_test', 'noise', 'data_seed')))
  return {'train': arguments['n_train'], 'test': arguments['n_test']}


def half_circles(
  n: int, noise: float, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
  """The two half circles in a random order: points, float64 [n, 2], and labels, int [n]."""
  outer, inner = (np.linspace(0, np.pi, size) for size in (n // 2, n - n // 2))
  x = np.concatenate(
    [
      np.stack([np.cos(outer), np.sin(outer)], axis=1),
      np.stack([1 - np.cos(inner), 0.5 - np.sin(inner)], axis=1),
    ]
  )
  order = generator.permutation(n)
  return x[order] + generator.normal(0, noise, (n, 2)), (order >= n // 2).astype(int)


def apart(x: np.ndarray, y: np.ndarray) -> np.ndarray:
  """The half circles moved apart, in the middle of the first coordinate."""
  return x - np.stack([np.full(len(y), 0.5), 0.3 * (2 * y - 1)], axis=1)


def with_margin(x: np.ndarray, y: np.ndarray, height: float, margin: float) -> np.ndarray:
  """(linear, curved) of moons that are apart, centred at a height in their second coordinate."""
  return np.stack([(1 - 2 * y) * (np.abs(x[:, 1] - height) + margin), x[:, 0]], axis=1)


def _turn(degrees: float) -> np.ndarray:
  cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
  return np.array([[cos, -sin], [sin, cos]], np.float32)


def _check(n_train: int, n_test: int, noise: float, data_seed: int):
  check_sizes(n_train, n_test, data_seed)
  if n_train < 2:
    raise ValueError(f'n_train must be 2 or more, one for each moon, not {n_train}')
  if noise < 0:
    raise ValueError(f'noise must not be negative, not {noise}')
