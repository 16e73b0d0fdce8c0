r"""What the estimators find where the truth is known: spheres of m dimensions and radius 1.

They are turned into 50 dimensions, with noise or without. For the distance between classes, half of the
points are moved by 0.2 in a direction that the sphere does not have: no two points of different classes
are closer than that, and so close they are in a dense sample only.
"""

import dataclasses
import itertools
from collections.abc import Sequence

import numpy as np
import pandas as pd

from research import rngs
from research.studies.claim import Verdict, exceeds, falls_below, within
from research.studies.task_difficulty.measured import SEEDS, K
from research.studies.task_difficulty.published import CIFAR, IMAGES
from research.theory import dimension, extremes
from research.theory.difficulty import classification
from research.theory.neighbours import nearest
from research.theory.separation import closest_pair, closest_random_pairs

DIMENSIONS, AMBIENT, GAP = (2, 5, 10, 14, 20, 27, 40), 50, 0.2
SIZES, N_ANCHORS, N_PAIRS, N_CLOSEST = (2_000, 20_000), 1_000, 400_000, 400
NOISES = {2: (0.01, 0.05), 14: (0.01, 0.05)}  # in each of the 50 dimensions, by m
SEPARATED = (2, 14, 27)  # where classes are looked at
MANY = 27  # dimensions: CIFAR-10's in the paper


def estimators(seeds: Sequence[int] = SEEDS) -> pd.DataFrame:
  """One row for each seed, m, n and noise: estimates beside the truth.

  Columns seed, m, n, noise, pooled, averaged, averaged_biased, two_nearest; and for some m without
  noise gap, delta (the least distance of the sample), delta_code and delta_textbook, extrapolated to
  all its pairs, each counted once, from 400,000 random ones.
  """
  arms = [
    (m, n, noise)
    for m, n in itertools.product(DIMENSIONS, SIZES)
    for noise in (0.0, *(NOISES.get(m, ()) if n == max(SIZES) else ()))
  ]
  return pd.DataFrame(_row(seed, *arm) for seed, arm in itertools.product(seeds, arms))


def _row(seed: int, m: int, n: int, noise: float) -> dict:
  points, labels = spheres(seed, m, n, noise=noise)
  distances = nearest(points, np.arange(min(n, N_ANCHORS)), K).distances
  row = {
    'seed': seed,
    'm': m,
    'n': n,
    'noise': noise,
    'pooled': dimension.pooled(distances),
    'averaged': dimension.averaged(distances),
    'averaged_biased': dimension.averaged(distances, unbiased=False),
    'two_nearest': dimension.two_nearest(distances),
  }
  if noise or m not in SEPARATED:
    return row
  points, _ = spheres(seed, m, n, gap=GAP)
  drawn = rngs.named_generator(seed, f'manifolds/pairs/{m}/{n}')
  tail = extremes.tail(
    1 / closest_random_pairs(points, labels, N_PAIRS, N_CLOSEST + 1, drawn), N_PAIRS
  )
  return {
    **row,
    'gap': GAP,
    'delta': closest_pair(points, labels).distance,
    'delta_code': 1 / extremes.extrapolated(tail, n**2 / 4, form='code'),
    'delta_textbook': 1 / extremes.extrapolated(tail, n**2 / 4),
  }


