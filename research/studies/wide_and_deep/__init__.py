"""What networks that are wide and deep say of a point (Radhakrishnan, Belkin & Uhler 2023).

Kernels in closed form, so nothing here takes a run. Depth leads to one of three classifiers: the
nearest neighbour, the majority, and between them a singular kernel, which a sphere of d dimensions
wants to have the exponent q = d / 2. One file for each kind:

  points       the task, and rules without a network
  networks     deep networks, and the rule that they come to
  singular     the kernel between the two, by examples and by exponent
"""

from collections.abc import Mapping

import pandas as pd

from research.figures import wide_and_deep
from research.studies import plan
from research.studies.claim import Claim
from research.studies.wide_and_deep import networks, singular

TITLE = 'Wide and deep networks: nearest neighbour, majority, or optimal'

EXPERIMENTS = {}
CALCULATIONS = {
  'networks': networks.networks,
  'depths': networks.depths,
  'sizes': singular.sizes,
  'exponents': singular.exponents,
}
MEASUREMENTS = {}
FIGURES = {'wide_and_deep': (wide_and_deep.figure, *CALCULATIONS)}

PAPER, OURS = 'Radhakrishnan et al. 2023', 'a question of ours'


def _claim(judge, paper: str, reads: str, source: str = PAPER) -> Claim:
  return Claim(judge=judge, reads=(reads,), source=source, paper=paper)


CLAIMS = (
  _claim(networks.singular_networks_say_what_hilbert_says, 'equal in the limit', 'networks'),
  _claim(networks.singular_networks_are_as_accurate_as_hilbert, 'equal in the limit', 'networks'),
  _claim(
    networks.singular_networks_beat_the_nearest_neighbour,
    'direction only: the one is consistent, the other is not',
    'networks',
  ),
  _claim(networks.the_covariance_says_what_hilbert_says, 'none', 'networks', OURS),
  _claim(networks.without_slope_the_nearest_neighbour_decides, 'equal in the limit', 'networks'),
  _claim(networks.with_a_constant_the_majority_decides, 'equal in the limit', 'networks'),
  _claim(singular.more_examples_bring_the_best_error, 'consistent in the limit', 'sizes'),
  _claim(singular.half_the_dimension_is_hilbert, 'equal in the limit', 'exponents'),
  _claim(
    singular.no_other_exponent_is_better, 'q = d / 2 is the consistent one', 'exponents', OURS
  ),
  _claim(networks.relu_networks_drift_to_the_majority, 'direction only: in the limit', 'depths'),
  _claim(networks.relu_networks_of_usual_depth_do_not_vote, 'none', 'depths', OURS),
)


def summary(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
  """One row for each calculation, for the terminal."""
  return plan.sizes_of(CALCULATIONS, tables)


def reading(tables: Mapping[str, pd.DataFrame]) -> str:
  """How accurate what depth leads to is, in one paragraph."""
  if 'networks' not in tables:
    return ''
  means = tables['networks'].groupby('classifier')['accuracy'].mean()
  return (
    f'With {networks.N_TRAIN} examples on a sphere of two dimensions, networks of '
    f'{networks.SINGULAR_DEPTH} layers with q = 1 are right on {means["cubic"]:.4f} and '
    f'{means["sine"]:.4f} of points, the Hilbert estimate on {means["hilbert"]:.4f}, the nearest '
    f'neighbour on {means["nearest"]:.4f} and the majority on {means["majority"]:.4f}; '
    f'{means["best"]:.4f} is the best possible (means over seeds).'
  )
