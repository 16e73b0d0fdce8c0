"""What a hypothesis costs: its weight among random networks (Feder 2025, Universality Lens).

Random networks on six bits are functions of 64 inputs; how often each function occurs is a prior, and
the Bayes mixture over it is exact. One file for each question:

  networks     the networks, their functions, and the prior that these make
  regret       what the mixture pays for targets of all weights, in classes of all sizes
  complexity   which functions have the weight, by complexity and by initialization
  predictives  Langevin samples and ensembles beside an exact mixture
  images       the same of digits, where nothing is exact
  labels       the weight of the labels of digits, by how many are redrawn

Each replicate has networks of its own, and data of its own. No function of a sample is left out: what
remains is the sampling of the prior itself, which the spread over replicates shows. A function that no
sampled network computes has no weight of its own here, only that of balls around it.
"""

from collections.abc import Mapping

import pandas as pd

from research.figures import digits_lens, universality
from research.studies import plan
from research.studies.claim import Claim
from research.studies.universality_lens import complexity, images, labels, predictives, regret

TITLE = 'The weight of a hypothesis: what a Bayes mixture over random networks pays for the truth'

EXPERIMENTS = {}
CALCULATIONS = {
  'regrets': regret.regrets,
  'widths': regret.widths,
  'correlations': complexity.correlations,
  'envelope': complexity.envelope,
  'initializations': complexity.initializations,
  'predictives': predictives.predictives,
  'images': images.images,
  'weights': labels.weights,
}
MEASUREMENTS = {}
FIGURES = {
  'universality_lens': (
    universality.figure,
    *('regrets', 'widths', 'envelope', 'initializations', 'predictives'),
  ),
  'digits': (digits_lens.figure, 'images', 'weights'),
}

LENS, BIAS = 'Feder 2025', 'Valle-Perez et al. 2019'
CHECK = 'a check of ours, of a theorem for Feder 2025'
DEGREES, CHAOS = 'a question of ours', 'Yang & Salman 2019, on kernels'


def _claim(judge, source: str, paper: str, reads: str) -> Claim:
  return Claim(judge=judge, reads=(reads,), source=source, paper=paper)


CLAIMS = (
  _claim(regret.regret_is_below_the_bound, CHECK, 'a theorem; no number known to us', 'regrets'),
  _claim(regret.regret_grows_with_rarity, LENS, 'direction only: grows with -log P', 'regrets'),
  _claim(regret.regret_is_the_log_weight, f'a question of ours on {LENS}', 'none', 'regrets'),
  _claim(
    regret.random_tables_cost_more_than_a_table_code,
    f'a control of ours for {LENS}',
    'none',
    'regrets',
  ),
  _claim(
    regret.all_tables_cost_little_more,
    CHECK,
    'a theorem, log 2: a mixture that gives half of its weight to a part costs at most that more',
    'regrets',
  ),
  _claim(
    regret.equal_weights_cost_more,
    LENS,
    'direction only: the weight, not the size of the class',
    'regrets',
  ),
  _claim(
    regret.width_changes_little,
    LENS,
    'direction only: the weight, not the size of the class',
    'widths',
  ),
  _claim(
    regret.regret_follows_the_weight_across_widths,
    f'a question of ours on {LENS}',
    'none',
    'widths',
  ),
  _claim(complexity.simple_functions_weigh_more, BIAS, 'direction only', 'correlations'),
  _claim(complexity.polynomials_of_low_degree_weigh_more, DEGREES, 'none', 'correlations'),
  _claim(complexity.smooth_functions_weigh_more, DEGREES, 'none', 'correlations'),
  _claim(complexity.largest_weight_falls_with_complexity, BIAS, 'direction only', 'envelope'),
  _claim(
    complexity.weight_is_bounded_by_complexity,
    f'Dingle, Camargo & Louis 2018, {BIAS}; a and b are our choice',
    'P <= 2^(-aK + b) up to constants',
    'envelope',
  ),
  _claim(complexity.chaos_makes_functions_complex, CHAOS, 'direction only', 'initializations'),
  _claim(complexity.depth_acts_both_ways, CHAOS, 'direction only', 'initializations'),
  _claim(
    complexity.chaos_makes_a_simple_target_dear, 'a question of ours', 'none', 'initializations'
  ),
  _claim(
    predictives.langevin_finds_the_mixture,
    LENS,
    'direction only: its samples stand for the mixture',
    'predictives',
  ),
  _claim(
    predictives.minibatches_do_not_spoil_it,
    LENS,
    'direction only: its samples stand for the mixture',
    'predictives',
  ),
  _claim(predictives.langevin_beats_the_ensemble, 'a question of ours', 'none', 'predictives'),
  _claim(
    predictives.an_ensemble_of_maxima_is_no_mixture, 'a question of ours', 'none', 'predictives'
  ),
  _claim(images.samples_beat_the_ensemble_on_images, 'a question of ours', 'none', 'images'),
  _claim(images.maxima_are_worse_on_images, 'a question of ours', 'none', 'images'),
  _claim(images.samples_are_calibrated_on_images, 'a question of ours', 'none', 'images'),
  _claim(images.chains_agree_on_images, 'a control of ours', 'none', 'images'),
  _claim(labels.redrawn_labels_weigh_less, 'a question of ours', 'none', 'weights'),
  _claim(
    labels.random_labels_weigh_no_more_than_by_chance,
    'a check of ours, of a theorem (Gibbs)',
    'a theorem, in the mean over labels',
    'weights',
  ),
  _claim(labels.chains_agree_on_weights, 'a control of ours', 'none', 'weights'),
  _claim(labels.temperatures_suffice, 'a control of ours', 'none', 'weights'),
)


def summary(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
  """One row for each calculation, for the terminal."""
  return plan.sizes_of(CALCULATIONS, tables)


def reading(tables: Mapping[str, pd.DataFrame]) -> str:
  """What targets of all weights cost, in one paragraph."""
  if 'regrets' not in tables:
    return ''
  rows = tables['regrets']
  rows = rows[rows['n'] == regret.N_EXAMPLES]
  means = rows.groupby('target')[['mass', 'regret', 'bound', 'table_code']].mean()
  known = means[means['mass'] > 0].sort_values('mass', ascending=False)
  parts = [
    f'{row["regret"]:.2f} nats for one that {row["mass"]:.1e} of all networks compute (bound '
    f'{row["bound"]:.2f})'
    for _, row in known.iloc[[0, len(known) // 2, -1]].iterrows()
  ]
  random = rows[rows['kind'] == 'random'][['regret', 'bound', 'table_code']].mean()
  return (
    f'At {regret.N_EXAMPLES} examples with 10 % label noise the mixture over sampled networks pays, '
    f'for a target, {parts[0]}, {parts[1]}, and {parts[2]}; for a random truth table '
    f'{random["regret"]:.0f} (bound {random["bound"]:.0f}), where a table code pays '
    f'{random["table_code"]:.0f} (means over replicates).'
  )
