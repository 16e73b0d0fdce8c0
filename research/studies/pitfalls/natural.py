"""On natural images: a linear classifier explains what networks learn first (Nakkiran et al. 2019).

I(F;Y) is what predictions F tell of the labels, I(F;Y|L) what they tell beyond a classifier's
predictions L, less what its estimate has of shuffled predictions; the difference is explained by L.
'Early' is every measured step at which I(F;Y) has reached a tenth, and not yet a half, of what it is at
its most.
"""

import numpy as np
import pandas as pd

from research.studies.claim import Verdict, exceeds, falls_below, weakest
from research.studies.pitfalls.numbers import at_the_end

RUNS = ('mnist', 'fashion_mnist', 'cifar10')
LABELS = 'simplicity/information_labels'


def linear_classifier_explains_what_is_learned_first(natural: pd.DataFrame) -> Verdict:
  """Early in training a linear classifier explains nearly all that the network knows: what is left,
  I(F;Y|L) over I(F;Y), is below 0.1 (mean over early steps; the largest of three datasets)."""
  return weakest(
    [falls_below(_left(natural, run, 'linear'), 0.1, note=run) for run in RUNS], highest=True
  )


def later_the_network_knows_more(natural: pd.DataFrame) -> Verdict:
  """Later it goes beyond it: the part that the linear classifier leaves unexplained grows from the
  early steps to the end (difference, the smallest of three datasets)."""
  verdicts = []
  for run in RUNS:
    own = natural[natural['run'] == run]
    end = _part_left(own[own['step'] == own['step'].max()], 'linear')
    verdicts.append(exceeds(end.to_numpy(float) - _left(natural, run, 'linear'), 0.0, note=run))
  return weakest(verdicts)


def linear_part_is_not_forgotten(natural: pd.DataFrame) -> Verdict:
  """What the linear classifier explains is not lost as the network goes on: at the end it is at
  least 0.9 of its maximum over training (ratio, the smallest of three datasets)."""
  verdicts = []
  for run in RUNS:
    own = natural[natural['run'] == run]
    explained = own.assign(explained=own[LABELS] * (1 - _part_left(own, 'linear')))
    most = explained.groupby('member')['explained'].max().to_numpy(float)
    verdicts.append(exceeds(at_the_end(explained, run, 'explained') / most, 0.9, note=run))
  return weakest(verdicts)


def linear_classifier_explains_more_than_neighbours(natural: pd.DataFrame) -> Verdict:
  """It is the linear classifier that they resemble, not just one that is right as often: early, it
  leaves less unexplained than 5 nearest neighbours (difference of the parts left, the smallest of
  three)."""
  return weakest(
    [
      exceeds(_left(natural, run, 'nearest5') - _left(natural, run, 'linear'), 0.0, note=run)
      for run in RUNS
    ]
  )


def _left(natural: pd.DataFrame, run: str, reference: str) -> np.ndarray:
  """The mean over early steps of I(F;Y|L) / I(F;Y), one for each network."""
  own = natural[natural['run'] == run]
  most = own.groupby('member')[LABELS].transform('max')
  early = own[(own[LABELS] >= 0.1 * most) & (own[LABELS] < 0.5 * most)]
  parts = early.assign(part=_part_left(early, reference))
  means = parts.groupby('member')['part'].mean()
  return means.reindex(sorted(own['member'].unique())).to_numpy(float)


def _part_left(rows: pd.DataFrame, reference: str) -> pd.Series:
  beyond, null = (
    rows[f'simplicity/{name}/{reference}']
    for name in ('information_beyond', 'information_beyond_null')
  )
  return (beyond - null) / rows[LABELS]
