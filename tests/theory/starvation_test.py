"""Features and fixed points, against gradient descent, SciPy and singular values."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import brentq, minimize
from scipy.special import expit

from research.theory import starvation
from research.theory.starvation import (
  decoupled_fixed_point,
  features,
  oriented,
  response,
  response_from_start,
  ridge_fixed_point,
  starvation_matrix,
  starvation_matrix_by_differences,
  toy,
)

STRENGTHS = np.arange(2.0, 7.0)


def orthogonal(n, seed=0):
  return np.linalg.qr(np.random.default_rng(seed).normal(size=(n, n)))[0]


def problem(n=6, n_parameters=9, seed=0):
  """Phi [n, P], of full row rank, and signs."""
  rng = np.random.default_rng(seed)
  phi = rng.normal(size=(n, n_parameters)) * np.geomspace(2, 0.2, n_parameters)[None] + 0.3
  return phi, rng.choice([-1.0, 1.0], n)


def descend(ridge, decoupling, steps):
  """The toy's responses [5, 2] after gradient descent on theta, by its own losses and penalties."""
  basis = toy(2.0).features.basis
  scale = np.stack([STRENGTHS, np.full(5, 2.0)], axis=1)  # [5, 2]: Phi = U S, labels 1
  theta = np.zeros((5, 2))
  for _ in range(steps):
    f = (theta * scale) @ basis.T
    slope = -1 / (1 + np.exp(f)) + 2 * decoupling * f
    theta = theta - 0.05 * ((slope @ basis) * scale + 2 * ridge * theta)
  return theta * scale


def test_gradient_descent_on_the_toy_ends_in_its_fixed_points():
  """After the paper's 5000 steps the ridge's has not arrived; the other one has."""
  toys = [toy(strength) for strength in STRENGTHS]
  ridge = np.stack([t.ridge.response for t in toys])
  decoupled = np.stack([t.decoupled.response for t in toys])
  np.testing.assert_allclose(descend(0.005, 0.0, 40_000), ridge, rtol=1e-6)
  np.testing.assert_allclose(descend(0.0, 0.001, 5_000), decoupled, rtol=1e-4)
  after_5000 = descend(0.005, 0.0, 5_000)
  np.testing.assert_allclose(after_5000, ridge, rtol=5e-3)
  assert after_5000[-1, 1] < 0.997 * ridge[-1, 1]


def test_in_the_toy_the_stronger_feature_starves_the_other_unless_decoupled():
  toys = [toy(strength) for strength in STRENGTHS]
  ridge = np.stack([t.ridge.response for t in toys])
  assert np.all(np.diff(ridge[:, 0]) > 0)
  assert np.all(np.diff(ridge[:, 1]) < 0)
  margin = brentq(lambda f: 0.002 * f - expit(-f), 0, 10)
  for t in toys:
    np.testing.assert_allclose(
      t.decoupled.response, margin * (np.sqrt(0.75) + np.array([0.5, -0.5]))
    )


def test_agrees_with_scipys_minimum_over_the_parameters():
  phi, signs = problem()
  kernel = features(phi @ phi.T, signs)
  for penalty in (0.01, 1.0):

    def objective(theta, penalty=penalty):
      margins = signs * (phi @ theta)
      gradient = -phi.T @ (signs * expit(-margins)) + penalty * theta
      return np.sum(np.logaddexp(0, -margins)) + penalty / 2 * theta @ theta, gradient

    theta = minimize(objective, np.zeros(9), jac=True, options=dict(gtol=1e-9)).x
    found = ridge_fixed_point(*kernel, penalty)
    np.testing.assert_allclose(found.margins, signs * (phi @ theta), rtol=1e-6)
    np.testing.assert_allclose(
      found.response, response(kernel.basis, signs, phi @ theta), rtol=1e-6
    )


@pytest.mark.parametrize('penalty', [1e-3, 0.1, 10.0])
def test_solves_the_equation_of_the_dual(penalty):
  basis, strengths = orthogonal(7), np.geomspace(5, 0.5, 7)
  alpha, margins, z = ridge_fixed_point(strengths, basis, penalty)
  np.testing.assert_allclose(strengths**2 * (basis.T @ alpha) / penalty, z, rtol=1e-8)
  np.testing.assert_allclose(np.log((1 - alpha) / alpha), basis @ z, rtol=1e-8)
  np.testing.assert_allclose(margins, basis @ z, rtol=1e-12)


