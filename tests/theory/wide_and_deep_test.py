"""Deep kernels against exact fractions, closed forms and `kernels`; their limits against votes."""

from fractions import Fraction

import numpy as np
import pytest

from research.theory import duals, kernels, wide_and_deep

HALF = [0.0, *(0.5**i for i in range(1, 60))]  # r / (2 - r), all of whose iterates are known
HALF[-1] += 0.5**59
SINGULAR = duals.power_series([0, 0.5, 0, 0.5])
NEAREST = duals.power_series([0, 0, 1])
MAJORITY = duals.power_series([0.2, 0, 0, 0, 0.8])


def orthant(seed, n, dim=3):
  return np.sqrt(np.random.default_rng(seed).dirichlet(np.ones(dim), size=n))


def log_of(fraction):
  """The log of a fraction that may be no float."""
  digits = [number.bit_length() - 60 for number in (fraction.numerator, fraction.denominator)]
  parts = [
    float(number >> k if k > 0 else number << -k)
    for number, k in zip((fraction.numerator, fraction.denominator), digits, strict=True)
  ]
  return np.log(parts[0] / parts[1]) + (digits[0] - digits[1]) * np.log(2)


@pytest.mark.parametrize('coefficients', [(0, 0.5, 0, 0.5), (0, 0, 0.75, 0.25), (0.25, 0.5, 0.25)])
@pytest.mark.parametrize('cosine', [(1, 3), (1, 1000), (999_999, 1_000_000)])
def test_logs_are_those_of_exact_fractions(coefficients, cosine):
  r = Fraction(*cosine)
  terms = [Fraction(c) for c in coefficients]
  covariance = tangent = r
  for _ in range(7):
    value = sum(c * covariance**i for i, c in enumerate(terms))
    slope = sum(c * i * covariance ** (i - 1) for i, c in enumerate(terms) if i)
    covariance, tangent = value, value + tangent * slope
  log_r = np.log1p(-float(1 - r))
  found = wide_and_deep.log_kernels(duals.power_series(coefficients), 7, log_r)
  for log, exact in zip(found, (covariance, tangent), strict=True):
    assert log == pytest.approx(log_of(exact), rel=1e-11)
  if coefficients[1] == 0 and cosine == (1, 1000):
    assert covariance > 0
    assert float(covariance) == 0  # out of reach for floats


def test_kernels_of_a_square_are_known():
  """Of v = r^2, S = r^(2^l) and T = S (2^(l + 1) - 1)."""
  log_r, depth = np.log([0.3, 0.999, 1.0]), 25
  found = wide_and_deep.log_kernels(NEAREST, depth, log_r)
  np.testing.assert_allclose(found.nngp, 2**depth * log_r, rtol=1e-12)
  expected = 2**depth * log_r + np.log(2 ** (depth + 1) - 1)
  np.testing.assert_allclose(found.ntk, expected, rtol=1e-12)


@pytest.mark.parametrize('dual', [SINGULAR, MAJORITY, duals.relu(), duals.sine(1.5)])
def test_the_kernels_of_an_input_with_itself_are_known(dual):
  depth = 200
  found = wide_and_deep.log_kernels(dual, depth, np.zeros(1))
  assert found.nngp[0] == 0
  total = sum(dual.slope_at_1**k for k in range(depth + 1))
  assert found.ntk[0] == pytest.approx(np.log(total), rel=1e-12)


@pytest.mark.parametrize('depth', [0, 1, 5])
def test_kernels_of_relu_and_erf_are_those_of_the_recursion_on_inputs(depth):
  x, z = orthant(0, 6), orthant(1, 4)
  log_r = wide_and_deep.log_cosines(x, z)
  scale, weight = 0.7, 0.7 / (2 / np.pi * np.arcsin(1.4 / 2.4))  # variances stay where they are
  cases = (
    (duals.relu(), 'relu', 2.0, x, z, 2 / 3),
    (duals.erf(scale), 'erf', weight, *(a * np.sqrt(3 * scale / weight) for a in (x, z)), scale),
  )
  for dual, name, variance, a, b, factor in cases:
    found = wide_and_deep.log_kernels(dual, depth, log_r)
    for log, kernel in zip(found, (kernels.nngp, kernels.ntk), strict=True):
      expected = kernel(depth, name, variance)(a, b)
      np.testing.assert_allclose(factor * np.exp(log), expected, rtol=1e-9)


def test_cosines_of_close_inputs_keep_their_digits():
  x = np.array([[0.6, 0.8]])
  turned = np.array([[0.6 * np.cos(1e-9) - 0.8 * np.sin(1e-9), 0.8 + 0.6 * np.sin(1e-9)]])
  z = np.concatenate([x, turned, [[1.0, 0.0]]])
  found = wide_and_deep.log_cosines(x, z)[0]
  assert found[0] == 0
  assert found[1] == pytest.approx(-0.5e-18, rel=1e-6)
  assert found[2] == pytest.approx(np.log(0.6))


