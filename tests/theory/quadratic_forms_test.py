import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from research.theory.quadratic_forms import QuadraticForm, error_law


def single(degrees, noncentrality, weight=1.0):
  return QuadraticForm(np.array([weight]), np.array([degrees]), np.array([weight * noncentrality]))


def mixed(seed=0, n=30):
  """Weights over six decades, as of a kernel's posterior."""
  generator = np.random.default_rng(seed)
  return QuadraticForm(
    np.exp(2 * generator.normal(size=n)),
    np.full(n, 10.0),
    np.exp(2 * generator.normal(size=n)),
  )


@pytest.mark.parametrize(
  ('degrees', 'noncentrality', 'within'),
  [(1, 0, 0.17), (3, 0, 0.06), (10, 5, 0.02), (12, 40, 0.02), (1000, 30, 0.02)],
)
@pytest.mark.parametrize('p', [0.999, 0.9, 0.5, 0.1, 1e-5, 1e-50, 1e-200])
def test_equal_weights(degrees, noncentrality, within, p):
  law = stats.ncx2(degrees, noncentrality) if noncentrality else stats.chi2(degrees)
  epsilon, half = law.ppf(p), np.full(2, 0.5)
  if epsilon < 1e-100:
    pytest.skip('too close to 0 for a float')
  whole = single(degrees, noncentrality)
  np.testing.assert_allclose(whole.log_probability(epsilon), law.logcdf(epsilon), rtol=1e-9)
  split = QuadraticForm(np.ones(2), degrees * half, noncentrality * half)
  np.testing.assert_allclose(
    np.exp(split.log_probability(epsilon) - law.logcdf(epsilon)), 1, atol=within
  )


@pytest.mark.parametrize('degrees', [0.5, 1.0, 7.0])
def test_one_chi_square_rises_however_few_its_degrees(degrees):
  for noncentrality in (3.0, 5000.0):
    law = single(degrees, noncentrality)
    mean = law.cumulants()[0]
    found = [law.log_probability(mean * share) for share in (1e-30, 1e-12, 1e-6, 1e-3, 0.3, 1, 9)]
    assert found == sorted(found)
    assert found[-1] <= 0


@pytest.mark.parametrize('share', [1.5, 1.0, 0.9, 0.5, 0.1, 0.01])
def test_importance_sampling_agrees(share):
  law = mixed()
  epsilon = share * law.cumulants()[0]
  sampled = law.sampled_log_probability(epsilon, 40_000, np.random.default_rng(1))
  assert sampled.stderr < 0.03
  assert abs(law.log_probability(epsilon) - sampled.value) < 4 * sampled.stderr + 0.01


def test_importance_sampling_agrees_with_plain_counting():
  law, generator = mixed(), np.random.default_rng(2)
  draws = law.sample(200_000, generator)
  epsilon = np.quantile(draws, 1e-3)
  sampled = law.sampled_log_probability(epsilon, 20_000, generator)
  assert abs(sampled.value - np.log(1e-3)) < 4 * np.hypot(sampled.stderr, 1 / np.sqrt(200))


def test_cumulants_and_tilted_samples_are_those_of_sums_of_normals():
  law, generator = mixed(n=4), np.random.default_rng(3)
  w, k, m = law.weights, law.degrees.astype(int), law.shifts
  slow = sum(
    w[i] * np.sum((generator.normal(size=(200_000, k[i])) + np.sqrt(m[i] / w[i] / k[i])) ** 2, 1)
    for i in range(4)
  )
  mean, variance, third = law.cumulants()
  np.testing.assert_allclose(slow.mean(), mean, rtol=0.02)
  np.testing.assert_allclose(slow.var(), variance, rtol=0.05)
  np.testing.assert_allclose(stats.kstat(slow, 3), third, rtol=0.2)
  tilt = -0.05 / w.max()
  weight = np.exp(tilt * slow)
  np.testing.assert_allclose(
    law.sample(200_000, generator, tilt).mean(), np.average(slow, weights=weight), rtol=0.02
  )


def test_cgf_has_these_derivatives():
  law, t, h = mixed(), -0.3, 1e-5
  value = [law.cgf(t + step)[0] for step in (-h, 0, h)]
  np.testing.assert_allclose((value[2] - value[0]) / (2 * h), law.cgf(t)[1], rtol=1e-6)
  first = [law.cgf(t + step)[1] for step in (-h, h)]
  np.testing.assert_allclose((first[1] - first[0]) / (2 * h), law.cgf(t)[2], rtol=1e-6)
  np.testing.assert_allclose([law.cgf(0.0)[1], law.cgf(0.0)[2]], law.cumulants()[:2], rtol=1e-12)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.02, 1.5), st.floats(1e-6, 1e6))
