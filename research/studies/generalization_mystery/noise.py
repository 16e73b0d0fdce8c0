"""Label noise from none to all: the order of the curves, and who the gradient is for."""

import numpy as np
import pandas as pd

from research.studies import real_and_random_labels as arms
from research.studies.claim import Verdict, exceeds, within
from research.summaries import in_epochs, time_average

NOISE, M_COHERENCE = arms.NOISE, arms.M_COHERENCE
HALF = 0.5


def coherence_falls_with_label_noise(noise: pd.DataFrame) -> Verdict:
  """In early training (three epochs), more random labels mean less m-coherence, from 0 to 100 % in
  steps of 25 % (the smallest ratio between neighbours is above 1)."""
  return arms.coherence_falls_with_label_noise(noise)


def pristine_examples_lead_early(noise: pd.DataFrame) -> Verdict:
  """With half the labels random, the other half contributes more than half of the gradient while it is
  being learned: from the first step until half of the pristine examples are fitted (f_p, mean over
  that time)."""
  half = _half(noise).sort_values(['member', 'step'])
  fitted = half['train/accuracy_pristine'].groupby(half['member']).ffill()
  learning = time_average(half[(half['step'] > 0) & (fitted < 0.5)], 'groups/share/pristine')
  learning = learning.reindex(half['member'].unique())
  early = in_epochs(half, 0.0, arms.EARLY_EPOCHS)
  epochs = time_average(early, 'groups/share/pristine').mean()
  return exceeds(learning.to_numpy(), 0.5, note=f'over the first three epochs {epochs:.3g}')


def corrupt_examples_take_over_late(noise: pd.DataFrame) -> Verdict:
  """With half the labels random, corrupt examples contribute most of the gradient later: while 75 to
  95 % of all labels are fitted, f_c is above a half (mean over that time)."""
  half = _half(noise).sort_values(['member', 'step'])
  fitted = half['train/accuracy'].groupby(half['member']).ffill()
  late = half[(fitted > 0.75) & (fitted < 0.95)]
  shares = time_average(late, 'groups/share/corrupt').reindex(half['member'].unique())
  return exceeds(shares.to_numpy(), 0.5)


def pristine_examples_are_learned_first(noise: pd.DataFrame) -> Verdict:
  """With half the labels random, pristine examples are learned first: their training accuracy is ahead
  of that of corrupt ones by more than 0.3 at its widest (largest difference of each network)."""
  half = _half(noise)
  ahead = half['train/accuracy_pristine'] - half['train/accuracy_corrupt']
  return exceeds(ahead.groupby(half['member']).max().to_numpy(), 0.3)


def batches_of_networks_give_their_coherence(noise: pd.DataFrame) -> Verdict:
  """In networks too, m-coherence out of mini-batch gradients of ten examples, inverted, equals that of
  the examples: within 10 %, on the mean over all measured points and label noises (ratio; the batches
  are one cut of the sample, so the error holds no variance of cuts)."""
  table = noise.assign(
    ratio=np.log(noise['batch_coherence/m_coherence'] / noise[M_COHERENCE]),
    theorem=np.log(noise['batch_coherence/m_coherence_theorem'] / noise[M_COHERENCE]),
  )
  mean = table.groupby('member')[['ratio', 'theorem']].mean().transform('exp')
  largest = np.exp(table['ratio'].abs().max())
  note = f'largest single factor {largest:.3g}; by the theorem alone {mean["theorem"].mean():.3g}'
  return within(mean['ratio'].to_numpy(), 0.9, 1.1, log=True, note=note)


def _half(noise: pd.DataFrame) -> pd.DataFrame:
  return noise[noise[NOISE] == HALF]
