"""Interpolants of least norm, against features whose products are the kernel."""

import numpy as np
import pytest
from scipy import optimize

from research.theory import kernels, lazy

CUBIC = kernels.polynomial(3)


def features(x):
  """All monomials whose products add up to (x . z / d + 1)^3, by Kronecker powers."""
  extended = np.concatenate([x / np.sqrt(x.shape[1]), np.ones((len(x), 1))], 1)
  return np.einsum('ni,nj,nk->nijk', extended, extended, extended).reshape(len(x), -1)


def sample(seed=0, n=12, dim=4, **settings):
  return lazy.mixture(
    np.random.default_rng(seed), n, dim, **{'separation': 1.0, 'flips': 0.25, **settings}
  )


def test_the_norm_is_the_least_in_features():
  data, new = sample(), sample(1).inputs
  fitted = lazy.interpolant(CUBIC, data.inputs, data.targets)
  weights = np.linalg.pinv(features(data.inputs)) @ data.targets
  assert fitted.sq_norm == pytest.approx(weights @ weights, rel=1e-8)
  np.testing.assert_allclose(lazy.predict(CUBIC, fitted, new), features(new) @ weights, rtol=1e-7)
  np.testing.assert_allclose(lazy.predict(CUBIC, fitted, data.inputs), data.targets, rtol=1e-8)
  assert fitted.margin == pytest.approx(1 / np.linalg.norm(weights), rel=1e-8)
  assert fitted.smallest == pytest.approx(
    np.linalg.svd(features(data.inputs))[1].min() ** 2, rel=1e-8
  )
  assert fitted.scale == pytest.approx(np.mean(np.sum(features(data.inputs) ** 2, 1)))


def test_the_largest_margin_lies_between_that_of_the_interpolant_and_infinity():
  """Of all functions the hard-margin support vector machine's is largest: by quadratic programming."""
  data = sample(2, n=8)
  fitted = lazy.interpolant(CUBIC, data.inputs, data.targets)
  gram = CUBIC(data.inputs, data.inputs) * np.outer(data.targets, data.targets)
  found = optimize.minimize(
    lambda a: 0.5 * a @ gram @ a - a.sum(),
    np.zeros(8),
    jac=lambda a: gram @ a - 1,
    bounds=[(0, None)] * 8,
    options={'ftol': 1e-15, 'gtol': 1e-12},
  )
  largest = 1 / np.sqrt(found.x @ gram @ found.x)
  assert lazy.least_margin(fitted) < fitted.margin <= largest * (1 + 1e-6)


def test_the_bound_is_reached_by_kernels_that_tell_all_inputs_apart():
  x = 100 * np.eye(5)
  fitted = lazy.interpolant(lambda a, b: 3 * kernels.rbf(1.0)(a, b), x, np.array([1, -1, 1, 1, -1]))
  assert fitted.margin == pytest.approx(np.sqrt(3 / 5))
  assert lazy.least_margin(fitted) == pytest.approx(np.sqrt(3 / 5))


@pytest.mark.parametrize('kernel', [CUBIC, kernels.ntk(3), kernels.rbf(2.0)])
def test_differences_are_bounded_by_the_norm_and_the_kernels_distance(kernel):
  data = sample(3)
  fitted = lazy.interpolant(kernel, data.inputs, data.targets)
  rng = np.random.default_rng(0)
  x = rng.normal(size=(40, 4))
  ratios = []
  for step in (1e-3, 0.1, 3.0):
    z = x + step * rng.normal(size=x.shape)
    own, other, cross = kernel(x, x), kernel(z, z), kernel(x, z)
    distances = np.sqrt(np.diag(own) + np.diag(other) - 2 * np.diag(cross))
    difference = np.abs(lazy.predict(kernel, fitted, x) - lazy.predict(kernel, fitted, z))
    ratios.append(difference / distances / np.sqrt(fitted.sq_norm))
  assert np.max(ratios) <= 1 + 1e-6
  assert np.max(ratios) > 0.1
  assert lazy.least_margin(fitted) <= fitted.margin


def test_a_factor_of_the_kernel_changes_nothing_that_is_scaled():
  data, new = sample(4), sample(5).inputs
  kernel = kernels.ntk(2)
  one = lazy.interpolant(kernel, data.inputs, data.targets)
  two = lazy.interpolant(lambda a, b: 9 * kernel(a, b), data.inputs, data.targets)
  np.testing.assert_allclose(
    lazy.predict(lambda a, b: 9 * kernel(a, b), two, new), lazy.predict(kernel, one, new), rtol=1e-8
  )
  assert two.sq_norm * two.scale == pytest.approx(one.sq_norm * one.scale)
  assert two.margin**2 / two.scale == pytest.approx(one.margin**2 / one.scale)
  assert two.smallest / two.scale == pytest.approx(one.smallest / one.scale)
  assert two.smallest == pytest.approx(9 * one.smallest)


def test_mixtures_are_what_they_say():
  data = sample(6, n=20_000, dim=3, separation=1.5, flips=0.2)
  centred = data.inputs - data.labels[:, None] * [1.5, 0, 0]
  np.testing.assert_allclose(centred.mean(0), 0, atol=0.03)
  np.testing.assert_allclose(np.cov(centred.T), np.eye(3), atol=0.04)
  assert np.sum(data.targets != data.labels) == 4000
  turned = data.targets != data.labels
  assert abs(data.labels[turned].mean()) < 0.06
  wrong = np.mean(np.sign(data.inputs[:, 0]) != data.labels)
  assert wrong == pytest.approx(lazy.least_error(1.5), abs=0.008)
  clean = sample(7, flips=0.0)
  np.testing.assert_array_equal(clean.targets, clean.labels)


@pytest.mark.parametrize(
  ('name', 'call'),
  [
    ('n', lambda: sample(n=0)),
    ('dim', lambda: sample(dim=0)),
    ('separation', lambda: sample(separation=-1.0)),
    ('flips', lambda: sample(flips=1.5)),
    ('targets', lambda: lazy.interpolant(CUBIC, np.eye(2), np.zeros(2))),
    ('targets', lambda: lazy.interpolant(CUBIC, np.eye(2), np.ones(3))),
    ('kernel', lambda: lazy.interpolant(CUBIC, np.ones((2, 2)), np.ones(2))),
    ('kernel', lambda: lazy.interpolant(kernels.polynomial(1), sample(n=9).inputs, np.ones(9))),
  ],
)
def test_bad_arguments_are_named(name, call):
  with pytest.raises(ValueError, match=f'^{name} must'):
    call()
