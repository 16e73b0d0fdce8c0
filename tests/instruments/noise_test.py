"""The noise scale and GSNR against closed forms; the gradients are the rows of x."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from research.gradients import gradient_statistics
from research.instruments import gsnr, noise_scale


def statistics(x, **kwargs):
  losses = lambda w, batch: batch['x'] @ w['w'][:, 0]  # noqa: E731
  params = {'w': jnp.zeros((x.shape[1], 1))}
  statistics = jax.jit(gradient_statistics(losses, **kwargs))
  return statistics(params, {'x': jnp.asarray(x, jnp.float32)})


def test_trace_is_that_of_the_sample_covariance_and_signal_is_unbiased():
  x = np.random.default_rng(0).normal(size=(12, 5)) + 2
  metrics = noise_scale().formula(statistics(x), {})
  trace = np.trace(np.cov(x, rowvar=False))
  signal = np.sum(x.mean(0) ** 2) - trace / 12
  np.testing.assert_allclose(metrics['noise/trace'], trace, rtol=1e-4)
  np.testing.assert_allclose(metrics['noise/signal'], signal, rtol=1e-4)
  np.testing.assert_allclose(metrics['noise/scale'], trace / signal, rtol=1e-4)


def test_the_noise_scale_is_that_of_the_distribution():
  """Gradients mu + sigma * noise in P dimensions have the noise scale P sigma^2 / |mu|^2."""
  generator = np.random.default_rng(2)
  x = 1.0 + 3.0 * generator.normal(size=(50_000, 4))
  np.testing.assert_allclose(noise_scale().formula(statistics(x), {})['noise/scale'], 9, rtol=0.03)


def test_noise_without_signal_has_no_scale():
  x = np.concatenate([np.eye(4), -np.eye(4)])
  assert np.isnan(noise_scale().formula(statistics(x), {})['noise/scale'])


def test_equal_gradients_have_no_noise():
  metrics = noise_scale().formula(statistics(np.ones((6, 3))), {})
  np.testing.assert_allclose(metrics['noise/scale'], 0, atol=1e-6)


def test_one_example_has_no_noise_to_measure():
  assert np.isnan(noise_scale().formula(statistics(np.ones((1, 3))), {})['noise/trace'])


def test_gsnr_is_squared_mean_over_variance_of_each_parameter():
  x = np.random.default_rng(3).normal(size=(20, 6)) + np.arange(6)
  metrics = gsnr().formula(statistics(x, second_moment=True), {})
  expected = np.mean(x.mean(0) ** 2 / x.var(0))
  np.testing.assert_allclose(metrics['gsnr/mean'], expected, rtol=1e-4)
  np.testing.assert_allclose(metrics['gsnr/mean/w'], expected, rtol=1e-4)


def test_gsnr_leaves_out_parameters_whose_gradient_does_not_vary():
  x = np.random.default_rng(4).normal(size=(20, 3)) + 1
  frozen = np.concatenate([x, np.zeros((20, 1)), np.full((20, 1), 7.0)], axis=1)
  here = gsnr().formula(statistics(x, second_moment=True), {})['gsnr/mean']
  there = gsnr().formula(statistics(frozen, second_moment=True), {})['gsnr/mean']
  np.testing.assert_allclose(there, here, rtol=1e-4)


@pytest.mark.parametrize('chunk_size', [None, 10, 100])
@pytest.mark.parametrize('constant', [0.1, 0.3, 7.0])
def test_gsnr_is_not_of_rounding(constant, chunk_size):
  """A constant gradient has no variance; what the sum of 1,437 rounded squares leaves is none."""
  x = np.random.default_rng(5).normal(size=(1437, 10))
  x[:, 0] = constant
  stats = statistics(x, second_moment=True, chunk_size=chunk_size)
  assert gsnr().formula(stats, {})['gsnr/mean'] < 0.01