@pytest.mark.parametrize('spread', [1.0, 1e3, 1e6])
@pytest.mark.parametrize('penalty', [1e-10, 1e-4, 1.0, 1e4])
def test_converges_whatever_the_penalty_and_the_strengths(spread, penalty):
  basis, strengths = orthogonal(20), 10 * np.geomspace(1, 1 / spread, 20)
  alpha, margins, z = ridge_fixed_point(strengths, basis, penalty)
  pull = strengths * (basis.T @ alpha)  # of the losses on w, which the penalty balances
  np.testing.assert_allclose(penalty * z / strengths, pull, atol=1e-7 * np.abs(pull).max())
  np.testing.assert_allclose(alpha, expit(-margins), rtol=1e-12)


def test_converges_where_whole_steps_of_newtons_method_do_not():
  rng = np.random.default_rng(0)
  for _ in range(100):
    n = int(rng.integers(2, 12))
    basis = np.linalg.qr(rng.normal(size=(n, n)))[0]
    strengths = np.exp(rng.normal(size=n) * rng.choice([0.5, 2, 5]))
    penalty = 10 ** rng.uniform(-10, 2)
    alpha, _, z = ridge_fixed_point(strengths, basis, penalty)
    pull = strengths * (basis.T @ alpha)
    np.testing.assert_allclose(penalty * z / strengths, pull, atol=1e-7 * np.abs(pull).max())


def test_without_strength_there_is_no_response():
  strengths = np.array([3.0, 1.0, 0.0, 0.0])
  z = ridge_fixed_point(strengths, orthogonal(4), 0.1).response
  assert np.all(z[2:] == 0)
  assert np.all(z[:2] != 0)


