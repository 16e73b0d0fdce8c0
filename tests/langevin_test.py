"""Langevin dynamics on Bayesian linear regression, where all moments are known."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from research import langevin
from research.langevin import make_potential

N, D, SCALE = 12, 3, 2.0
RNG = np.random.default_rng(0)
INPUTS = RNG.normal(size=(N, D))
DATA = {
  'inputs': jnp.asarray(INPUTS, jnp.float32),
  'labels': jnp.asarray(INPUTS @ [1.0, -1.0, 0.5] + RNG.normal(size=N), jnp.float32),
}
PRECISION = INPUTS.T @ INPUTS + np.eye(D) / SCALE**2
MEAN = np.linalg.solve(PRECISION, INPUTS.T @ np.asarray(DATA['labels'], np.float64))


def losses(params, batch):
  """Unit noise: half the squared error, as a negative log-likelihood."""
  outputs = batch['inputs'] @ params['w'] + params['v'] * batch['inputs'][:, 0]
  return 0.5 * jnp.square(outputs - batch['labels'])


def only_w(params, batch):
  return 0.5 * jnp.square(batch['inputs'] @ params['w'] - batch['labels'])


REGRESSION = make_potential(only_w, prior_scale=SCALE)


@functools.cache
def moments(step_size):
  """Mean and covariance over many chains that start far off."""
  run = functools.partial(langevin.langevin, n_samples=20, keep_every=25, burn_in=200)
  start = {'w': jnp.full((500, D), 5.0)}
  keys = jax.random.split(jax.random.key(0), 500)
  chains = jax.vmap(lambda w, key: run(REGRESSION, w, DATA, key, step_size))(start, keys)
  drawn = np.asarray(chains['w'], np.float64).reshape(-1, D)
  return drawn.mean(axis=0), np.cov(drawn.T)


@pytest.mark.parametrize('share', [0.2, 2.0])
def test_moments_are_those_of_the_step(share):
  """Step sizes as a share of one over the largest curvature; stable below 4."""
  step_size = share / np.linalg.eigvalsh(PRECISION).max()
  mean, covariance = moments(step_size)
  posterior = np.linalg.inv(PRECISION)
  expected = posterior @ np.linalg.inv(np.eye(D) - step_size * PRECISION / 4)
  scale = np.sqrt(np.diag(expected))
  np.testing.assert_allclose(mean, MEAN, atol=5 * scale.max() / np.sqrt(4000))
  np.testing.assert_allclose(
    covariance / np.outer(scale, scale), expected / np.outer(scale, scale), atol=0.06
  )
  if share < 1:  # and of the posterior, as the step shrinks
    np.testing.assert_allclose(
      covariance / np.outer(scale, scale), posterior / np.outer(scale, scale), atol=0.1
    )
  else:
    assert np.linalg.norm(expected - posterior) > 0.1 * np.linalg.norm(posterior)


def test_steps_are_the_update_in_a_loop():
  params = {'w': jnp.ones(D), 'v': jnp.asarray(0.3)}
  potential = make_potential(losses, prior_scale=SCALE)
  key = jax.random.key(3)
  found = langevin.langevin(potential, params, DATA, key, 0.0, n_samples=6)
  np.testing.assert_array_equal(found['w'], np.ones((6, D)))  # no step, no noise
  run = functools.partial(langevin.langevin, potential, params, DATA, key, 1e-3)
  every = run(n_samples=6)
  assert every['v'].shape == (6,)
  moved = np.asarray(every['w'][0]) - 1
  slope = jax.grad(potential)(params, DATA, jax.random.key(0))['w']
  noise = (moved + 0.5e-3 * slope) / np.sqrt(1e-3)
  assert np.abs(noise).max() < 4
  assert np.std(noise) > 0.1
  late = run(n_samples=2, keep_every=2, burn_in=2)
  np.testing.assert_allclose(late['w'], every['w'][3::2], rtol=1e-6)
  np.testing.assert_array_equal(run(n_samples=6)['w'], every['w'])


def test_noise_is_independent_over_leaves_and_steps():
  flat = make_potential(lambda params, batch: jnp.zeros(1), prior_scale=1e6)
  start = {'a': jnp.zeros(500), 'b': jnp.zeros(500)}
  run = langevin.langevin(flat, start, DATA, jax.random.key(0), 0.25, n_samples=40)
  noise = np.concatenate([np.diff(run[leaf], axis=0) for leaf in 'ab'])
  np.testing.assert_allclose(noise.std(), 0.5, rtol=0.02)
  between = np.corrcoef(noise)
  assert np.abs(between[~np.eye(len(noise), dtype=bool)]).max() < 0.25


def test_the_potential_is_the_sum_and_minibatches_estimate_it():
  params = {'w': jnp.asarray([0.1, 0.2, -0.3]), 'v': jnp.asarray(0.7)}
  whole = make_potential(losses, prior_scale=SCALE)
  own = np.asarray(losses(params, DATA))
  sq_norm = 0.01 + 0.04 + 0.09 + 0.49
  expected = float(np.sum(own)) + sq_norm / (2 * SCALE**2)
  assert whole(params, DATA, jax.random.key(0)) == pytest.approx(expected, rel=1e-5)
  part = make_potential(losses, prior_scale=SCALE, batch_size=5)
  keys = jax.random.split(jax.random.key(1), 20_000)
  of_keys = jax.jit(jax.vmap(jax.value_and_grad(part), (None, None, 0)))
  values, grads = of_keys(params, DATA, keys)
  spread = N / np.sqrt(5) * np.std(own) / np.sqrt(20_000)
  assert np.mean(values) == pytest.approx(expected, abs=4 * spread)
  assert np.std(values) == pytest.approx(N / np.sqrt(5) * np.std(own), rel=0.05)
  exact = jax.grad(whole)(params, DATA, jax.random.key(0))
  np.testing.assert_allclose(np.mean(grads['w'], axis=0), exact['w'], rtol=0.03)


def test_a_second_call_compiles_nothing():
  compiled = langevin.langevin._cache_size
  run = functools.partial(langevin.langevin, REGRESSION, n_samples=2)
  run({'w': jnp.ones(D)}, DATA, jax.random.key(0), 0.1)
  before = compiled()
  run({'w': jnp.zeros(D)}, DATA, jax.random.key(1), 0.2)
  assert compiled() == before


@pytest.mark.parametrize(
  ('name', 'call'),
  [
    ('prior_scale', lambda: make_potential(losses, prior_scale=0.0)),
    ('batch_size', lambda: make_potential(losses, prior_scale=1.0, batch_size=0)),
    *(
      (
        name,
        lambda name=name, value=value: langevin.langevin(
          REGRESSION,
          {'w': jnp.ones(D)},
          DATA,
          jax.random.key(0),
          0.1,
          **{'n_samples': 1, name: value},
        ),
      )
      for name, value in (('n_samples', 0), ('keep_every', 0), ('burn_in', -1))
    ),
  ],
)
def test_bad_arguments_are_named(name, call):
  with pytest.raises(ValueError, match=f'^{name} must'):
    call()
