"""Neighbours against a loop over all pairs and scikit-learn, also where float32 cannot tell them."""

import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

from research.theory import neighbours
from research.theory.neighbours import nearest


def draw(n=120, dim=7, seed=0):
  return np.random.default_rng(seed).normal(size=(n, dim))


def by_loops(points, anchors, k, labels=None):
  distances, rows = [], []
  for a in anchors:
    others = [
      (np.linalg.norm(points[a] - points[j]), j)
      for j in range(len(points))
      if j != a and (labels is None or labels[j] != labels[a])
    ]
    nearest_ones = sorted(others)[:k]
    distances.append([d for d, _ in nearest_ones])
    rows.append([j for _, j in nearest_ones])
  return np.array(distances), np.array(rows)


def check(points, anchors, k, labels=None):
  distances, rows = by_loops(points, anchors, k, labels)
  found = nearest(points, anchors, k, labels=labels)
  np.testing.assert_allclose(found.distances, distances, rtol=1e-12)
  np.testing.assert_array_equal(found.rows, rows)


@pytest.mark.parametrize('k', [1, 5, 119])
def test_agrees_with_a_loop_over_all_pairs(k):
  check(draw(), np.array([0, 119, 7, 7]), k)


def test_agrees_with_a_loop_over_pairs_of_different_classes():
  labels = np.random.default_rng(1).integers(3, size=120)
  check(draw(), np.arange(0, 120, 9), 4, labels)
  check(draw(), np.arange(5), int(min((labels != c).sum() for c in labels[:5])), labels)


def test_agrees_with_scikit_learn():
  points = draw(400, 20)
  found = nearest(points, np.arange(400), 6)
  distances, rows = NearestNeighbors(n_neighbors=6).fit(points).kneighbors()
  np.testing.assert_allclose(found.distances, distances, rtol=1e-9)
  np.testing.assert_array_equal(found.rows, rows)


def test_a_shift_changes_nothing():
  points, anchors = draw(), np.arange(0, 120, 7)
  here, there = nearest(points, anchors, 5), nearest(points + 1e3, anchors, 5)
  np.testing.assert_allclose(there.distances, here.distances, rtol=1e-9)
  np.testing.assert_array_equal(there.rows, here.rows)


def test_after_a_shift_float32_still_tells_most(monkeypatch):
  """As points are centred, not all are searched again."""
  monkeypatch.setattr(neighbours, '_others', lambda *_: pytest.fail('searched in float64'))
  nearest(draw() + 1e3, np.arange(0, 120, 7), 5)


@pytest.mark.parametrize('width', [1e-3, 0.1, 0.3])
def test_far_clusters_of_close_points_are_told_apart_in_float64(width):
  """Scores in float32 are wrong by more than all distances within a cluster, or than some of them."""
  points = width * draw()
  points[60:] += 1e3
  check(points, np.arange(120), 3)


def test_the_size_of_blocks_does_not_matter(monkeypatch):
  points, anchors = draw(), np.arange(100)
  whole = nearest(points, anchors, 3)
  monkeypatch.setattr(neighbours, 'BLOCK', 120 * 7)  # 7 anchors, and 2 in the last block
  parts = nearest(points, anchors, 3)
  np.testing.assert_array_equal(parts.rows, whole.rows)
  np.testing.assert_array_equal(parts.distances, whole.distances)


def test_the_last_block_compiles_no_other_program(monkeypatch):
  monkeypatch.setattr(neighbours, 'BLOCK', 120 * 7)
  before = neighbours._candidates._cache_size()
  nearest(draw(dim=9), np.arange(100), 3)  # a shape that no other test has
  assert neighbours._candidates._cache_size() == before + 1


def test_a_copy_is_a_neighbour_and_the_point_itself_is_not():
  points = draw(30)
  points[9] = points[4]
  found = nearest(points, np.array([4, 9, 0]), 2)
  np.testing.assert_array_equal(found.rows[:2, 0], [9, 4])
  np.testing.assert_array_equal(found.distances[:2, 0], 0)
  assert found.distances[2, 0] > 0


def test_whole_numbers_are_as_good():
  points = np.random.default_rng(0).integers(256, size=(80, 5)).astype(np.uint8)
  found = nearest(points, np.arange(80), 3)
  distances, _ = by_loops(points.astype(float), np.arange(80), 3)
  np.testing.assert_allclose(found.distances, distances, rtol=1e-12)


@pytest.mark.parametrize(
  ('call', 'begins'),
  [
    (lambda: nearest(draw()[:, 0], np.arange(2), 1), 'points must be a finite matrix'),
    (lambda: nearest(draw() * np.nan, np.arange(2), 1), 'points must be a finite matrix'),
    (lambda: nearest(draw(), np.array([120]), 1), 'anchors must be rows of the points'),
    (lambda: nearest(draw(), np.array([-1]), 1), 'anchors must be rows of the points'),
    (lambda: nearest(draw(), np.array([], int), 1), 'anchors must be rows of the points'),
    (lambda: nearest(draw(), np.arange(2), 0), r'k must lie in \[1, 119\]'),
    (lambda: nearest(draw(), np.arange(2), 120), r'k must lie in \[1, 119\]'),
    (lambda: nearest(draw(), np.arange(2), 1, labels=np.zeros(3)), r'labels must be \[120\]'),
    (lambda: nearest(draw(), np.arange(2), 1, labels=np.zeros(120)), r'k must lie in \[1, 0\]'),
  ],
)
def test_what_is_out_of_range_is_named(call, begins):
  with pytest.raises(ValueError, match=f'^{begins}'):
    call()
