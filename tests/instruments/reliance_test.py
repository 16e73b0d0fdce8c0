import jax
import jax.numpy as jnp
import numpy as np
import pytest
from features import linear_network, rotation, separable
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from research.instruments import Network, reliance
from research.instruments.reliance import area_under_curve

FIRST, BOTH = (1, 1, 0, 0, 0, 0), (1, 1, 1, 1, 1, 1)


def measured(weights, q=None, seed=0, data=None):
  u, labels = separable() if data is None else data
  network, w = linear_network(weights, q)
  inputs = jnp.asarray(u if q is None else u @ q)
  batch = {'inputs': inputs, 'labels': jnp.asarray(labels)}
  return jax.device_get(jax.jit(lambda p, b: reliance(seed=seed).measure(network, p, b))(w, batch))


@pytest.mark.parametrize('q', [None, rotation(6)])
def test_a_network_that_reads_one_block_relies_on_it_alone(q):
  metrics = measured(FIRST, q)
  for key in ('accuracy', 'auc'):
    assert metrics[f'reliance/standard/{key}'] == 1
    assert metrics[f'reliance/only/first/{key}'] == metrics[f'reliance/random/second/{key}'] == 1
    assert abs(metrics[f'reliance/random/first/{key}'] - 0.5) < 0.1
    assert abs(metrics[f'reliance/only/second/{key}'] - 0.5) < 0.1
  for label in (0, 1):
    for q_ in ('q05', 'q50', 'q95'):
      kept = metrics[f'reliance/only/first/class{label}/{q_}']
      assert kept == pytest.approx(metrics[f'reliance/standard/class{label}/{q_}'], rel=1e-5)


def test_against_a_loop_over_rows():
  u, labels = separable(m=41)
  metrics = measured(BOTH, data=(u, labels), seed=3)
  from research import rngs
  from research.tasks.blocks import other_rows

  order = other_rows(41, rngs.named_generator(3, 'reliance'))
  moved = u.copy()
  for i, j in enumerate(order):
    assert i != j
    moved[i, :2] = u[j, :2]
  output = moved.astype(np.float64).sum(axis=1)
  accuracy = np.mean((output > 0) == labels)
  assert metrics['reliance/random/first/accuracy'] == pytest.approx(accuracy)
  auc = roc_auc_score(labels, output)
  assert metrics['reliance/random/first/auc'] == pytest.approx(auc, abs=1e-6)
  median = np.percentile(output[labels == 1], 50)
  assert metrics['reliance/random/first/class1/q50'] == pytest.approx(median, rel=1e-5)


def test_a_rotation_of_everything_changes_nothing():
  here, there = measured(BOTH), measured(BOTH, rotation(6))
  assert here.keys() == there.keys()
  for key, value in here.items():
    np.testing.assert_allclose(there[key], value, rtol=1e-4, atol=3e-3, err_msg=key)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(-3, 3), st.booleans()), min_size=2, max_size=8))
def test_auc_is_that_of_scikit_learn(rows):
  scores, labels = (np.array(column) for column in zip(*rows, strict=True))
  auc = area_under_curve(jnp.asarray(scores, jnp.float32), jnp.asarray(labels, jnp.int32))
  if labels.all() or not labels.any():
    assert np.isnan(auc)
  else:
    assert float(auc) == pytest.approx(roc_auc_score(labels, scores), abs=1e-6)


def test_auc_of_many_scores_is_exact_enough():
  scores = np.random.default_rng(0).normal(size=200_000).astype(np.float32)
  labels = (np.arange(200_000) % 2).astype(np.int32)
  auc = area_under_curve(jnp.asarray(scores), jnp.asarray(labels))
  assert float(auc) == pytest.approx(roc_auc_score(labels, scores), abs=1e-6)
  grown = area_under_curve(jnp.exp(jnp.asarray(scores)), jnp.asarray(labels))
  assert float(grown) == pytest.approx(float(auc), abs=1e-6)


def test_more_than_two_classes_have_accuracies_alone():
  network, _ = linear_network(BOTH)
  three = network._replace(apply=lambda w, x: jnp.stack([0 * x[:, 0], x @ w, -(x @ w)], axis=1))
  u, labels = separable()
  batch = {'inputs': jnp.asarray(u), 'labels': jnp.asarray(labels)}
  metrics = reliance().measure(three, jnp.ones(6), batch)
  assert {key.rpartition('/')[2] for key in metrics} == {'accuracy'}


def test_a_diverged_network_has_no_accuracy():
  metrics = measured([np.nan] * 6)
  assert all(np.isnan(value) for value in metrics.values())


def test_needs_blocks():
  network = Network(lambda p, b: b['inputs'] @ p, lambda p, x: x @ p)
  batch = {'inputs': jnp.ones((4, 2)), 'labels': jnp.zeros(4, jnp.int32)}
  with pytest.raises(ValueError, match='instruments.reliance needs a task with feature blocks'):
    reliance().measure(network, jnp.ones(2), batch)
