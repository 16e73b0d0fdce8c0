"""Beyond the paper: is the feature that is learned the one whose gradients are coherent?

Of each block S of coordinates, `alpha_unbiased` of its part of the first layer's gradient: how much
the examples' gradients agree there, whatever the size of the sample. 'Before' is every measured step
until standard AUC first exceeds 0.6; the mean over time.
"""

import numpy as np
import pandas as pd
from scipy import stats

from research.studies.claim import Verdict, exceeds, weakest
from research.studies.pitfalls.numbers import at_the_end
from research.summaries import time_average

PAIRS = {
  'linear_slab3': ('linear', 'slab3'),
  'linear_slab5': ('linear', 'slab5'),
  'slab3_slab5': ('slab3', 'slab5'),
  'slab5_slab7': ('slab5', 'slab7'),
  'mnist_fashion': ('top', 'bottom'),
  'mnist_cifar': ('top', 'bottom'),
}
LINEAR = ('linear_slab3', 'linear_slab5')
SLABS = ('slab3_slab5', 'slab5_slab7')
IMAGES = ('mnist_fashion', 'mnist_cifar')


def simpler_block_is_relied_on(coherence: pd.DataFrame) -> Verdict:
  """In all six pairs it is the simpler block that is relied on: randomizing it costs AUC by 0.2
  more than randomizing the other does (the difference at the end, the smallest; bound ours)."""
  return weakest(
    [exceeds(_lost(coherence, run, 0) - _lost(coherence, run, 1), 0.2, note=run) for run in PAIRS]
  )


def linear_block_is_more_coherent(coherence: pd.DataFrame) -> Verdict:
  """Before anything is learned, gradients agree more in the linear block than in that of the slabs
  (difference of unbiased alphas, the smaller of two)."""
  return _more_coherent(coherence, LINEAR)


def simpler_slab_is_more_coherent(coherence: pd.DataFrame) -> Verdict:
  """Where neither block is linear, gradients agree more in the simpler one too, before it is
  learned (difference of unbiased alphas, the smaller of two)."""
  return _more_coherent(coherence, SLABS)


def digits_are_more_coherent(coherence: pd.DataFrame) -> Verdict:
  """Before anything is learned, gradients agree more in the half with the digit than in the other
  (difference of unbiased alphas, the smaller of two)."""
  return _more_coherent(coherence, IMAGES)


def initial_coherence_names_the_block_that_is_learned(coherence: pd.DataFrame) -> Verdict:
  """At the initialization itself, the block of the larger unbiased alpha is the one that will be
  relied on: of all networks, in more than 85 % by the exact interval of a proportion, as if they were
  independent (fraction; the lowest pair is noted)."""
  right = {run: _named_at_first(coherence, run) for run in PAIRS}
  lowest = min(right, key=lambda run: np.nan_to_num(right[run], nan=-1).mean())
  every = np.concatenate([*right.values()])
  note = f'lowest: {lowest}, {np.nanmean(right[lowest]):.2f}'
  known = every[np.isfinite(every)]
  if not len(known):
    return Verdict(holds=None, note='no network relies on one block')
  interval = stats.binomtest(int(known.sum()), len(known)).proportion_ci()
  holds = bool(interval.low > 0.85)
  share = float(known.mean())
  return Verdict(
    holds=None if holds and len(known) < len(every) else holds,
    ours=share,
    stderr=float(np.sqrt(share * (1 - share) / len(known))),
    n=len(known),
    note=f'{note}; 95 % interval {interval.low:.3g} to {interval.high:.3g}',
  )


def _more_coherent(table: pd.DataFrame, runs: tuple[str, ...]) -> Verdict:
  verdicts = []
  for run in runs:
    simple, other = (_before(table, run, block) for block in PAIRS[run])
    verdicts.append(
      exceeds(
        (simple - other).to_numpy(float),
        0.0,
        note=f'{run}: {simple.mean():.2g}, {other.mean():.2g}',
      )
    )
  return weakest(verdicts)


def _before(table: pd.DataFrame, run: str, block: str) -> pd.Series:
  """The mean over time of a block's unbiased alpha until the first sign of learning, by member."""
  own = table[table['run'] == run]
  parts = []
  for _, curve in own.groupby('member'):
    learned = curve.loc[curve['reliance/standard/auc'] > 0.6, 'step']
    parts.append(
      curve[curve['step'] < learned[learned > 0].min()] if (learned > 0).any() else curve
    )
  return time_average(pd.concat(parts), f'block_coherence/alpha_unbiased/{block}')


def _lost(table: pd.DataFrame, run: str, place: int) -> np.ndarray:
  """AUC that a network loses with a block randomized: the simpler one (0) or the other (1)."""
  standard = at_the_end(table, run, 'reliance/standard/auc')
  return standard - at_the_end(table, run, f'reliance/random/{PAIRS[run][place]}/auc')


def _named_at_first(table: pd.DataFrame, run: str) -> np.ndarray:
  """1 for each network in which coherence at step 0 names the block of the larger loss of AUC, else
  0."""
  at_first = table[(table['run'] == run) & (table['step'] == 0)].sort_values('member')
  alphas = [
    at_first[f'block_coherence/alpha_unbiased/{block}'].to_numpy(float) for block in PAIRS[run]
  ]
  lost = [_lost(table, run, place) for place in (0, 1)]
  measured = np.isfinite(alphas).all(axis=0) & np.isfinite(lost).all(axis=0)
  right = (alphas[0] > alphas[1]) == (lost[0] > lost[1])
  return np.where(measured, right.astype(float), np.nan)
