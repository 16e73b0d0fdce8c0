"""Estimates where the logarithms of the ratios are exponential, and on spheres of known dimension."""

import functools

import numpy as np
import pytest
from scipy import stats

from research.theory import dimension
from research.theory.neighbours import nearest


def poisson(m, n_anchors, k, seed=0):
  """Distances [a, k] to points that fill m dimensions evenly: T^m is a sum of exponentials."""
  gaps = np.random.default_rng(seed).exponential(size=(n_anchors, k))
  return np.cumsum(gaps, axis=1) ** (1 / m)


def sphere(m, n, ambient, noise=0.0, seed=0):
  """Points of a sphere of m dimensions, turned into some directions of `ambient` ones, and noise."""
  rng = np.random.default_rng(seed)
  x = rng.normal(size=(n, m + 1))
  x /= np.linalg.norm(x, axis=1, keepdims=True)
  turned = x @ np.linalg.qr(rng.normal(size=(ambient, ambient)))[0][: m + 1]
  return turned + noise * rng.normal(size=turned.shape)


@pytest.mark.parametrize('m', [1.0, 2.5, 30.0])
def test_of_exponential_logarithms_all_find_the_dimension(m):
  n = 40_000
  distances = poisson(m, n, 5)
  error = 5 * m / np.sqrt(n)  # five standard errors of the least precise
  assert dimension.pooled(distances) == pytest.approx(m, abs=error)
  assert dimension.averaged(distances) == pytest.approx(m, abs=error)
  assert dimension.two_nearest(distances) == pytest.approx(m, abs=error)
  assert dimension.averaged(distances, unbiased=False) == pytest.approx(m * 4 / 3, abs=error)


def test_pooling_leaves_nothing_to_correct():
  """By the Gamma distribution of the sum over anchors: a (k - 1) / (a (k - 1) - 1), not 4 / 3."""
  found = [dimension.pooled(poisson(10, 50, 5, seed)) for seed in range(400)]
  assert np.mean(found) == pytest.approx(10 * 200 / 199, abs=4 * np.std(found) / 20)
  inverse = stats.gamma(200, scale=1 / (10 * 200))  # of the mean of the logarithms
  for q in (0.1, 0.5, 0.9):
    assert np.quantile(found, q) == pytest.approx(1 / inverse.ppf(1 - q), rel=0.02)


def test_by_its_formula():
  distances = np.array([[1.0, 2.0, 4.0], [3.0, 3.0, 6.0]])
  one, two = np.log(4) + np.log(2), 2 * np.log(2)
  assert dimension.pooled(distances) == pytest.approx(4 / (one + two))
  assert dimension.averaged(distances) == pytest.approx((1 / one + 1 / two) / 2)
  assert dimension.averaged(distances, unbiased=False) == pytest.approx(1 / one + 1 / two)


ESTIMATES = (
  dimension.pooled,
  dimension.averaged,
  functools.partial(dimension.averaged, unbiased=False),
  dimension.two_nearest,
)


@pytest.mark.parametrize('estimate', ESTIMATES)
def test_neither_the_unit_nor_the_order_of_anchors_matters(estimate):
  distances = poisson(7, 300, 6)
  found = estimate(distances)
  assert estimate(255 * distances[::-1]) == pytest.approx(found, rel=1e-12)
  assert estimate(np.sqrt(distances)) == pytest.approx(2 * found, rel=1e-12)


def test_the_largest_ratios_do_not_move_two_nearest():
  distances = poisson(7, 1000, 2)
  ratios = distances[:, 1] / distances[:, 0]
  wild = distances.copy()
  wild[ratios > np.quantile(ratios, 0.95), 1] *= 1e6
  assert dimension.two_nearest(wild) == pytest.approx(dimension.two_nearest(distances), rel=1e-12)
  assert dimension.pooled(wild) < 0.5 * dimension.pooled(distances)


@pytest.mark.parametrize('m', [2, 5])
def test_spheres_have_their_dimension_in_whatever_space(m):
  points = sphere(m, 4000, ambient=30)
  distances = nearest(points, np.arange(0, 4000, 2), 5).distances
  for estimate in (dimension.pooled, dimension.averaged, dimension.two_nearest):
    assert estimate(distances) == pytest.approx(m, rel=0.1)


def test_noise_adds_dimensions():
  clean, noisy = (
    nearest(sphere(2, 4000, 30, noise), np.arange(1000), 5).distances for noise in (0.0, 0.05)
  )
  assert dimension.pooled(noisy) > 3 * dimension.pooled(clean)


def test_of_many_dimensions_it_is_too_small():
  points = sphere(27, 2000, 28)
  assert 12 < dimension.pooled(nearest(points, np.arange(500), 5).distances) < 23


def test_resampled_anchors_scatter_as_new_ones_do():
  n = 400
  again = dimension.resampled(poisson(10, n, 5), np.random.default_rng(0), 500)
  fresh = [dimension.pooled(poisson(10, n, 5, seed)) for seed in range(500)]
  assert again.shape == (500,)
  assert np.std(again) == pytest.approx(np.std(fresh), rel=0.15)
  assert np.mean(again) == pytest.approx(dimension.pooled(poisson(10, n, 5)), rel=0.01)


def test_resampled_is_by_drawing_anchors():
  distances = poisson(10, 3, 5)
  combinations = {
    round(dimension.pooled(distances[[i, j, k]]), 9)
    for i in range(3)
    for j in range(3)
    for k in range(3)
  }
  found = {round(x, 9) for x in dimension.resampled(distances, np.random.default_rng(0), 400)}
  assert found == combinations


@pytest.mark.parametrize(
  ('call', 'begins'),
  [
    (lambda: dimension.pooled(np.ones(3)), r'distances must be \[a, k\]'),
    (lambda: dimension.pooled(np.ones((3, 1))), r'distances must be \[a, k\]'),
    (lambda: dimension.pooled(np.array([[0.0, 1.0]])), 'distances must be positive'),
    (lambda: dimension.pooled(np.array([[1.0, np.inf]])), 'distances must be positive'),
    (lambda: dimension.pooled(np.array([[2.0, 1.0]])), 'distances must be those of the nearest'),
    (lambda: dimension.pooled(np.ones((4, 3))), 'distances must differ'),
    (lambda: dimension.averaged(poisson(2, 5, 2)), 'distances must be to at least 3'),
    (lambda: dimension.two_nearest(poisson(2, 5, 2), discard=0), 'discard must lie in'),
  ],
)
def test_what_is_out_of_range_is_named(call, begins):
  with pytest.raises(ValueError, match=f'^{begins}'):
    call()
