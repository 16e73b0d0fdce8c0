"""Ridgeless regression with tangent kernels of deep ReLU networks, on mixtures with turned labels."""

import itertools
from collections.abc import Sequence

import numpy as np
import pandas as pd

from research import rngs
from research.studies.across_settings import rank
from research.studies.claim import Verdict, exceeds, falls_below, weakest
from research.theory import kernels, lazy

SEEDS = tuple(range(100, 106))
N_TRAIN, N_TEST = 400, 1000
DIMS, SEPARATIONS, FLIPS = (20, 60, 200, 1000), (1.5, 3.0, 6.0), (0.0, 0.2)
DEPTH = 3  # hidden layers
DEPTHS = (1, 3, 10)


def mixtures(seeds: Sequence[int] = SEEDS) -> pd.DataFrame:
  """Networks of three hidden layers by dimension, separation and share of turned labels."""
  arms = itertools.product(seeds, DIMS, SEPARATIONS, FLIPS)
  return pd.DataFrame([_fitted(seed, dim, mu, flips, DEPTH) for seed, dim, mu, flips in arms])


def smoothness(seeds: Sequence[int] = SEEDS) -> pd.DataFrame:
  """Networks of one to ten hidden layers by dimension: separation 6, a fifth of the labels turned."""
  arms = itertools.product(seeds, DIMS, DEPTHS)
  return pd.DataFrame([_fitted(seed, dim, 6.0, 0.2, depth) for seed, dim, depth in arms])


def all_labels_are_fitted(table: pd.DataFrame) -> Verdict:
  """The interpolant fits all examples, also those whose labels are turned (share fitted above 0.999, of
  the worst of all dimensions and separations)."""
  arms = table[table['flips'] > 0].groupby(['dim', 'separation'])
  return weakest([exceeds(part['fitted'].to_numpy(), 0.999) for _, part in arms])


def overfitting_is_benign_with_both(table: pd.DataFrame) -> Verdict:
  """With 1000 dimensions and separation 6, a fifth of the labels being turned, the error on right
  labels exceeds the least possible by less than 0.03 (excess error; bound ours)."""
  return falls_below(_arm(table, 1000, 6.0, 'excess'), 0.03)


def few_dimensions_make_it_harmful(table: pd.DataFrame) -> Verdict:
  """It takes dimensions: with 20, and the same separation of 6, the excess error is larger than with
  1000 (difference)."""
  few, many = (_arm(table, dim, 6.0, 'excess') for dim in (20, 1000))
  return exceeds(few - many, 0.0, note=f'excess {few.mean():.3g} and {many.mean():.3g}')


def no_separation_makes_it_harmful(table: pd.DataFrame) -> Verdict:
  """It takes separation: with 1000 dimensions and separation 1.5 the excess error is above 0.05 (excess
  error; bound ours)."""
  return exceeds(_arm(table, 1000, 1.5, 'excess'), 0.05)


def turned_labels_cost_little(table: pd.DataFrame) -> Verdict:
  """With 1000 dimensions and separation 6, turning a fifth of the labels adds less than 0.03 to the
  error on right labels (difference to none turned; bound ours)."""
  turned, right = (_arm(table, 1000, 6.0, 'excess', flips) for flips in (0.2, 0.0))
  return falls_below(turned - right, 0.03, note=f'{right.mean():.3g} to {turned.mean():.3g}')


def dimensions_raise_the_smallest_eigenvalue(table: pd.DataFrame) -> Verdict:
  """The kernel's smallest eigenvalue, as a share of its mean diagonal, is larger with 1000 dimensions
  than with 20, by more than a factor of 2 (ratio at separation 6; bound ours)."""
  few, many = (_arm(table, dim, 6.0, 'smallest') for dim in (20, 1000))
  note = f'{few.mean():.3g} to {many.mean():.3g}'
  return exceeds(many / few, 2.0, log=True, note=note)


def the_bound_on_the_margin_is_tight(table: pd.DataFrame) -> Verdict:
  """With 1000 dimensions the normalized margin is less than twice its lower bound, the root of the
  smallest eigenvalue over the number of examples (ratio at separation 6; bound ours)."""
  ratio = _arm(table, 1000, 6.0, 'margin') / _arm(table, 1000, 6.0, 'least_margin')
  few = _arm(table, 20, 6.0, 'margin') / _arm(table, 20, 6.0, 'least_margin')
  return falls_below(ratio, 2.0, log=True, note=f'with 20 dimensions {few.mean():.3g}')


def smoother_interpolants_are_better(table: pd.DataFrame) -> Verdict:
  """Interpolants of smaller norm err less: over dimensions and depths the norm, with the kernel's mean
  diagonal as unit, and the excess error are correlated (Spearman's rank correlation, above 0.5; bound
  ours)."""
  found = [rank(part, 'sq_norm', 'excess') for _, part in table.groupby('seed')]
  return exceeds(np.array(found), 0.5)


def smoother_interpolants_are_better_in_equal_dimensions(table: pd.DataFrame) -> Verdict:
  """They do so among depths alone, in every dimension by itself (Spearman's rank correlation, above 0,
  of the worst dimension)."""
  found = []
  for dim, rows in table.groupby('dim'):
    values = [rank(part, 'sq_norm', 'excess') for _, part in rows.groupby('seed')]
    found.append(exceeds(np.array(values), 0.0, note=f'{dim} dimensions'))
  return weakest(found)


def _arm(
  table: pd.DataFrame, dim: int, separation: float, metric: str, flips: float = 0.2
) -> np.ndarray:
  rows = (table['dim'] == dim) & (table['separation'] == separation) & (table['flips'] == flips)
  return table[rows].sort_values('seed')[metric].to_numpy()


def _fitted(seed: int, dim: int, separation: float, flips: float, depth: int) -> dict[str, float]:
  """One interpolant: arms of equal seed and dimension have inputs and labels in common."""
  rng = rngs.named_generator(seed, 'benign_overfitting/examples', dim)
  train = lazy.mixture(rng, N_TRAIN, dim, separation, flips)
  test = lazy.mixture(rng, N_TEST, dim, separation)
  kernel = kernels.ntk(depth)
  found = lazy.interpolant(kernel, train.inputs, train.targets)
  fitted = np.sign(lazy.predict(kernel, found, train.inputs)) == train.targets
  wrong = np.sign(lazy.predict(kernel, found, test.inputs)) != test.labels
  return {
    'seed': seed,
    'dim': dim,
    'separation': separation,
    'flips': flips,
    'depth': depth,
    'fitted': np.mean(fitted),
    'error': np.mean(wrong),
    'excess': np.mean(wrong) - lazy.least_error(separation),
    'sq_norm': found.sq_norm * found.scale,
    'smallest': found.smallest / found.scale,
    'margin': found.margin / np.sqrt(found.scale),
    'least_margin': lazy.least_margin(found) / np.sqrt(found.scale),
  }
