"""Every claim of the study on tables where it is true and where it is false; what calculates them."""

import calculated
import numpy as np
import pandas as pd
import pytest
from calculated import scattered

from research.studies import accelerated_sgd as study
from research.theory import accelerated_sgd as theory


def rates(large=1.5, small=1.5):
  rows = []
  for value in study.GRID:
    of_accelerated = 1 / large if value > 0.3 else small
    rows.append({'method': 'sgd', 'eigenvalue': value, 'rate': np.exp(-value)})
    rate = np.exp(-value * of_accelerated)
    rows.append({'method': 'asgd', 'eigenvalue': value, 'rate': rate})
  return pd.DataFrame(rows)


def bands(simulated=1.0, variance=2.0, small=0.5, large=2.0, last=2.0):
  rows = []
  for band in range(study.N_BANDS):
    for method in study.METHODS:
      factors = (small if band else large, last, variance) if method == 'asgd' else (1, 1, 1)
      row = dict(zip(('bias', 'bias_last', 'variance'), map(float, factors), strict=True))
      row |= {'method': method, 'band': band, 'eigenvalue': 10.0**-band}
      rows.append(row | {'simulated': simulated * (row['bias'] + row['variance'])})
  return scattered(rows, ('bias', 'bias_last', 'variance', 'simulated'), 0.005)


def confined(small=0.5, large=2.0, bias=0.5):
  rows = []
  for where, factor in (('small', small), ('large', large)):
    rows.append({'where': where, 'method': 'sgd', 'averaged': 1.0, 'bias': 1.0})
    rows.append({'where': where, 'method': 'asgd', 'averaged': factor, 'bias': bias})
  return scattered(rows, ('averaged', 'bias'))


def stability(accelerated=0.3):
  deltas = [0.6] + [accelerated] * len(study.BETAS)
  return pd.DataFrame({'beta': (0.0, *study.BETAS), 'largest_delta': deltas})


TRUE = {'rates': rates(), 'bands': bands(), 'confined': confined(), 'stability': stability()}
FALSE = {
  'runs_follow_the_theory': bands(simulated=1.2),
  'sgd_forgets_faster_in_large_eigenvalues': rates(large=0.9),
  'acceleration_forgets_faster_in_small_eigenvalues': rates(small=0.9),
  'acceleration_has_more_variance': bands(variance=0.9),
  'acceleration_has_less_bias_in_small_eigenvalues': bands(small=1.1),
  'acceleration_has_more_bias_in_large_eigenvalues': bands(large=0.9),
  'the_last_iterate_has_more_bias_in_large_eigenvalues': bands(last=0.9),
  'acceleration_wins_from_small_eigenvalues': confined(small=1.1),
  'acceleration_loses_from_large_eigenvalues': confined(large=0.9),
  'without_noise_acceleration_wins': confined(bias=1.1),
  'acceleration_is_less_stable': stability(0.7),
}


def test_every_claim_has_tables_where_it_is_false():
  calculated.check_that_all_are_judged(study, TRUE, FALSE)


@pytest.mark.parametrize('claim', study.CLAIMS, ids=lambda claim: claim.name)
def test_claims_hold_where_they_are_true_and_fail_where_they_are_false(claim):
  calculated.check_claim(claim, TRUE, FALSE)


def test_figures_and_reading_take_the_tables():
  calculated.check_figures_and_reading(study, TRUE, 'at eigenvalue 1 ')


def test_bands_hold_all_eigenvalues_from_the_largest_on():
  found = study._band_of(study.VALUES)
  assert {*found} == {*range(study.N_BANDS)}
  assert np.all(np.diff(found) >= 0)


@pytest.mark.parametrize('name', [*TRUE])
def test_calculations_give_the_columns_that_claims_read(monkeypatch, name):
  for key in ('BURN_IN', 'AVERAGED', 'RUNS'):
    monkeypatch.setattr(study, key, 5)
  seeded = name in ('bands', 'confined')
  calculated.check_columns(study.CALCULATIONS[name](*[(0, 1)] * seeded), TRUE[name])


def test_simulated_runs_have_the_risk_of_the_theory(monkeypatch):
  monkeypatch.setattr(study, 'RUNS', 3000)
  monkeypatch.setattr(study, 'BURN_IN', 8)
  monkeypatch.setattr(study, 'AVERAGED', 8)
  for method in study.METHODS.values():
    found = study.simulate(0, method, np.ones(study.DIM)).sum()
    arguments = {'start': 1.0, 'noise': study.NOISE, 'burn_in': 8, 'n_averaged': 8}
    expected = theory.risk(study.VALUES, method, **arguments).averaged.sum()
    assert found == pytest.approx(expected, rel=0.06)


def test_the_largest_stable_step_is_at_the_edge():
  table = study.stability()
  for beta, delta in table.itertuples(index=False):
    gains = [
      theory.noise_gain(study.VALUES, theory.Method(d, 8 * d if beta else 0.0, beta))
      for d in (0.999 * delta, 1.001 * delta)
    ]
    assert gains[0] < 1 < gains[1]
