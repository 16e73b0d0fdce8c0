"""Every claim of the study on tables where it is true and where it is false; what calculates them."""

import calculated
import numpy as np
import pytest
from calculated import scattered

from research.studies import sensitivity as study

POWERS = {  # of the width
  ('random_features', 'tanh'): 0.0,
  ('random_features', 'square'): -0.5,
  ('tangent', 'tanh'): 0.0,
  ('tangent', 'square'): -0.5,
}


def widths(level=9.0, **changed):
  rows = []
  for (features, activation), power in POWERS.items():
    power = changed.get(f'{features}_{activation}', power)
    for width in study.WIDTHS[features]:
      value = level * (width / study.WIDTHS[features][0]) ** power
      row = {'features': features, 'activation': activation, 'width': width}
      rows.append(row | {'law': 1.0, 'sensitivity': value})
  return scattered(rows, ('sensitivity',))


def examples(peak=200):
  rows = [{'n': n, 'sensitivity': 10.0 - abs(np.log(n / peak))} for n in study.EXAMPLES]
  return scattered(rows, ('sensitivity',))


TRUE = {'widths': widths(), 'examples': examples()}
FALSE = {
  'random_features_stay_sensitive': widths(random_features_tanh=-0.2),
  'even_random_features_become_robust': widths(random_features_square=-0.1),
  'even_tangent_features_become_robust': widths(tangent_square=-0.1),
  'even_tangent_features_follow_the_law': widths(tangent_square=-0.3),
  'odd_tangent_features_stay_sensitive': widths(tangent_tanh=-0.2),
  'none_beats_the_law': widths(level=3.0),
  'random_features_peak_at_the_dimension': examples(peak=400),
}


def test_every_claim_has_tables_where_it_is_false():
  calculated.check_that_all_are_judged(study, TRUE, FALSE)


@pytest.mark.parametrize('claim', study.CLAIMS, ids=lambda claim: claim.name)
def test_claims_hold_where_they_are_true_and_fail_where_they_are_false(claim):
  calculated.check_claim(claim, TRUE, FALSE)


def test_figures_and_reading_take_the_tables():
  calculated.check_figures_and_reading(study, TRUE, 'tangent of square (20 to 320 units)')


@pytest.fixture
def _small(monkeypatch):
  monkeypatch.setattr(study, 'DIM', 6)
  monkeypatch.setattr(study, 'N', 8)
  monkeypatch.setattr(study, 'WIDTH', 30)
  monkeypatch.setattr(study, 'EXAMPLES', (4, 6))
  monkeypatch.setattr(study, 'WIDTHS', {'random_features': (30, 60), 'tangent': (10, 20)})


@pytest.mark.usefixtures('_small')
@pytest.mark.parametrize('name', [*TRUE])
def test_calculations_give_the_columns_that_claims_read(name):
  table = study.CALCULATIONS[name]((0, 1))
  calculated.check_columns(table, TRUE[name])
  first, second = (table.loc[table['seed'] == seed, 'sensitivity'].to_numpy() for seed in (0, 1))
  assert np.all(first != second)
  assert len({*first}) == len(first)


@pytest.mark.usefixtures('_small')
def test_the_law_counts_parameters():
  table = study.widths((0,)).set_index(['features', 'activation', 'width'])['law']
  assert table['random_features', 'tanh', 60] == pytest.approx(np.sqrt(6 * 8 / 60))
  assert table['tangent', 'tanh', 10] == pytest.approx(np.sqrt(6 * 8 / 60))
