"""Stiffness, confusion and G-Vendi against closed forms and loops over pairs."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from research.gradients import gradient_statistics
from research.instruments import confusion, g_vendi, stiffness


def metrics_of(make, x):
  losses = lambda w, batch: batch['x'] @ w  # noqa: E731
  statistics = jax.jit(gradient_statistics(losses, gram=True))
  batch = {'x': jnp.asarray(x, jnp.float32)}
  return make().formula(statistics(jnp.zeros(x.shape[1]), batch), batch)


def pairs(x):
  m = len(x)
  return [(x[i], x[j]) for i in range(m) for j in range(m) if i != j]


def test_agree_with_loops_over_pairs():
  x = np.random.default_rng(0).normal(size=(7, 3)) + 0.5
  products = [a @ b for a, b in pairs(x)]
  cosines = [a @ b / np.linalg.norm(a) / np.linalg.norm(b) for a, b in pairs(x)]
  stiff, confused = metrics_of(stiffness, x), metrics_of(confusion, x)
  np.testing.assert_allclose(stiff['stiffness/sign'], np.mean(np.sign(products)), rtol=1e-5)
  np.testing.assert_allclose(stiff['stiffness/cosine'], np.mean(cosines), rtol=1e-4)
  np.testing.assert_allclose(confused['confusion/bound'], max(0, -min(products)), rtol=1e-4)
  np.testing.assert_allclose(confused['confusion/min_cosine'], min(cosines), rtol=1e-4)


def test_parallel_gradients_are_stiff_and_not_confused():
  x = np.outer([1.0, 2.0, 5.0], [1.0, -1.0])
  assert metrics_of(stiffness, x)['stiffness/sign'] == 1
  np.testing.assert_allclose(metrics_of(stiffness, x)['stiffness/cosine'], 1, rtol=1e-6)
  assert metrics_of(confusion, x)['confusion/bound'] == 0


def test_opposite_gradients_confuse():
  x = np.array([[2.0, 0.0], [-3.0, 0.0]])
  np.testing.assert_allclose(metrics_of(confusion, x)['confusion/bound'], 6, rtol=1e-6)
  np.testing.assert_allclose(metrics_of(confusion, x)['confusion/min_cosine'], -1, rtol=1e-6)
  np.testing.assert_allclose(metrics_of(stiffness, x)['stiffness/cosine'], -1, rtol=1e-6)


@pytest.mark.parametrize(('copies', 'directions'), [(1, 6), (4, 3), (5, 1)])
def test_g_vendi_counts_orthogonal_directions_whatever_their_length(copies, directions):
  lengths = np.linspace(1, 3, copies * directions)
  x = lengths[:, None] * np.tile(np.eye(directions), (copies, 1))
  metrics = metrics_of(g_vendi, x)
  np.testing.assert_allclose(metrics['g_vendi/effective_number'], directions, rtol=1e-4)


def test_g_vendi_of_two_directions_at_an_angle():
  """Cosine c of two unit vectors: eigenvalues (1 +- c) / 2."""
  c = 0.3
  x = np.array([[1.0, 0.0], [c, np.sqrt(1 - c**2)]])
  p = np.array([(1 + c) / 2, (1 - c) / 2])
  entropy = metrics_of(g_vendi, x)['g_vendi/entropy']
  np.testing.assert_allclose(entropy, -np.sum(p * np.log(p)), rtol=1e-5)


def test_zero_gradients_have_no_direction():
  x = np.concatenate([np.eye(3), np.zeros((2, 3))])
  np.testing.assert_allclose(metrics_of(g_vendi, x)['g_vendi/effective_number'], 3, rtol=1e-4)
  assert metrics_of(stiffness, x)['stiffness/cosine'] == 0


def test_all_zero_gradients_have_no_effective_number():
  assert np.isnan(metrics_of(g_vendi, np.zeros((3, 2)))['g_vendi/effective_number'])


def test_one_example_has_no_pairs():
  x = np.ones((1, 2))
  assert np.isnan(metrics_of(stiffness, x)['stiffness/cosine'])
  assert np.isnan(metrics_of(confusion, x)['confusion/bound'])
