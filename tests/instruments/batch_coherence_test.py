"""Coherence out of mini-batches; with losses <x_i, w> the gradients are the rows of x."""

import itertools

import jax.numpy as jnp
import numpy as np
import pytest
from reference import gradients_in_float64

from research import rngs
from research.gradients import gradient_statistics
from research.instruments import Network, batch_coherence, coherence, make_measure


def linear(w, batch):
  return batch['x'] @ w


def of_rows(x, losses=linear, batch_size=10, **kwargs):
  batch = {'x': jnp.asarray(x, jnp.float32)}
  return make_measure([batch_coherence(batch_size=batch_size, **kwargs)], Network(losses))(
    jnp.zeros(x.shape[1]), batch
  )


def network(m=24):
  rng = np.random.default_rng(0)
  batch = {
    'x': jnp.asarray(rng.normal(size=(m, 5)), jnp.float32),
    'y': jnp.asarray(rng.normal(size=m), jnp.float32),
  }
  params = {
    'a': jnp.asarray(rng.normal(size=(5, 4)), jnp.float32),
    'b': jnp.asarray(rng.normal(size=4), jnp.float32),
  }

  def losses(p, b):
    return jnp.square(jnp.tanh(b['x'] @ p['a']) @ p['b'] - b['y'])

  return losses, params, batch


@pytest.mark.parametrize(('m', 'k'), [(6, 3), (12, 4), (40, 10), (30, 1)])
def test_orthogonal_gradients_of_equal_norm(m, k):
  """The theorem gives 1/(m-k+1), the finite sample 1/m."""
  metrics = of_rows(2 * np.eye(m), batch_size=k)
  np.testing.assert_allclose(metrics['batch_coherence/alpha_of_batches'], k / m, rtol=1e-5)
  np.testing.assert_allclose(metrics['batch_coherence/alpha_theorem'], 1 / (m - k + 1), rtol=1e-5)
  np.testing.assert_allclose(metrics['batch_coherence/alpha'], 1 / m, rtol=1e-5)
  np.testing.assert_allclose(metrics['batch_coherence/m_coherence'], 1, rtol=1e-5)


def test_identical_gradients_give_one():
  metrics = of_rows(np.ones((20, 3)), batch_size=5)
  for name in ('alpha', 'alpha_theorem', 'alpha_of_batches'):
    np.testing.assert_allclose(metrics[f'batch_coherence/{name}'], 1, rtol=1e-5)
  np.testing.assert_allclose(metrics['batch_coherence/m_coherence_theorem'], 20, rtol=1e-5)


def test_opposite_gradients_give_zero_and_zero_gradients_nothing():
  x = np.array([[1.0], [1.0], [-1.0], [-1.0]])
  assert of_rows(x, batch_size=1)['batch_coherence/alpha'] == 0
  assert np.isnan(of_rows(0 * x, batch_size=2)['batch_coherence/alpha'])


def test_batches_of_one_give_the_coherence_of_the_examples():
  losses, params, batch = network()
  metrics = make_measure([batch_coherence(batch_size=1)], Network(losses))(params, batch)
  stats = gradient_statistics(losses)(params, batch)
  alpha = coherence().formula(stats, batch)['coherence/alpha']
  for name in ('alpha', 'alpha_theorem', 'alpha_of_batches'):
    np.testing.assert_allclose(metrics[f'batch_coherence/{name}'], alpha, rtol=1e-4)


@pytest.mark.parametrize('k', [2, 6, 12])
def test_agrees_with_the_definition_on_all_gradients_of_a_network(k):
  losses, params, batch = network()
  _, gradients = gradients_in_float64(losses, params, batch)
  g = np.concatenate([*gradients.values()], axis=1)
  order = rngs.named_generator(5, 'batch_coherence').permutation(24)
  w = np.stack([g[order[i : i + k]].mean(0) for i in range(0, 24, k)])
  s, q_w = np.sum(g.mean(0) ** 2), np.mean(np.sum(w**2, axis=1))
  # The equation of the docstring, E|W|^2 = Q/k + (k-1)/k (mS - Q)/(m-1), solved for Q.
  q = (q_w - (k - 1) / k * 24 * s / 23) / (1 / k - (k - 1) / k / 23)
  metrics = make_measure([batch_coherence(batch_size=k, seed=5)], Network(losses))(params, batch)
  np.testing.assert_allclose(metrics['batch_coherence/alpha_of_batches'], s / q_w, rtol=1e-4)
  np.testing.assert_allclose(metrics['batch_coherence/alpha'], s / q, rtol=1e-3)
  a = s / q_w
  np.testing.assert_allclose(
    metrics['batch_coherence/alpha_theorem'], a / (k - (k - 1) * a), rtol=1e-3
  )


