"""The largest eigenvalue of the Hessian, against dense ones."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree
from reference import in_double

from research.instruments import Network, make_measure, sharpness


def measure(losses, params, batch, **kwargs):
  metrics = jax.jit(make_measure([sharpness(**kwargs)], Network(losses)))(params, batch)
  return float(metrics['sharpness/max_eigenvalue'])


def of_matrix(h, **kwargs):
  """Of a quadratic loss with the Hessian h."""
  h = jnp.asarray(h, jnp.float32)
  losses = lambda w, batch: batch['weight'] * (w @ h @ w / 2)  # noqa: E731
  return measure(losses, jnp.ones(len(h)), {'weight': jnp.ones(4)}, **kwargs)


def symmetric(eigenvalues, seed=0):
  q, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(len(eigenvalues),) * 2))
  return (q * np.array(eigenvalues)[None]) @ q.T


@functools.cache
def network(m=16):
  rng = np.random.default_rng(0)
  normal = lambda *shape: jnp.asarray(rng.normal(size=shape), jnp.float32)  # noqa: E731
  params = {'a': normal(5, 6), 'b': normal(6), 'c': normal(6, 3)}
  batch = {'x': normal(m, 5), 'labels': jnp.arange(m) % 3}

  def losses(p, b):
    logits = jnp.tanh(b['x'] @ p['a'] + p['b'][None]) @ p['c']
    one_hot = jax.nn.one_hot(b['labels'], 3)
    return -jnp.sum(one_hot * jax.nn.log_softmax(logits), axis=1)

  return losses, params, batch


def test_agrees_with_the_dense_hessian_of_a_network():
  losses, params, batch = network()
  with jax.enable_x64(True):
    params64, batch64 = in_double((params, batch))
    flat, unravel = ravel_pytree(params64)
    mean_loss = lambda v: jnp.mean(losses(unravel(v), batch64))  # noqa: E731
    eigenvalues = np.linalg.eigvalsh(jax.jit(jax.hessian(mean_loss))(flat))
  assert eigenvalues[0] < -0.01  # no convex problem
  np.testing.assert_allclose(measure(losses, params, batch), eigenvalues[-1], rtol=1e-2)
  exact = measure(losses, params, batch, iterations=54)
  np.testing.assert_allclose(exact, eigenvalues[-1], rtol=1e-5)


@pytest.mark.parametrize(
  'eigenvalues',
  [
    [3.0, 1.0, -7.0],  # the largest, not the largest in absolute value
    [-1.0, -2.0, -5.0, -0.5],
    [4.0],
    [-2.0] * 6,  # one iteration exhausts it
    [0.0] * 3,
    [5.0, *[1.0] * 40, -1.0],
    [*[1.0] * 40, 1.0001, 1.0002, 1.0003],  # nearly exhausted: one orthogonalization is not enough
    [1e-6, 2e-6, -1e-6],
  ],
)
def test_of_a_quadratic_it_is_the_largest_eigenvalue(eigenvalues):
  found = of_matrix(symmetric(eigenvalues), iterations=20)
  np.testing.assert_allclose(found, max(eigenvalues), rtol=1e-5)


def test_bounds_from_below_and_more_iterations_never_lower_it():
  h = symmetric(np.linspace(-1, 1, 60) ** 3)
  found = np.array([of_matrix(h, iterations=n) for n in (1, 2, 4, 8, 16, 32, 60)])
  assert np.all(np.diff(found) > -1e-6)
  assert found[0] < 0.5
  np.testing.assert_allclose(found[-1], 1, rtol=1e-5)
  assert np.all(found <= 1 + 1e-6)


def test_the_start_does_not_matter_once_converged():
  losses, params, batch = network()
  here, there = (measure(losses, params, batch, seed=seed, iterations=40) for seed in (0, 1))
  np.testing.assert_allclose(here, there, rtol=1e-5)
  rough = {measure(losses, params, batch, seed=seed, iterations=1) for seed in (0, 1)}
  assert len(rough) == 2


def test_the_scale_of_the_loss_scales_it():
  losses, params, batch = network()
  scaled = measure(lambda p, b: 7 * losses(p, b), params, batch)
  np.testing.assert_allclose(scaled, 7 * measure(losses, params, batch), rtol=1e-4)


def test_repeating_and_reordering_the_examples_changes_nothing():
  losses, params, batch = network()
  here = measure(losses, params, batch)
  repeated = jax.tree.map(lambda x: jnp.concatenate([x, x, x])[::-1], batch)
  np.testing.assert_allclose(measure(losses, params, repeated), here, rtol=1e-4)


def test_no_iterations_are_refused():
  with pytest.raises(ValueError, match='^iterations must be at least 1, not 0'):
    sharpness(iterations=0)
