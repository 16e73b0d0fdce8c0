"""What a measure tells beyond hyperparameters, against counting pairs one by one."""

import collections
import itertools
import math

import numpy as np
import pandas as pd
import pytest
from zoo import HYPERPARAMETERS, noisy, zoo

from research.referee import information


def by_loop(table, measure, size=2):
  """The least I / H over sets of hyperparameters, from ordered pairs that are counted."""
  rows = table.dropna(subset=[measure]).to_dict('records')
  shares = {}
  for k in range(size + 1):
    for chosen in itertools.combinations(HYPERPARAMETERS, k):
      cells = collections.defaultdict(collections.Counter)
      for a, b in itertools.permutations(rows, 2):
        if a['gap'] != b['gap']:
          cell = tuple((a[name], b[name]) for name in chosen)
          cells[cell][np.sign(a[measure] - b[measure]), np.sign(a['gap'] - b['gap'])] += 1
      entropy = information = 0.0
      for counts in cells.values():
        total = sum(counts.values())
        of_gap, of_measure = collections.Counter(), collections.Counter()
        for (m, g), count in counts.items():
          of_gap[g] += count
          of_measure[m] += count
        entropy -= sum(c * math.log(c / total) for c in of_gap.values())
        information += sum(
          c * math.log(c * total / (of_gap[g] * of_measure[m])) for (m, g), c in counts.items()
        )
      if entropy > 1e-9:
        shares[chosen] = information / entropy
  return shares


@pytest.mark.parametrize('k', range(4))
def test_it_is_that_of_a_loop(k):
  table, measures = noisy(zoo(n_seeds=2, noise=0.1), 4)
  table['gap'] = table['gap'].round(2)
  shares = by_loop(table, measures[k])
  found = information.conditional(table, measures, HYPERPARAMETERS).loc[measures[k]]
  assert found['information'] == pytest.approx(min(shares.values()))
  assert shares[found['given']] == pytest.approx(min(shares.values()))
  for size in (0, 1):
    found = information.conditional(table, [measures[k]], HYPERPARAMETERS, size)
    expected = min(share for chosen, share in shares.items() if len(chosen) <= size)
    assert found['information'].item() == pytest.approx(expected)


def test_what_knows_the_gap_knows_all_of_it():
  table = zoo(noise=0.1).assign(same=lambda t: t['gap'], opposite=lambda t: -(t['gap'] ** 3))
  found = information.conditional(table, ['same', 'opposite'], HYPERPARAMETERS)
  np.testing.assert_allclose(found['information'], 1)


def test_what_knows_hyperparameters_alone_is_told_by_them():
  table = zoo(noise=0.1)
  table = table.assign(
    one=-table['n_train'], two=table['width'] / table['n_train'], constant=1.0, three=table['gap']
  )
  found = information.conditional(table, ['one', 'two', 'constant'], HYPERPARAMETERS)
  np.testing.assert_allclose(found['information'], 0, atol=1e-12)
  assert 'n_train' in found.loc['one', 'given']
  assert set(found.loc['two', 'given']) == {'width', 'n_train'}
  assert information.conditional(table, ['one'], HYPERPARAMETERS, 0)['information'].item() > 0.05


def test_what_knows_nothing_tells_nothing():
  rng = np.random.default_rng(0)
  table = pd.DataFrame({'gap': rng.uniform(-0.5, 0.5, 1500), 'seed': 0, 'n_test': 100})
  table = table.assign(width=rng.integers(0, 2, 1500), random=rng.normal(size=1500))
  found = information.conditional(table, ['random'], ['width'])
  assert 0 <= found['information'].item() < 1e-3


def test_gaps_that_hyperparameters_tell_leave_nothing_to_tell():
  table = zoo(n_seeds=1, noise=0, axes={'n_train': (100, 200, 400)}).assign(m=lambda t: t['gap'])
  found = information.conditional(table, ['m'], ['n_train'])
  assert found['given'].item() == ()  # given n_train, the gap is certain: that does not count
  assert found['information'].item() == pytest.approx(1)


def test_what_could_not_be_computed_is_nan():
  table = zoo().assign(m=np.nan, tied=lambda t: t['gap'])
  assert np.isnan(information.conditional(table, ['m'], HYPERPARAMETERS)['information'].item())
  tied = table.assign(gap=0.1)
  found = information.conditional(tied, ['tied'], HYPERPARAMETERS).loc['tied']
  assert np.isnan(found['information'])
  assert found['given'] == ()


def test_units_order_direction_and_repetition_do_not_matter():
  table, measures = noisy(zoo(noise=0.1), 4)
  expected = information.conditional(table, measures, HYPERPARAMETERS)['information']
  assert (expected.between(0, 1)).all()
  assert expected.max() > 0.05
  bent = table.assign(**{name: -np.exp(5 * table[name]) for name in measures})
  for changed in (bent, table.sample(frac=1, random_state=0), pd.concat([table, table])):
    found = information.conditional(changed, measures, HYPERPARAMETERS)['information']
    pd.testing.assert_series_equal(found, expected)


def test_bad_arguments_are_named():
  with pytest.raises(ValueError, match='^size must'):
    information.conditional(zoo(), (), HYPERPARAMETERS, -1)
