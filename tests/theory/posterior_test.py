import numpy as np
import pytest
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process import kernels as public

from research.theory import kernels
from research.theory.posterior import posterior

GENERATOR = np.random.default_rng(0)
X, XS = GENERATOR.uniform(-2, 2, size=(12, 2)), GENERATOR.uniform(-2, 2, size=(5, 2))
Y = GENERATOR.normal(size=(12, 3))


def test_a_public_regressor_agrees():
  found = posterior(kernels.rbf(0.5), X, Y, XS)
  theirs = GaussianProcessRegressor(public.RBF(0.5), alpha=1e-12, optimizer=None).fit(X, Y[:, 0])
  mean, covariance = theirs.predict(XS, return_cov=True)
  np.testing.assert_allclose(found.mean[:, 0], mean, rtol=1e-6)
  np.testing.assert_allclose(found.covariance, covariance, atol=1e-7)
  assert found.jitter == 0
  assert found.misfit < 1e-8


def test_it_is_the_law_of_samples_of_the_prior_with_these_values():
  """Rejection: of many draws of the prior at two inputs, those close to y at the first."""
  x, xs = np.array([[0.0]]), np.array([[0.7]])
  kernel = kernels.rbf(1.0)
  both = np.concatenate([x, xs])
  draws = np.random.default_rng(1).multivariate_normal([0, 0], kernel(both, both), 2_000_000)
  kept = draws[np.abs(draws[:, 0] - 0.8) < 0.01, 1]
  found = posterior(kernel, x, np.array([[0.8]]), xs)
  np.testing.assert_allclose(found.mean[0, 0], kept.mean(), atol=5 * kept.std() / len(kept) ** 0.5)
  np.testing.assert_allclose(found.covariance[0, 0], kept.var(), rtol=0.05)


def test_the_amplitude_is_the_most_likely():
  def log_likelihood(factor):
    regressor = GaussianProcessRegressor(
      public.ConstantKernel(factor) * public.RBF(0.5), alpha=1e-12, optimizer=None
    )
    return sum(regressor.fit(X, y).log_marginal_likelihood_value_ for y in Y.T)

  found = posterior(kernels.rbf(0.5), X, Y, XS).amplitude
  assert log_likelihood(found) > max(log_likelihood(0.95 * found), log_likelihood(1.05 * found))


def test_training_inputs_have_their_targets_for_certain():
  found = posterior(kernels.matern(1.0, 0.5), X, Y, X[:4])
  np.testing.assert_allclose(found.mean, Y[:4], atol=1e-8)
  np.testing.assert_allclose(found.covariance, 0, atol=1e-8)


def test_the_order_of_the_examples_does_not_matter():
  order = GENERATOR.permutation(12)
  one, other = (posterior(kernels.rbf(0.5), X[i], Y[i], XS) for i in (order, slice(None)))
  np.testing.assert_allclose(one.mean, other.mean, atol=1e-8)
  np.testing.assert_allclose(one.covariance, other.covariance, atol=1e-8)


def test_repeated_inputs():
  twice = np.concatenate([X, X[:1]])
  with pytest.warns(RuntimeWarning, match='nearly singular'):
    found = posterior(kernels.rbf(0.5), twice, np.concatenate([Y, Y[:1]]), XS)
  assert found.jitter > 0
  np.testing.assert_allclose(found.mean, posterior(kernels.rbf(0.5), X, Y, XS).mean, atol=1e-4)
  with pytest.raises(ValueError, match='kernel must have functions that fit the training set'):
    posterior(kernels.rbf(0.5), twice, np.concatenate([Y, Y[:1] + 1]), XS)


def test_a_kernel_that_is_too_small_for_the_examples_is_refused():
  with pytest.raises(ValueError, match='kernel must'):
    posterior(kernels.polynomial(1), X, Y, XS)  # three dimensions, twelve examples


def test_shapes_are_checked():
  for inputs, targets in ((X, Y[:, 0]), (X[:0], Y[:0])):
    with pytest.raises(ValueError, match='inputs, targets and test_inputs must be'):
      posterior(kernels.rbf(0.5), inputs, targets, XS)


def test_smooth_kernels_on_many_points_warn():
  x = np.random.default_rng(2).uniform(size=(200, 2))
  with pytest.warns(RuntimeWarning, match='nearly singular'):
    posterior(kernels.rbf(0.25), x, x, XS)
