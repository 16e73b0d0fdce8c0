"""Towards Exact Computation of Inductive Bias (Boopathy et al. 2024), with exact laws.

How many bits does a test error take beyond what a space of hypotheses brings, given that they fit the
training set? One file for each question:

  kernels    Gaussian functions: the exact law of the error, by dataset, size, kernel and dimension
  fits       what the paper's fit makes of the same tails
  networks   trained networks: architectures, sizes, datasets; how much they disagree
  guesses    networks that fit without training, beside trained ones
  training   bits along training
  joining    ours: bits and the coherence of gradients

The paper's tables were not found: of it, directions are judged. Other networks than those of the card:
`--config.seed=1000`; `--seeds` makes every population as small as it says, and the tails need hundreds.
"""

from collections.abc import Mapping

import pandas as pd

from research.figures import inductive_bias
from research.studies.claim import Claim
from research.studies.exact_inductive_bias import (
  fits,
  guesses,
  joining,
  kernels,
  networks,
  training,
)
from research.studies.plan import Experiment

TITLE = 'Towards Exact Computation of Inductive Bias'

_CONFIGS = 'configs/exact_inductive_bias'
EXPERIMENTS = {
  'networks': Experiment(config=f'{_CONFIGS}/networks.py'),
  'training': Experiment(
    config=f'{_CONFIGS}/training.py',
    instruments=('inductive_bias',),
    prepare=training.law_of_finished,
  ),
  'guessable': Experiment(config=f'{_CONFIGS}/guesses.py'),
  'joining': Experiment(config=f'{_CONFIGS}/joining.py', instruments=('coherence',)),
}
CALCULATIONS = {
  'kernels': kernels.by_kernel,
  'dimension': kernels.by_dimension,
  'outputs': kernels.by_output,
  'large': kernels.large,
  'fit': fits.paper_fit,
}
MEASUREMENTS = {
  'curves': (networks.curves, 'networks'),
  'matched': (networks.matched, 'networks'),
  'guesses': (guesses.guesses, 'guessable'),
}


def _joined(table: pd.DataFrame):
  """Bits to the error 0.03 against early coherence; a point is a setting, bars are 95 % intervals."""
  return inductive_bias.joined(joining.by_setting(table))


FIGURES = {
  'kernels': (inductive_bias.of_kernels, 'kernels', 'fit'),
  'networks': (inductive_bias.of_networks, 'curves'),
  'joining': (_joined, 'joining'),
}

PAPER, OURS, NOT_FOUND = 'Boopathy et al. 2024', 'ours, beyond the paper', 'direction only'


def _claim(judge, source: str, paper: str, *reads: str) -> Claim:
  return Claim(judge=judge, reads=reads, source=source, paper=paper)


CLAIMS = (
  _claim(kernels.more_examples_leave_less_to_bring, PAPER, NOT_FOUND, 'kernels'),
  _claim(kernels.cifar_takes_more_than_mnist, PAPER, NOT_FOUND, 'kernels'),
  _claim(kernels.more_dimensions_take_more, PAPER, NOT_FOUND, 'dimension'),
  _claim(kernels.one_is_cheaper_than_eight, OURS, 'none', 'outputs'),
  _claim(kernels.exact_values_are_far_below_the_bound, PAPER, NOT_FOUND, 'kernels'),
  _claim(kernels.kernels_of_networks_bring_more, OURS, 'none', 'kernels'),
  _claim(kernels.amplitude_matters_more_than_examples, OURS, 'none', 'kernels'),
  _claim(kernels.chernoff_is_close, 'a check of ours', 'none', 'kernels'),
  _claim(fits.saddlepoint_is_exact_enough, 'a check of ours', 'none', 'fit'),
  _claim(fits.paper_fit_understates_the_bits, f'{PAPER}, code', 'exact', 'fit'),
  _claim(fits.paper_fit_understates_where_kernels_learn, OURS, 'none', 'fit'),
  _claim(fits.paper_fallback_is_worse, f'{PAPER}, code', 'exact', 'fit'),
  _claim(fits.cumulants_fit_better_than_likelihood, OURS, 'none', 'fit'),
  _claim(fits.short_lengths_learn_nothing, f'{PAPER}, code', 'length 1 throughout', 'fit'),
  _claim(networks.networks_bring_more_than_kernels, PAPER, NOT_FOUND, 'matched'),
  _claim(networks.more_examples_leave_networks_less, PAPER, NOT_FOUND, 'networks'),
  _claim(networks.natural_images_take_more, PAPER, NOT_FOUND, 'networks'),
  _claim(networks.fashion_takes_more, OURS, 'none', 'networks'),
  _claim(networks.wider_networks_bring_more, f'{PAPER}; order not found', 'none', 'networks'),
  _claim(networks.deeper_networks_bring_more, f'{PAPER}; order not found', 'none', 'networks'),
  _claim(networks.convolutions_bring_more, OURS, 'none', 'networks'),
  _claim(networks.optimizers_differ, OURS, 'none', 'networks'),
  _claim(networks.initializations_differ, OURS, 'none', 'networks'),
  _claim(networks.fits_foretell_other_networks, 'a check of ours', 'none', 'networks'),
  _claim(networks.good_networks_disagree, 'Marx et al. 2020', 'direction only', 'curves'),
  _claim(guesses.fitting_is_what_matters, 'Chiang et al. 2023', 'direction only', 'guesses'),
  _claim(guesses.structured_labels_are_cheap, OURS, 'none', 'guesses'),
  _claim(training.finished_networks_are_typical, 'a check of ours', 'none', 'training'),
  _claim(training.early_networks_are_better_than_finished_ones, OURS, 'none', 'training'),
  _claim(training.most_bits_come_before_the_fit, OURS, 'none', 'training'),
  _claim(joining.coherence_and_bits_go_together, OURS, 'none', 'joining'),
  _claim(joining.they_go_together_at_equal_label_noise, OURS, 'none', 'joining'),
  _claim(joining.coherence_and_errors_go_together, OURS, 'none', 'joining'),
  _claim(joining.label_noise_takes_bits, OURS, 'none', 'joining'),
)


def summary(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
  """Mean error and bits of each run of networks, for the terminal."""
  if 'curves' not in tables or not len(tables['curves']):
    return pd.DataFrame({'runs': {name: len(table) for name, table in tables.items()}})
  curves = tables['curves']
  by_run = curves.groupby('run')
  rows = by_run[['networks', 'fit', 'mean_error']].first()
  best = curves[curves['spread'] == 0.01].set_index('run')['ambiguity']
  return rows.assign(ambiguity_within_a_point=best)


def reading(tables: Mapping[str, pd.DataFrame]) -> str:
  """What is exact, and what extrapolates."""
  seconds = ''
  if 'large' in tables:
    row = tables['large'].iloc[0]
    seconds = f' With n = 10,000 and 1,000 test images it took {row["seconds"]:.0f} seconds.'
  return (
    'Of kernels, the law of the error is exact, and its tail is that of a saddlepoint approximation '
    'that importance sampling confirms; errors are over five draws of the examples.'
    f'{seconds} Of networks, targets that fewer than ten of them reach are extrapolated, by a fitted '
    'chi-square and by extreme values, and the interval covers both; all networks of a run have one '
    'training and one test set, whose own error is in no interval.'
  )
