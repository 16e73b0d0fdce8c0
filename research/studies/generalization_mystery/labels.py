"""Coherence of real and of random labels through training: five networks, three datasets."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping

import numpy as np
import pandas as pd

from research.studies import real_and_random_labels as arms
from research.studies.claim import Verdict, falls_below, weakest
from research.summaries import in_epochs, time_average

CELL = ('task.name', 'model.name')
NOISE, M_COHERENCE = arms.NOISE, arms.M_COHERENCE
LARGE = 40_356  # examples in the sample of Chatterjee & Zielinski 2020


def real_exceeds_random_early(labels: pd.DataFrame, noise: pd.DataFrame) -> Verdict:
  """In early training (three epochs), m-coherence is at least twice as high on real labels as on
  random ones, for every dataset and network (ratio; the weakest of them)."""
  return _in_every_cell(arms.real_exceeds_random_early, labels, noise)


def random_labels_peak_in_mid_training(labels: pd.DataFrame, noise: pd.DataFrame) -> Verdict:
  """With random labels, m-coherence rises in mid-training, while 30 to 90 % of them are fitted, above
  what it was from epoch 1 to 3, for every dataset and network (ratio; the weakest of them)."""
  return _in_every_cell(arms.random_labels_peak_in_mid_training, labels, noise)


def interpolation_ends_coherence(labels: pd.DataFrame, noise: pd.DataFrame) -> Verdict:
  """Once every label is fitted (more than 99.9 %), m-coherence is near its orthogonal limit of 1: below
  2, for every dataset and network, for real and for random labels (the highest)."""
  return _in_every_cell(arms.interpolation_ends_coherence, labels, noise, highest=True)


def random_labels_stay_below_five(labels: pd.DataFrame, noise: pd.DataFrame) -> Verdict:
  """With random labels, a step helps 'one or two others': after the transient of the first epoch,
  m-coherence stays below 5, for every dataset and network (the highest value of each network's curve).
  At equal correlation of the gradients m-coherence grows with m, 50,000 there: what exceeds 5 in a
  smaller sample would there all the more."""
  return _in_every_cell(_peak_is_below_five, labels, noise, highest=True)


def cells(labels: pd.DataFrame, noise: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
  """Each dataset and network by name, with its runs on real and on random labels."""
  mlp = noise[noise[NOISE].isin([0.0, 1.0])]
  yield 'mnist mlp', mlp
  for names, cell in labels.groupby(list(CELL)):
    yield ' '.join(map(str, names)).replace('_partial', ''), cell


def _peak_is_below_five(cell: pd.DataFrame) -> Verdict:
  random = in_epochs(cell[cell[NOISE] == 1.0], 1.0, np.inf)
  return falls_below(random.groupby('member')[M_COHERENCE].max().to_numpy(), 5.0)


def _in_every_cell(
  judge: Callable[[pd.DataFrame], Verdict],
  labels: pd.DataFrame,
  noise: pd.DataFrame,
  *,
  highest: bool = False,
) -> Verdict:
  """The weakest verdict, with the value of every cell in its note."""
  verdicts = {name: judge(cell) for name, cell in cells(labels, noise)}
  verdict = weakest([*verdicts.values()], highest=highest)
  which = next(name for name, it in verdicts.items() if it is verdict)
  words = {True: '', False: ' (fails)', None: ' (not measurable)'}
  values = ', '.join(f'{name} {it.ours:.3g}{words[it.holds]}' for name, it in verdicts.items())
  return dataclasses.replace(verdict, note=f'{values}. {which}: {verdict.note}')


def reading(tables: Mapping[str, pd.DataFrame]) -> str:
  """Our answer to how coherent random labels are, with the numbers of these runs."""
  if not {'labels', 'noise'} <= {*tables}:
    return ''
  early, peaks, humps, sizes = [], [], [], []
  for name, cell in cells(tables['labels'], tables['noise']):
    random = cell[cell[NOISE] == 1.0]
    sizes.append(m := (random[M_COHERENCE] / random['coherence/alpha']).median())
    first = in_epochs(random, 0.0, arms.EARLY_EPOCHS)
    early.append(time_average(first, M_COHERENCE).mean())
    later = in_epochs(random, arms.EARLY_EPOCHS, np.inf)
    peak = later.groupby('member')[M_COHERENCE].max().mean()
    if not np.isfinite([m, early[-1], peak]).all():
      return ''
    peaks.append(f'{name} {peak:.1f} ({1 + (LARGE - 1) * (peak - 1) / (m - 1):,.0f})')
    humps.append(arms.random_labels_peak_in_mid_training(cell).holds)
  return (
    'How coherent are the gradients of random labels? The literature has three answers:'
    ' m-coherence rises to 100 to 1,000 in mid-training (2020, version 1, m = 40,356), it is'
    ' moderately high (2021), it stays below 5 (2022, m = 50,000). These runs, with samples of'
    f' m = {min(sizes):,.0f} to {max(sizes):,.0f}, exact gradients and no BatchNorm,'
    f' have {min(early):.1f} to {max(early):.1f} over the first three epochs. A hump while the'
    f' labels are memorized is shown for {sum(map(bool, humps))} of {len(humps)} networks; the mean'
    f' peak is {"; ".join(peaks)}, where brackets hold what gradients so correlated would give at'
    f' m = {LARGE:,}. A value of m-coherence without its time, its m and its number of training'
    ' examples says little: low and high ones come from the same run.'
  )
