"""Sign errors in environments, against a loop; the weight of a pair, against all outcomes."""

import itertools
import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from zoo import AXES, HYPERPARAMETERS, noisy, zoo

from research.referee import robust


def weight(difference, n_a, n_b):
  phi = [2 * math.exp(-2 * n * (difference / 2) ** 2) for n in (n_a, n_b)]
  w = max(0, 1 - phi[0]) * max(0, 1 - phi[1])
  return max(0, w - 0.5)


def by_loop(table, measure, within, effective):
  """{(axis, values, others): sign error} of the environments that are judged."""
  sums = {}
  rows = table.to_dict('records')
  for a, b in itertools.combinations(rows, 2):
    apart = [name for name in HYPERPARAMETERS if a[name] != b[name]]
    if len(apart) != 1 or math.isnan(a[measure] + b[measure]):
      continue
    key = (apart[0], frozenset((a[apart[0]], b[apart[0]])))
    if within == 'settings':
      key += (tuple(a[name] for name in HYPERPARAMETERS if name != apart[0]),)
    w = weight(abs(a['gap'] - b['gap']), a['n_test'], b['n_test'])
    signs = np.sign(a[measure] - b[measure]) * np.sign(a['gap'] - b['gap'])
    sums.setdefault(key, []).append((w, (1 - signs) / 2))
  found = {}
  for key, pairs in sums.items():
    w, loss = np.array(pairs).T
    if w.any() and w.sum() ** 2 / (w**2).sum() >= effective:
      found[key] = float((w * loss).sum() / w.sum())
  return found


@pytest.mark.parametrize(('within', 'effective'), [('changes', 12), ('settings', 3)])
@pytest.mark.parametrize('k', range(4))
def test_sign_errors_are_those_of_a_loop(within, effective, k):
  table, measures = noisy(zoo(n_seeds=3, noise=0.05, n_test=3000), 4)
  table.loc[::3, 'n_test'] = 500
  measure = measures[k]
  found = robust.sign_errors(table, [measure], HYPERPARAMETERS, within, effective)
  expected = by_loop(table, measure, within, effective)
  judged = found.dropna(subset='sign_error')
  assert len(judged) == len(expected) > 2
  assert sorted(judged['sign_error']) == pytest.approx(sorted(expected.values()))
  assert (found['sign_error'].notna() == (found['effective'] >= effective)).all()
  for axis, rows in judged.groupby('axis'):
    of_axis = [error for key, error in expected.items() if key[0] == axis]
    assert sorted(rows['sign_error']) == pytest.approx(sorted(of_axis))


@pytest.mark.parametrize('n', [7, 40])
@pytest.mark.parametrize('true', [(0.3, 0.3), (0.5, 0.5), (0.1, 0.15)])
def test_the_weight_is_a_confidence_on_independent_test_sets(n, true):
  """The second has the larger true error, or the same: how often does it look smaller, and surely?"""
  k = np.arange(n + 1)
  outcomes = np.outer(*(stats.binom.pmf(k, n, p) for p in true))
  difference = (k[None] - k[:, None]) / n
  w = robust.pair_weight(difference, np.array(n), np.array(n)) + 0.5
  for p in (0.5, 0.7, 0.9, 0.99):
    assert outcomes[(difference < 0) & (w > p)].sum() <= 1 - p


@pytest.mark.parametrize('n', [20, 60])
def test_the_weight_is_a_confidence_on_one_test_set(n):
  """Errors of two equals that never coincide differ most: each example separates them, either way."""
  first = np.arange(n + 1)
  probability = stats.binom.pmf(first, n, 0.5)
  difference = (n - 2 * first) / n
  w = robust.pair_weight(difference, np.array(n), np.array(n)) + 0.5
  for p in (0.5, 0.7, 0.9, 0.99):
    assert probability[(difference < 0) & (w > p)].sum() <= 1 - p


def test_the_weight_of_ten_thousand_examples():
  n = np.array(10_000)
  values = robust.pair_weight(np.array([0, 0.01, 0.02, 0.03, 0.1, -0.03]), n, n)
  phi = 2 * np.exp(-2 * 10_000 * 0.015**2)
  np.testing.assert_allclose(values[3], (1 - phi) ** 2 - 0.5)
  assert values[0] == values[1] == 0
  assert values[4] == pytest.approx(0.5)
  assert values[5] == values[3]
  assert np.all(np.diff(values[:5]) >= 0)
  more = robust.pair_weight(np.array(0.05), np.array([100, 1000, 2000, 5000]), np.array(4000))
  assert np.all(np.diff(more) >= 0)
  assert more[-1] > more[0] == 0


