"""The referee's tables of the zoo: every score of every measure, environments, held-out datasets.

Networks that have not reached the common training loss are left out; `networks` has them all.
"""

import functools
import pathlib
from collections.abc import Sequence

import pandas as pd

from research.referee import held_out, ranking, robust
from research.studies.contest import zoo

FEWEST = 8  # networks that a ranking needs
HELD_OUT = ('dataset', 'label_noise', 'n_train', 'width')
RESAMPLES = 200


def networks(paths: Sequence[pathlib.Path]) -> pd.DataFrame:
  """A row for each network of the zoo."""
  return _networks(tuple(paths))


def leaderboard(paths: Sequence[pathlib.Path]) -> pd.DataFrame:
  """All scores of all measures and baselines, with 95 % intervals over settings."""
  table = zoo.judged(_networks(tuple(paths)))
  if len(table) < FEWEST:
    return pd.DataFrame()
  measures = zoo.names_of_measures(table)
  return ranking.leaderboard(table, measures, _varied(table), RESAMPLES)


def environments(paths: Sequence[pathlib.Path]) -> pd.DataFrame:
  """The sign error of each measure in each environment."""
  table = zoo.judged(_networks(tuple(paths)))
  if len(table) < FEWEST:
    return pd.DataFrame()
  return robust.sign_errors(table, zoo.names_of_measures(table), _varied(table))


def left_out(paths: Sequence[pathlib.Path]) -> pd.DataFrame:
  """Combinations of measures, judged on datasets and values that they were not learned on."""
  table = zoo.judged(_networks(tuple(paths)))
  if len(table) < FEWEST:
    return pd.DataFrame()
  varied = _varied(table)
  found = [
    held_out.held_out(table, zoo.names_of_measures(table), varied, axis)
    for axis in HELD_OUT
    if axis in varied
  ]
  return pd.concat(found, ignore_index=True) if found else pd.DataFrame()


def _varied(table: pd.DataFrame) -> list[str]:
  """The hyperparameters of which there is more than one value."""
  return [name for name in zoo.HYPERPARAMETERS if table[name].nunique() > 1]


@functools.cache
def _networks(paths: tuple[pathlib.Path, ...]) -> pd.DataFrame:
  return zoo.networks(paths)
