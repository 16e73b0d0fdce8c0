"""Evidence, against SciPy's density, and what it says of labels at random."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import optimize, stats

from research.measures import Trained
from research.measures.evidence import NOISE, evidence, mlp_depth, prior, surprise
from research.models import make_model
from research.theory import kernels

MODEL = make_model(3, name='mlp', widths=(64, 64))
X = jax.random.normal(jax.random.key(0), (60, 5))


def trained(labels=None, seed=0):
  final = MODEL.init(jax.random.key(seed), X[:1])
  labels = jnp.argmax(MODEL.apply(final, X), axis=-1) if labels is None else labels
  return Trained(MODEL, None, final, X, labels, jax.random.key(0))


def pure(params, x, labels):
  return evidence(Trained(MODEL, None, params, x, labels, jax.random.key(0)))


def measured(it):
  found = jax.jit(lambda params, labels: pure(params, it.inputs, labels))(it.final, it.labels)
  return {name.removeprefix('evidence/'): float(value) for name, value in found.items()}


@pytest.mark.parametrize('name', ['nngp', 'ntk'])
def test_it_is_the_density_at_the_best_amplitude(name):
  it = trained()
  covariance = {'nngp': kernels.nngp, 'ntk': kernels.ntk}[name](2)(np.asarray(X), np.asarray(X))
  covariance = covariance / np.mean(np.diagonal(covariance)) + NOISE * np.eye(60)
  targets = np.eye(3)[np.asarray(it.labels)]
  targets = targets - targets.mean(0)
  targets = targets / np.sqrt(np.mean(targets**2))

  def per_example(log_amplitude):
    gaussian = stats.multivariate_normal(np.zeros(60), np.exp(log_amplitude) * covariance)
    return -np.sum(gaussian.logpdf(targets.T)) / 60

  expected = optimize.minimize_scalar(per_example, bounds=(-5, 5), method='bounded').fun
  assert measured(it)[f'labels_{name}'] == pytest.approx(expected, rel=1e-3)


def test_labels_at_random_cost_more():
  for seed in range(3):
    it = trained(seed=seed)
    shuffled = it._replace(labels=jax.random.permutation(jax.random.key(seed), it.labels))
    own, other = measured(it), measured(shuffled)
    for name in ('nngp', 'ntk'):
      assert other[f'labels_{name}'] > own[f'labels_{name}'] + 0.3
      assert other[f'function_{name}'] == pytest.approx(own[f'function_{name}'], rel=1e-4)
      assert own[f'function_{name}'] < own[f'labels_{name}']


def test_neither_the_scale_of_the_logits_nor_the_order_of_the_examples_matter():
  it = trained()
  last = jax.tree.map(lambda x: 7 * x, it.final['Dense_2'])
  scaled = it._replace(final=it.final | {'Dense_2': last})
  order = np.random.default_rng(0).permutation(60)
  moved = it._replace(inputs=X[order], labels=it.labels[order])
  found = measured(it)
  for other in (scaled, moved):
    for name, value in measured(other).items():
      assert value == pytest.approx(found[name], rel=1e-3)


def test_networks_together_and_traced_inputs_are_networks_one_by_one():
  networks = [trained(seed=seed) for seed in range(3)]
  final, labels = (
    jax.tree.map(lambda *xs: jnp.stack(xs), *(getattr(it, field) for it in networks))
    for field in ('final', 'labels')
  )
  known = jax.jit(jax.vmap(lambda p, y: pure(p, X, y)))(final, labels)
  traced = jax.jit(lambda ps, x, ys: jax.lax.map(lambda it: pure(it[0], x, it[1]), (ps, ys)))
  traced = traced(final, X, labels)
  for r, it in enumerate(networks):
    for name, value in measured(it).items():
      for found in (known, traced):
        assert float(found[f'evidence/{name}'][r]) == pytest.approx(value, rel=1e-3)


def test_of_other_models_it_is_reported_as_nan():
  images = jax.random.normal(jax.random.key(1), (8, 6, 6, 1))
  model = make_model(3, name='cnn', widths=(4,))
  final = jax.jit(model.init)(jax.random.key(0), images[:1])
  it = Trained(model, None, final, images, jnp.zeros(8, jnp.int32), jax.random.key(0))
  found = evidence(it)
  assert found.keys() == evidence(trained()).keys()
  assert all(np.isnan(x) for x in found.values())
  with pytest.raises(AssertionError):
    assert all(np.isnan(x) for x in evidence(trained()).values())


def test_targets_that_do_not_vary_are_nan():
  precision, log_det = prior('nngp', 1, X)
  assert np.isnan(surprise(jnp.ones((60, 2)), precision, log_det))


def kernel(*shape):
  return {'kernel': np.zeros(shape)}


@pytest.mark.parametrize(
  ('params', 'depth'),
  [
    ({'Dense_0': kernel(4, 3)}, 0),
    (kernel(4, 1), 0),
    ({'Dense_0': kernel(4, 3), 'Dense_1': kernel(3, 2) | {'bias': np.zeros(2)}}, 1),
    ({f'Dense_{i}': kernel(4, 4) for i in range(11)}, 10),
    ({f'Dense_{i}': kernel(max(1, 4 - i), max(1, 3 - i)) for i in range(12)}, 11),
    ({'Dense_0': kernel(3, 4)}, None),  # of other inputs
    ({'Dense_0': kernel(4, 3), 'Dense_1': kernel(4, 2)}, None),
    ({'Conv_0': kernel(3, 3, 4, 2)}, None),
    ({'Dense_0': kernel(4, 3), 'LayerNorm_0': {'scale': np.zeros(3)}}, None),
    ({'Dense_0': kernel(4, 3), 'LayerNorm_0': {'bias': np.zeros(3)}}, None),
    ({}, None),
  ],
)
def test_the_depth_is_read_from_the_kernels(params, depth):
  assert mlp_depth(params, 4) == depth
