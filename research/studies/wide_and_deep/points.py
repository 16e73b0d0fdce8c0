"""Points on a sphere in two classes, of which the best possible is known; and rules without a network.

Classes are Dirichlet distributions; the square roots of their points lie in the positive orthant of a
sphere.
"""

from typing import NamedTuple

import numpy as np
from scipy import stats

from research import rngs
from research.theory import wide_and_deep as deep

SEEDS = tuple(range(100, 106))
SHARE = 0.6  # of the first class
CLASSES = {1: ((5, 2), (2, 5)), 2: ((6, 3, 2), (2, 3, 6)), 3: ((6, 3, 3, 2), (2, 3, 3, 6))}


class Sample(NamedTuple):
  """Examples and test points.

  Attributes:
    cross: log cosines of test points and examples, [m, n].
    gram: of examples among each other, [n, n].
    targets: of the examples, 1 or -1, [n].
    labels: of the test points, likewise, [m].
    best: what the densities say of these, [m].
  """

  cross: np.ndarray
  gram: np.ndarray
  targets: np.ndarray
  labels: np.ndarray
  best: np.ndarray


def draw(seed: int, n: int, m: int, dim: int = 2) -> Sample:
  """n examples and m test points on the sphere of `dim` dimensions."""
  rng = rngs.named_generator(seed, 'wide_and_deep/points')
  labels = np.where(rng.uniform(size=m + n) < SHARE, 1, -1)
  of_class = [rng.dirichlet(alpha, size=m + n) for alpha in CLASSES[dim]]
  points = np.where(labels[:, None] > 0, *of_class)
  first, second = (stats.dirichlet(alpha).logpdf(points[:m].T) for alpha in CLASSES[dim])
  test, train = np.split(np.sqrt(points), [m])
  return Sample(
    deep.log_cosines(test, train),
    deep.log_cosines(train, train),
    labels[m:],
    labels[:m],
    np.sign(first - second + np.log(SHARE / (1 - SHARE))),
  )


def rules(sample: Sample) -> dict[str, np.ndarray]:
  """What is best, and what rules without a network say, of points on the sphere of two dimensions."""
  return {
    'best': sample.best,
    'hilbert': np.sign(deep.hilbert(sample.cross, sample.targets, 2)),
    'nearest': sample.targets[np.argmax(sample.cross, axis=1)],
    'majority': np.full(len(sample.labels), np.sign(sample.targets.sum())),
  }
