"""Does a network that fits wrong labels err (Zhu et al. 2023)? In the lazy regime it need not.

Tangent kernels in closed form, so nothing here takes a run: deep ReLU networks of infinite width,
fitted without ridge to two Gaussian classes, a fifth of whose labels are turned. The least possible
error is known. Arms of equal seed and dimension share their inputs, so they are compared in pairs.
"""

import itertools
from collections.abc import Mapping

import pandas as pd

from research.figures import benign_overfitting
from research.studies import plan
from research.studies.benign_overfitting import lazy
from research.studies.claim import Claim

TITLE = 'Benign overfitting in deep networks under lazy training'

EXPERIMENTS = {}
CALCULATIONS = {'mixtures': lazy.mixtures, 'smoothness': lazy.smoothness}
MEASUREMENTS = {}
FIGURES = {'benign_overfitting': (benign_overfitting.figure, *CALCULATIONS)}

PAPER, OURS = 'Zhu et al. 2023', 'a question of ours'


def _claim(judge, paper: str, reads: str, source: str = PAPER) -> Claim:
  return Claim(judge=judge, reads=(reads,), source=source, paper=paper)


CLAIMS = (
  _claim(lazy.all_labels_are_fitted, 'nearly zero training error', 'mixtures'),
  _claim(lazy.overfitting_is_benign_with_both, 'least possible in the limit', 'mixtures'),
  _claim(lazy.few_dimensions_make_it_harmful, 'direction only', 'mixtures'),
  _claim(lazy.no_separation_makes_it_harmful, 'direction only', 'mixtures'),
  _claim(lazy.turned_labels_cost_little, 'direction only', 'mixtures'),
  _claim(
    lazy.dimensions_raise_the_smallest_eigenvalue, 'direction only: bounded from below', 'mixtures'
  ),
  _claim(lazy.the_bound_on_the_margin_is_tight, 'another bound, tight', 'mixtures'),
  _claim(lazy.smoother_interpolants_are_better, 'direction only', 'smoothness'),
  _claim(
    lazy.smoother_interpolants_are_better_in_equal_dimensions, 'direction only', 'smoothness', OURS
  ),
)


def summary(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
  """One row for each calculation, for the terminal."""
  return plan.sizes_of(CALCULATIONS, tables)


def reading(tables: Mapping[str, pd.DataFrame]) -> str:
  """Errors with and without dimensions and separation, in one paragraph."""
  if 'mixtures' not in tables:
    return ''
  table = tables['mixtures']
  means = table[table['flips'] == lazy.FLIPS[-1]].groupby(['dim', 'separation'])['error'].mean()
  parts = [
    f'{means[dim, mu]:.3f} with {dim} dimensions and separation {mu:g}'
    for dim, mu in itertools.product((20, 1000), (3.0, 6.0))
  ]
  return (
    f'Interpolating {lazy.N_TRAIN} examples, {100 * lazy.FLIPS[-1]:g} % of them with turned labels, a '
    f'network of {lazy.DEPTH} hidden layers has errors on right labels of {", ".join(parts)} (means '
    'over seeds).'
  )
