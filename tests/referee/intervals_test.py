"""The bootstrap: each draw is a table, and intervals cover what they are of."""

import numpy as np
import pandas as pd
import pytest
from zoo import HYPERPARAMETERS, noisy, zoo

from research.referee import intervals, robust, scores
from research.referee.contest import contest


def test_networks_of_a_setting_are_drawn_together():
  settings = np.array([3, 3, 1, 7, 1, 3])
  drawn = intervals.resamples(settings, 50)
  for number in (1, 3, 7):
    columns = drawn[:, settings == number]
    assert np.all(columns == columns[:, :1])
  assert np.all(drawn[:, [0, 2, 3]].sum(axis=1) == 3)
  assert len(np.unique(drawn, axis=0)) == 10  # 3 settings, 3 drawn: 10 ways
  order = np.array([5, 2, 0, 1, 4, 3])
  np.testing.assert_array_equal(intervals.resamples(settings[order], 50), drawn[:, order])


@pytest.mark.parametrize(('within', 'effective'), [('changes', 12), ('settings', 5)])
def test_each_draw_has_the_scores_of_the_table_of_its_networks(within, effective):
  table, measures = noisy(zoo(n_seeds=3, noise=0.05), 4)
  found = intervals.draws(table, measures, HYPERPARAMETERS, 5, within, effective)
  counts = intervals.resamples(contest(table, (), HYPERPARAMETERS).settings, 5)
  for r, count in enumerate(counts):
    drawn = table.loc[np.repeat(table.index, count)]
    mean = scores.granulated(drawn, measures, HYPERPARAMETERS)['mean']
    errors = robust.sign_errors(drawn, measures, HYPERPARAMETERS, within, effective)
    errors = errors.groupby('measure')['sign_error']
    for name in measures:
      row = {
        'tau': scores.kendall(drawn[name].to_numpy(), drawn['gap'].to_numpy()).item(),
        'psi': mean[name],
        'sign_error_mean': errors.mean()[name],
        'sign_error_max': errors.max()[name],
      }
      values = {score: found[name][score][r] for score in row}
      assert values == pytest.approx(row, nan_ok=True)


def covered(n_worlds, correlation=0.6, n_settings=25, n_seeds=3):
  """How often the true tau is in its interval; seeds of a setting are almost the same network."""
  truth, hits = 2 / np.pi * np.arcsin(correlation), {'together': 0, 'alone': 0}
  together = np.repeat(np.arange(n_settings), n_seeds)
  for world in range(n_worlds):
    rng = np.random.default_rng(world)
    covariance = [[1, correlation], [correlation, 1]]
    x, y = rng.multivariate_normal([0, 0], covariance, n_settings).T
    m, gap = (np.repeat(v, n_seeds) + 1e-3 * rng.normal(size=len(together)) for v in (x, y))
    for name, settings in (('together', together), ('alone', np.arange(len(m)))):
      taus = scores.kendall(m, gap, intervals.resamples(settings, 100, seed=world))
      low, high = np.quantile(taus, [0.025, 0.975])
      hits[name] += (low <= truth <= high) / n_worlds
  return hits


def test_intervals_cover_and_would_not_if_seeds_were_drawn_one_by_one():
  share = covered(200)
  assert 0.88 <= share['together'] <= 0.99
  assert share['alone'] < share['together'] - 0.1


def world(seed):
  """24 settings whose gaps and measures have errors that their three seeds share."""
  axes = {'width': (1, 2), 'depth': (1, 2), 'n_train': (1, 2, 3), 'noise': (0, 1)}
  rng = np.random.default_rng(seed)
  table = zoo(n_seeds=3, axes=axes)
  shared = np.repeat(rng.normal(size=(2, 24)), 3, axis=1)
  gap = 0.3 - 0.03 * table['n_train'] + 0.05 * table['noise'] + 0.03 * shared[0]
  own = 0.005 * rng.normal(size=(2, len(table)))
  return table.assign(gap=gap + own[0], m=gap + 0.06 * shared[1] + own[1]), [*axes]


@pytest.mark.slow
def test_intervals_of_all_scores_cover():
  truth, hits = {score: [] for score in intervals.SCORES}, dict.fromkeys(intervals.SCORES, 0.0)
  for seed in range(300):
    table, names = world(1000 + seed)
    errors = robust.sign_errors(table, ['m'], names)['sign_error'].to_numpy()
    of_errors = robust.summary(errors)
    truth['tau'].append(scores.kendall(table['m'].to_numpy(), table['gap'].to_numpy()).item())
    truth['psi'].append(scores.granulated(table, ['m'], names)['mean'].item())
    truth['sign_error_mean'].append(of_errors['mean'])
    truth['sign_error_max'].append(of_errors['max'])
  for seed in range(100):
    table, names = world(seed)
    row = intervals.intervals(table, ['m'], names, 100, seed=seed).loc['m']
    for score, values in truth.items():
      hits[score] += row[f'{score}_low'] <= np.mean(values) <= row[f'{score}_high']
  assert all(88 <= count <= 100 for count in hits.values()), hits


def test_intervals_are_percentiles_of_draws():
  table, measures = noisy(zoo(), 2)
  found = intervals.intervals(table, measures, HYPERPARAMETERS, 40, level=0.8)
  draws = intervals.draws(table, measures, HYPERPARAMETERS, 40)
  for name in measures:
    for score in intervals.SCORES:
      low, high = np.quantile(draws[name][score], [0.1, 0.9])
      assert found.loc[name, f'{score}_low'] == pytest.approx(low)
      assert found.loc[name, f'{score}_high'] == pytest.approx(high)
  shuffled = table.sample(frac=1, random_state=0)
  again = intervals.intervals(shuffled, measures, HYPERPARAMETERS, 40, level=0.8)
  pd.testing.assert_frame_equal(again, found)


def test_what_cannot_be_scored_has_no_interval():
  table = zoo().assign(m=np.nan)
  found = intervals.intervals(table, ['m'], HYPERPARAMETERS, 5)
  assert found.isna().all(axis=None)


@pytest.mark.parametrize(
  ('name', 'change'), [('level', {'level': 1}), ('n_resamples', {'n_resamples': 0})]
)
def test_bad_arguments_are_named(name, change):
  with pytest.raises(ValueError, match=f'^{name} must'):
    intervals.intervals(zoo(), (), HYPERPARAMETERS, **change)