def test_decoupled_examples_each_solve_an_equation_of_their_own():
  targets = np.array([-1e3, -4.0, -0.44, 0.0, 2.5, 30.0])
  basis = orthogonal(6)
  for penalty in (1e-9, 1e-3, 0.2, 1e5):
    alpha, margins, z = decoupled_fixed_point(basis, penalty, targets)
    for margin, target in zip(margins, targets, strict=True):
      excess = lambda f, t=target, p=penalty: f - t - expit(-f) / p  # noqa: E731
      root = brentq(excess, target - 1, target + 1 / penalty + 1, xtol=1e-12)
      np.testing.assert_allclose(margin, root, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(alpha, expit(-margins), rtol=1e-12)
    np.testing.assert_allclose(z, basis.T @ margins, rtol=1e-9)


def test_decoupled_examples_are_alike_and_as_a_ridge_with_the_identity_for_a_kernel():
  basis = orthogonal(5)
  alpha, margins, z = decoupled_fixed_point(basis, 0.03)
  np.testing.assert_allclose(alpha, alpha[0])
  np.testing.assert_allclose(np.log((1 - alpha) / alpha), alpha / 0.03)
  ridge = ridge_fixed_point(np.ones(5), basis, 0.03)
  np.testing.assert_allclose(ridge.margins, margins, rtol=1e-9)
  np.testing.assert_allclose(ridge.response, z, rtol=1e-9)


@pytest.mark.parametrize('penalty', [1e-3, 0.05, 2.0])
def test_the_implicit_derivative_agrees_with_differences(penalty):
  basis, strengths = orthogonal(5, seed=3), np.array([4.0, 2.5, 2.4, 1.0, 0.3])
  exact = starvation_matrix(strengths, basis, penalty)
  differences = starvation_matrix_by_differences(strengths, basis, penalty)
  np.testing.assert_allclose(exact, differences, rtol=1e-4, atol=1e-6 * np.abs(exact).max())
  assert exact.min() < 0


def test_features_of_their_own_examples_starve_none():
  """U = I, and equal slopes (at a large penalty all are 1/4) couple no two features."""
  strengths = np.array([3.0, 2.0, 1.0])
  alone = starvation_matrix(strengths, np.eye(3), 0.1)
  np.testing.assert_array_equal(alone, np.diag(np.diag(alone)))
  assert np.all(np.diag(alone) > 0)
  weak = starvation_matrix(strengths, orthogonal(3), 1e6)
  np.testing.assert_allclose(weak, np.diag(np.diag(weak)), atol=1e-4 * np.abs(weak).max())
  shared = starvation_matrix(strengths, orthogonal(3), 0.1)
  assert np.abs(shared - np.diag(np.diag(shared))).max() > 1e-2 * np.abs(shared).max()


def test_features_are_the_singular_vectors_of_the_signed_features():
  phi, signs = problem()
  strengths, basis = features(phi @ phi.T, signs)
  u, s, _ = np.linalg.svd(signs[:, None] * phi, full_matrices=False)
  np.testing.assert_allclose(strengths, s, rtol=1e-9)
  np.testing.assert_allclose(basis, u * np.sign(u.sum(axis=0))[None], atol=1e-9)


def test_order_and_flipped_signs_change_no_feature():
  phi, signs = problem(seed=1)
  kernel, order = phi @ phi.T, np.random.default_rng(2).permutation(len(phi))
  here = features(kernel, signs)
  there = features(kernel[np.ix_(order, order)], signs[order])
  np.testing.assert_allclose(there.strengths, here.strengths, rtol=1e-9)
  np.testing.assert_allclose(there.basis, here.basis[order], atol=1e-9)
  for a, b in zip(features(kernel, -signs), here, strict=True):
    np.testing.assert_allclose(a, b, atol=1e-9)


def test_eigenvalues_below_zero_are_rounding():
  strengths, _ = features(np.ones((3, 3)), np.ones(3))
  assert np.all(strengths >= 0)
  np.testing.assert_allclose(strengths, [np.sqrt(3), 0, 0], atol=1e-7)


@pytest.mark.parametrize('xp', [np, jnp])
def test_vectors_have_the_sign_of_their_sum_or_of_their_largest_entry(xp):
  basis = xp.asarray([[-0.8, 0.1], [0.1, -0.9], [0.1, 0.4]]).T  # sums -0.7, -0.8, 0.5
  np.testing.assert_allclose(oriented(basis.T), [[0.8, -0.1], [-0.1, 0.9], [-0.1, -0.4]])
  undecided = xp.asarray([[-0.5, 0.1], [0.5, -0.2], [1e-7, 0.1]])
  np.testing.assert_allclose(oriented(undecided), [[0.5, -0.1], [-0.5, 0.2], [-1e-7, -0.1]])


def test_from_zero_all_responses_rise_at_the_rate_of_their_strengths():
  """One step of gradient descent makes z = rate S^2 U^T 1/2, in the basis at the start."""
  phi, signs = problem(seed=4)
  kernel = phi @ phi.T
  strengths, basis = features(kernel, signs)
  outputs = np.stack([np.zeros(6), 0.1 * phi @ (phi.T @ signs) / 2])
  z = response_from_start(kernel, signs, outputs)
  np.testing.assert_allclose(z[1], 0.05 * strengths**2 * basis.sum(axis=0), rtol=1e-9)
  assert np.all(z[0] == 0)
  assert np.all(z[1] > 0)
  np.testing.assert_allclose(basis @ z[1], signs * outputs[1], rtol=1e-9)  # the margins are U z


@pytest.mark.parametrize(
  ('call', 'message'),
  [
    (lambda: features(np.eye(3)[:2], np.ones(2)), 'kernel must be a symmetric matrix'),
    (lambda: features(np.triu(np.ones((3, 3))), np.ones(3)), 'kernel must be a symmetric matrix'),
    (lambda: features(np.eye(3), np.array([1, 0, 1])), 'signs must be 3 numbers, each 1 or -1'),
    (lambda: features(np.eye(3), np.ones(2)), 'signs must be 3 numbers, each 1 or -1'),
    (lambda: ridge_fixed_point(np.ones(2), np.eye(2), 0.0), 'penalty must be positive and finite'),
    (lambda: ridge_fixed_point(np.ones(3), np.eye(2), 0.1), 'strengths must be 2 finite numbers'),
    (lambda: ridge_fixed_point(-np.ones(2), np.eye(2), 0.1), 'strengths must be 2 finite numbers'),
    (lambda: decoupled_fixed_point(np.ones((2, 2)), 0.1), 'basis must be an orthogonal matrix'),
    (lambda: decoupled_fixed_point(np.eye(2), np.nan), 'penalty must be positive and finite'),
    (
      lambda: starvation_matrix_by_differences(np.array([1.0, 0.0]), np.eye(2), 0.1),
      'strengths must be positive for differences',
    ),
    (
      lambda: starvation_matrix_by_differences(np.ones(2), np.eye(2), 0.1, step=1.0),
      'step must lie in',
    ),
    (lambda: toy(0.0), 'strength must be positive, not 0'),
  ],
)
def test_what_is_out_of_range_is_refused(call, message):
  with pytest.raises(ValueError, match=f'^{message}'):
    call()


def test_what_does_not_converge_is_an_error(monkeypatch):
  monkeypatch.setattr(starvation, 'ITERATIONS', 2)
  for solve in (lambda: toy(6.0), lambda: decoupled_fixed_point(np.eye(2), 1e-6)):
    with pytest.raises(ArithmeticError, match='not found in 2 iterations'):
      solve()
