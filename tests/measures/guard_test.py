"""The guard: no family of measures tells the two worlds apart, and those that peek are caught."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from research.measures import MEASURES, guard
from research.theory.two_worlds import WORLDS

TRIALS = 150


@pytest.fixture(scope='module')
def trials():
  return guard.worlds(0, TRIALS)


def test_worlds_look_alike_and_are_opposite(trials):
  assert all((errors == 0).all() for errors in trials.train_errors.values())
  assert (trials.test_errors['linear'] == 0).all()
  assert (trials.test_errors['random'] == 1 - 1 / 11).all()


def test_networks_predict_the_linear_map(trials):
  for trained in trials.worlds.values():
    logits = jax.vmap(trained.model.apply)(trained.final, trained.inputs)
    np.testing.assert_array_equal(jnp.argmax(logits, axis=2), trained.labels)
    second = jnp.sort(logits, axis=2)[:, :, -2]
    np.testing.assert_allclose(
      jnp.max(logits, axis=2) - second, 50 * (1 - np.cos(2 * np.pi / 11)), rtol=1e-2
    )
  model = guard.cosines(2, 5)
  weights = np.array([[3.0], [4.0]], np.float32)
  x = np.array([[0, 0], [1, 2], [4, 4], [2, 1]], np.float32)
  found = jnp.argmax(model.apply({'kernel': weights}, x), axis=1)
  np.testing.assert_array_equal(found, (x @ weights)[:, 0] % 5)


@pytest.mark.parametrize('family', MEASURES)
def test_no_measure_tells_the_worlds_apart(family, trials):
  found = guard.leaks(MEASURES[family], trials)
  assert found
  for name, p in found.items():
    assert p * len(found) > 1e-3, (
      f'{name} tells the worlds apart: it must have seen the test labels'
    )


def test_what_is_defined_in_one_world_alone_is_caught_and_in_none_is_not_judged(trials):
  peeking = peek(trials)

  def undefined(trained):
    peeked = peeking(trained)['peek/test_error']
    return {'nowhere': jnp.nan * peeked, 'here': jnp.where(peeked > 0.5, jnp.nan, 1.0)}

  found = guard.leaks(undefined, trials)
  assert np.isnan(found['nowhere'])
  assert found['here'] < 1e-10


def peek(trials):
  """A measure that finds the test error of a network by its key."""
  keys = np.concatenate([jax.random.key_data(trials.worlds[world].key) for world in WORLDS])
  errors = np.concatenate([trials.test_errors[world] for world in WORLDS])

  def measure(trained):
    same = jnp.all(jnp.asarray(keys) == jax.random.key_data(trained.key)[None], axis=1)
    return {'peek/test_error': jnp.sum(jnp.where(same, jnp.asarray(errors), 0))}

  return measure


def test_a_measure_that_peeks_at_the_test_error_is_caught(trials):
  assert guard.leaks(peek(trials), trials)['peek/test_error'] < 1e-10


def test_a_leak_through_what_is_called_initial_is_caught(trials):
  """The truth as the start: in the linear world, networks have not moved."""
  linear = trials.worlds['linear']
  leaking = {**trials.worlds, 'linear': linear._replace(initial=linear.final)}
  found = guard.leaks(MEASURES['norms'], trials._replace(worlds=leaking))
  assert found['norms/distance'] < 1e-10
  assert found['norms/length'] > 1e-3


def test_where_the_random_world_does_not_fit_margins_tell():
  """A control: the test is not blind. With n = 30, no linear map fits random labels."""
  found = guard.leaks(MEASURES['margins'], guard.worlds(1, 50, n=30, invertible=False))
  assert found['margins/minus_margin'] < 1e-10
  assert found['margins/inverse_sq'] < 1e-10  # infinite in one world alone


def test_what_is_not_a_number_counts():
  numbers = np.arange(40.0)
  assert guard.difference(numbers, numbers)[0] == 1
  assert guard.difference(numbers, np.full(40, np.nan))[0] < 1e-10
  assert guard.difference(np.full(40, np.inf), np.full(40, np.nan))[0] < 1e-10
  assert guard.difference(np.full(40, np.nan), np.full(40, np.nan))[0] == 1


def test_seeds_are_streams():
  first, again, other = (guard.worlds(seed, 2, 3, 3, 5) for seed in (0, 0, 1))
  more = guard.worlds(0, 4, 3, 3, 5)
  for world in WORLDS:
    a, b, c, d = (t.worlds[world].inputs for t in (first, again, other, more))
    np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(a, d[:2])
    assert (a != c).any()
  assert (first.worlds['linear'].inputs != first.worlds['random'].inputs).any()


def test_trials_are_joined():
  parts = [guard.worlds(seed, 2, 3, 3, 5) for seed in (0, 1)]
  joined = guard.joined(parts)
  for world in WORLDS:
    for k, part in enumerate(parts):
      rows = slice(2 * k, 2 * k + 2)
      for found, expected in zip(joined.worlds[world][1:], part.worlds[world][1:], strict=True):
        jax.tree.map(
          lambda a, b, at=rows: np.testing.assert_array_equal(
            *(
              jax.random.key_data(x) if jnp.issubdtype(x.dtype, jax.dtypes.prng_key) else x
              for x in (a[at], b)
            )
          ),
          found,
          expected,
        )
    np.testing.assert_array_equal(joined.test_errors[world][2:], parts[1].test_errors[world])


def test_bad_arguments_are_named():
  with pytest.raises(ValueError, match='^trials must be at least 1'):
    guard.worlds(0, 0)
