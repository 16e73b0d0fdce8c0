"""Every claim on a table where it is true, one where it is false, and one that cannot tell."""

import numpy as np
import pandas as pd
import pytest

from research.studies import real_and_random_labels as study

STEPS = [0, 1, 3, 10, 30, 100, 300, 1000]  # 10 steps are an epoch
COLUMNS = ['train/epoch', 'coherence/m_coherence', 'train/accuracy', 'test/accuracy']

# What the paper describes, by fraction of random labels: a value for each of STEPS.
COHERENCE = {
  0.0: [20, 30, 30, 30, 20, 8, 1.3, 1.2],
  0.5: [15, 12, 12, 12, 10, 9, 5, 1.3],
  1.0: [12, 3, 3, 3, 3, 9, 7, 1.4],
}
TRAIN = {
  0.0: [0.1, 0.5, 0.8, 0.9, 0.95, 1.0, 1.0, 1.0],
  0.5: [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.9, 1.0],
  1.0: [0.1, 0.1, 0.1, 0.1, 0.2, 0.5, 0.8, 1.0],
}
TEST = {0.0: [0.95] * 8, 0.5: [0.7] * 8, 1.0: [0.1] * 8}


def make_table(
  coherence=COHERENCE, train=TRAIN, test=TEST, n_members=6, spread=0.02, noises=(0.0, 0.5, 1.0)
):
  """The tidy table of runs whose networks scatter around the given curves."""
  generator = np.random.default_rng(0)
  rows = []
  for noise in noises:
    for member in range(n_members):
      for i, step in enumerate(STEPS):
        scatter = np.exp(spread * generator.normal())
        values = [coherence[noise][i] * scatter, train[noise][i], test[noise][i] * scatter]
        rows.append({study.NOISE: noise, 'step': step, 'member': member})
        rows[-1] |= dict(zip(COLUMNS, [step / 10, *values], strict=True))
  columns = [study.NOISE, 'step', 'member', *COLUMNS]
  return pd.DataFrame(rows, columns=columns)


def with_arm(curves, noise, values):
  return curves | {noise: values}


FLAT = [12, 3, 3, 3, 3, 3, 2, 1.4]
HALF_FITTED = with_arm(TRAIN, 1.0, [0.1] * 7 + [0.5])
TRUE = make_table()
FALSE = {
  study.real_exceeds_random_early: make_table(with_arm(COHERENCE, 1.0, [15] * 8)),
  study.coherence_falls_with_label_noise: make_table(with_arm(COHERENCE, 0.5, [30] * 8)),
  study.random_labels_peak_in_mid_training: make_table(with_arm(COHERENCE, 1.0, FLAT)),
  study.interpolation_ends_coherence: make_table(with_arm(COHERENCE, 1.0, [3] * 8)),
  study.random_labels_are_fitted_without_generalization: make_table(
    test=with_arm(TEST, 1.0, [0.6] * 8)
  ),
}
UNKNOWN = {
  study.real_exceeds_random_early: make_table(n_members=1),
  study.coherence_falls_with_label_noise: make_table(noises=(0.0,)),
  study.random_labels_peak_in_mid_training: make_table(
    train=with_arm(TRAIN, 1.0, [0.1] * 6 + [1.0] * 2)
  ),
  study.interpolation_ends_coherence: make_table(train=HALF_FITTED),
  study.random_labels_are_fitted_without_generalization: make_table(train=HALF_FITTED),
}
JUDGES = [claim.judge for claim in study.CLAIMS]


def judged(judge, table):
  """The verdict, which reads the table and leaves it as it is."""
  before = table.copy()
  verdict = judge(table)
  pd.testing.assert_frame_equal(table, before)
  return verdict


@pytest.mark.parametrize('judge', JUDGES)
def test_holds_where_it_is_true(judge):
  verdict = judged(judge, TRUE)
  assert verdict.holds is True, verdict
  assert verdict.n == 6
  assert np.isfinite([verdict.ours, verdict.stderr]).all()


@pytest.mark.parametrize('judge', JUDGES)
def test_fails_where_it_is_false(judge):
  verdict = judged(judge, FALSE[judge])
  assert verdict.holds is False, verdict
  assert 'contradicted' in verdict.note


@pytest.mark.parametrize('judge', JUDGES)
def test_says_why_where_it_cannot_be_measured(judge):
  verdict = judged(judge, UNKNOWN[judge])
  assert verdict.holds is None, verdict
  assert verdict.note


