"""Verdicts on samples, against computations by hand."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from research.studies.claim import Claim, Verdict, exceeds, falls_below, farthest, weakest, within


def test_exceeds_agrees_with_students_interval_by_hand():
  """1, 2, 3, 6: mean 3, variance 14 / 3, t(0.975, 3) = 3.1824: the interval is 3 -+ 3.4374."""
  verdict = exceeds(np.array([1.0, 2.0, 3.0, 6.0]), -0.5)
  assert (verdict.ours, verdict.n) == (3.0, 4)
  assert verdict.stderr == pytest.approx(np.sqrt(14 / 3) / 2)
  assert verdict.holds is True
  assert verdict.note == '95 % interval -0.437 to 6.44'


def test_the_whole_interval_must_lie_beyond_the_bound():
  values = np.array([1.0, 2.0, 3.0, 6.0])
  low, high = 3 - 3.4374, 3 + 3.4374
  assert exceeds(values, low - 0.001).holds is True
  assert exceeds(values, low + 0.001).holds is False
  assert falls_below(values, high + 0.001).holds is True
  assert falls_below(values, high - 0.001).holds is False


def test_the_note_tells_not_shown_from_contradicted():
  values = np.array([1.0, 2.0, 3.0, 6.0])
  assert exceeds(values, 2.0).note == '95 % interval -0.437 to 6.44 includes 2: not shown'
  assert exceeds(values, 7.0).note == '95 % interval -0.437 to 6.44 excludes 7: contradicted'
  assert falls_below(values, 4.0).note.endswith('includes 4: not shown')
  assert falls_below(values, -1.0).note.endswith('excludes -1: contradicted')
  assert exceeds(values, -1.0, note='deep').note == 'deep; 95 % interval -0.437 to 6.44'


def test_of_ratios_the_geometric_mean_is_compared():
  ratios = np.array([2.0, 4.0, 8.0])
  verdict = exceeds(ratios, 1.0, log=True)
  reach = stats.t.ppf(0.975, 2) * np.log(2) / np.sqrt(3)
  assert verdict.ours == pytest.approx(4.0)
  assert verdict.stderr == pytest.approx(4.0 * np.log(2) / np.sqrt(3))
  assert verdict.holds is bool(np.log(4) - reach > 0) is False
  assert exceeds(ratios, 0.7, log=True).holds is True


def test_of_a_ratio_and_its_inverse_one_holds_at_most():
  ratios = np.exp(np.random.default_rng(0).normal(0.5, 0.3, size=20))
  above, below = (exceeds(r, 1.0, log=True) for r in (ratios, 1 / ratios))
  assert (above.holds, below.holds) == (True, False)
  assert above.ours == pytest.approx(1 / below.ours)
  assert falls_below(1 / ratios, 1.0, log=True).holds is True


@pytest.mark.parametrize('values', [[], [3.0], [3.0, np.nan]])
def test_one_network_measures_nothing(values):
  verdict = exceeds(np.array(values), 1.0)
  assert verdict.holds is None
  assert np.isnan(verdict.ours)
  assert verdict.n == np.isfinite(values).sum()
  assert 'at least two networks' in verdict.note


@pytest.mark.parametrize('lost', [np.nan, np.inf, -np.inf])
def test_a_claim_cannot_hold_on_the_networks_that_survived(lost):
  values = np.array([5.0, 5.1, 4.9, lost])
  verdict = exceeds(values, 1.0)
  assert verdict.holds is None
  assert (verdict.ours, verdict.n) == (pytest.approx(5.0), 3)
  assert verdict.note.startswith('1 of 4 networks could not be measured; 95 % interval')
  assert exceeds(values, 6.0).holds is False
  assert falls_below(values, 6.0).holds is None


def test_ratios_that_are_not_positive_are_not_left_out():
  verdict = exceeds(np.array([5.0, 6.0, 0.0]), 1.0, log=True)
  assert verdict.holds is False
  assert verdict.note == 'not shown: 1 of 3 ratios are not positive'


def test_the_interval_covers_as_often_as_it_says():
  """At the bound itself, 2.5 % of the samples of either side are taken for an effect."""
  samples = np.random.default_rng(0).normal(1.0, 2.0, size=(4000, 5))
  held = np.mean([exceeds(sample, 1.0).holds for sample in samples])
  assert abs(held - 0.025) < 4 * np.sqrt(0.025 * 0.975 / 4000)


def test_the_weakest_verdict_is_one_that_fails_whatever_its_number():
  holds, fails, unknown = (
    Verdict(holds=holds, ours=ours) for holds, ours in ((True, 1.2), (False, 1.5), (None, 1.1))
  )
  assert weakest([holds, unknown, fails]) is fails
  assert weakest([holds, unknown]) is unknown
  assert weakest([holds, Verdict(holds=True, ours=9.0)]) is holds


def test_the_farthest_ratio_is_that_in_either_direction_and_one_that_is_not_shown_goes_first():
  twice, third, unknown = (Verdict(holds=True, ours=ours) for ours in (2.0, 1 / 3, np.nan))
  assert farthest([twice, third]) is farthest([third, twice]) is third
  assert farthest([third, unknown]) is unknown
  fails = Verdict(holds=False, ours=1.1)
  assert farthest([unknown, third, fails, Verdict(holds=None)]) is fails


def test_name_and_text_of_a_claim_are_those_of_its_predicate():
  def loss_falls(table: pd.DataFrame) -> Verdict:
    """The loss
    falls."""
    return Verdict(holds=None)

  claim = Claim(judge=loss_falls, reads=('runs',), source='Somebody 2020', paper='falls')
  assert (claim.name, claim.text) == ('loss_falls', 'The loss falls.')


def test_within_wants_the_whole_interval_between_both_bounds():
  values = np.array([1.0, 2.0, 3.0, 6.0])  # 3 -+ 3.4374
  assert within(values, -0.5, 6.5).holds is True
  assert within(values, 0.0, 6.5).holds is False
  assert within(values, -0.5, 6.0).holds is False
  assert within(np.exp(values), np.exp(-0.5), np.exp(6.5), log=True).ours == pytest.approx(
    np.exp(3)
  )
