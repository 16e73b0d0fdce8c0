"""The numbers of the paper and of its notebooks, each with where ours is found.

Tolerances are not chosen by the outcome. A test set is the same for all networks of a run, so that its
own error is not in their scatter: with n examples, half of each class, an AUC of chance has a standard
error of 0.58 / sqrt(n), an accuracy p of sqrt(p (1 - p) / n). AUCs and accuracies of synthetic data
(n = 10,000) may differ from the paper's by 0.02, three such errors on either side; where n is smaller,
by as much more; accuracies near 0.95 by 0.01. Attacks are not those of the paper in every detail (its
network for them has one hidden layer; its perturbations are clipped), and have the tolerances given.
"""

import dataclasses
from collections.abc import Mapping

import numpy as np
import pandas as pd

from research.studies.claim import Verdict, weakest, within
from research.summaries import last

AUC, OF_SYNTHETIC, OF_IMAGES = 'auc', 0.02, 0.07


@dataclasses.dataclass(frozen=True, kw_only=True)
class Row:
  """A number of the paper: the metric at the end of a run of an experiment, in [0, 1]."""

  experiment: str
  run: str
  metric: str
  paper: float
  tolerance: float = OF_SYNTHETIC

  def ours(self, table: pd.DataFrame) -> np.ndarray:
    """One for each network."""
    return at_the_end(table, self.run, self.metric)


def at_the_end(table: pd.DataFrame, run: str, metric: str) -> np.ndarray:
  """A metric at the last step of a run, one for each network."""
  return last(table[table['run'] == run])[metric].to_numpy(float)


def _randomization(
  experiment: str,
  run: str,
  blocks: tuple[str, str],
  without_simple: float,
  *,
  metric: str = AUC,
  full: float = 1.0,
  tolerance: float = OF_SYNTHETIC,
) -> dict[str, Row]:
  """Nothing randomized, the simple feature, all but the simple feature."""
  simple, _ = blocks
  of_full = min(tolerance, 0.01 if full < 1 else tolerance)
  return {
    'standard': Row(
      experiment=experiment,
      run=run,
      metric=f'reliance/standard/{metric}',
      paper=full,
      tolerance=of_full,
    ),
    f'{simple} randomized': Row(
      experiment=experiment,
      run=run,
      metric=f'reliance/random/{simple}/{metric}',
      paper=without_simple,
      tolerance=tolerance,
    ),
    f'all but {simple} randomized': Row(
      experiment=experiment,
      run=run,
      metric=f'reliance/only/{simple}/{metric}',
      paper=full,
      tolerance=of_full,
    ),
  }


HALVES = ('top', 'bottom')
LMS5 = _randomization('slabs', 'lms5', ('linear', 'slab5'), 0.507)
MS57 = _randomization('slabs', 'ms57', ('slab5', 'slab7'), 0.502)
NOISY = _randomization(
  'generalization', '300x2', ('noisy_linear', 'slab7'), 0.497, metric='accuracy', full=0.949
)
NOISY['train'] = Row(
  experiment='generalization', run='300x2', metric='train/accuracy', paper=0.995, tolerance=0.01
)
MS7 = {
  'standard': Row(experiment='generalization', run='ms7', metric='test/accuracy', paper=1.0),
}
DOMINOES = _randomization('dominoes', 'cifar', HALVES, 0.494, tolerance=OF_IMAGES)
DOMINOES['test accuracy'] = Row(
  experiment='dominoes', run='cifar', metric='test/accuracy', paper=0.998
)
ENSEMBLE = _randomization('interventions', 'ensemble', ('linear', 'slab5'), 0.507)
DOMINOES_ENSEMBLE = _randomization('dominoes', 'cifar_ensemble', HALVES, 0.502, tolerance=OF_IMAGES)
DOMINOES_ADVERSARIAL = _randomization(
  'dominoes', 'cifar_adversarial', HALVES, 0.508, tolerance=OF_IMAGES
)
DOMINOES_ADVERSARIAL['accuracy under attack'] = Row(
  experiment='dominoes', run='cifar_adversarial', metric='adversarial/accuracy', paper=0.99
)


def _attacks(
  run: str, simple: str, share: float, universal: float, tolerance: float
) -> dict[str, Row]:
  return {
    'PGD accuracy': Row(experiment='slabs', run=run, metric='adversarial/accuracy', paper=0.0),
    f'PGD share of {simple}': Row(
      experiment='slabs', run=run, metric=f'adversarial/share/{simple}', paper=share
    ),
    'universal accuracy': Row(
      experiment='slabs',
      run=run,
      metric='universal/accuracy',
      paper=universal,
      tolerance=tolerance,
    ),
  }


LMS5_AVERAGED = {
  'universal accuracy, averaged steps': Row(
    experiment='slabs', run='lms5_averaged', metric='universal/accuracy', paper=0.0066
  )
}
LMS5_ATTACKS = _attacks('lms5', 'linear', 0.997, 0.0066, 0.02)
MS57_ATTACKS = _attacks('ms57', 'slab5', 0.991, 0.0656, 0.05)

TABLES: Mapping[str, Mapping[str, Row]] = {
  'LMS-5, AUC': LMS5,
  'MS-(5,7), AUC': MS57,
  'noisy LMS-7, accuracy': NOISY,
  'MS-7, accuracy': MS7,
  'MNIST-CIFAR, AUC': DOMINOES,
  'LMS-5, ensemble of 3, AUC': ENSEMBLE,
  'MNIST-CIFAR, ensemble of 3, AUC': DOMINOES_ENSEMBLE,
  'MNIST-CIFAR, adversarially trained, AUC': DOMINOES_ADVERSARIAL,
  'LMS-5, attacks': LMS5_ATTACKS | LMS5_AVERAGED,
  'MS-(5,7), attacks': MS57_ATTACKS,
}


def agree(table: pd.DataFrame, rows: Mapping[str, Row]) -> Verdict:
  """Whether all of these are the paper's, within their tolerances; the least, of those that are."""
  values = {name: row.ours(table) for name, row in rows.items()}
  measured = ', '.join(f'{name} {_mean(values[name]):.3f}' for name in rows)
  verdicts = [
    within(values[name], row.paper - row.tolerance, row.paper + row.tolerance, note=name)
    for name, row in rows.items()
  ]
  verdict = weakest(verdicts)
  return dataclasses.replace(verdict, note=f'{measured}; {verdict.note}')


def side_by_side(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
  """All rows whose runs are there: the paper's number, ours, its standard error, n."""
  found = {}
  for title, rows in TABLES.items():
    for name, row in rows.items():
      table = tables.get(row.experiment)
      if table is None or row.run not in set(table['run']) or row.metric not in table:
        continue
      values = row.ours(table)
      values = values[np.isfinite(values)]
      n = len(values)
      stderr = values.std(ddof=1) / np.sqrt(n) if n > 1 else np.nan
      found[title, name] = {'paper': row.paper, 'ours': _mean(values), '±': stderr, 'n': n}
  table = pd.DataFrame.from_dict(found, orient='index')
  return table.round(4) if len(table) else pd.DataFrame(columns=['paper', 'ours', '±', 'n'])


def _mean(values: np.ndarray) -> float:
  finite = values[np.isfinite(values)]
  return float(finite.mean()) if len(finite) else np.nan