def spheres(
  seed: int, m: int, n: int, *, noise: float = 0.0, gap: float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
  """Points float32 [n, 50], and labels [n], half of them 1; those points are moved by the gap."""
  rng = rngs.named_generator(seed, f'manifolds/spheres/{m}/{n}')
  x = rng.normal(size=(n, m + 1))
  x /= np.linalg.norm(x, axis=1, keepdims=True)
  labels = rng.permutation(np.arange(n) % 2)
  frame, _ = np.linalg.qr(rng.normal(size=(AMBIENT, AMBIENT)))
  placed = np.concatenate([x, gap * labels[:, None]], axis=1) @ frame[: m + 2]
  return (placed + noise * rng.normal(size=placed.shape)).astype(np.float32), labels


def few_dimensions_are_found(table: pd.DataFrame) -> Verdict:
  """Of 5 dimensions the paper's estimator finds 5 from 20,000 points (estimate, within 4.5 to 5.5, so
  that rounding gives the truth)."""
  return within(_of(table, 5, 'pooled'), 4.5, 5.5)


def many_dimensions_are_found(table: pd.DataFrame) -> Verdict:
  """Of 27 dimensions, which CIFAR-10 has in the paper, its estimator finds 27 from 20,000 points
  (estimate, within 26.5 to 27.5)."""
  return within(_of(table, MANY, 'pooled'), MANY - 0.5, MANY + 0.5)


def more_data_do_not_cure_it(table: pd.DataFrame) -> Verdict:
  """Ten times the points, 2,000 to 20,000, take away less than half of what is missing of 27 dimensions
  (part of the bias that is gone, below 0.5; ours)."""
  missing = [MANY - _of(table, MANY, 'pooled', n) for n in SIZES]
  return falls_below(1 - missing[1] / missing[0], 0.5)


def bias_costs_decades(table: pd.DataFrame) -> Verdict:
  """A task of 27 dimensions seems easier than it is by more than a decade: the paper's CIFAR-10 with
  the estimate from 20,000 points of 27 dimensions in the place of 27 (decades lost, above 1; ours)."""
  task = IMAGES[CIFAR]
  found = [
    classification(dataclasses.replace(task, m=m)).log10_bits for m in _of(table, MANY, 'pooled')
  ]
  return exceeds(classification(task).log10_bits - np.asarray(found), 1.0)


def own_denominator_is_worse(table: pd.DataFrame) -> Verdict:
  """The mean of each anchor's own maximum of likelihood, with k - 1, is too large by (k - 1) / (k - 2),
  while the pooled one with k - 1 is not: of 2 dimensions, mean by pooled (ratio, within 4/3 - 0.05 to
  4/3 + 0.05)."""
  ratio = _of(table, 2, 'averaged_biased') / _of(table, 2, 'pooled')
  return within(ratio, 4 / 3 - 0.05, 4 / 3 + 0.05)


def noise_looks_like_dimensions(table: pd.DataFrame) -> Verdict:
  """Noise of a twentieth of the radius in each of 50 dimensions hides a manifold of 2: more than 10 are
  found from 20,000 points (estimate, above 10; bound ours)."""
  return exceeds(_of(table, 2, 'pooled', noise=0.05), 10.0)


def gap_is_found_in_few_dimensions(table: pd.DataFrame) -> Verdict:
  """Between classes on spheres of 2 dimensions the least distance of 20,000 points is that of the
  spheres within a hundredth (ratio to it, below 1.01; bound ours)."""
  return falls_below(_of(table, 2, 'delta') / _of(table, 2, 'gap'), 1.01)


def gap_is_found_in_many_dimensions(table: pd.DataFrame) -> Verdict:
  """And on spheres of 27 dimensions within a factor of 2 (ratio to it, below 2; bound ours)."""
  return falls_below(_of(table, MANY, 'delta') / _of(table, MANY, 'gap'), 2.0)


def textbook_is_nearer(table: pd.DataFrame) -> Verdict:
  """The factor that the authors' code leaves out of the tail's scale brings the extrapolated delta
  nearer to the least distance of 20,000 points in 27 dimensions (relative error without it less with
  it, above 0)."""
  errors = [
    np.abs(_of(table, MANY, f'delta_{form}') / _of(table, MANY, 'delta') - 1)
    for form in ('code', 'textbook')
  ]
  return exceeds(errors[0] - errors[1], 0.0)


def _of(
  table: pd.DataFrame, m: int, column: str, n: int = max(SIZES), noise: float = 0.0
) -> np.ndarray:
  part = table[(table['m'] == m) & (table['n'] == n) & (table['noise'] == noise)]
  return part.sort_values('seed')[column].to_numpy()
