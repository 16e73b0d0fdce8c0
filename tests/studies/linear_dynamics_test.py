"""Every claim of the study on tables where it is true and where it is false; what calculates them."""

import calculated
import numpy as np
import pytest
from calculated import scattered

from research.studies import linear_dynamics as study


def curves(new=1.02, old=0.98):
  rows = [
    {'load': load, 'start': start, 'time': time}
    | {'generalization': new * g, 'training': old * t}
    | {'generalization_theory': g, 'training_theory': t}
    for load in study.CURVES
    for start in (0.0, 1.0)
    for time, g, t in ((0.1, 1.2, 1.2), (10.0, 0.5, 0.2), (1000.0, 0.9, 1e-9))
  ]
  return scattered(rows, ('generalization', 'training'), 0.005)


def loads(
  late=lambda load: 1 / abs(load - 1.001), best=lambda load: 1 / load, frozen=1.0, over=1.1
):
  rows = []
  for load in study.LOADS:
    row = {'load': load, 'late': late(load), 'best': best(load)}
    row['frozen'] = frozen * max(0.0, 1 - load)
    floor = row['frozen'] + 1 / study.SNR
    row |= {'ridge': floor + 0.3, 'stopped': floor + 0.3 * over}
    rows.append(row | {f'{name}_theory': row[name] for name in ('late', 'best', 'ridge')})
  return scattered(rows, ('late', 'best'), 0.005)


def starts(best=3.0, late=3.0, forgotten=1.0, cost=1.3):
  rows = []
  for load in study.CURVES:
    for start in study.STARTS:
      factors = (best, late) if load < 1 else (cost, forgotten)
      row = dict(zip(('best', 'late'), factors, strict=True)) if start else dict(best=1.0, late=1.0)
      rows.append({'load': load, 'start': start, **row})
  return scattered(rows, ('best', 'late'), 0.002)


def signals(power=0.5):
  rows = [
    {'load': load, 'snr': snr, 'best_time': snr**power, 'best_time_theory': snr**power}
    for load in study.CURVES
    for snr in study.SNRS
  ]
  return scattered(rows, ('best_time',))


TRUE = {'curves': curves(), 'loads': loads(), 'starts': starts(), 'signals': signals()}
FALSE = {
  'curves_match': curves(new=1.1),
  'mean_curves_match': curves(new=0.92),
  'training_curves_match': curves(old=0.9),
  'overtraining_peaks_at_one': loads(late=lambda load: 1 / load),
  'stopping_removes_the_peak': loads(best=lambda load: 1 / abs(load - 1.001)),
  'unseen_directions_are_frozen': loads(frozen=0.9),
  'large_starts_hurt': starts(best=1.5),
  'large_starts_hurt_in_the_end': starts(late=1.5),
  'starts_are_forgotten_above_load_one': starts(forgotten=1.1),
  'starts_cost_even_when_stopped_in_time': starts(cost=1.0),
  'stopping_is_nearly_ridge': loads(over=1.3),
  'ridge_is_better': loads(over=0.95),
  'clean_labels_want_long_training': signals(power=-0.5),
}


def test_every_claim_has_tables_where_it_is_false():
  calculated.check_that_all_are_judged(study, TRUE, FALSE)


@pytest.mark.parametrize('claim', study.CLAIMS, ids=lambda claim: claim.name)
def test_claims_hold_where_they_are_true_and_fail_where_they_are_false(claim):
  tables = dict(TRUE)
  # what does not scatter has no error: a little noise
  rng = np.random.default_rng(1)
  for name in ('frozen', 'stopped'):
    tables['loads'] = tables['loads'].assign(
      **{name: tables['loads'][name] * (1 + 1e-3 * rng.normal(size=len(tables['loads'])))}
    )
  calculated.check_claim(claim, tables, FALSE)


def test_figures_and_reading_take_the_tables():
  calculated.check_figures_and_reading(study, TRUE, 'at load 1 ')


@pytest.mark.parametrize('name', [*TRUE])
def test_calculations_give_the_columns_that_claims_read(monkeypatch, name):
  monkeypatch.setattr(study, 'N', 20)
  calculated.check_columns(study.CALCULATIONS[name]((0, 1)), TRUE[name])
