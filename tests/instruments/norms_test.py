"""Norms of gradients against NumPy; with losses <x_i, w> the gradients are the rows of x."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from reference import gradients_in_float64

from research.gradients import gradient_statistics
from research.instruments import gradient_norms


def measure(losses, params, batch):
  stats = jax.jit(gradient_statistics(losses))(params, batch)
  return gradient_norms().formula(stats, batch)


def of_rows(x, scale=1.0):
  losses = lambda w, batch: scale * batch['x'] @ w  # noqa: E731
  return measure(losses, jnp.zeros(x.shape[1]), {'x': jnp.asarray(x, jnp.float32)})


def values(metrics):
  return [float(metrics[f'gradient_norms/{name}']) for name in ('max', 'mean', 'median')]


@pytest.mark.parametrize(
  ('lengths', 'expected'), [((3, 1, 5), (5, 3, 3)), ((2, 0, 4, 6), (6, 3, 3))]
)
def test_lengths_of_orthogonal_gradients(lengths, expected):
  x = np.diag(np.array(lengths, np.float32))
  np.testing.assert_allclose(values(of_rows(x)), expected, rtol=1e-6)


def test_agree_with_all_gradients_of_a_network():
  x, y = np.random.default_rng(0).normal(size=(2, 9, 5)).astype(np.float32)
  params = {'a': jnp.asarray(x[:5].T), 'b': jnp.ones(5)}
  losses = lambda p, b: jnp.sum(jnp.square(jnp.tanh(b['x'] @ p['a']) * p['b'][None] - b['y']), 1)  # noqa: E731
  _, gradients = gradients_in_float64(losses, params, {'x': x, 'y': y})
  norms = np.linalg.norm(np.concatenate([*gradients.values()], axis=1), axis=1)
  expected = [norms.max(), norms.mean(), np.median(norms)]
  np.testing.assert_allclose(values(measure(losses, params, {'x': x, 'y': y})), expected, rtol=1e-5)


def test_order_does_not_matter_and_the_scale_of_the_loss_scales():
  x = np.random.default_rng(1).normal(size=(8, 3))
  here = values(of_rows(x))
  np.testing.assert_allclose(values(of_rows(x[::-1])), here, rtol=1e-6)
  np.testing.assert_allclose(values(of_rows(x, scale=-3.0)), 3 * np.array(here), rtol=1e-6)


def test_one_broken_gradient_among_many_is_not_passed_over():
  x = np.ones((5000, 2))
  x[3123] = np.nan
  assert np.isnan(values(of_rows(x))).all()
