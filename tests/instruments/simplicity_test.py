"""What a simple classifier explains of networks that are tables: their logits are given."""

import functools
import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from research import sharding
from research.instruments import make_measure
from research.instruments.instrument import Network
from research.instruments.simplicity import simple_explanation
from research.references import fit_reference

NETWORK = Network(
  losses=lambda params, batch: jnp.zeros(batch['labels'].shape),
  apply=lambda params, inputs: inputs @ params,
)


M = 800  # examples; one size, so that little is compiled


@functools.cache
def compiled(references=('linear',), seed=0):
  return jax.jit(make_measure([simple_explanation(references=references, seed=seed)], NETWORK))


def batch_of(predicted, labels, **references):
  """For a network that predicts the given classes where its parameters are the identity."""
  batch = {'inputs': jax.nn.one_hot(jnp.asarray(predicted), 4), 'labels': jnp.asarray(labels)}
  return batch | {f'reference/{name}': jnp.asarray(x) for name, x in references.items()}


def read(predicted, labels, seed=0, **references):
  batch = batch_of(predicted, labels, **references)
  metrics = compiled(tuple(references), seed)(jnp.eye(4), batch)
  return {name.removeprefix('simplicity/'): float(x) for name, x in metrics.items()}


def some(seed=0):
  """A network that follows either the labels or the reference, which is often right."""
  rng = np.random.default_rng(seed)
  labels = rng.integers(4, size=M)
  draw = lambda right, x: np.where(rng.random(M) < right, x, rng.integers(4, size=M))  # noqa: E731
  simple = draw(0.6, labels)
  predicted = np.where(rng.random(M) < 0.5, draw(0.9, labels), simple)
  return predicted, labels, simple


def surprises(*variables):
  """The jackknife's pseudo-values of the entropy, in NumPy: [M], bits."""
  _, inverse, counts = np.unique(
    np.stack(variables), axis=1, return_inverse=True, return_counts=True
  )
  return bits(M) - np.array([bits(n) for n in counts])[inverse.ravel()]


def bits(n):
  return (n * math.log2(n) - (n - 1) * math.log2(n - 1)) if n > 1 else 0.0


def test_agrees_with_the_definitions_in_numpy():
  f, y, l = some()
  metrics = read(f, y, linear=l)
  pair = surprises(f) + surprises(y) - surprises(f, y)
  beyond = surprises(f, l) + surprises(y, l) - surprises(f, y, l) - surprises(l)
  expected = {
    'information_labels': pair,
    'information_reference': surprises(f) + surprises(l) - surprises(f, l),
    'information_beyond': beyond,
    'performance_correlation': pair - beyond,
  }
  for name, values in expected.items():
    of = '' if name == 'information_labels' else '/linear'
    np.testing.assert_allclose(metrics[name + of], values.mean(), rtol=1e-4, err_msg=name)
    stderr = values.std(ddof=1) / np.sqrt(M)
    np.testing.assert_allclose(metrics[f'{name}_stderr{of}'], stderr, rtol=1e-4, err_msg=name)
  assert 0.1 < metrics['information_beyond/linear'] < metrics['information_labels']


def test_what_is_known_is_what_is_explained_and_what_is_beyond():
  predicted, labels, simple = some()
  metrics = read(predicted, labels, linear=simple)
  np.testing.assert_allclose(
    metrics['information_labels'],
    metrics['performance_correlation/linear'] + metrics['information_beyond/linear'],
    rtol=1e-5,
  )


@pytest.mark.parametrize('names', [(0, 1, 2, 3), (3, 0, 1, 2), (0, 0, 2, 2)])
def test_a_function_of_the_reference_knows_nothing_beyond_it(names):
  _, labels, simple = some()
  metrics = read(np.array(names)[simple], labels, linear=simple)
  for name in ('information_beyond', 'information_beyond_stderr', 'information_beyond_null'):
    np.testing.assert_allclose(metrics[f'{name}/linear'], 0, atol=1e-5)
  np.testing.assert_allclose(
    metrics['performance_correlation/linear'], metrics['information_labels'], rtol=1e-4
  )
  assert metrics['information_labels'] > 0.1