@pytest.mark.parametrize(('within', 'effective'), [('changes', 12), ('settings', 12)])
def test_the_gap_never_errs_its_negative_always_and_a_constant_half_the_time(within, effective):
  table = zoo()
  table = table.assign(same=table['gap'], opposite=-table['gap'], constant=0)
  found = robust.sign_errors(
    table, ['same', 'opposite', 'constant'], HYPERPARAMETERS, within, effective
  )
  for name, error in (('same', 0), ('opposite', 1), ('constant', 0.5)):
    errors = found[found['measure'] == name]['sign_error'].dropna()
    assert len(errors) > 4
    np.testing.assert_allclose(errors, error)


def test_a_random_measure_errs_half_the_time():
  table = zoo(n_seeds=30)
  rng = np.random.default_rng(0)
  draws = {f'random/{k}': rng.normal(size=len(table)) for k in range(20)}
  found = robust.sign_errors(table.assign(**draws), [*draws], HYPERPARAMETERS)
  mean = found.groupby('measure')['sign_error'].mean()
  assert abs(mean.mean() - 0.5) < 4 * mean.std() / np.sqrt(len(mean)) < 0.1


@pytest.mark.parametrize('axis', AXES)
def test_a_measure_that_is_wrong_on_one_axis_alone_has_the_worst_error_there(axis):
  table = zoo()
  sign = {name: -1 if name == axis else 1 for name in AXES}
  table['measure'] = (
    -sign['n_train'] * 3 * np.log2(table['n_train'])
    - sign['width'] * np.log2(table['width'])
    + sign['optimizer'] * (table['optimizer'] == 'adam')
  )
  found = robust.sign_errors(table, ['measure'], HYPERPARAMETERS)
  np.testing.assert_allclose(found['sign_error'], found['axis'] == axis)
  of_errors = robust.summary(found['sign_error'].to_numpy())
  assert of_errors['max'] == 1
  assert of_errors['mean'] == pytest.approx((found['axis'] == axis).mean())


def test_environments_are_named():
  found = robust.sign_errors(zoo().assign(m=1), ['m'], HYPERPARAMETERS)['environment']
  assert set(found) >= {'width: 16 to 64', 'optimizer: adam to sgd', 'n_train: 100 to 1600'}
  found = robust.sign_errors(zoo().assign(m=1), ['m'], HYPERPARAMETERS, 'settings')['environment']
  assert 'width: 16 to 64 (optimizer=sgd, n_train=400)' in set(found)
  assert found.is_unique


def test_too_few_pairs_are_not_judged():
  found = robust.sign_errors(zoo(n_seeds=3).assign(m=1), ['m'], HYPERPARAMETERS, 'settings')
  assert found['sign_error'].isna().all()
  assert set(found['pairs']) == {9}
  missing = zoo().assign(m=lambda t: t['gap'].where(t['width'] == 64))
  found = robust.sign_errors(missing, ['m'], HYPERPARAMETERS).set_index('environment')
  assert found.loc['width: 16 to 64', 'pairs'] == 0
  assert np.isnan(found.loc['width: 16 to 64', 'sign_error'])
  assert found.loc['optimizer: adam to sgd', 'sign_error'] == 0


def test_units_order_and_repetition_do_not_matter():
  table, measures = noisy(zoo(noise=0.05), 4)
  keys = ['measure', 'environment']
  expected = robust.sign_errors(table, measures, HYPERPARAMETERS).set_index(keys).sort_index()
  bent = table.assign(**{name: np.exp(5 * table[name]) for name in measures})
  for changed in (bent, table.sample(frac=1, random_state=0), pd.concat([table, table])):
    found = robust.sign_errors(changed, measures, HYPERPARAMETERS).set_index(keys).sort_index()
    pd.testing.assert_series_equal(found['sign_error'], expected['sign_error'])


def test_a_summary_is_of_the_environments_that_are_judged():
  for shape in (0, 3):
    assert all(np.isnan(value) for value in robust.summary(np.full(shape, np.nan)).values())
  found = robust.summary(np.array([0.0, 0.5, np.nan, 1.0]))
  assert found == pytest.approx({'mean': 0.5, 'percentile_90': 0.9, 'max': 1.0})


@pytest.mark.parametrize(
  ('name', 'change'), [('within', {'within': 'seeds'}), ('effective', {'effective': 0})]
)
def test_bad_arguments_are_named(name, change):
  with pytest.raises(ValueError, match=f'^{name} must'):
    robust.sign_errors(zoo().assign(m=1), ['m'], HYPERPARAMETERS, **change)
