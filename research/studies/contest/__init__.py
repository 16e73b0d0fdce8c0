"""The contest of theories: which quantity predicts generalization, and where does it fail?

  zoo      the networks, and what every measure says of them
  ranking  the referee's tables
  claims   what they say of coherence, inductive bias, simplicity, norms and flatness

Jiang et al. (2020) ranked measures by averages of rank correlations; Dziugaite et al. (2020) look at
the environment in which each fails worst; Gastpar et al. (2023), whose guard is the study `two_worlds`,
say why one must exist. Here gradient coherence, evidence and simplicity enter, too.
"""

from collections.abc import Mapping

import pandas as pd

from research.figures import (
  correlation_map,
  families,
  leaderboard,
  scatter,
  worst_environments,
)
from research.studies.claim import Claim
from research.studies.contest import claims, ranking, zoo
from research.studies.plan import Experiment

TITLE = 'The contest of theories'
ZOO = Experiment(config='configs/contest/zoo.py', instruments=('coherence', 'noise_scale'))
EXPERIMENTS = {'zoo': ZOO}
CALCULATIONS = {}
MEASUREMENTS = {
  'networks': (ranking.networks, 'zoo'),
  'leaderboard': (ranking.leaderboard, 'zoo'),
  'environments': (ranking.environments, 'zoo'),
  'left_out': (ranking.left_out, 'zoo'),
}
SHOWN = (
  'training/minus_early_coherence',
  'gradients/minus_coherence',
  'evidence/labels_nngp',
  'evidence/function_nngp',
  'linear/minus_explained',
  'pac_bayes/mag_flatness',
  'exact_spectral/log_product_over_margin',
  'speed/log_steps',
)


def _ranked(board: pd.DataFrame):
  """Every measure's scores on the networks of the zoo, by Psi; bars are 95 % intervals."""
  return leaderboard.figure(board)


def _headline(board: pd.DataFrame):
  """The best of each family, by Psi; bars are 95 % intervals over settings."""
  board = board.sort_values('psi', ascending=False)
  of_family = board['measure'].map(families.family)
  return leaderboard.figure(board[board['baseline'].astype(bool) | ~of_family.duplicated()])


def _correlated(networks: pd.DataFrame):
  """Rank correlations of the measures with each other, over the networks of the zoo."""
  table = zoo.judged(networks)
  varying = [name for name in zoo.distinct(table) if table[name].nunique() > 1]
  return correlation_map.figure(table, varying)


def _scattered(networks: pd.DataFrame):
  """Eight measures against the gap of each network."""
  return scatter.figure(zoo.judged(networks), SHOWN, 'label_noise')


def _worst(environments: pd.DataFrame):
  """How often each measure is wrong about a change, by the hyperparameter that changes."""
  return worst_environments.figure(environments)


FIGURES = {
  'headline': (_headline, 'leaderboard'),
  'leaderboard': (_ranked, 'leaderboard'),
  'correlations': (_correlated, 'networks'),
  'scatter': (_scattered, 'networks'),
  'environments': (_worst, 'environments'),
}

OURS = 'ours, beyond the papers'


def _claim(judge, source: str, paper: str, reads: str = 'leaderboard') -> Claim:
  return Claim(judge=judge, reads=(reads,), source=source, paper=paper)


CLAIMS = (
  _claim(claims.the_gaps_can_be_told_apart, 'a check of ours', 'none'),
  _claim(claims.no_measure_knows_the_gap, 'Jiang et al. 2020', 'direction only'),
  _claim(claims.no_measure_is_robust, 'Dziugaite et al. 2020', 'direction only'),
  _claim(claims.what_ranks_best_knows_the_sample, OURS, 'none'),
  _claim(claims.products_of_norms_mislead, 'Jiang et al. 2020', 'direction only'),
  _claim(claims.flatness_is_better_than_norms, 'Jiang et al. 2020', 'direction only'),
  _claim(claims.early_coherence_ranks_networks, 'Chatterjee & Zielinski 2022', 'direction only'),
  _claim(claims.early_coherence_ranks_within_a_sample, OURS, 'none'),
  _claim(claims.final_coherence_ranks_within_a_sample, OURS, 'none'),
  _claim(claims.evidence_ranks_networks, OURS, 'none'),
  _claim(claims.evidence_of_the_function_ranks_within_a_sample, OURS, 'none'),
  _claim(claims.simplicity_ranks_networks, OURS, 'none'),
  _claim(claims.simplicity_ranks_within_a_sample, OURS, 'none'),
  _claim(claims.flatness_ranks_within_a_sample, OURS, 'none'),
  _claim(claims.slow_training_generalizes_worse, OURS, 'none'),
  _claim(claims.disagreement_ranks_networks, 'Jiang et al. 2022', 'direction only'),
  _claim(claims.disagreement_is_the_error, 'Jiang et al. 2022', '1', 'networks'),
  _claim(claims.combinations_transfer_to_other_datasets, OURS, 'none', 'left_out'),
)


def summary(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
  """The leaderboard, for the terminal."""
  board = tables.get('leaderboard', pd.DataFrame())
  if board.empty:
    return pd.DataFrame({'rows': {name: len(table) for name, table in tables.items()}})
  columns = ['measure', 'computed', 'tau', 'tau_within', 'psi', 'psi_of_network', 'information']
  columns += ['sign_error_mean']
  columns += ['sign_error_max', 'worst']
  return board[columns].set_index('measure').round(3)


def reading(tables: Mapping[str, pd.DataFrame]) -> str:
  """How many networks were judged, and how to read the scores."""
  if 'networks' not in tables:
    return ''
  networks = tables['networks']
  reached = int(networks['reached'].sum())
  judged = networks[networks['reached'].astype(bool)]
  by_noise = judged.groupby('label_noise')['gap'].transform('mean')
  share = by_noise.var() / judged['gap'].var()
  return (
    f'Of {len(networks):,} networks {reached:,} have reached the common training loss, and are judged; '
    'the gap is the training accuracy minus the accuracy on new examples with labels as noisy. '
    f'Label noise alone makes {share:.0%} of its variance, so that what sees it ranks all networks '
    'well: tau within is among networks of equal dataset, label noise and number of examples. '
    'Scores are to be read beside the baselines: an oracle that misses the gap by two points, the gap '
    'measured on another test set, and noise.'
  )
