"""Coherence of the gradients of real and random labels (Chatterjee & Zielinski 2020, 2022).

Networks that fit real labels do so by steps that help many examples at once; networks that fit random
labels, by steps that help hardly more than one. Early training is the first three epochs, without
the initialization itself, where labels have not been seen yet; means over it are means over time.

Networks of equal seed start alike and see the examples in the same order, so they are compared in
pairs. Errors are over seeds: they say nothing about other datasets or other networks.
"""

import itertools
from collections.abc import Mapping

import numpy as np
import pandas as pd

from research.figures import coherence, layers
from research.studies.claim import Claim, Verdict, exceeds, falls_below, weakest
from research.studies.plan import Experiment
from research.summaries import in_epochs, last, plus_minus, time_average

TITLE = 'Coherence of the gradients of real and random labels'
EXPERIMENTS = {
  'labels': Experiment(config='configs/coherence/digits.py', instruments=('coherence',))
}
CALCULATIONS = {}
MEASUREMENTS = {}
FIGURES = {'coherence': (coherence.figure, 'labels'), 'layers': (layers.figure, 'labels')}

NOISE = 'task.label_noise'
M_COHERENCE = 'coherence/m_coherence'
EARLY_EPOCHS = 3.0
READS = ('labels',)
PAPER = 'Chatterjee & Zielinski 2022'


def real_exceeds_random_early(table: pd.DataFrame) -> Verdict:
  """In early training, m-coherence is at least twice as high on real labels as on random ones
  (ratio of the means over early training, network by network of equal seed)."""
  real, random = (_early(_arm(table, noise)) for noise in (0.0, 1.0))
  return exceeds((real / random).to_numpy(), 2.0, log=True)


def coherence_falls_with_label_noise(table: pd.DataFrame) -> Verdict:
  """In early training, more random labels mean less m-coherence (the smallest ratio between
  neighbouring fractions of random labels is above 1)."""
  levels = sorted(table[NOISE].unique())
  if len(levels) < 2:
    return Verdict(holds=None, note='needs runs with different fractions of random labels')
  early = [_early(_arm(table, level)) for level in levels]
  verdicts = [
    exceeds(
      (less / more).to_numpy(), 1.0, log=True, note=f'{levels[i]:g} over {levels[i + 1]:g} random'
    )
    for i, (less, more) in enumerate(itertools.pairwise(early))
  ]
  return weakest(verdicts)


def random_labels_peak_in_mid_training(table: pd.DataFrame) -> Verdict:
  """With random labels, m-coherence rises in mid-training: while 30 to 90 % of them are fitted, after
  early training, it is above what it was from epoch 1 to 3, when the transient of the first steps is
  over (ratio of the means, network by network; the windows are ours)."""
  random = _arm(table, 1.0).sort_values(['member', 'step'])
  fitted = random['train/accuracy'].groupby(random['member']).ffill()
  between = (fitted > 0.3) & (fitted < 0.9) & (random['train/epoch'] > EARLY_EPOCHS)
  middle = time_average(random[between], M_COHERENCE)
  if middle.empty:
    return Verdict(holds=None, note='no measurement while random labels are 30 to 90 % fitted')
  floor = time_average(in_epochs(random, 1.0, EARLY_EPOCHS), M_COHERENCE)
  return exceeds((middle / floor).to_numpy(), 1.0, log=True)


def interpolation_ends_coherence(table: pd.DataFrame) -> Verdict:
  """Once every label is fitted (more than 99.9 %), m-coherence is near its orthogonal limit of 1: below
  2, for real and for random labels (the larger of the two geometric means, at the last step)."""
  verdicts = []
  for noise, name in ((0.0, 'real'), (1.0, 'random')):
    end = last(_arm(table, noise))
    n_fitted = np.sum(end['train/accuracy'] > 0.999)
    note = f'{name} labels, {n_fitted} of {len(end)} networks fitted'
    if n_fitted < len(end):
      reached = end['train/accuracy'].mean()
      return Verdict(holds=None, n=int(n_fitted), note=f'{note}, on average {reached:.1%}')
    verdicts.append(falls_below(end[M_COHERENCE].to_numpy(), 2.0, log=True, note=note))
  return weakest(verdicts, highest=True)


def random_labels_are_fitted_without_generalization(table: pd.DataFrame) -> Verdict:
  """Random labels can be fitted, and teach nothing: training accuracy above 99 %, and a test accuracy
  more than 0.5 below that of real labels (difference of test accuracies)."""
  real, random = (last(_arm(table, noise)) for noise in (0.0, 1.0))
  fitted = random['train/accuracy'].mean()
  if not fitted > 0.99:
    return Verdict(holds=None, note=f'random labels are only {fitted:.1%} fitted at the end')
  return exceeds((real['test/accuracy'] - random['test/accuracy']).to_numpy(), 0.5)


CLAIMS = (
  Claim(
    judge=real_exceeds_random_early,
    reads=READS,
    source=f'{PAPER}, ResNet-50 on ImageNet, m = 50,000',
    paper='about 40 against less than 5: a ratio above 8',
  ),
  Claim(
    judge=coherence_falls_with_label_noise,
    reads=READS,
    source='Chatterjee & Zielinski 2020; Zielinski et al. 2020',
    paper='falls',
  ),
  Claim(
    judge=random_labels_peak_in_mid_training,
    reads=READS,
    source='Chatterjee & Zielinski 2020 (version 1), ImageNet',
    paper='rises in mid-training',
  ),
  Claim(judge=interpolation_ends_coherence, reads=READS, source=PAPER, paper='tends to 1'),
  Claim(
    judge=random_labels_are_fitted_without_generalization,
    reads=READS,
    source='Zhang et al. 2017, Table 1',
    paper='fitted; test at chance',
  ),
)


def summary(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
  """One row per fraction of random labels, for the terminal: mean ± standard error over networks."""
  rows = {}
  for noise, arm in tables['labels'].groupby(NOISE):
    end = last(arm)
    peak = arm[arm['train/epoch'] > EARLY_EPOCHS].groupby('member')[M_COHERENCE].max()
    rows[f'{noise:.0%}'] = {
      'train accuracy': plus_minus(end['train/accuracy'], '.3f'),
      'test accuracy': plus_minus(end['test/accuracy'], '.3f'),
      'm-coherence: early': plus_minus(_early(arm), '.2f'),
      'highest later': plus_minus(peak, '.2f'),
      'at the end': plus_minus(end[M_COHERENCE], '.2f'),
    }
  return pd.DataFrame.from_dict(rows, orient='index').rename_axis('random labels')


def reading(tables: Mapping[str, pd.DataFrame]) -> str:
  """What a reader should know first."""
  return ''


def _arm(table: pd.DataFrame, noise: float) -> pd.DataFrame:
  return table[table[NOISE] == noise]


def _early(arm: pd.DataFrame) -> pd.Series:
  return time_average(in_epochs(arm, 0.0, EARLY_EPOCHS), M_COHERENCE)
