"""Kendall's tau and its granulated form, against scipy's on every group."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from zoo import AXES, HYPERPARAMETERS, noisy, zoo

from research.referee import scores


@pytest.mark.parametrize('decimals', [9, 1, 0])
@pytest.mark.parametrize('n', [2, 7, 60])
def test_tau_is_that_of_scipy(n, decimals, monkeypatch):
  monkeypatch.setattr(scores, 'ROWS', 13)
  rng = np.random.default_rng(n)
  x = rng.normal(size=n)
  y = (x + rng.normal(size=n)).round(decimals)
  x = x.round(decimals)
  expected = stats.kendalltau(x, y).statistic
  np.testing.assert_allclose(scores.kendall(x, y), np.nan_to_num(expected) if n == 2 else expected)


def test_tau_with_multiplicities_is_that_of_repeated_rows():
  rng = np.random.default_rng(0)
  x, y = rng.normal(size=(2, 25)).round(1)
  x[3] = np.nan
  counts = rng.integers(0, 4, (6, 25))
  found = scores.kendall(x, y, counts)
  for row, tau in zip(counts, found, strict=True):
    a, b = np.repeat(x, row), np.repeat(y, row)
    kept = ~np.isnan(a)
    assert tau == pytest.approx(stats.kendalltau(a[kept], b[kept]).statistic)


def test_tau_of_what_cannot_be_ranked():
  assert scores.kendall(np.ones(4), np.arange(4.0)) == 0
  assert np.isnan(scores.kendall(np.arange(4.0), np.ones(4)))
  assert np.isnan(scores.kendall(np.full(4, np.nan), np.arange(4.0)))
  assert scores.kendall(np.array([1.0, 2.0, np.inf, -np.inf]), np.array([0.0, 1.0, 0.5, 2.0])) == 1


def by_groups(table, measure):
  """psi of one seed, and their mean, with scipy."""
  found = {}
  for axis in HYPERPARAMETERS:
    others = [name for name in HYPERPARAMETERS if name != axis]
    taus = []
    for _, group in table.dropna(subset=[measure]).groupby(others):
      if group['gap'].nunique() > 1:
        tau = stats.kendalltau(group[measure], group['gap']).statistic
        taus.append(0 if group[measure].nunique() == 1 else tau)
    found[axis] = np.mean(taus)
  return {**found, 'mean': np.mean([*found.values()])}


@pytest.mark.parametrize('k', range(4))
def test_psi_of_one_seed_is_the_mean_of_scipys_tau_over_groups(k):
  table, measures = noisy(zoo(n_seeds=1, noise=0.1), 4)
  found = scores.granulated(table, measures, HYPERPARAMETERS).loc[measures[k]]
  assert found.to_dict() == pytest.approx(by_groups(table, measures[k]))


def test_psi_pairs_all_seeds_and_no_two_networks_of_one_setting():
  table = pd.DataFrame({'width': [1, 1, 2, 2], 'seed': [0, 1, 2, 3], 'n_test': 100})
  table['gap'] = [0.1, 0.2, 0.3, 0.4]
  table['measure'] = [1.0, 0.0, 3.0, 0.5]  # pairs over width: 3 right, 1 wrong
  assert scores.granulated(table, ['measure'], ['width']).loc['measure', 'mean'] == 0.5


def test_the_gap_has_one_its_negative_minus_one_and_a_constant_none():
  table = zoo()
  table = table.assign(same=table['gap'], opposite=-table['gap'], constant=3.0)
  found = scores.granulated(table, ['same', 'opposite', 'constant'], HYPERPARAMETERS)
  np.testing.assert_array_equal(found, np.outer([1, -1, 0], np.ones(4)))
  for name, tau in (('same', 1), ('opposite', -1), ('constant', 0)):
    assert scores.kendall(table[name].to_numpy(), table['gap'].to_numpy()) == pytest.approx(tau)


@pytest.mark.parametrize('axis', AXES)
def test_a_measure_that_is_wrong_on_one_axis_alone_shows_there(axis):
  table = zoo(noise=0)
  sign = {name: -1 if name == axis else 1 for name in AXES}
  table['measure'] = (
    -sign['n_train'] * 0.3 * np.log2(table['n_train'])
    - sign['width'] * np.log2(table['width'])
    + sign['optimizer'] * (table['optimizer'] == 'adam')
  )
  found = scores.granulated(table, ['measure'], HYPERPARAMETERS).loc['measure']
  assert found[HYPERPARAMETERS].to_dict() == sign
  assert found['mean'] == pytest.approx(1 / 3)


def test_a_measure_that_knows_one_axis_has_no_psi_on_others():
  table = zoo().assign(measure=lambda t: -t['n_train'])
  found = scores.granulated(table, ['measure'], HYPERPARAMETERS).loc['measure']
  assert found['width'] == found['optimizer'] == 0
  assert found['n_train'] == 1
  assert scores.kendall(table['measure'].to_numpy(), table['gap'].to_numpy()) > 0.6


def test_axes_and_groups_that_say_nothing_do_not_count():
  table = zoo().assign(width=16, measure=lambda t: t['gap'])
  found = scores.granulated(table, ['measure'], HYPERPARAMETERS).loc['measure']
  assert np.isnan(found['width'])
  assert found['mean'] == 1
  tied = table.assign(gap=table['gap'].where(table['optimizer'] == 'sgd', 0.5))
  assert scores.granulated(tied, ['measure'], HYPERPARAMETERS).loc['measure', 'n_train'] == 1


def test_units_order_and_repetition_do_not_matter():
  table, measures = noisy(zoo(), 4)
  expected = scores.granulated(table, measures, HYPERPARAMETERS)
  bent = table.assign(**{name: np.exp(5 * table[name]) for name in measures})
  for changed in (bent, table.sample(frac=1, random_state=0), pd.concat([table, table])):
    found = scores.granulated(changed, measures, HYPERPARAMETERS)
    pd.testing.assert_frame_equal(found, expected)
  x, y = table[measures[2]].to_numpy(), table['gap'].to_numpy()
  assert scores.kendall(np.exp(x), y) == scores.kendall(x, y) == -scores.kendall(-x, y)
  assert scores.kendall(np.tile(x, 2), np.tile(y, 2)) == pytest.approx(scores.kendall(x, y))


@pytest.mark.parametrize(
  ('name', 'arguments'),
  [
    ('measure', (np.ones((3, 1)), np.ones(3))),
    ('measure', (np.ones(2), np.ones(3))),
    ('multiplicity', (np.ones(3), np.ones(3), np.ones(3))),
    ('multiplicity', (np.ones(3), np.ones(3), np.ones((1, 2)))),
  ],
)
def test_bad_arguments_are_named(name, arguments):
  with pytest.raises(ValueError, match=f'^{name} must'):
    scores.kendall(*arguments)
