"""Robust averages of gradients in place of the mean: do they learn less of what few examples say?"""

import dataclasses
import itertools
from collections.abc import Sequence

import pandas as pd

from research.studies.claim import Verdict, exceeds, weakest
from research.summaries import generalization_gap, last

NOISE, N_CLASSES = 'task.label_noise', 10
WINSORIZED = ('c=0', 'c=1', 'c=2', 'c=4', 'c=8')
# What each median is compared with: M3 makes one update of three batches, as their mean does.
MEDIANS = {'m3': 'mean_of_three', 'rm3': 'c=0'}


def winsorizing_closes_the_gap(averaging: pd.DataFrame) -> Verdict:
  """The generalization gap falls monotonically as winsorized SGD clips c = 0, 1, 2, 4, 8 % on each
  side (the smallest difference between neighbours, at the end)."""
  return _falls([_gap(averaging, run) for run in WINSORIZED])


def winsorizing_fits_fewer_corrupt_labels(averaging: pd.DataFrame) -> Verdict:
  """The training accuracy on corrupt labels falls monotonically in c (the smallest difference between
  neighbours, at the end)."""
  return _falls([_end(averaging, run)['train/accuracy_corrupt'] for run in WINSORIZED])


def winsorizing_keeps_test_accuracy(averaging: pd.DataFrame) -> Verdict:
  """No c costs more than one point of test accuracy on clean labels (the smallest difference to SGD, at
  the end)."""
  verdicts = [_loses_no_point(averaging, run, 'c=0') for run in WINSORIZED[1:]]
  return weakest(verdicts)


def winsorizing_keeps_training_proper(averaging: pd.DataFrame) -> Verdict:
  """With c of 2 % or more, training accuracy stays at or below the 'proper accuracy' 1 - e + e/C of a
  network that learned the clean rule alone (how far below it; the smallest of c = 2, 4, 8)."""

  def below(end):
    return 1 - end[NOISE] + end[NOISE] / N_CLASSES - end['train/accuracy']

  verdicts = [
    exceeds(below(_end(averaging, run)).to_numpy(), 0.0, note=run) for run in WINSORIZED[2:]
  ]
  return weakest(verdicts)


def medians_close_the_gap(averaging: pd.DataFrame) -> Verdict:
  """The median of three batches' gradients overfits less than their mean would: M3, with an update
  every three batches, less than SGD on batches three times as large, rolling RM3 less than SGD (the
  smaller difference of generalization gaps, at the end)."""
  verdicts = [
    exceeds((_gap(averaging, mean) - _gap(averaging, median)).to_numpy(), 0.0, note=median)
    for median, mean in MEDIANS.items()
  ]
  return weakest(verdicts)


def medians_keep_test_accuracy(averaging: pd.DataFrame) -> Verdict:
  """Neither M3 nor RM3 costs more than one point of test accuracy on clean labels, against the same
  (the smaller difference, at the end)."""
  verdicts = [_loses_no_point(averaging, median, mean) for median, mean in MEDIANS.items()]
  return weakest(verdicts)


def _falls(values: Sequence[pd.Series]) -> Verdict:
  verdicts = [
    exceeds((less - more).to_numpy(), 0.0, note=f'{WINSORIZED[i]} to {WINSORIZED[i + 1]}')
    for i, (less, more) in enumerate(itertools.pairwise(values))
  ]
  means = ', '.join(f'{value.mean():.3f}' for value in values)
  verdict = weakest(verdicts)
  return dataclasses.replace(verdict, note=f'{means}; {verdict.note}')


def _loses_no_point(averaging: pd.DataFrame, run: str, reference: str) -> Verdict:
  ours, theirs = (_end(averaging, name)['test/accuracy'] for name in (run, reference))
  return exceeds((ours - theirs).to_numpy(), -0.01, note=run)


def _gap(averaging: pd.DataFrame, run: str) -> pd.Series:
  return generalization_gap(_end(averaging, run))


def _end(averaging: pd.DataFrame, run: str) -> pd.DataFrame:
  return last(averaging[averaging['run'] == run])