def test_one_that_knows_the_labels_knows_beyond_it_what_it_lacks():
  """Four labels; the reference tells apart two pairs of them: one bit of two."""
  labels = np.repeat(np.arange(4), 200)
  metrics = read(labels, labels, linear=labels // 2)
  entropy = {k: bits(M) - bits(M // k) for k in (2, 4)}  # of k equal groups
  np.testing.assert_allclose(metrics['information_labels'], entropy[4], rtol=1e-5)
  np.testing.assert_allclose(
    metrics['information_beyond/linear'], entropy[4] - entropy[2], rtol=1e-5
  )
  np.testing.assert_allclose(metrics['performance_correlation/linear'], entropy[2], rtol=1e-5)
  np.testing.assert_allclose(list(entropy.values()), [1, 2], atol=0.01)


def test_what_only_both_tell_is_a_negative_correlation():
  """The exclusive or, on all its inputs alike."""
  rows = np.array([*itertools.product((0, 1), (0, 1))] * 200)
  metrics = read(rows[:, 0], rows[:, 0] ^ rows[:, 1], linear=rows[:, 1])
  np.testing.assert_allclose(metrics['information_labels'], 0, atol=0.01)
  np.testing.assert_allclose(metrics['information_beyond/linear'], 1, atol=0.01)
  np.testing.assert_allclose(metrics['performance_correlation/linear'], -1, atol=0.01)


def test_names_of_the_predicted_classes_do_not_matter():
  predicted, labels, simple = some()
  here = read(predicted, labels, linear=simple)
  there = read(np.array([2, 0, 3, 1])[predicted], labels, linear=simple)
  for name in here:
    np.testing.assert_allclose(there[name], here[name], rtol=1e-4, atol=1e-6, err_msg=name)


def test_each_reference_is_measured_by_itself():
  predicted, labels, simple = some()
  both = read(predicted, labels, mlp8=labels, linear=simple)
  for name, x in (('linear', simple), ('mlp8', labels)):
    for key, value in read(predicted, labels, linear=x).items():
      here = both[key.replace('linear', name)]
      np.testing.assert_allclose(here, value, rtol=1e-5, atol=1e-6, err_msg=key)
  assert len(both) == 2 + 2 * 7


def test_the_null_is_what_independence_within_the_reference_would_give():
  """A network that throws dice for each class of the reference: known beyond it is 0, estimated not."""
  rng = np.random.default_rng(1)
  _, labels, simple = some()
  thrown = [simple % 2 * 2 + rng.integers(2, size=M) for _ in range(60)]
  metrics = [read(x, labels, linear=simple) for x in thrown]
  beyond, null = (
    np.array([it[f'information_{name}/linear'] for it in metrics])
    for name in ('beyond', 'beyond_null')
  )
  assert abs(np.mean(beyond - null)) < 3.5 * np.std(beyond - null) / np.sqrt(60)
  assert 0 < np.std(null) < np.std(beyond)  # the mean of several
  predicted = some()[0]
  known = read(predicted, labels, linear=simple)
  assert known['information_beyond/linear'] > known['information_beyond_null/linear'] + 0.1
  others = read(predicted, labels, seed=1, linear=simple)  # other shuffles, and nothing else
  assert {x for x in known if known[x] != others[x]} == {'information_beyond_null/linear'}


def test_with_a_fitted_reference():
  """A half-plane and a band: one bit is linear, the other is not."""
  rng = np.random.default_rng(0)
  x = rng.uniform(-1, 1, (500 + M, 2)).astype(np.float32)
  labels = (2 * (x[:, 0] > 0) + (np.abs(x[:, 1]) < 0.5)).astype(np.int32)
  simple = fit_reference('linear', x[:500], labels[:500])(x[500:])
  metrics = read(labels[500:], labels[500:], linear=simple)
  np.testing.assert_allclose(metrics['information_labels'], 2, atol=0.05)
  assert 0.8 < metrics['performance_correlation/linear'] < 1.2
  itself = read(simple, labels[500:], linear=simple)
  np.testing.assert_allclose(itself['information_beyond/linear'], 0, atol=1e-5)


def test_a_network_of_nan_has_no_information():
  predicted, labels, simple = some()
  broken = jnp.full((4, 4), jnp.nan)
  metrics = compiled()(broken, batch_of(predicted, labels, linear=simple))
  assert all(np.isnan(x) for x in metrics.values())


def test_any_number_of_devices_gives_the_same():
  predicted, labels, simple = some()
  batch = batch_of(predicted, labels, linear=simple)
  mesh = sharding.make_mesh(1, M, jax.devices()[:2])
  measure = make_measure([simple_explanation()], NETWORK, sharding.EXAMPLES)
  specs = (jax.P(), jax.P(sharding.EXAMPLES))
  on_shards = jax.shard_map(measure, mesh=mesh, in_specs=specs, out_specs=jax.P())
  measured = jax.jit(on_shards)(
    sharding.put(jnp.eye(4), mesh), sharding.put(batch, mesh, sharding.EXAMPLES)
  )
  expected = compiled()(jnp.eye(4), batch)
  assert set(measured) == set(expected)
  for name, value in expected.items():
    np.testing.assert_allclose(measured[name], value, rtol=1e-3, atol=1e-5, err_msg=name)


@pytest.mark.parametrize('references', [(), ('linear', 'linear')])
def test_references_are_named_once(references):
  with pytest.raises(ValueError, match='^references must be at least one name, each once'):
    simple_explanation(references=references)
  with pytest.raises(ValueError, match=r"^references must be linear, or .*, not 'linea'"):
    simple_explanation(references=('linea',))
  assert simple_explanation(references=('linear', 'mlp8')).references == ('linear', 'mlp8')