@pytest.mark.parametrize('judge', JUDGES)
@pytest.mark.parametrize('noises', [(), (0.0,), (0.5,)])
def test_without_its_arms_nothing_is_measured(judge, noises):
  verdict = judged(judge, make_table(noises=noises))
  assert verdict.holds is None, verdict
  assert verdict.note


@pytest.mark.parametrize('judge', JUDGES)
def test_networks_that_differ_too_much_show_nothing(judge):
  verdict = judged(judge, make_table(n_members=3, spread=3.0))
  assert verdict.holds is not True
  assert np.isfinite(verdict.ours)


@pytest.mark.parametrize('judge', JUDGES)
def test_the_order_of_the_rows_does_not_matter(judge):
  shuffled = TRUE.sample(frac=1, random_state=0)
  if judge is study.random_labels_peak_in_mid_training:
    shuffled = shuffled.sort_values('step')
  here, there = judge(TRUE), judge(shuffled)
  assert here.holds == there.holds
  assert here.ours == pytest.approx(there.ours)


@pytest.mark.parametrize('judge', JUDGES)
def test_a_network_that_was_lost_keeps_a_claim_from_holding(judge):
  table = TRUE.copy()
  table.loc[table['member'] == 2, ['coherence/m_coherence', 'test/accuracy']] = np.nan
  verdict = judged(judge, table)
  assert verdict.holds is None
  assert verdict.n == 5
  assert '1 of 6 networks could not be measured' in verdict.note


def test_ratios_pair_networks_of_equal_seed():
  """Coherence varies tenfold between seeds, alike in both arms: only pairs show the ratio."""
  table = make_table(spread=0.01)
  scale = np.exp(np.linspace(0, 2.3, 6))
  table['coherence/m_coherence'] *= scale[table['member']]
  verdict = study.real_exceeds_random_early(table)
  assert verdict.holds is True
  # over steps 1 to 30: 30 until step 10, then down to 20, against 3 throughout
  assert verdict.ours == pytest.approx((9 * 30 + 20 * 25) / 29 / 3, rel=0.02)
  assert verdict.stderr < 0.1


def test_initialization_does_not_count_as_early():
  table = make_table()
  table.loc[table['step'] == 0, 'coherence/m_coherence'] = 1e6
  assert study.real_exceeds_random_early(table) == study.real_exceeds_random_early(TRUE)


def test_the_verdict_on_levels_is_of_the_pair_that_fails_though_its_ratio_be_larger():
  table = make_table(spread=0.01, noises=(0.0, 0.5, 1.0))
  real = table[study.NOISE] == 0.0  # 0 over 0.5: large on average, and anything at all
  table.loc[real, 'coherence/m_coherence'] *= np.exp([-4, 4, 0, -3, 5, 4])[table['member'][real]]
  verdict = study.coherence_falls_with_label_noise(table)
  assert verdict.holds is False
  assert verdict.note.startswith('0 over 0.5 random; 95 % interval')
  assert verdict.ours > 4


def test_the_peak_is_looked_for_after_early_training():
  """Random labels fitted within three epochs: early and mid-training would be the same steps."""
  table = make_table(train=with_arm(TRAIN, 1.0, [0.1, 0.4, 0.5, 0.8, 0.95, 1, 1, 1]))
  assert study.random_labels_peak_in_mid_training(table).holds is None


def test_the_limit_is_not_judged_of_those_alone_that_happen_to_fit_every_label():
  table = make_table()
  lazy = (table['member'] == 3) & (table[study.NOISE] == 1.0)
  table.loc[lazy, 'train/accuracy'] = 0.9
  table.loc[lazy, 'coherence/m_coherence'] = 50.0
  verdict = study.interpolation_ends_coherence(table)
  assert (verdict.holds, verdict.n) == (None, 5)
  assert verdict.note == 'random labels, 5 of 6 networks fitted, on average 98.3%'


def test_the_last_step_is_that_of_each_run():
  table = make_table()
  table = table[(table[study.NOISE] != 1.0) | (table['step'] <= 300)]
  table.loc[(table[study.NOISE] == 1.0) & (table['step'] == 300), 'train/accuracy'] = 1.0
  assert study.random_labels_are_fitted_without_generalization(table).holds is True


def test_the_summary_has_a_row_for_each_fraction_of_random_labels():
  summary = study.summary({'labels': TRUE})
  assert list(summary.index) == ['0%', '50%', '100%']
  assert summary.loc['100%', 'test accuracy'].startswith('0.1')
  assert summary.loc['0%', 'train accuracy'] == '1.000 ± 0.000'
  assert not study.summary({'labels': make_table(n_members=1)}).empty
