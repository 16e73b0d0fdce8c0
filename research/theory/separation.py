r"""How far inputs reach, and how close those of different classes come: R and delta, in input units.

Distances are measured exactly. What makes that cheap is a bound: of an orthonormal frame Q,
:math:`\|Q^\top (x - y)\| \le \|x - y\|`, so that pairs which are too far apart in the few directions in
which the data vary most are done with. The rest are looked at in full.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from research import rngs
from research.theory.neighbours import centre, distances_between, rounding

DIRECTIONS = 64  # of the frame
TILE = 4096  # points in each side of a block of pairs
FEW = 10_000  # pairs of a tile that are cheaper one by one


class ClosestPair(NamedTuple):
  """Two points of different classes, none closer."""

  distance: float
  rows: tuple[int, int]


def norms(points: np.ndarray) -> np.ndarray:
  """The norm of each of the points [n, ...], taken as a vector: float64 [n]."""
  points = np.asarray(points).reshape(len(points), -1)
  blocks = [points[i : i + 4096].astype(np.float64) for i in range(0, len(points), 4096)]
  return np.concatenate([np.linalg.norm(block, axis=1) for block in blocks])


def radius(points: np.ndarray) -> float:
  """The largest norm of points [n, ...]; what others of as many would have, see `extremes`."""
  return float(norms(points).max())


def closest_pair(points: np.ndarray, labels: np.ndarray) -> ClosestPair:
  r"""The least distance between two points of different classes: the sample's delta, exactly.

  It is the least of pairs, so it falls as points are added, and the plain bootstrap of it is
  inconsistent: a sample drawn again has the same closest pair with probability
  :math:`(1 - 1/e)^2 = 0.40`, and never a closer one. What samples of other sizes have is seen in parts
  of the data, drawn without replacement, or extrapolated (`extremes`).

  Guarantees (each is a test): agrees with a loop over all pairs, also where the frame tells nothing;
  the size of the tiles does not matter, nor does a shift of the points.

  Cost: n^2 DIRECTIONS flops where few pairs are close, n^2 D where many are.

  Args:
    points: [n, D], real numbers.
    labels: the class of each, [n].

  Raises:
    ValueError: labels do not suit the points, or there is but one class.
  """
  points, labels = np.asarray(points), np.asarray(labels)
  _check(points, labels)
  full = centre(points)
  slack = rounding(points.shape[1], float(np.sqrt(np.square(full).sum(1).max())))
  levels = [_in_frame(full), full]
  n, size = len(points), min(TILE, len(points))
  _, classes = np.unique(labels, return_inverse=True)
  best = ClosestPair(np.inf, (-1, -1))
  for start in range(0, n, size):
    for other in range(start, n, size):
      tile = [np.resize(np.arange(at, min(at + size, n)), size) for at in (start, other)]
      for level in levels:
        lower = _squared(*((level[rows], classes[rows]) for rows in tile))
        close = np.asarray(lower) <= best.distance**2 + slack
        if np.count_nonzero(close) > FEW:
          nearest = np.asarray(jnp.argmin(lower, axis=1))
          best = _closer(points, labels, best, tile[0], tile[1][nearest])
          close = np.asarray(lower) <= best.distance**2 + slack
        if np.count_nonzero(close) <= FEW or level is full:
          i, j = np.nonzero(close)
          best = _closer(points, labels, best, tile[0][i], tile[1][j])
          break
  return best


def closest_random_pairs(
  points: np.ndarray, labels: np.ndarray, n_pairs: int, k: int, rng: np.random.Generator
) -> np.ndarray:
  """The k least distances among random pairs of different classes: float64 [k], ascending.

  The pairs are independent, drawn with replacement; of far ones the distance is not needed.

  Guarantees (each is a test): they are the least of all the pairs' distances; so they are whatever
  the frame.

  Args:
    points: [n, D], real numbers.
    labels: the class of each, [n].
    n_pairs: how many are drawn.
    k: how many distances are asked for.
    rng: what draws them.

  Raises:
    ValueError: k is not in [1, n_pairs], or as `closest_pair` does.
  """
  points, labels = np.asarray(points), np.asarray(labels)
  _check(points, labels)
  if not 1 <= k <= n_pairs:
    raise ValueError(f'k must lie in [1, {n_pairs}], the pairs drawn, not {k}')
  pairs, centred = _random_pairs(labels, n_pairs, rng), centre(points)
  reach = float(np.sqrt(np.square(centred).sum(1).max()))
  slack = 4 * rounding(points.shape[1], reach) / (reach or 1.0)  # of a distance between coordinates
  lower = distances_between(_in_frame(centred), *pairs)
  likely = np.argpartition(lower, min(4 * k, n_pairs) - 1)[: 4 * k]
  enough = np.partition(distances_between(points, *pairs[:, likely]), k - 1)[k - 1]
  chosen = pairs[:, lower <= enough + slack]
  return np.sort(np.partition(distances_between(points, *chosen), k - 1)[:k])


def _random_pairs(labels: np.ndarray, n_pairs: int, rng: np.random.Generator) -> np.ndarray:
  """Rows of two points of different classes, int [2, n_pairs]."""
  pairs, missing = [], n_pairs
  while missing > 0:
    drawn = rng.integers(len(labels), size=(2, 2 * missing))
    drawn = drawn[:, labels[drawn[0]] != labels[drawn[1]]][:, :missing]
    pairs.append(drawn)
    missing -= drawn.shape[1]
  return np.concatenate(pairs, axis=1)


def _in_frame(centred: np.ndarray) -> np.ndarray:
  """Coordinates [n, DIRECTIONS] in an orthonormal frame of directions in which the data vary much."""
  if centred.shape[1] <= DIRECTIONS:
    return centred
  rng = rngs.named_generator(0, 'separation/frame')
  frame = rng.normal(size=(centred.shape[1], DIRECTIONS)).astype(np.float32)
  for _ in range(2):  # of subspace iteration
    frame, _ = np.linalg.qr(centred.T @ (centred @ frame))
  return centred @ frame


@jax.jit
def _squared(first, second):
  """Squared distances [b, b], to rounding, of points and their classes; inf within a class."""
  (x, labels), (y, others) = first, second
  products = jnp.matmul(x, y.T, precision='highest')
  squared = jnp.sum(x * x, 1)[:, None] + jnp.sum(y * y, 1)[None] - 2 * products
  return jnp.where(labels[:, None] == others[None], jnp.inf, squared)


def _closer(
  points, labels, best: ClosestPair, first: np.ndarray, second: np.ndarray
) -> ClosestPair:
  """The best pair, or one of these if it is closer."""
  differ = labels[first] != labels[second]
  if not differ.any():
    return best
  first, second = first[differ], second[differ]
  found = distances_between(points, first, second)
  i = int(found.argmin())
  if found[i] >= best.distance:
    return best
  return ClosestPair(float(found[i]), (int(first[i]), int(second[i])))


def _check(points: np.ndarray, labels: np.ndarray) -> None:
  if points.ndim != 2 or not np.isfinite(points).all():
    raise ValueError(f'points must be a finite matrix [n, D]; flatten or clean {[*points.shape]}')
  if labels.shape != (len(points),):
    raise ValueError(f'labels must be [{len(points)}], not {[*labels.shape]}')
  if np.all(labels == labels[0]):
    raise ValueError('labels must be of two classes at least')
