"""Two worlds: elimination against enumeration, errors against new examples, laws against counts."""

import itertools

import numpy as np
import pytest
from scipy import stats

from research.theory import two_worlds

TRIALS = 400


def draws(world, n, d=3, q=5, trials=TRIALS, **kwargs):
  return [
    two_worlds.draw(np.random.default_rng((7, k)), world, n, d, q, **kwargs) for k in range(trials)
  ]


@pytest.mark.parametrize(('n', 'd'), [(1, 3), (2, 3), (3, 3), (5, 3), (4, 1)])
def test_maps_fit_wherever_a_linear_map_can(n, d):
  q, seen = 3, set()
  every = np.array([*itertools.product(range(q), repeat=d)])
  for seed in range(60):
    rng = np.random.default_rng(seed)
    x, y = rng.integers(q, size=(n, d)), rng.integers(q, size=n)
    weights, rank = two_worlds.fit(x, y, rng.integers(q, size=d), q)
    fits = (every @ x.T % q == y).all(axis=1)
    image = {tuple(row) for row in every @ x.T % q}
    assert q**rank == len(image)
    assert fits.any() == (x @ weights % q == y).all()
    assert weights.min() >= 0
    assert weights.max() < q
    seen.add(bool(fits.any()))
  assert seen == ({True, False} if n > 1 else seen)


def test_free_coordinates_are_uniform_among_solutions():
  x, y, q = np.array([[1, 2]]), np.array([1]), 5
  rng = np.random.default_rng(0)
  found = [tuple(two_worlds.fit(x, y, rng.integers(q, size=2), q)[0]) for _ in range(1000)]
  _, counts = np.unique(found, axis=0, return_counts=True)
  assert len(counts) == q
  assert stats.chisquare(counts).pvalue > 1e-3


def test_the_law_of_ranks_is_that_of_all_matrices():
  counts = np.zeros(3)
  for entries in itertools.product(range(3), repeat=4):
    matrix = np.array(entries).reshape(2, 2)
    counts[two_worlds.fit(matrix, np.zeros(2, int), np.zeros(2, int), 3)[1]] += 1
  np.testing.assert_allclose(two_worlds.rank_law(2, 2, 3), counts / 81)
  law = two_worlds.rank_law(20, 20, 11)
  assert law.sum() == pytest.approx(1)
  assert law[-1] == pytest.approx(np.prod(1 - 11.0 ** -np.arange(1, 21)))


@pytest.mark.parametrize('world', two_worlds.WORLDS)
@pytest.mark.parametrize('n', [2, 3, 4])
def test_errors_have_their_expected_values(world, n):
  found = draws(world, n)
  for values, expected in (
    ([a.test_error for a in found], two_worlds.expected_error(world, n, 3, 5)),
    ([1 - a.train_error for a in found], two_worlds.expected_fit(world, n, 3, 5)),
  ):
    reach = 4 * np.std(values) / np.sqrt(TRIALS) + 1e-9
    assert np.mean(values) == pytest.approx(expected, abs=reach)


def test_test_errors_are_those_of_new_examples():
  """Of linear maps over all inputs: they err nowhere, or on 1 - 1/q of them."""
  every = np.array([*itertools.product(range(5), repeat=3)])
  errors = set()
  for k in range(40):
    truth = np.random.default_rng((7, k)).integers(5, size=3)
    found = two_worlds.draw(np.random.default_rng((7, k)), 'linear', 2, 3, 5)
    assert (found.inputs @ truth % 5 == found.labels).all()
    wrong = np.mean(every @ truth % 5 != every @ found.weights % 5)
    assert found.test_error == pytest.approx(wrong)
    errors.add(round(wrong, 9))
  assert errors == {0.0, 0.8}


def test_given_invertible_inputs_the_worlds_are_opposite_and_look_alike():
  linear, random = (draws(world, 3, invertible=True) for world in two_worlds.WORLDS)
  assert {a.rank for a in linear + random} == {3}
  assert {a.train_error for a in linear + random} == {0.0}
  assert {a.test_error for a in linear} == {0.0}
  assert {a.test_error for a in random} == {1 - 1 / 5}
  for part in (lambda a: a.labels[0], lambda a: a.weights[0], lambda a: a.inputs[0, 0]):
    table = [np.bincount([part(a) for a in side], minlength=5) for side in (linear, random)]
    assert stats.chi2_contingency(table).pvalue > 1e-3


@pytest.mark.parametrize(
  ('name', 'change'),
  [
    ('n', {'n': 0}),
    ('d', {'d': 0}),
    ('q', {'q': 9}),
    ('q', {'q': 1}),
    ('world', {'world': 'flat'}),
    ('invertible', {'n': 2, 'd': 3, 'invertible': True}),
  ],
)
def test_bad_arguments_are_named(name, change):
  with pytest.raises(ValueError, match=f'^{name} must'):
    two_worlds.draw(np.random.default_rng(0), **{'world': 'linear', **change})
