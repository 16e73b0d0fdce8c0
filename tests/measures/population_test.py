"""Disagreement: loops over pairs, and populations that are calibrated by construction."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from research.measures.population import disagreement

R, N, C = 5, 12, 3
LOGITS = jax.random.normal(jax.random.key(0), (R, N, C))


def one_hot(classes):
  return 3.0 * jax.nn.one_hot(jnp.asarray(classes), C)


def test_it_is_what_a_loop_over_pairs_counts():
  chosen = np.argmax(LOGITS, axis=-1)
  expected = [
    np.mean([np.mean(chosen[r] != chosen[s]) for s in range(R) if s != r]) for r in range(R)
  ]
  np.testing.assert_allclose(disagreement(LOGITS), expected, rtol=1e-6)
  assert len(set(expected)) > 1


def calibrated(R=4):
  """Networks, inputs and labels: of R networks, the share that chooses c is how often c is true.

  Each way to share out R votes over the classes occurs R times, with labels as the votes.
  """
  chosen, labels = [], []
  for votes in itertools.product(range(C), repeat=R):
    chosen += [votes] * R
    labels += votes
  return np.array(chosen).T, np.array(labels)  # [R, n], [n]


def test_of_a_calibrated_population_it_is_the_test_error():
  chosen, labels = calibrated()
  error = np.mean(chosen != labels[None], axis=1).mean()
  mean = float(jnp.mean(disagreement(one_hot(chosen))))
  assert (1 - 1 / 4) * mean == pytest.approx(error, rel=1e-6)
  assert mean == pytest.approx(2 / 3, rel=1e-6)  # of votes drawn independently
  wrong = (labels + 1) % C  # labels that no longer are as the votes say
  assert np.mean(chosen != wrong[None]) != pytest.approx(0.75 * mean, rel=0.1)


def test_of_networks_that_err_alike_it_sees_nothing():
  chosen = np.tile(np.arange(N) % C, (R, 1))
  np.testing.assert_array_equal(disagreement(one_hot(chosen)), 0.0)


def test_the_order_of_inputs_and_the_names_of_classes_do_not_matter():
  found = disagreement(LOGITS)
  order = np.random.default_rng(0).permutation(N)
  np.testing.assert_array_equal(disagreement(LOGITS[:, order]), found)
  np.testing.assert_array_equal(disagreement(LOGITS[..., [2, 0, 1]]), found)
  np.testing.assert_array_equal(jax.jit(disagreement)(5 * LOGITS + 1), found)


def test_a_nan_is_reported_for_its_network_alone():
  found = disagreement(LOGITS.at[1, 0, 0].set(jnp.nan))
  np.testing.assert_array_equal(np.isnan(found), np.arange(R) == 1)


def test_bad_arguments_are_named():
  for logits in (LOGITS[:1], LOGITS[0], LOGITS[:, :0]):
    with pytest.raises(ValueError, match='^logits must'):
      disagreement(logits)
