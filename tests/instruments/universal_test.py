"""Universal perturbations, against the worst case of linear classifiers and NumPy's SVD."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from research.instruments import Network, make_measure
from research.instruments.adversarial import adversarial
from research.instruments.universal import universal
from research.losses import make_losses
from research.tasks import Blocks
from research.tasks.slabs import random_rotation

M, D = 24, 6
MASKS = {'a': np.arange(D) < 2, 'b': np.arange(D) >= 2}
Q = random_rotation(D, np.random.default_rng(3))
BLOCKS, ROTATED = Blocks(MASKS), Blocks(MASKS, Q)
METHODS = ('svd', 'averaged')
W = jnp.asarray([1.0, -2.0, 0.5, 1.5, -0.2, 0.8])


def linear(w, x):
  f = x @ w
  return jnp.stack([-0.3 * f, 0.7 * f], axis=1)


def tanh(params, x):
  return jnp.tanh(x @ params['a']) @ params['b']


@functools.cache
def sample(n_classes=2, m=M):
  rng = np.random.default_rng(0)
  inputs, labels = rng.normal(size=(m, D)), rng.integers(0, n_classes, m)
  return {'inputs': jnp.asarray(inputs, jnp.float32), 'labels': jnp.asarray(labels)}


@functools.cache
def network(n_classes=2):
  rng = np.random.default_rng(1)
  shapes = {'a': (D, 10), 'b': (10, n_classes)}
  return {name: jnp.asarray(rng.normal(size=s) / 2, jnp.float32) for name, s in shapes.items()}


@functools.cache
def compiled(instrument, apply, blocks, **kwargs):
  it = instrument(**{'radius': 0.5, 'iterations': 10} | kwargs)
  return jax.jit(make_measure([it], Network(make_losses(apply), apply, blocks)))


def measured(params, batch, apply=linear, blocks=BLOCKS, instrument=universal, **kwargs):
  metrics = compiled(instrument, apply, blocks, **kwargs)(params, batch)
  return {name.partition('/')[2]: float(x) for name, x in metrics.items()}


def assert_same(here, there, **tolerance):
  assert set(here) == set(there)
  for name in there:
    np.testing.assert_allclose(here[name], there[name], err_msg=name, **tolerance)


def in_float64(params, batch):
  """Inputs, labels, and a function x -> logits and Jacobians [m, C, d], of the tanh network."""
  a, b = (np.asarray(leaf, np.float64) for leaf in params.values())

  def evaluate(x):
    hidden = np.tanh(x @ a)
    return hidden @ b, np.einsum('dh,mh,hc->mcd', a, 1 - hidden**2, b)

  return np.asarray(batch['inputs'], np.float64), np.asarray(batch['labels']), evaluate


def odds_and_slopes(z, jacobians, labels):
  """u = log sum_{c != y} exp z_c - z_y, and its gradients [m, d], by loops."""
  odds, slopes = [], []
  for row, jacobian, label in zip(z, jacobians, labels, strict=True):
    p = np.where(np.arange(len(row)) == label, 0, np.exp(row))
    odds.append(np.log(p.sum()) - row[label])
    slopes.append((p / p.sum()) @ jacobian - jacobian[label])
  return np.asarray(odds), np.asarray(slopes)


def expected_of(v, signs, x, labels, evaluate):
  z, _ = evaluate(x + signs[:, None] * v[None])
  return {
    'accuracy': np.mean(z.argmax(axis=1) == labels),
    'loss': np.mean(np.log(np.exp(z).sum(axis=1)) - z[np.arange(len(z)), labels]),
    'length': np.linalg.norm(v),
    'share/a': np.linalg.norm(v[:2]) / np.linalg.norm(v),
    'share/b': np.linalg.norm(v[2:]) / np.linalg.norm(v),
  }


@pytest.mark.parametrize('method', METHODS)
def test_of_a_linear_classifier_it_is_the_worst_case_of_each_example(method):
  w, signs = np.asarray(W, np.float64), 2 * np.asarray(sample()['labels']) - 1
  margins = signs * (np.asarray(sample()['inputs'], np.float64) @ w) - 0.5 * np.linalg.norm(w)
  found = measured(W, sample(), method=method)
  np.testing.assert_allclose(found['accuracy'], np.mean(margins > 0), rtol=1e-6)
  np.testing.assert_allclose(found['loss'], np.mean(np.log1p(np.exp(-margins))), rtol=1e-4)
  np.testing.assert_allclose(found['share/a'], np.linalg.norm(w[:2]) / np.linalg.norm(w), rtol=1e-5)
  assert_same(found, measured(W, sample(), instrument=adversarial), rtol=1e-4)


@pytest.mark.parametrize('method', METHODS)
@pytest.mark.parametrize('blocks', [BLOCKS, ROTATED], ids=['plain', 'rotated'])
def test_a_block_that_is_all_the_classifier_reads_holds_the_perturbation(blocks, method):
  w = blocks.rotated(jnp.where(MASKS['b'], W, 0)[None])[0]
  metrics = measured(w, sample(), blocks=blocks, method=method)
  np.testing.assert_allclose(metrics['share/b'], 1, rtol=1e-5)
  np.testing.assert_allclose(metrics['share/a'], 0, atol=1e-5)


@pytest.mark.parametrize('m', [4, M])  # fewer than inputs have coordinates, and more
@pytest.mark.parametrize('n_classes', [2, 3])
def test_svd_agrees_with_numpy(n_classes, m):
  params, batch = network(n_classes), sample(n_classes, m)
  x, labels, evaluate = in_float64(params, batch)
  signs = 2 * labels - 1 if n_classes == 2 else np.ones(m)
  _, slopes = odds_and_slopes(*evaluate(x), labels)
  rows = signs[:, None] * slopes / np.linalg.norm(slopes, axis=1)[:, None]
  v = 0.5 * np.linalg.svd(rows)[2][0]
  v = v * np.sign(rows.sum(axis=0) @ v)
  either = [expected_of(s * v, signs, x, labels, evaluate) for s in (1, -1)]
  expected = min(either, key=lambda metrics: metrics['accuracy'])
  assert_same(measured(params, batch, tanh), expected, rtol=1e-3)


@pytest.mark.parametrize('n_classes', [2, 3])
def test_averaged_agrees_with_loops_in_numpy(n_classes):
  params, batch = network(n_classes), sample(n_classes)
  x, labels, evaluate = in_float64(params, batch)
  signs = 2 * labels - 1 if n_classes == 2 else np.ones(M)
  v = np.zeros(D)
  for _ in range(10):
    odds, slopes = odds_and_slopes(*evaluate(x + signs[:, None] * v[None]), labels)
    # The gradient of the mean cross-entropy, log(1 + exp(odds)), with respect to v.
    grad = np.mean((signs / (1 + np.exp(-odds)))[:, None] * slopes, axis=0)
    v = v + 0.125 * grad / np.linalg.norm(grad)
    v = v * min(1, 0.5 / np.linalg.norm(v))
  expected = expected_of(v, signs, x, labels, evaluate)
  assert_same(measured(params, batch, tanh, method='averaged'), expected, rtol=1e-3)


def test_of_v_and_its_opposite_the_worse_is_taken():
  """To first order it is v; but all are fooled beyond a fold of the network, on the other side."""
  folded = lambda w, x: linear(w, jnp.where(x > 0.6, 2 - 4 * x, x))  # noqa: E731
  w, batch = jnp.ones(1), {'inputs': jnp.full((2, 1), 0.5), 'labels': jnp.ones(2, jnp.int32)}
  found = measured(w, batch, folded, None, radius=0.4)  # x = 0.1, where f > 0, or 0.9: f < 0
  assert found['accuracy'] == 0
  np.testing.assert_allclose(found['loss'], np.log1p(np.exp(4 * 0.9 - 2)), rtol=1e-5)


@pytest.mark.parametrize('sign', [1, -1])
def test_where_none_is_fooled_either_way_the_loss_rises(sign):
  """The singular vector of both networks is the same, and right for one of them as it comes."""
  params = network() | {'b': sign * network()['b']}
  clean = float(jnp.mean(make_losses(tanh)(params, sample())))
  assert measured(params, sample(), tanh, radius=1e-3)['loss'] > clean + 1e-4


@pytest.mark.parametrize('method', METHODS)
def test_neither_order_nor_the_names_of_classes_matter(method):
  here = measured(network(), sample(), tanh, method=method)
  order = np.random.default_rng(2).permutation(M)
  there = measured(network(), jax.tree.map(lambda x: x[order], sample()), tanh, method=method)
  assert_same(there, here, rtol=1e-3)
  renamed = network() | {'b': network()['b'][:, ::-1]}
  there = measured(renamed, sample() | {'labels': 1 - sample()['labels']}, tanh, method=method)
  assert_same(there, here, rtol=1e-3)


def test_a_network_that_is_sure_is_fooled_by_the_same():
  """Times 100, most cross-entropies are flat in float32."""
  here = measured(network(), sample(), tanh)
  there = measured(network() | {'b': 100 * network()['b']}, sample(), tanh)
  del here['loss'], there['loss']
  assert_same(there, here, rtol=1e-3)
  sure = measured(100 * W, sample(), method='averaged')
  del sure['loss']
  weak = measured(W, sample(), method='averaged')
  del weak['loss']
  assert_same(sure, weak, rtol=1e-3)


def test_images_are_vectors_of_pixels():
  image = sample() | {'inputs': sample()['inputs'].reshape(M, 3, 2, 1)}
  flat = lambda params, x: tanh(params, x.reshape(len(x), -1))  # noqa: E731
  blocks = Blocks({name: mask.reshape(3, 2, 1) for name, mask in MASKS.items()})
  for method in METHODS:
    here = measured(network(), sample(), tanh, method=method)
    assert_same(measured(network(), image, flat, blocks, method=method), here, rtol=1e-4)


@pytest.mark.parametrize('method', METHODS)
def test_vmapped_networks_are_measured_like_each_alone(method):
  networks = jnp.stack([W, -2 * W, W[::-1]])
  measure = compiled(universal, linear, BLOCKS, method=method)
  together = jax.vmap(measure, (0, None))(networks, sample())
  for i, w in enumerate(networks):
    for name, value in measure(w, sample()).items():
      np.testing.assert_allclose(together[name][i], value, rtol=1e-4, err_msg=name)


@pytest.mark.parametrize(
  ('kwargs', 'message'),
  [
    ({'method': 'sgd'}, 'method must be one of svd, averaged, not sgd'),
    ({'radius': -1.0}, 'radius must be positive, not -1'),
    ({'step_size': 0.0}, 'step_size must be positive, not 0'),
    ({'iterations': 0}, 'iterations must be at least 1, not 0'),
  ],
)
def test_what_is_out_of_range_is_refused(kwargs, message):
  with pytest.raises(ValueError, match=f'^{message}'):
    universal(**{'radius': 1.0} | kwargs)
