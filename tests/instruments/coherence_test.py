"""Coherence against closed forms: with losses <x_i, w> the gradients are the rows of x."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from research.gradients import gradient_statistics
from research.instruments import coherence


@jax.jit
def measure(x):
  losses = lambda w, batch: batch['x'] @ w  # noqa: E731
  return coherence().formula(gradient_statistics(losses)(jnp.zeros(x.shape[1]), {'x': x}), {})


@pytest.mark.parametrize('m', [2, 7, 32])
def test_orthogonal_gradients_of_equal_norm_give_one_over_m(m):
  metrics = measure(3 * np.eye(m, dtype=np.float32))
  np.testing.assert_allclose(metrics['coherence/alpha'], 1 / m, rtol=1e-6)
  np.testing.assert_allclose(metrics['coherence/m_coherence'], 1, rtol=1e-6)
  np.testing.assert_allclose(metrics['coherence/alpha_unbiased'], 0, atol=1e-6)


@pytest.mark.parametrize('m', [1, 2, 7])
def test_identical_gradients_give_one(m):
  metrics = measure(np.tile(np.array([[1.0, -2.0, 0.5]], np.float32), (m, 1)))
  np.testing.assert_allclose(metrics['coherence/alpha'], 1, rtol=1e-6)
  np.testing.assert_allclose(metrics['coherence/m_coherence'], m, rtol=1e-6)
  if m > 1:
    np.testing.assert_allclose(metrics['coherence/alpha_unbiased'], 1, rtol=1e-6)
  else:
    assert np.isnan(metrics['coherence/alpha_unbiased'])


def test_k_copies_of_orthogonal_gradients_give_m_coherence_k():
  metrics = measure(np.tile(np.eye(5, dtype=np.float32), (4, 1)))
  np.testing.assert_allclose(metrics['coherence/m_coherence'], 4, rtol=1e-6)


def test_opposite_gradients_give_zero():
  metrics = measure(np.array([[1.0, 2.0], [-1.0, -2.0]], np.float32))
  np.testing.assert_allclose(metrics['coherence/alpha'], 0, atol=1e-7)
  np.testing.assert_allclose(metrics['coherence/alpha_unbiased'], -1, rtol=1e-6)


def test_zero_gradients_dilute():
  x = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)
  diluted = np.concatenate([x, np.zeros((18, 4), np.float32)])
  here, there = measure(x)['coherence/alpha'], measure(diluted)['coherence/alpha']
  np.testing.assert_allclose(there, here / 4, rtol=1e-5)


def test_all_zero_gradients_measure_nothing():
  assert np.isnan(measure(np.zeros((3, 2), np.float32))['coherence/alpha'])


def test_the_six_dimensional_example():
  """core.md, paper 1: real labels share a feature, random labels do not (m-coherence 2.5 and 1)."""
  e = np.eye(6, dtype=np.float32)
  signs = np.array([1, -1, -1, 1], np.float32)
  losses = lambda w, batch: 0.5 * jnp.square(batch['y'] - batch['x'] @ w)  # noqa: E731
  for features, expected in ((e[:4] + e[5], 2.5), (e[:4], 1.0)):
    batch = {'x': jnp.asarray(signs[:, None] * features), 'y': jnp.asarray(signs)}
    stats = gradient_statistics(losses)(jnp.zeros(6), batch)
    metrics = coherence().formula(stats, batch)
    np.testing.assert_allclose(metrics['coherence/m_coherence'], expected, rtol=1e-6)


def test_unbiased_alpha_does_not_depend_on_the_sample_size():
  """Of gradients mu + noise: E alpha = |mu|^2 / (|mu|^2 + P), for any m; the biased one is above."""
  generator = np.random.default_rng(1)
  mu = np.full(20, 0.5, np.float32)
  expected = mu @ mu / (mu @ mu + 20)
  for m in (4, 16, 64):
    samples = mu + generator.normal(size=(6400 // m, m, 20)).astype(np.float32)
    draws = jax.vmap(measure)(samples)
    assert abs(np.mean(draws['coherence/alpha_unbiased']) - expected) < 0.02, m
    if m == 4:
      assert np.mean(draws['coherence/alpha']) > expected + 0.1


def layers_problem():
  keys = jax.random.split(jax.random.key(0), 4)
  params = {
    'A': {'kernel': jax.random.normal(keys[0], (5, 4)), 'bias': jnp.zeros(4)},
    'B': {'kernel': jax.random.normal(keys[1], (4, 1))},
  }
  batch = {'x': jax.random.normal(keys[2], (9, 5)), 'y': jax.random.normal(keys[3], (9,))}

  def losses(p, b):
    h = jnp.tanh(b['x'] @ p['A']['kernel'] + p['A']['bias'][None])
    return jnp.square((h @ p['B']['kernel'])[:, 0] - b['y'])

  return losses, params, batch


def test_agrees_with_the_definition_layer_by_layer():
  losses, params, batch = layers_problem()
  metrics = coherence().formula(gradient_statistics(losses)(params, batch), batch)
  rows = [
    jax.grad(lambda p, i=i: losses(p, jax.tree.map(lambda x: x[i : i + 1], batch))[0])(params)
    for i in range(9)
  ]
  flat = {
    layer: np.stack(
      [np.concatenate([np.ravel(x) for x in jax.tree.leaves(row[layer])]) for row in rows]
    )
    for layer in ('A', 'B')
  }
  flat[''] = np.concatenate([flat['A'], flat['B']], axis=1)
  for layer, g in flat.items():
    suffix = f'/{layer}' if layer else ''
    alpha = np.sum(g.mean(0) ** 2) / np.mean(np.sum(g**2, axis=1))
    pairs = [g[i] @ g[j] for i in range(9) for j in range(9) if i != j]
    unbiased = np.mean(pairs) / np.mean(np.sum(g**2, axis=1))
    np.testing.assert_allclose(metrics[f'coherence/alpha{suffix}'], alpha, rtol=1e-4)
    np.testing.assert_allclose(metrics[f'coherence/alpha_unbiased{suffix}'], unbiased, rtol=1e-3)


def test_the_scale_of_the_loss_does_not_matter():
  losses, params, batch = layers_problem()
  here = coherence().formula(gradient_statistics(losses)(params, batch), batch)
  there = coherence().formula(
    gradient_statistics(lambda p, b: 7 * losses(p, b))(params, batch), batch
  )
  for name in here:
    np.testing.assert_allclose(there[name], here[name], rtol=1e-4)


def test_layers_are_optional():
  losses, params, batch = layers_problem()
  stats = gradient_statistics(losses)(params, batch)
  assert set(coherence(per_layer=False).formula(stats, batch)) == {
    'coherence/alpha',
    'coherence/m_coherence',
    'coherence/alpha_unbiased',
  }