def test_limits_and_exponents():
  kinds = {
    'nearest neighbour': [NEAREST, duals.power_series([0, 0, 0.3, 0.7])],
    'singular kernel': [SINGULAR, duals.erf(), duals.sine(1.0)],
    'majority': [MAJORITY, duals.relu()],
  }
  for kind, members in kinds.items():
    assert [wide_and_deep.limit(dual) for dual in members] == [kind] * len(members)
  assert wide_and_deep.exponent(SINGULAR) == pytest.approx(1)
  assert wide_and_deep.exponent(duals.power_series(HALF)) == pytest.approx(1)
  assert wide_and_deep.exponent(duals.sine(np.sqrt(2.676))) == pytest.approx(1, abs=1e-4)


def test_the_singular_kernel_has_closed_forms():
  r = np.array([0.0, 1e-9, 0.2, 0.9, 1 - 1e-9, 1.0])
  with np.errstate(divide='ignore'):
    log_r = np.log1p(-(1 - r))
    log_r[1] = np.log(1e-9)
  found = wide_and_deep.log_singular_kernel(duals.power_series(HALF), log_r)
  assert found[0] == -np.inf
  assert found[-1] == np.inf
  inner = log_r[1:-1]
  np.testing.assert_allclose(found[1:-1], inner - np.log(-np.expm1(inner)), rtol=1e-9)


@pytest.mark.parametrize('dual', [SINGULAR, duals.singular(2.5), duals.sine(1.2), duals.erf()])
def test_the_singular_kernel_solves_its_equation_and_is_singular(dual):
  log_r = np.log([1e-6, 0.1, 0.7, 0.999])
  psi = wide_and_deep.log_singular_kernel(dual, log_r)
  moved = wide_and_deep.log_singular_kernel(dual, dual.log_value(log_r))
  np.testing.assert_allclose(moved, psi + np.log(dual.slope_at_0), atol=1e-10)
  assert psi[0] == pytest.approx(np.log(1e-6), rel=1e-6)
  gaps = np.geomspace(1e-14, 1e-4, 30)
  psi = wide_and_deep.log_singular_kernel(dual, np.log1p(-gaps))
  rest = psi + wide_and_deep.exponent(dual) * np.log(gaps)
  assert np.ptp(rest) < 0.1
  assert np.ptp(psi) > 5
  log_r, depths = np.log([0.05, 0.5, 0.9]), (300, 600)
  early, late = (
    np.exp(wide_and_deep.log_kernels(dual, l, log_r).ntk - l * np.log(dual.slope_at_0))
    for l in depths  # T is linear in the depth then, of slope psi
  )
  psi = np.exp(wide_and_deep.log_singular_kernel(dual, log_r))
  np.testing.assert_allclose((late - early) / 300, psi, rtol=1e-9)
  log_r = np.log1p(-np.geomspace(1e-8, 1e-6, 3))
  tangent = wide_and_deep.log_kernels(dual, 300, log_r).ntk - 300 * np.log(dual.slope_at_0)
  rest = np.log(np.exp(tangent) - 300 * np.exp(wide_and_deep.log_singular_kernel(dual, log_r)))
  slopes = np.diff(rest) / np.diff(np.log(-np.expm1(log_r)))
  np.testing.assert_allclose(slopes, -1 - wide_and_deep.exponent(dual), rtol=0.02)


def slow_scores(dual, depth, cross, gram, targets):
  """Plain floats, a loop for each entry, NumPy's solver."""

  def tangent(log_r):
    s = t = np.exp(log_r)
    for _ in range(depth):
      v, slope = np.exp(dual.log_value(np.log(s))), np.exp(dual.log_slope(np.log(s)))
      s, t = v, v + t * slope
    return t

  a, b = ([[tangent(entry) for entry in row] for row in logs] for logs in (cross, gram))
  return np.array(a) @ np.linalg.solve(np.array(b), targets)


@pytest.mark.parametrize('dual', [SINGULAR, MAJORITY, NEAREST, duals.relu()])
def test_interpolation_is_that_of_plain_floats(dual):
  x, new = orthant(0, 12), orthant(1, 9)
  y = np.sign(np.random.default_rng(2).normal(size=12))
  targets = np.stack([y > 0, y < 0], 1).astype(float)
  cross, gram = wide_and_deep.log_cosines(new, x), wide_and_deep.log_cosines(x, x)
  logs = [wide_and_deep.log_kernels(dual, 4, a).ntk for a in (cross, gram)]
  expected = slow_scores(dual, 4, cross, gram, y)
  found = wide_and_deep.interpolate(*logs, y)
  largest = np.exp(logs[0].max(1) - logs[1][0, 0])
  np.testing.assert_allclose(
    found * largest, expected, rtol=1e-6, atol=1e-9 * np.abs(expected).max()
  )
  of_classes = wide_and_deep.interpolate(*logs, targets)
  np.testing.assert_allclose(of_classes[:, 0] - of_classes[:, 1], found, rtol=1e-8)
  shifted = wide_and_deep.interpolate(logs[0] - 2000, logs[1] + 3000, y)
  np.testing.assert_allclose(shifted, found, rtol=1e-6)
  trained = wide_and_deep.interpolate(logs[1], logs[1], y)
  np.testing.assert_array_equal(np.sign(trained), y)