def test_one_over_alpha_is_unbiased_over_all_cuts(monkeypatch):
  """All ten ways to halve six examples; the theorem's is biased."""
  x = np.random.default_rng(3).normal(size=(6, 4)) + 0.5
  found = []
  for half in itertools.combinations(range(1, 6), 2):
    order = np.array([0, *half, *(set(range(1, 6)) - set(half))])

    class Fixed:
      permutation = staticmethod(lambda m, order=order: order)

    monkeypatch.setattr(rngs, 'named_generator', lambda *_: Fixed)
    found.append(of_rows(x, batch_size=3))
  mean = lambda name: np.mean([1 / m[f'batch_coherence/{name}'] for m in found])  # noqa: E731
  expected = np.mean(np.sum(x**2, axis=1)) / np.sum(x.mean(0) ** 2)
  assert len(found) == 10
  np.testing.assert_allclose(mean('alpha'), expected, rtol=1e-4)
  assert abs(mean('alpha_theorem') / expected - 1) > 0.1


def test_alphas_lie_between_zero_and_one():
  rng = np.random.default_rng(4)
  for shift, seed in itertools.product((0.0, 1.0, 30.0), range(5)):
    metrics = of_rows(rng.normal(size=(12, 2)) + shift, batch_size=6, seed=seed)
    for name in ('alpha', 'alpha_theorem', 'alpha_of_batches'):
      assert 0 <= metrics[f'batch_coherence/{name}'] <= 1 + 1e-4, (name, shift)


def test_the_scale_of_the_loss_does_not_matter():
  x = np.random.default_rng(6).normal(size=(20, 3)) + 0.5
  here, there = of_rows(x), of_rows(x, lambda w, b: -7 * linear(w, b))
  for name in here:
    np.testing.assert_allclose(there[name], here[name], rtol=1e-4)


def test_the_order_of_the_sample_matters_only_by_the_cut():
  x = np.random.default_rng(7).normal(size=(20, 3)) + 0.5
  here, there = of_rows(x), of_rows(x, seed=1)
  name = 'batch_coherence/alpha'
  assert of_rows(x)[name] == here[name]
  assert abs(there[name] - here[name]) > 1e-4
  order = rngs.named_generator(0, 'batch_coherence').permutation(20)
  within = order.reshape(2, 10)[:, ::-1].ravel()  # the same mini-batches, in another order
  shuffled = np.empty_like(x)
  shuffled[order] = x[within]
  np.testing.assert_allclose(of_rows(shuffled)[name], here[name], rtol=1e-4)


def test_examples_may_be_coupled():
  """Outputs are centered in each mini-batch: no example has a gradient, mini-batches have."""

  def losses(w, batch):
    outputs = batch['x'] @ w
    return jnp.square(outputs - jnp.mean(outputs) - batch['x'][:, 0])

  x = np.random.default_rng(8).normal(size=(12, 3))
  order = rngs.named_generator(0, 'batch_coherence').permutation(12)
  rows = x[order].reshape(3, 4, 3)
  centered = rows - rows.mean(axis=1, keepdims=True)
  w = np.mean(-2 * centered * rows[:, :, :1], axis=1)  # at w = 0
  expected = np.sum(w.mean(0) ** 2) / np.mean(np.sum(w**2, axis=1))
  measured = of_rows(x, losses, batch_size=4)['batch_coherence/alpha_of_batches']
  np.testing.assert_allclose(measured, expected, rtol=1e-4)


@pytest.mark.parametrize('m', [25, 10])
def test_a_sample_that_cannot_be_cut_is_refused(m):
  with pytest.raises(ValueError, match=rf'^batch_coherence.batch_size=10 does not cut the {m} ex'):
    of_rows(np.ones((m, 2)))
  with pytest.raises(ValueError, match='^batch_size must be at least 1, not 0'):
    batch_coherence(batch_size=0)