def test_bounds_order_and_units(seed, share, unit):
  law = mixed(seed, n=8)
  epsilon = share * law.cumulants()[0]
  found = law.log_probability(epsilon)
  assert found <= 0
  if share < 1:
    assert law.chernoff(epsilon) > found
    assert law.log_probability(1.1 * epsilon) > found
  other = QuadraticForm(unit * law.weights, law.degrees, unit * law.shifts)
  np.testing.assert_allclose(other.log_probability(unit * epsilon), found, rtol=1e-5, atol=1e-9)


def test_it_is_continuous_at_the_mean():
  law = mixed()
  mean = law.cumulants()[0]
  near = [law.log_probability(mean * (1 + d)) for d in (-1e-3, -1e-7, 0, 1e-7, 1e-3)]
  assert near == sorted(near)
  assert near[-1] - near[0] < 0.02


def test_what_cannot_vary_bounds_the_error():
  law = QuadraticForm(np.array([0.0, 1.0]), np.array([1.0, 1.0]), np.array([2.0, 0.0]))
  assert law.least == 2
  assert law.log_probability(2.0) == law.chernoff(1.9) == -np.inf
  np.testing.assert_allclose(law.log_probability(3.0), stats.chi2(1).logcdf(1), atol=0.07)
  still = QuadraticForm(np.zeros(2), np.ones(2), np.ones(2))
  assert (still.log_probability(2.0), still.log_probability(2.1)) == (-np.inf, 0.0)
  assert mixed().log_probability(1e30) == 0
  with pytest.raises(ValueError, match='epsilon must exceed the least error'):
    law.sampled_log_probability(1.5, 10, np.random.default_rng(0))


def gaussian_functions(n=6, n_outputs=3, seed=4):
  generator = np.random.default_rng(seed)
  root = generator.normal(size=(n, n)) * np.geomspace(1, 1e-3, n)
  mean, targets = generator.normal(size=(2, n, n_outputs))
  return mean, root @ root.T, targets, root


def test_error_law_is_that_of_sampled_functions():
  mean, covariance, targets, root = gaussian_functions()
  law = error_law(mean, covariance, targets)
  generator = np.random.default_rng(5)
  functions = mean + np.einsum('ik,skj->sij', root, generator.normal(size=(100_000, 6, 3)))
  errors = np.mean((functions - targets) ** 2, axis=(1, 2))
  np.testing.assert_allclose(law.cumulants()[0], errors.mean(), rtol=0.01)
  np.testing.assert_allclose(law.cumulants()[1], errors.var(), rtol=0.05)
  for q in (0.01, 0.5, 0.9):
    log_p = law.log_probability(np.quantile(errors, q))
    np.testing.assert_allclose(np.exp(log_p), q, rtol=0.12)


def test_error_law_turned_split_and_without_variance():
  mean, covariance, targets, _ = gaussian_functions()
  law = error_law(mean, covariance, targets)
  turn = np.linalg.qr(np.random.default_rng(6).normal(size=(6, 6)))[0]
  turned = error_law(turn @ mean, turn @ covariance @ turn.T, turn @ targets)
  np.testing.assert_allclose(turned.log_probability(0.8), law.log_probability(0.8), rtol=1e-6)
  outputs = [error_law(mean[:, [j]], covariance, targets[:, [j]]) for j in range(3)]
  np.testing.assert_allclose(
    np.mean([it.cumulants()[0] for it in outputs]), law.cumulants()[0], rtol=1e-10
  )
  certain = error_law(mean, 0 * covariance, targets)
  np.testing.assert_allclose(certain.least, np.mean((mean - targets) ** 2))


def test_bad_input_is_refused():
  with pytest.raises(ValueError, match='shifts must be finite'):
    single(1.0, -1.0)
  with pytest.raises(ValueError, match=r'degrees must be \[r\]'):
    QuadraticForm(np.ones(2), np.ones(3), np.ones(2))
  with pytest.raises(ValueError, match='epsilon must be finite'):
    mixed().log_probability(np.nan)
  mean, covariance, targets, _ = gaussian_functions()
  with pytest.raises(ValueError, match='targets and covariance must be'):
    error_law(mean, covariance[:5], targets)
  with pytest.raises(ValueError, match='covariance must be symmetric'):
    error_law(mean, covariance + np.triu(np.ones((6, 6)), 1), targets)
  with pytest.raises(ValueError, match='no negative eigenvalue'):
    error_law(mean, covariance - 0.1 * np.eye(6), targets)