@pytest.mark.parametrize(
  ('dual', 'depth'), [(SINGULAR, 400), (NEAREST, 30), (MAJORITY, 60), (duals.singular(2.0), 400)]
)
def test_deep_networks_vote_as_their_limit_does(dual, depth):
  x, new = orthant(3, 60), orthant(4, 80)
  y = np.where(x[:, 0] + 0.3 * np.random.default_rng(0).normal(size=60) > 0.45, 1, -1)
  cross, gram = wide_and_deep.log_cosines(new, x), wide_and_deep.log_cosines(x, x)
  of_cross, of_gram = (wide_and_deep.log_kernels(dual, depth, a) for a in (cross, gram))
  found = np.sign(wide_and_deep.interpolate(of_cross.ntk, of_gram.ntk, y))
  limit = wide_and_deep.limiting(dual, cross, y)
  if wide_and_deep.limit(dual) == 'singular kernel':  # which T approaches as 1 / depth, S at once
    of_covariance = wide_and_deep.interpolate(of_cross.nngp, of_gram.nngp, y)
    np.testing.assert_array_equal(np.sign(of_covariance), np.sign(limit))
    assert np.mean(found == np.sign(limit)) > 0.96
  else:
    np.testing.assert_array_equal(found, np.sign(limit))
  if dual is NEAREST:
    distances = np.array([[np.sum((a - b) ** 2) for b in x] for a in new])
    np.testing.assert_array_equal(found, y[distances.argmin(1)])
  elif dual is MAJORITY:
    np.testing.assert_array_equal(found, np.full(80, np.sign(y.sum())))
  else:
    assert {*found} == {-1, 1}
    assert (np.sign(limit) != y[cross.argmax(1)]).any()


def test_the_limit_of_the_singular_kernel_of_a_geometric_series_is_a_hilbert_estimate_times_cosines():
  x, new = orthant(5, 30), np.concatenate([orthant(6, 40), orthant(5, 30)[:3]])
  y = np.sign(np.random.default_rng(1).normal(size=30))
  cross = wide_and_deep.log_cosines(new, x)
  found = wide_and_deep.limiting(duals.power_series(HALF), cross, y)
  np.testing.assert_array_equal(found[-3:], y[:3])
  cosines = new @ x.T
  sums = (cosines / (1 - np.minimum(cosines, 1 - 1e-15)) * y).sum(1)
  np.testing.assert_array_equal(np.sign(found), np.sign(sums))
  distances = np.linalg.norm(new[:40, None] - x[None], axis=-1)
  for dimension in (1, 2, 3):
    expected = np.sign((distances**-dimension * y).sum(1))
    estimate = np.sign(wide_and_deep.hilbert(cross, y, dimension))
    np.testing.assert_array_equal(estimate[:40], expected)
    np.testing.assert_array_equal(estimate[-3:], y[:3])


@pytest.mark.parametrize(
  ('dual', 'depth'), [(SINGULAR, 60), (NEAREST, 20), (MAJORITY, 40), (duals.relu(), 300)]
)
def test_tables_agree_with_what_they_are_tables_of(dual, depth):
  x = orthant(7, 70)
  x[1] = [1.0, 0.0, 0.0]
  x[2] = [0.0, 1.0, 0.0]
  log_r = wide_and_deep.log_cosines(x, x)
  assert np.isneginf(log_r).any()

  def tangent(a):
    return wide_and_deep.log_kernels(dual, depth, a).ntk

  exact = tangent(log_r)
  found = wide_and_deep.tabulated(tangent, log_r)
  np.testing.assert_allclose(found, exact, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
  ('name', 'call'),
  [
    ('x', lambda: wide_and_deep.log_cosines(np.ones((2, 2)), np.eye(2))),
    ('z', lambda: wide_and_deep.log_cosines(np.eye(2), np.ones(2))),
    ('x', lambda: wide_and_deep.log_cosines(np.eye(2), -np.eye(2))),
    ('depth', lambda: wide_and_deep.log_kernels(SINGULAR, -1, np.zeros(1))),
    ('log_r', lambda: wide_and_deep.log_kernels(SINGULAR, 1, np.ones(1))),
    ('dual', lambda: wide_and_deep.exponent(MAJORITY)),
    ('dual', lambda: wide_and_deep.log_singular_kernel(NEAREST, np.zeros(1))),
    ('dual', lambda: wide_and_deep.limit(duals.power_series([0, 1]))),
    ('dual', lambda: wide_and_deep.limit(duals.power_series([0.5, 0.5]))),
    ('log_gram', lambda: wide_and_deep.interpolate(np.zeros((1, 2)), np.zeros((2, 2)), np.ones(2))),
    (
      'log_gram',
      lambda: wide_and_deep.interpolate(np.zeros((1, 2)), np.eye(2) * [0, 1], np.ones(2)),
    ),
    ('dimension', lambda: wide_and_deep.hilbert(np.zeros((1, 1)), np.ones(1), 0)),
  ],
)
def test_bad_arguments_are_named(name, call):
  with pytest.raises(ValueError, match=f'^{name} must'):
    call()
