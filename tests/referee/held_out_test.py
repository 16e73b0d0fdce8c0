"""Combinations of measures on networks that they were not learned on."""

import numpy as np
import pytest
from scipy import stats
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import GroupKFold
from zoo import HYPERPARAMETERS, zoo

from research.referee import held_out
from research.referee.baselines import NAMES

COMBINATIONS = ['ridge', 'isotonic', 'mean', 'best']


def test_ranks_are_standardized_by_what_is_learned():
  rng = np.random.default_rng(0)
  learned, rest = rng.normal(size=(40, 3)), rng.normal(size=(9, 3))
  learned[:, 1] = learned[:, 1].round()
  learned[3, 2], rest[4, 2] = np.nan, np.inf
  z = held_out.ranks(learned, learned)
  np.testing.assert_allclose(z[:, :2].mean(axis=0), 0, atol=1e-12)
  np.testing.assert_allclose(z[:, :2].std(axis=0), 1)
  middle = stats.rankdata(learned[:, 1])
  np.testing.assert_allclose(z[:, 1], stats.zscore(middle))
  assert z[3, 2] == 0
  of = held_out.ranks(learned, rest)
  assert of[4, 2] == 0
  np.testing.assert_array_equal(held_out.ranks(np.exp(learned), np.exp(rest)), of)
  np.testing.assert_array_equal(held_out.ranks(learned, rest[2:3]), of[2:3])
  constant = held_out.ranks(np.ones((5, 1)), np.array([[0.0], [2.0]]))
  np.testing.assert_array_equal(constant, 0)


@pytest.mark.parametrize('signal', [0.0, 0.1, 3.0])
def test_the_ridge_is_that_of_scikit_learn(signal):
  rng = np.random.default_rng(0)
  z, of, settings = rng.normal(size=(45, 4)), rng.normal(size=(7, 4)), np.arange(45) // 3
  z[:, 3] = z[:, 2]
  gap = signal * z[:, 0] + rng.normal(size=45)
  splits = [*GroupKFold(5).split(z, gap, settings)]
  model = RidgeCV(held_out.PENALTIES, scoring='neg_mean_squared_error', cv=splits).fit(z, gap)
  np.testing.assert_allclose(held_out.ridge(z, gap, settings, of), model.predict(of))
  np.testing.assert_array_equal(held_out.ridge(z, gap, np.zeros(45), of), gap.mean())


def test_nothing_leaks_from_the_networks_that_are_left_out():
  rng = np.random.default_rng(0)
  columns, gap, settings = rng.normal(size=(60, 4)), rng.normal(size=60), np.arange(60) // 2
  out = np.arange(60) % 3 == 0
  expected, best = held_out.predictions(columns, gap, settings, out)
  others = np.flatnonzero(out)[1:]  # all but the first of them
  changed, shifted = columns.copy(), gap.copy()
  changed[others] = 100 * rng.normal(size=(len(others), 4))
  shifted[out] = rng.normal(size=out.sum())
  found, again = held_out.predictions(changed, shifted, settings, out)
  assert again == best
  for name in COMBINATIONS:
    assert found[name][0] == pytest.approx(expected[name][0], rel=1e-12)
    assert len(np.unique(expected[name])) > 5
    assert np.any(found[name][1:] != expected[name][1:])


def test_combinations_of_noise_rank_no_better_than_chance():
  taus = {name: [] for name in COMBINATIONS}
  for seed in range(40):
    rng = np.random.default_rng(seed)
    columns, gap, settings = rng.normal(size=(60, 5)), rng.normal(size=60), np.arange(60) // 2
    out = np.arange(60) % 2 == 0
    scored, _ = held_out.predictions(columns, gap, settings, out)
    for name in COMBINATIONS:
      tau = held_out.kendall(scored[name], gap[out]).item()
      taus[name].append(tau)
  for values in taus.values():
    assert abs(np.mean(values)) < 4 * np.std(values) / np.sqrt(len(values)) < 0.12


@pytest.fixture(scope='module')
def halves():
  """Two measures that know half of the gap each, and one that knows nothing."""
  table, rng = zoo(n_seeds=10, noise=0.05), np.random.default_rng(1)
  scaled = stats.zscore(table['gap'])
  other = rng.normal(size=len(table))
  table = table.assign(
    one=scaled + other, two=scaled - other, noise=rng.normal(size=len(table)), tied=1.0
  )
  table.loc[5, 'one'] = np.nan
  return held_out.held_out(table, ['one', 'two', 'noise', 'tied'], HYPERPARAMETERS, 'width')


@pytest.mark.parametrize('combination', ['ridge', 'isotonic'])
def test_a_combination_of_halves_beats_the_best_of_them(halves, combination):
  tau = halves.set_index(['left_out', 'predictor'])['tau']
  error = halves.set_index(['left_out', 'predictor'])['sign_error_mean']
  for value in (16, 64):
    assert tau[value, combination] > tau[value, 'best'] + 0.1
    assert error[value, combination] < error[value, 'best'] - 0.02
    assert tau[value, 'baseline/remeasured'] > 0.8
    assert abs(tau[value, 'baseline/random']) < 0.3


def test_rows_are_named(halves):
  assert (
    halves.groupby('left_out')['predictor'].apply(list).tolist() == [[*COMBINATIONS, *NAMES]] * 2
  )
  assert (halves['n'] == 60).all()
  assert set(halves[halves['predictor'] == 'best']['chosen']) <= {'one', 'two'}
  assert set(halves[halves['predictor'] != 'best']['chosen']) == {*COMBINATIONS[:3], *NAMES}


def test_a_measure_that_knows_all_is_chosen():
  rng = np.random.default_rng(0)
  table = zoo().assign(all=lambda t: np.exp(t['gap']), none=lambda t: rng.normal(size=len(t)))
  found = held_out.held_out(table, ['none', 'all'], HYPERPARAMETERS, 'n_train')
  best = found[found['predictor'] == 'best']
  assert best['left_out'].tolist() == [100, 400, 1600]
  assert set(best['chosen']) == {'all'}
  assert best['tau'].tolist() == pytest.approx([1] * 3)
  assert best['sign_error_max'].tolist() == [0] * 3


def test_one_hyperparameter_leaves_no_environments():
  table = zoo(axes={'n_train': (100, 400)}).assign(m=lambda t: t['gap'])
  found = held_out.held_out(table, ['m'], ['n_train'], 'n_train')
  assert found['sign_error_mean'].isna().all()
  assert found.loc[found['predictor'] == 'best', 'tau'].tolist() == pytest.approx([1, 1])


@pytest.mark.parametrize(
  ('message', 'measures', 'axis'),
  [
    ('measures must name', (), 'width'),
    ('axis must be one', ['m'], 'depth'),
    ('axis must have two', ['m'], 'same'),
  ],
)
def test_bad_arguments_are_named(message, measures, axis):
  with pytest.raises(ValueError, match=f'^{message}'):
    held_out.held_out(zoo().assign(m=1, same=1), measures, ['width', 'same'], axis)
