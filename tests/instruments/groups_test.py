"""Shares and coherence of groups; with losses <x_i, w> the gradients are the rows of x."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from reference import gradients_in_float64

from research.gradients import gradient_statistics
from research.instruments import Network, coherence, group_coherence, make_measure


def linear(w, batch):
  return batch['x'] @ w


def of_rows(x, corrupt, losses=linear):
  batch = {'x': jnp.asarray(x, jnp.float32), 'corrupt': jnp.asarray(corrupt, bool)}
  return make_measure([group_coherence()], Network(losses))(jnp.zeros(x.shape[1]), batch)


def by_loops(g, corrupt):
  """The same from all gradients [m, P], by the definitions."""
  mean, expected, of_group = g.mean(0), {}, {}
  for name, mask in (('pristine', ~corrupt), ('corrupt', corrupt)):
    own = [g[i] for i in range(len(g)) if mask[i]]
    n, of_group[name] = len(own), sum(own)
    pairs = [own[i] @ own[j] for i in range(n) for j in range(n) if i != j]
    mean_sq = np.mean([v @ v for v in own])
    expected |= {
      f'groups/share/{name}': mean @ of_group[name] / len(g) / (mean @ mean),
      f'groups/alpha/{name}': np.sum(np.mean(own, axis=0) ** 2) / mean_sq,
      f'groups/m_coherence/{name}': n * np.sum(np.mean(own, axis=0) ** 2) / mean_sq,
      f'groups/alpha_unbiased/{name}': np.mean(pairs) / mean_sq,
    }
  a, b = of_group.values()
  return expected | {'groups/cosine': a @ b / np.linalg.norm(a) / np.linalg.norm(b)}


def assert_same(here, there, rtol=1e-4):
  assert set(here) == set(there)
  for name in there:
    np.testing.assert_allclose(here[name], there[name], rtol=rtol, atol=1e-6, err_msg=name)


@functools.cache
def network():
  rng = np.random.default_rng(0)
  batch = {
    'x': jnp.asarray(rng.normal(size=(16, 5)), jnp.float32),
    'y': jnp.asarray(rng.normal(size=16), jnp.float32),
    'corrupt': jnp.asarray(np.arange(16) % 3 == 1),
  }
  params = {
    'a': jnp.asarray(rng.normal(size=(5, 4)), jnp.float32),
    'b': jnp.asarray(rng.normal(size=4), jnp.float32),
  }

  def losses(p, b):
    return jnp.square(jnp.tanh(b['x'] @ p['a']) @ p['b'] - b['y'])

  return losses, params, batch


def test_agrees_with_the_definitions_on_all_gradients_of_a_network():
  losses, params, batch = network()
  _, gradients = gradients_in_float64(losses, params, batch)
  g = np.concatenate([*gradients.values()], axis=1)
  measured = jax.jit(make_measure([group_coherence()], Network(losses)))(params, batch)
  assert_same(measured, by_loops(g, np.asarray(batch['corrupt'])), rtol=1e-3)


def test_shares_add_up_to_one():
  rng = np.random.default_rng(1)
  for m in (2, 9, 40):
    metrics = of_rows(rng.normal(size=(m, 3)), np.arange(m) % 2)
    total = metrics['groups/share/pristine'] + metrics['groups/share/corrupt']
    np.testing.assert_allclose(total, 1, rtol=1e-5)


def test_identical_gradients_are_shared_by_size():
  metrics = of_rows(np.ones((8, 3)), np.arange(8) < 2)
  np.testing.assert_allclose(metrics['groups/share/corrupt'], 0.25, rtol=1e-6)
  np.testing.assert_allclose(metrics['groups/cosine'], 1, rtol=1e-6)
  np.testing.assert_allclose(metrics['groups/m_coherence/corrupt'], 2, rtol=1e-6)
  np.testing.assert_allclose(metrics['groups/m_coherence/pristine'], 6, rtol=1e-6)


def test_of_orthogonal_groups_each_shares_by_its_squared_sum():
  """Three pristine examples agree, two corrupt ones are orthogonal: 9 to 2."""
  x = np.stack([np.eye(3)[i] for i in (0, 0, 0, 1, 2)])
  metrics = of_rows(x, [0, 0, 0, 1, 1])
  np.testing.assert_allclose(metrics['groups/share/pristine'], 9 / 11, rtol=1e-6)
  np.testing.assert_allclose(metrics['groups/cosine'], 0, atol=1e-7)
  np.testing.assert_allclose(metrics['groups/alpha/pristine'], 1, rtol=1e-6)
  np.testing.assert_allclose(metrics['groups/alpha_unbiased/pristine'], 1, rtol=1e-6)
  np.testing.assert_allclose(metrics['groups/m_coherence/corrupt'], 1, rtol=1e-6)
  np.testing.assert_allclose(metrics['groups/alpha_unbiased/corrupt'], 0, atol=1e-6)


def test_a_group_that_pulls_back_has_a_negative_share():
  metrics = of_rows(np.array([[2.0], [2.0], [-1.0]]), [0, 0, 1])
  np.testing.assert_allclose(metrics['groups/share/pristine'], 4 / 3, rtol=1e-6)
  np.testing.assert_allclose(metrics['groups/share/corrupt'], -1 / 3, rtol=1e-6)
  np.testing.assert_allclose(metrics['groups/cosine'], -1, rtol=1e-6)


@pytest.mark.parametrize('there', ['pristine', 'corrupt'])
def test_a_group_that_is_all_has_the_coherence_of_the_sample(there):
  losses, params, batch = network()
  batch = {**batch, 'corrupt': jnp.full(16, there == 'corrupt')}
  metrics = make_measure([group_coherence(), coherence()], Network(losses))(params, batch)
  for name in ('alpha', 'm_coherence', 'alpha_unbiased'):
    whole = metrics[f'coherence/{name}']
    np.testing.assert_allclose(metrics[f'groups/{name}/{there}'], whole, rtol=1e-4)
  empty = 'pristine' if there == 'corrupt' else 'corrupt'
  np.testing.assert_allclose(metrics[f'groups/share/{there}'], 1, rtol=1e-6)
  assert metrics[f'groups/share/{empty}'] == 0
  for name in (f'alpha/{empty}', f'm_coherence/{empty}', f'alpha_unbiased/{empty}', 'cosine'):
    assert np.isnan(metrics[f'groups/{name}']), name


def test_without_label_noise_all_are_pristine():
  losses, params, batch = network()
  measure = make_measure([group_coherence()], Network(losses))
  without = {name: x for name, x in batch.items() if name != 'corrupt'}
  assert_same(
    measure(params, without), measure(params, {**without, 'corrupt': jnp.zeros(16, bool)})
  )


def test_one_example_has_no_unbiased_alpha():
  metrics = of_rows(np.array([[1.0], [2.0], [3.0]]), [0, 0, 1])
  assert np.isnan(metrics['groups/alpha_unbiased/corrupt'])
  np.testing.assert_allclose(metrics['groups/alpha/corrupt'], 1, rtol=1e-6)


def test_neither_order_nor_the_scale_of_the_loss_matters():
  rng = np.random.default_rng(2)
  x, corrupt, order = rng.normal(size=(12, 4)) + 0.3, np.arange(12) % 4 == 0, rng.permutation(12)
  here = of_rows(x, corrupt)
  assert_same(of_rows(x[order], corrupt[order]), here)
  assert_same(of_rows(x, corrupt, lambda w, b: -7 * linear(w, b)), here)


def test_chunks_do_not_matter():
  losses, params, batch = network()
  here, there = (
    group_coherence().formula(
      gradient_statistics(losses, gram=True, chunk_size=c)(params, batch), batch
    )
    for c in (None, 5)
  )
  assert_same(there, here)
