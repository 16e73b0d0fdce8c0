"""Every claim of the study on tables where it is true and where it is false; what calculates them."""

import calculated
import pandas as pd
import pytest
from calculated import scattered

from research.studies import two_worlds as study

WORLDS = ('linear', 'random')


def errors(**changed):
  rows = []
  for n in (10, 20, 30):
    for world in WORLDS:
      fit = 0.7 if (n, world) == (30, 'random') else 1.0
      error = (
        0.08 if (n, world) == (20, 'linear') else 0.0 if (n, world) == (30, 'linear') else 0.909
      )
      row = {'n': n, 'world': world, 'train_fit': fit, 'test_error': error}
      row |= {'full_rank': 0.9, 'expected_fit': fit, 'expected_error': error}
      rows.append({**row, 'expected_full_rank': 0.9, **changed.get(f'{world}_{n}', {})})
  return scattered(rows, ('train_fit', 'test_error'), 1e-4)


def measures(blind=0.2, leak=1e-100, margin=1e-100):
  names = ('margins/minus_margin', 'norms/length')
  rows = [{'n': 20, 'measure': name, 'p': blind} for name in names]
  rows += [{'n': 30, 'measure': name, 'p': margin} for name in names]
  rows.append({'n': 20, 'measure': study.PEEK, 'p': leak})
  return pd.DataFrame(rows).assign(trials=500, gap=0.05)


TRUE = {'errors': errors(), 'measures': measures()}
FALSE = {
  'both_worlds_are_fitted': errors(random_20=dict(train_fit=0.9)),
  'the_linear_world_is_learned': errors(linear_20=dict(test_error=0.2)),
  'the_random_world_is_not': errors(random_20=dict(test_error=0.5)),
  'every_estimate_is_far_off': errors(random_20=dict(test_error=0.6)),
  'ten_examples_teach_nothing': errors(linear_10=dict(test_error=0.5)),
  'thirty_examples_tell': errors(random_30=dict(train_fit=1.0)),
  'closed_forms_hold': errors(linear_10=dict(expected_error=0.5)),
  'no_measure_tells': measures(blind=1e-4),
  'a_leak_is_caught': measures(leak=1e-3),
  'margins_tell_where_they_may': measures(margin=1e-3),
}


def test_every_claim_has_tables_where_it_is_false():
  calculated.check_that_all_are_judged(study, TRUE, FALSE)


@pytest.mark.parametrize('claim', study.CLAIMS, ids=lambda claim: claim.name)
def test_claims_hold_where_they_are_true_and_fail_where_they_are_false(claim):
  calculated.check_claim(claim, TRUE, FALSE)


def test_calculations_give_the_columns_that_claims_read(monkeypatch):
  monkeypatch.setattr(study, 'SIZES', (10, 20))
  monkeypatch.setattr(study, 'MEASURES', {'norms': study.MEASURES['norms']})
  for name, calculation in study.CALCULATIONS.items():
    table = calculation((0, 1), trials=3)
    assert {*TRUE[name]} == {*table}
    assert table.select_dtypes('number').notna().all(axis=None)
    if name == 'errors':
      assert table['seed'].nunique() == 2
    else:
      assert set(table['trials']) == {6}
      assert {*table['measure']} > {'norms/length', study.PEEK}


def test_figures_and_reading_take_the_tables():
  calculated.check_figures_and_reading(study, TRUE, '0.080 of new ones')
