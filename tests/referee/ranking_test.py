"""The leaderboard: every score is that of its own function, and nobody is dropped."""

import numpy as np
import pandas as pd
import pytest
from zoo import HYPERPARAMETERS, noisy, zoo

from research.referee import baselines, information, intervals, ranking, robust, scores


@pytest.fixture(scope='module')
def made():
  table, measures = noisy(zoo(noise=0.05), 4)
  table = table.assign(
    **{'none/at_all': np.nan, 'sure/gap': table['gap'], 'b/wrong': -table['gap']}
  )
  return table, [*measures, 'none/at_all', 'sure/gap', 'b/wrong']


@pytest.fixture(scope='module')
def board(made):
  return ranking.leaderboard(*made, HYPERPARAMETERS, n_resamples=20)


def test_each_measure_and_baseline_has_a_row(board, made):
  table, measures = made
  assert sorted(board['measure']) == sorted([*measures, *baselines.NAMES])
  assert board['rank'].tolist() == list(range(1, len(board) + 1))
  assert board[board['baseline']]['measure'].isin(baselines.NAMES).sum() == 3
  rows = board.set_index('measure')
  assert rows.loc['none/at_all', 'computed'] == 0
  assert rows.loc['family/1', 'computed'] == np.isfinite(table['family/1']).sum() < len(table)
  assert (rows['networks'] == len(table)).all()


def test_the_best_come_first_and_what_has_no_score_last(board):
  assert board['measure'].iloc[0] == 'sure/gap'
  assert board['measure'].iloc[-2:].tolist() == ['b/wrong', 'none/at_all']
  assert board['psi'].iloc[:-1].is_monotonic_decreasing
  none = board.iloc[-1]
  assert none[['tau', 'psi', 'information', 'sign_error_max', 'tau_low']].isna().all()
  assert (none['worst'], none['worst_axis'], none['environments']) == ('', '', 0)


def test_every_score_is_that_of_its_function(board, made):
  table, measures = made
  entered = baselines.with_baselines(table, HYPERPARAMETERS)
  names = [*measures, *baselines.NAMES]
  rows = board.set_index('measure')
  of_axes = scores.granulated(entered, names, HYPERPARAMETERS)
  known = information.conditional(entered, names, HYPERPARAMETERS)
  wrong = robust.sign_errors(entered, names, HYPERPARAMETERS)
  ranges = intervals.intervals(entered, names, HYPERPARAMETERS, 20)
  for name in names:
    row = rows.loc[name]
    tau = scores.kendall(entered[name].to_numpy(), entered['gap'].to_numpy()).item()
    assert row['tau'] == pytest.approx(tau, nan_ok=True)
    found = row[['psi', *(f'psi/{axis}' for axis in HYPERPARAMETERS)]].astype(float)
    expected = of_axes.loc[name, ['mean', *HYPERPARAMETERS]]
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_equal(row['information'], known.loc[name, 'information'])
    assert row['given'] == known.loc[name, 'given']
    np.testing.assert_array_equal(row[ranges.columns].astype(float), ranges.loc[name])
    errors = wrong[wrong['measure'] == name].dropna()
    assert row['environments'] == len(errors)
    if len(errors):
      of_errors = errors['sign_error']
      assert row['sign_error_mean'] == pytest.approx(of_errors.mean())
      assert row['sign_error_percentile_90'] == pytest.approx(np.percentile(of_errors, 90))
      worst = errors[errors['environment'] == row['worst']].iloc[0]
      assert worst['sign_error'] == row['sign_error_max'] == of_errors.max()
      assert worst['axis'] == row['worst_axis']


def test_the_order_of_rows_and_measures_does_not_matter(made):
  table, measures = made
  table, measures = table.assign(twin=table['gap']), ['twin', *measures]  # ties of Psi go by name
  expected = ranking.leaderboard(table, measures, HYPERPARAMETERS, n_resamples=3)
  assert expected['measure'].tolist()[:2] == ['sure/gap', 'twin']
  shuffled = table.sample(frac=1, random_state=0)
  found = ranking.leaderboard(shuffled, measures[::-1], HYPERPARAMETERS, n_resamples=3)
  pd.testing.assert_frame_equal(found, expected)


def test_a_measure_that_is_right_on_average_and_wrong_on_one_axis_is_found_out():
  table = zoo(noise=0)
  table['measure'] = -np.log2(table['n_train']) + 0.01 * np.log2(table['width'])
  row = ranking.leaderboard(table, ['measure'], HYPERPARAMETERS, 0).set_index('measure')
  row = row.loc['measure']
  assert row['tau'] > 0.5
  assert row['psi/width'] == -1
  assert row['sign_error_max'] == 1
  assert row['worst'] == 'width: 16 to 64'
  assert 'tau_low' not in row


def test_without_measures_baselines_are_ranked():
  found = ranking.leaderboard(zoo(), (), HYPERPARAMETERS, n_resamples=0)
  assert found['measure'].iloc[-1] == 'baseline/random'
  assert len(found) == 3
