"""Singular kernels, what networks without a constant come to: how many examples, which exponent?"""

import itertools
from collections.abc import Sequence

import numpy as np
import pandas as pd

from research.studies.claim import Verdict, exceeds, falls_below, weakest, within
from research.studies.wide_and_deep.points import CLASSES, SEEDS, draw, rules
from research.theory import duals
from research.theory import wide_and_deep as deep

N_TEST = 1000
SIZES = (50, 100, 200, 500, 1000, 2000)
EXPONENTS, N_EXPONENTS = (0.5, 0.75, 1.0, 1.5, 2.5), 1000


def sizes(seeds: Sequence[int] = SEEDS) -> pd.DataFrame:
  """Excess error over the best possible, by the number of examples, each sample part of the next."""
  rows = []
  for seed in seeds:
    whole = draw(seed, max(SIZES), N_TEST)
    best = np.mean(whole.best == whole.labels)
    for n in SIZES:
      sample = whole._replace(cross=whole.cross[:, :n], targets=whole.targets[:n])
      votes = rules(sample)
      votes['singular'] = np.sign(deep.limiting(duals.singular(1.0), sample.cross, sample.targets))
      for name in ('singular', 'hilbert', 'nearest', 'majority'):
        excess = best - np.mean(votes[name] == sample.labels)
        rows.append({'seed': seed, 'classifier': name, 'n': n, 'excess': excess})
  return pd.DataFrame(rows)


def exponents(seeds: Sequence[int] = SEEDS) -> pd.DataFrame:
  """Singular kernels of several exponents, and Hilbert estimates, on spheres of several dimensions."""
  rows = []
  for seed, dim in itertools.product(seeds, CLASSES):
    sample = draw(seed, N_EXPONENTS, N_TEST, dim)
    hilbert = np.sign(deep.hilbert(sample.cross, sample.targets, dim))
    for q in EXPONENTS:
      vote = np.sign(deep.limiting(duals.singular(q), sample.cross, sample.targets))
      row = {'seed': seed, 'dim': dim, 'exponent': q}
      row |= {'accuracy': np.mean(vote == sample.labels), 'as_hilbert': np.mean(vote == hilbert)}
      row |= {'hilbert': np.mean(hilbert == sample.labels)}
      rows.append(row | {'best': np.mean(sample.best == sample.labels)})
  return pd.DataFrame(rows)


def more_examples_bring_the_best_error(table: pd.DataFrame) -> Verdict:
  """The error of the singular kernel with q = d / 2 in excess of the best possible is less at 2000
  examples than at 50 (difference)."""
  part = table[table['classifier'] == 'singular'].sort_values('seed')
  few, many = (part[part['n'] == n]['excess'].to_numpy() for n in (min(SIZES), max(SIZES)))
  return falls_below(many - few, 0.0, note=f'excess {few.mean():.3g} to {many.mean():.3g}')


def half_the_dimension_is_hilbert(table: pd.DataFrame) -> Verdict:
  """On spheres of one, two and three dimensions, the singular kernel with q = d / 2 has the accuracy of
  the Hilbert estimate within 0.01 (difference, of the worst dimension; bound ours)."""
  found = []
  for dim in sorted(table['dim'].unique()):
    part = _exponent(table, dim, dim / 2)
    difference = (part['accuracy'] - part['hilbert']).to_numpy()
    found.append(within(difference, -0.01, 0.01, note=f'{dim} dimensions'))
  return weakest(found)


def no_other_exponent_is_better(table: pd.DataFrame) -> Verdict:
  """At 1000 examples q = d / 2 is more accurate than any other exponent, on spheres of one, two and
  three dimensions (difference to the best other, of the worst dimension)."""
  found = []
  for dim in sorted(table['dim'].unique()):
    means = table[table['dim'] == dim].groupby('exponent')['accuracy'].mean()
    other = means.drop(dim / 2).idxmax()
    ours, theirs = (_exponent(table, dim, q)['accuracy'].to_numpy() for q in (dim / 2, other))
    found.append(exceeds(ours - theirs, 0.0, note=f'{dim} dimensions, against q = {other:g}'))
  return weakest(found)


def _exponent(table: pd.DataFrame, dim: int, exponent: float) -> pd.DataFrame:
  part = table[(table['dim'] == dim) & (table['exponent'] == exponent)]
  return part.sort_values('seed')
