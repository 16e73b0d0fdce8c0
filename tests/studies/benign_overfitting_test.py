"""Every claim of the study on tables where it is true and where it is false; what calculates them."""

import itertools

import calculated
import numpy as np
import pytest
from calculated import scattered

from research.studies import benign_overfitting as study
from research.studies.benign_overfitting import lazy
from research.theory import kernels

METRICS = ('excess', 'smallest', 'margin')


def fitted(many=None, low=None, **changed):
  """Arms by dimension and separation; `many` and `low` change (1000, 6) and (1000, 1.5)."""
  rows = []
  for dim, mu, flips in itertools.product(lazy.DIMS, lazy.SEPARATIONS, lazy.FLIPS):
    row = {'dim': dim, 'separation': mu, 'flips': flips, 'fitted': 1.0, 'error': 0.1}
    row |= {'excess': 0.1, 'smallest': 1e-4, 'margin': 0.02, 'least_margin': 0.01}
    if dim == 1000:
      row |= {'excess': (0.02 if flips else 0.005) if mu == 6 else 0.2}
      row |= {'smallest': 0.1, 'margin': 0.012}
      row |= (many or {}) if mu == 6 and flips else {}
      row |= (low or {}) if mu == 1.5 else {}
    rows.append({**row, **(changed if flips else {})})
  return scattered(rows, METRICS)


def smooth(sign=1, within=1):
  rows = []
  for i, j in itertools.product(range(len(lazy.DIMS)), range(len(lazy.DEPTHS))):
    row = {'dim': lazy.DIMS[i], 'depth': lazy.DEPTHS[j], 'sq_norm': 10.0 ** (5 - i) + j}
    rows.append({**row, 'excess': 0.5 - sign * 0.1 * i + within * 0.01 * j})
  return scattered(rows, ('sq_norm',), 1e-7)


TRUE = {'mixtures': fitted(), 'smoothness': smooth()}
FALSE = {
  'all_labels_are_fitted': fitted(many=dict(fitted=0.99)),
  'overfitting_is_benign_with_both': fitted(many=dict(excess=0.04)),
  'few_dimensions_make_it_harmful': fitted(many=dict(excess=0.12)),
  'no_separation_makes_it_harmful': fitted(low=dict(excess=0.04)),
  'turned_labels_cost_little': fitted(many=dict(excess=0.04)),
  'dimensions_raise_the_smallest_eigenvalue': fitted(many=dict(smallest=1.5e-4)),
  'the_bound_on_the_margin_is_tight': fitted(many=dict(margin=0.03)),
  'smoother_interpolants_are_better': smooth(sign=-1),
  'smoother_interpolants_are_better_in_equal_dimensions': smooth(within=-1),
}


def test_every_claim_has_tables_where_it_is_false():
  calculated.check_that_all_are_judged(study, TRUE, FALSE)


@pytest.mark.parametrize('claim', study.CLAIMS, ids=lambda claim: claim.name)
def test_claims_hold_where_they_are_true_and_fail_where_they_are_false(claim):
  calculated.check_claim(claim, TRUE, FALSE)


def test_figures_and_reading_take_the_tables():
  calculated.check_figures_and_reading(study, TRUE, '0.100 with 1000 dimensions and separation 6')


# --- calculations -------------------------------------------------------------------------------


@pytest.fixture(scope='module')
def small():
  with pytest.MonkeyPatch.context() as patch:
    for name, value in {'N_TRAIN': 30, 'N_TEST': 200, 'DIMS': (5, 60), 'DEPTHS': (1, 2)}.items():
      patch.setattr(lazy, name, value)
    yield {name: calculation((0, 1)) for name, calculation in study.CALCULATIONS.items()}


@pytest.mark.parametrize('name', TRUE)
def test_calculations_give_the_columns_that_claims_read(small, name):
  calculated.check_columns(small[name], TRUE[name])


def test_small_arms_fit_all_and_err_as_the_least_error_says(small):
  table = small['mixtures']
  assert (table['fitted'] == 1).all()
  assert (table['least_margin'] <= table['margin']).all()
  clear = table.query('separation == 6 and flips == 0 and dim == 5')
  assert clear['error'].max() < 0.02
  np.testing.assert_allclose(
    table.query('separation == 1.5').eval('error - excess'), 0.0668, atol=1e-4
  )


def test_numbers_have_the_kernels_diagonal_as_unit(small, monkeypatch):
  monkeypatch.setattr(lazy, 'N_TRAIN', 30)
  monkeypatch.setattr(lazy, 'N_TEST', 50)
  one = lazy._fitted(0, 10, 3.0, 0.2, 2)
  ntk = kernels.ntk
  monkeypatch.setattr(kernels, 'ntk', lambda depth: lambda x, z: 9 * ntk(depth)(x, z))
  assert lazy._fitted(0, 10, 3.0, 0.2, 2) == pytest.approx(one)
