"""Pairs that differ in one hyperparameter alone, against a loop over all pairs."""

import itertools

import numpy as np
from zoo import HYPERPARAMETERS, zoo

from research.referee.contest import contest
from research.referee.couples import couples, signs, totals


def by_loop(table):
  """{(rows): (axis, others, change)} of every pair that differs in one hyperparameter."""
  found = {}
  for a, b in itertools.combinations(range(len(table)), 2):
    left, right = table.iloc[a], table.iloc[b]
    apart = [name for name in HYPERPARAMETERS if left[name] != right[name]]
    if len(apart) == 1:
      others = tuple(left[name] for name in HYPERPARAMETERS if name != apart[0])
      found[frozenset((a, b))] = (apart[0], others, frozenset((left[apart[0]], right[apart[0]])))
  return found


def test_pairs_are_those_of_a_loop():
  table = zoo(n_seeds=2).drop(index=[0, 5, 11]).sample(frac=1, random_state=0)
  pairs = couples(contest(table, (), HYPERPARAMETERS))
  expected = by_loop(table)
  keys = [frozenset(pair) for pair in zip(pairs.first, pairs.second, strict=True)]
  assert len(keys) == len(expected)
  assert set(keys) == set(expected)
  labels = {
    'axis': lambda axis, others, change: axis,
    'group': lambda axis, others, change: (axis, others),
    'change': lambda axis, others, change: (axis, change),
    'exact': lambda axis, others, change: (axis, others, change),
  }
  for field, label in labels.items():
    ids = getattr(pairs, field).tolist()
    named = [label(*expected[key]) for key in keys]
    assert (
      len(set(ids)) == len(set(named)) == len(set(zip(ids, named, strict=True))) == max(ids) + 1
    )


def test_the_first_of_a_pair_has_the_first_value():
  table = contest(zoo(), (), HYPERPARAMETERS)
  pairs = couples(table)
  codes = table.codes
  assert np.all(codes[pairs.first, pairs.axis] < codes[pairs.second, pairs.axis])


def test_one_axis_without_a_second_value_has_no_pairs():
  table = zoo(axes={'n_train': (100,)})
  pairs = couples(contest(table, (), ['n_train']))
  assert pairs.first.shape == pairs.group.shape == (0,)


def test_totals_are_sums_of_groups():
  rng = np.random.default_rng(0)
  values, groups = rng.normal(size=9), np.array([0, 2, 2, 1, 0, 0, 1, 2, 1])
  counts = rng.integers(0, 3, (9, 4))
  expected = [
    [sum(values[p] * counts[p, r] for p in range(9) if groups[p] == g) for r in range(4)]
    for g in range(3)
  ]
  np.testing.assert_allclose(totals(values, groups, counts), expected)


def test_signs_know_ties_and_what_is_missing():
  table = contest(zoo(n_seeds=1, axes={'n_train': (100, 200, 300)}), (), ['n_train'])
  pairs = couples(table)
  np.testing.assert_array_equal(pairs.first, [0, 0, 1])
  np.testing.assert_array_equal(signs(np.array([1.0, 2.0, 1.0]), pairs), [1, 0, -1])
  np.testing.assert_array_equal(signs(np.array([1.0, np.nan, 0.0]), pairs), [np.nan, -1, np.nan])
