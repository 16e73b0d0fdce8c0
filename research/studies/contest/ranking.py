"""The referee's tables of the zoo: every score of every measure, environments, held-out datasets.

Networks that have not reached the common training loss are left out; `networks` has them all. So are
measures that are another by a second name (of networks without convolutions, exact spectral norms).
"""

import functools
import pathlib
from collections.abc import Sequence

import pandas as pd

from research.referee import baselines, held_out, ranking, robust, within
from research.studies.contest import zoo

FEWEST = 8  # networks that a ranking needs
OF_SAMPLE = ('dataset', 'label_noise', 'n_train')
HELD_OUT = ('dataset', 'label_noise', 'n_train', 'width')
RESAMPLES = 200


def networks(paths: Sequence[pathlib.Path]) -> pd.DataFrame:
  """A row for each network of the zoo."""
  return _networks(tuple(paths))


def leaderboard(paths: Sequence[pathlib.Path]) -> pd.DataFrame:
  """All scores of all measures and baselines, with 95 % intervals over settings.

  Beside the referee's columns: `tau_within`, among networks of equal dataset, label noise and number
  of examples; and `psi_of_network`, the part of Psi over the other hyperparameters, which change the
  network or its training.
  """
  table = zoo.judged(_networks(tuple(paths)))
  if len(table) < FEWEST:
    return pd.DataFrame()
  varied = _varied(table)
  measures = zoo.distinct(table)
  board = ranking.leaderboard(table, measures, varied, RESAMPLES)
  own = [f'psi/{name}' for name in varied if name not in OF_SAMPLE]
  board = board.assign(psi_of_network=board[own].mean(axis=1))
  entered = baselines.with_baselines(table, varied)
  shared = [name for name in varied if name in OF_SAMPLE]
  found = within.within(entered, [*measures, *baselines.NAMES], varied, shared, RESAMPLES)
  return board.merge(found, left_on='measure', right_index=True)


def environments(paths: Sequence[pathlib.Path]) -> pd.DataFrame:
  """The sign error of each measure in each environment."""
  table = zoo.judged(_networks(tuple(paths)))
  if len(table) < FEWEST:
    return pd.DataFrame()
  return robust.sign_errors(table, zoo.distinct(table), _varied(table))


def left_out(paths: Sequence[pathlib.Path]) -> pd.DataFrame:
  """Combinations of measures of a network and its training, without what sees test inputs, judged on
  datasets and values that they were not learned on."""
  table = zoo.judged(_networks(tuple(paths)))
  if len(table) < FEWEST:
    return pd.DataFrame()
  varied = _varied(table)
  measures = [name for name in zoo.distinct(table) if not name.startswith('population/')]
  found = [held_out.held_out(table, measures, varied, axis) for axis in HELD_OUT if axis in varied]
  return pd.concat(found, ignore_index=True) if found else pd.DataFrame()


def _varied(table: pd.DataFrame) -> list[str]:
  """The hyperparameters of which there is more than one value."""
  return [name for name in zoo.HYPERPARAMETERS if table[name].nunique() > 1]


@functools.lru_cache(1)
def _networks(paths: tuple[pathlib.Path, ...]) -> pd.DataFrame:
  return zoo.networks(paths)
