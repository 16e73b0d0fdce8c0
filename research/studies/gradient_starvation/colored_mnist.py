"""Colored MNIST: is it the penalty on the outputs that finds the shape, or how it is scheduled?

The authors multiply their whole objective by 2e-5 at step 450. Adam does not feel a constant factor,
but remembers the size of the gradients before: until it forgets, its steps are small. The arms
`reset` (Adam's state made new at that step) and `unscaled` (no factor) have the same loss, up to the
factor, and not that slowness.
"""

import dataclasses

import numpy as np
import pandas as pd

from research.studies.claim import Verdict, exceeds, falls_below, weakest, within
from research.summaries import last

TABLE_1 = {  # percent, train and test
  'erm': (91.08, 23.70),
  'official': (70.04, 68.40),
  'irm': (70.54, 67.08),
}
N_TRAIN, KEY = 50_000, 'task.n_train'
POINTS = 0.03  # by which a mean over networks may differ from the paper's
GAIN = 0.25  # of test accuracy; in the paper it is 0.447
CHANCE = 0.5


def plain_training_follows_the_color(table: pd.DataFrame) -> Verdict:
  """Plain training follows the colour, also where it misleads: the test accuracy is below 1/2."""
  return falls_below(_test(table, 'erm'), CHANCE, note=_course(table, 'erm'))


def decoupling_learns_the_shape(table: pd.DataFrame) -> Verdict:
  """Spectral decoupling, as its authors schedule it, learns the shape: its test accuracy is above that
  of plain training by 0.25 or more (difference at the end)."""
  return _gain(table, 'official', 'erm', GAIN)


def decoupling_survives_new_moments(table: pd.DataFrame) -> Verdict:
  """It is the penalty that does it: so it does if Adam's state is made new at the switch, which leaves
  the objective as it is (the same difference, of the arm `reset`)."""
  return _gain(table, 'reset', 'erm', GAIN)


def decoupling_survives_the_full_rate(table: pd.DataFrame) -> Verdict:
  """It is the penalty that does it: so it does without the factor 2e-5 on loss and penalty alike, which
  leaves the minimum where it is (the same difference, of the arm `unscaled`)."""
  return _gain(table, 'unscaled', 'erm', GAIN)


def schedule_makes_the_difference(table: pd.DataFrame) -> Verdict:
  """With the same penalty, the schedule decides: test accuracy is higher by 0.1 or more with Adam's old
  state than with a new one, and than without the factor (the smaller difference, at the end)."""
  return weakest([_gain(table, 'official', arm, 0.1) for arm in ('reset', 'unscaled')])


def decoupling_is_as_good_as_irm(table: pd.DataFrame) -> Verdict:
  """Spectral decoupling, which does not know the environments, does not fall short of IRM, which does,
  by more than two points of test accuracy (difference at the end)."""
  return _if_as_many(table, _gain(table, 'official', 'irm', -0.02))


def early_stopping_does_not_learn_the_shape(table: pd.DataFrame) -> Verdict:
  """Plain training does not get there by stopping early: at its best moment after the first 50 steps,
  chosen by the test set itself, its test accuracy is below 1/2."""
  curve = _curves(table, 'erm')
  best = curve[curve.index >= 50].max()
  return falls_below(best.to_numpy(), CHANCE, note=_course(table, 'erm'))


def table_1_of_plain_training(table: pd.DataFrame) -> Verdict:
  """Table 1, plain training: train accuracy 91.08 %, test accuracy 23.70 %, each to within three
  points (the latter)."""
  return _row(table, 'erm')


def table_1_of_decoupling(table: pd.DataFrame) -> Verdict:
  """Table 1, spectral decoupling: train accuracy 70.04 %, test accuracy 68.40 %, each to within three
  points (the latter)."""
  return _row(table, 'official')


def table_1_of_irm(table: pd.DataFrame) -> Verdict:
  """Table 1, IRM: train accuracy 70.54 %, test accuracy 67.08 %, each to within three points (the
  latter)."""
  return _row(table, 'irm')


def _row(table: pd.DataFrame, arm: str) -> Verdict:
  ends = last(_arm(table, arm))
  verdicts = {}
  for split, percent in zip(('train', 'test'), TABLE_1[arm], strict=True):
    target = percent / 100
    values = ends[f'{split}/accuracy'].to_numpy()
    verdicts[split] = within(values, target - POINTS, target + POINTS)
  mean = ends['train/accuracy'].mean()
  note = f'train accuracy {mean:.3f}'
  test = verdicts['test']
  holds = weakest([*verdicts.values()]).holds
  return _if_as_many(table, dataclasses.replace(test, holds=holds, note=note))


def _if_as_many(table: pd.DataFrame, verdict: Verdict) -> Verdict:
  """The verdict if there are as many examples as in the paper: with fewer, IRM fails too."""
  if KEY in table and table[KEY].iloc[0] == N_TRAIN:
    return verdict
  note = f'{verdict.note}; fewer examples than the {N_TRAIN:,} of the paper'
  return dataclasses.replace(verdict, holds=None, note=note)


def _gain(table: pd.DataFrame, one: str, other: str, bound: float) -> Verdict:
  note = f'{_course(table, one)}; {_course(table, other)}'
  return exceeds(_test(table, one) - _test(table, other), bound, note=note)


def _course(table: pd.DataFrame, arm: str) -> str:
  """The mean test accuracy at the end and at its highest after the first steps."""
  mean = _curves(table, arm).mean(axis=1)
  after = mean[mean.index >= 50] if (mean.index >= 50).any() else mean
  best = after.idxmax()
  return f'{arm}: {mean.iloc[-1]:.3f} at step {mean.index[-1]}, at most {after.max():.3f} at {best}'


def _curves(table: pd.DataFrame, arm: str) -> pd.DataFrame:
  """Test accuracy by step and member."""
  rows = _arm(table, arm)
  return rows.pivot(index='step', columns='member', values='test/accuracy').dropna(how='all')


def _test(table: pd.DataFrame, arm: str) -> np.ndarray:
  return last(_arm(table, arm))['test/accuracy'].sort_index().to_numpy()


def _arm(table: pd.DataFrame, run: str) -> pd.DataFrame:
  return table[table['run'] == run]


def reading(table: pd.DataFrame) -> str:
  """In a paragraph: what each arm came to, and when it was best."""
  courses = '; '.join(
    _course(table, arm) for arm in ('official', 'reset', 'unscaled', 'erm', 'irm')
  )
  return f'Test accuracy where the colour misleads (chance is 0.5). {courses}.'
