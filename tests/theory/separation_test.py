"""Closest pairs against a loop over all pairs, whether few of them are close or many."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from research.theory import separation
from research.theory.neighbours import nearest


def draw(n=90, dim=100, seed=0, variances=None):
  rng = np.random.default_rng(seed)
  points = rng.normal(size=(n, dim)) * np.sqrt(np.ones(dim) if variances is None else variances)
  return points, rng.integers(3, size=n)


def by_loops(points, labels):
  every = [
    (np.linalg.norm(points[i] - points[j]), (i, j))
    for i in range(len(points))
    for j in range(i)
    if labels[i] != labels[j]
  ]
  return min(every)


CASES = {
  'few directions': draw(variances=np.r_[np.ones(10), np.full(90, 1e-4)]),
  'all directions': draw(),
  'many directions, close': draw(n=300, dim=200),
  'one direction': draw(dim=1),
  'far from zero': (1e3 + draw()[0], draw()[1]),
}


@pytest.mark.parametrize('name', CASES)
@pytest.mark.parametrize(('tile', 'few'), [(4096, 10_000), (16, 10_000), (16, 0), (7, 3)])
def test_agrees_with_a_loop_over_all_pairs(name, tile, few, monkeypatch):
  monkeypatch.setattr(separation, 'TILE', tile)
  monkeypatch.setattr(separation, 'FEW', few)
  points, labels = CASES[name]
  distance, rows = by_loops(points, labels)
  found = separation.closest_pair(points, labels)
  assert found.distance == pytest.approx(distance, rel=1e-9)
  assert {*found.rows} == {*rows}


def test_a_misleading_frame_costs_time_alone(monkeypatch):
  """Seen in the direction in which classes differ least, all pairs are close."""
  points, labels = CASES['few directions']
  monkeypatch.setattr(separation, 'TILE', 16)
  monkeypatch.setattr(separation, 'FEW', 5)
  monkeypatch.setattr(separation, '_in_frame', lambda centred: centred[:, -1:])
  assert separation.closest_pair(points, labels).distance == pytest.approx(
    by_loops(points, labels)[0], rel=1e-9
  )


def test_it_is_the_least_of_the_nearest_of_another_class():
  points, labels = CASES['many directions, close']
  every = nearest(points, np.arange(len(points)), 1, labels=labels)
  found = separation.closest_pair(points, labels)
  assert found.distance == pytest.approx(every.distances.min(), rel=1e-12)


def test_classes_at_a_known_distance():
  rng = np.random.default_rng(0)
  points = np.concatenate([rng.uniform(size=(500, 2)), np.zeros((500, 1))], axis=1)
  points[250:, 2] = 0.5
  found = separation.closest_pair(points, np.arange(1000)[:500] // 250)
  assert 0.5 <= found.distance < 0.51


def test_repeated_points_of_two_classes_are_at_distance_zero():
  points, labels = draw()
  points[50], labels[50] = points[3], (labels[3] + 1) % 3
  found = separation.closest_pair(points, labels)
  assert (found.distance, {*found.rows}) == (0.0, {3, 50})


@pytest.mark.parametrize('name', ['few directions', 'all directions', 'one direction'])
@pytest.mark.parametrize('k', [1, 30, 500])
def test_the_closest_of_random_pairs_are_those_of_all_that_were_drawn(name, k):
  points, labels = CASES[name]
  found = separation.closest_random_pairs(points, labels, 500, k, np.random.default_rng(3))
  first, second = separation._random_pairs(labels, 500, np.random.default_rng(3))
  expected = np.sort(np.linalg.norm(points[first] - points[second], axis=1))[:k]
  np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_a_misleading_frame_does_not_hide_close_pairs(monkeypatch):
  points, labels = CASES['few directions']
  expected = separation.closest_random_pairs(points, labels, 900, 5, np.random.default_rng(3))
  monkeypatch.setattr(separation, '_in_frame', lambda centred: centred[:, -1:])
  found = separation.closest_random_pairs(points, labels, 900, 5, np.random.default_rng(3))
  np.testing.assert_array_equal(found, expected)


def test_random_pairs_are_all_pairs_of_different_classes_alike():
  labels = np.array([0, 0, 1, 2, 2, 2])
  first, second = separation._random_pairs(labels, 22_000, np.random.default_rng(0))
  counts = np.zeros((6, 6), int)
  np.add.at(counts, (first, second), 1)
  different = labels[:, None] != labels[None]
  assert counts[~different].sum() == 0
  np.testing.assert_allclose(counts[different], 1000, atol=5 * np.sqrt(1000))  # 22 ordered pairs


def test_incomplete_tiles_compile_no_other_program(monkeypatch):
  monkeypatch.setattr(separation, 'TILE', 13)
  before = separation._squared._cache_size()
  separation.closest_pair(*draw(dim=11))  # a shape that no other test has
  assert separation._squared._cache_size() == before + 1


def test_the_frame_is_orthonormal():
  points = separation.centre(CASES['all directions'][0])
  seen = separation._in_frame(points)
  assert seen.shape == (90, 64)
  assert np.all(cdist(seen, seen) <= cdist(points, points) * (1 + 1e-5))
  few = separation.centre(CASES['few directions'][0])
  kept = np.square(separation._in_frame(few)).sum() / np.square(few).sum()
  assert kept > 0.999


def test_radius_is_the_largest_norm():
  images = np.random.default_rng(0).integers(256, size=(5000, 3, 2, 1)).astype(np.uint8)
  expected = max(np.sqrt(float(np.sum(image.astype(int) ** 2))) for image in images)
  assert separation.radius(images) == pytest.approx(expected, rel=1e-12)
  norms = separation.norms(images)
  assert norms.shape == (5000,)
  assert norms[-1] == pytest.approx(np.linalg.norm(images[-1].astype(int)), rel=1e-12)


@pytest.mark.parametrize(
  ('call', 'begins'),
  [
    (lambda p, y: separation.closest_pair(p[0], y), 'points must be a finite matrix'),
    (lambda p, y: separation.closest_pair(p / 0, y), 'points must be a finite matrix'),
    (lambda p, y: separation.closest_pair(p, y[1:]), r'labels must be \[90\]'),
    (lambda p, y: separation.closest_pair(p, 0 * y), 'labels must be of two classes'),
    (
      lambda p, y: separation.closest_random_pairs(p, y, 5, 6, np.random.default_rng(0)),
      r'k must lie in \[1, 5\]',
    ),
  ],
)
@pytest.mark.filterwarnings('ignore:divide by zero')
def test_what_is_out_of_range_is_named(call, begins):
  with pytest.raises(ValueError, match=f'^{begins}'):
    call(*draw())
