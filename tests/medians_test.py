"""Medians of three minibatch gradients, against loops written by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from research.medians import in_order, median, median_of_three, rolling_median_of_three

GRADIENTS = np.random.default_rng(0).normal(size=(9, 4)).astype(np.float32)


def updates_of(tx, gradients=GRADIENTS):
  params = {'w': jnp.zeros(gradients.shape[1])}
  state, found = tx.init(params), []
  for g in gradients:
    updates, state = jax.jit(tx.update)({'w': jnp.asarray(g)}, state, params)
    found.append(np.asarray(updates['w']))
  return np.array(found), state


def rolling(gradients=GRADIENTS):
  """By hand: the medians of three rows that follow on each other; none of the first two."""
  found = [np.median(gradients[t - 2 : t + 1], axis=0) for t in range(2, len(gradients))]
  return np.concatenate([np.zeros((2, gradients.shape[1])), found])


@pytest.mark.parametrize('n', [1, 2, 3, 4, 5, 8])
def test_the_median_is_that_of_numpy(n):
  x = np.random.default_rng(n).normal(size=(n, 50)).astype(np.float32)
  x[:, 0], x[0, 1] = 1.0, np.inf
  expected = np.median(x, axis=0)
  np.testing.assert_allclose(median([*map(jnp.asarray, x)]), expected, rtol=1e-6)
  np.testing.assert_array_equal(np.array(in_order([*map(jnp.asarray, x)])), np.sort(x, axis=0))


def test_the_median_of_three_is_one_of_them_exactly():
  x = np.float32([[1e8, 1.0, -1e8], [1.0, 1e-8, 1.0], [-1e8, 0.0, np.inf]])
  np.testing.assert_array_equal(median([*map(jnp.asarray, x)]), np.float32([1.0, 1e-8, 1.0]))


def test_the_median_of_anything_and_nan_is_nan():
  x = [jnp.float32(1), jnp.float32(jnp.nan), jnp.float32(2)]
  for order in ([0, 1, 2], [1, 0, 2], [2, 0, 1]):
    assert np.isnan(median([x[i] for i in order]))


def test_the_median_of_nothing_is_refused():
  with pytest.raises(ValueError, match='no arrays'):
    median([])


def test_m3_moves_on_every_third_minibatch():
  updates, _ = updates_of(median_of_three(optax.identity()))
  expected = rolling()
  expected[np.arange(9) % 3 != 2] = 0
  np.testing.assert_array_equal(updates, expected)


def test_rm3_moves_from_the_third_minibatch_on():
  updates, _ = updates_of(rolling_median_of_three(optax.identity()))
  np.testing.assert_array_equal(updates, rolling())


@pytest.mark.parametrize(
  ('make', 'due'), [(median_of_three, [2, 5, 8]), (rolling_median_of_three, [*range(2, 9)])]
)
def test_the_inner_transformation_sees_medians_and_nothing_between(make, due):
  """Momentum, the averages of Adam, decay and counts advance with updates alone."""
  schedule = lambda step: 1.0 + step  # noqa: E731
  inner = optax.chain(
    optax.scale_by_adam(),
    optax.trace(0.9),
    optax.add_decayed_weights(0.1),
    optax.scale_by_schedule(schedule),
  )
  params = {'w': jnp.ones(4)}
  tx, state, alone = make(inner), make(inner).init(params), inner.init(params)
  update, update_alone = jax.jit(tx.update), jax.jit(inner.update)
  for t, (g, of_three) in enumerate(zip(GRADIENTS, rolling(), strict=True)):
    updates, state = update({'w': jnp.asarray(g)}, state, params)
    expected = {'w': np.zeros(4, np.float32)}
    if t in due:
      expected, alone = update_alone({'w': jnp.asarray(of_three, jnp.float32)}, alone, params)
    np.testing.assert_allclose(updates['w'], expected['w'], rtol=1e-6)
  jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6), state.inner, alone)
  assert update._cache_size() == 1


@pytest.mark.parametrize('make', [median_of_three, rolling_median_of_three])
def test_one_strange_minibatch_does_not_count(make):
  gradients = np.ones((6, 4), np.float32)
  gradients[1], gradients[4] = 1e30, -1e30
  updates, _ = updates_of(make(optax.identity()), gradients)
  assert set(np.unique(updates)) == {0.0, 1.0}


@pytest.mark.parametrize('make', [median_of_three, rolling_median_of_three])
def test_a_population_is_its_members(make):
  tx = make(optax.scale_by_adam())
  everyone = np.stack([GRADIENTS, 2 * GRADIENTS[::-1]], axis=1)  # [t, members, 4]
  params = jnp.zeros((2, 4))
  state, found = jax.vmap(tx.init)(params), []
  for g in everyone:
    updates, state = jax.jit(jax.vmap(tx.update))(jnp.asarray(g), state, params)
    found.append(updates)
  for member in range(2):
    alone, _ = updates_of(tx, everyone[:, member])
    np.testing.assert_allclose(np.array(found)[:, member], alone, rtol=1e-6)


def test_the_state_is_arrays():
  _, state = updates_of(median_of_three(optax.trace(0.9)))
  assert all(isinstance(x, jax.Array) for x in jax.tree.leaves(state))
  assert int(state.step) == 9
  np.testing.assert_array_equal(state.last['w'], GRADIENTS[-1])
  np.testing.assert_array_equal(state.older['w'], GRADIENTS[-2])


@pytest.mark.parametrize('make', [median_of_three, rolling_median_of_three])
def test_converges_on_a_noisy_quadratic(make):
  tx = optax.chain(make(optax.identity()), optax.scale_by_learning_rate(0.1))
  noise = 0.01 * np.random.default_rng(1).normal(size=(300, 3)).astype(np.float32)
  theta = jnp.asarray([1.0, -2.0, 3.0])
  state, update = tx.init(theta), jax.jit(tx.update)
  for shift in noise:
    updates, state = update(theta + shift, state)
    theta = optax.apply_updates(theta, updates)
  assert np.abs(theta).max() < 0.03
