"""Projected gradient ascent, against closed forms of linear classifiers and loops in NumPy."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from research import sharding
from research.attacks import odds_against, projected_gradient, unit
from research.losses import cross_entropy

M, D = 12, 5


@functools.cache
def network():
  """A small relu network of three classes, and a sample."""
  rng = np.random.default_rng(0)
  normal = lambda *shape: jnp.asarray(rng.normal(size=shape), jnp.float32)  # noqa: E731
  params = {'a': normal(D, 16), 'b': normal(16, 3)}
  return params, {'inputs': normal(M, D), 'labels': jnp.asarray(rng.integers(0, 3, M))}


def apply(params, x):
  return jax.nn.relu(x @ params['a']) @ params['b']


def losses(params, batch):
  return cross_entropy(apply(params, batch['inputs']), batch['labels'])


def logistic(w, batch):
  """Of a linear classifier: the log odds against the label, -y <w, x>."""
  return (1 - 2 * batch['labels']) * (batch['inputs'] @ w)


@functools.partial(jax.jit, static_argnames=('losses', 'norm', 'iterations', 'bounds'))
def attack(losses, params, batch, norm, radius=0.5, step_size=0.1, iterations=10, bounds=()):
  reach = {'radius': radius, 'step_size': step_size, 'iterations': iterations, 'bounds': bounds}
  return projected_gradient(losses, params, batch, norm=norm, **reach)


def lengths(delta, norm):
  return np.linalg.norm(
    np.reshape(delta, (len(delta), -1)), np.inf if norm == 'linf' else 2, axis=1
  )


@pytest.mark.parametrize('norm', ['linf', 'l2'])
def test_of_a_linear_classifier_it_is_the_worst_case(norm):
  _, batch = network()
  w = jnp.asarray([3.0, -2.0, 0.5, 1.0, -0.1])
  labels = jnp.arange(M) % 2
  signs = 1 - 2 * np.asarray(labels)[:, None]
  delta = attack(logistic, w, {**batch, 'labels': labels}, norm)
  direction = np.sign(w) if norm == 'linf' else w / np.linalg.norm(w)
  np.testing.assert_allclose(delta, 0.5 * signs * direction[None], rtol=1e-5)
  # Steps that are too short to get there stop half way.
  short = attack(logistic, w, {**batch, 'labels': labels}, norm, iterations=2)
  np.testing.assert_allclose(short, 0.2 * signs * direction[None], rtol=1e-5)


@pytest.mark.parametrize('norm', ['linf', 'l2'])
@pytest.mark.parametrize('bounds', [(), (-0.6, 0.8)])
def test_it_stays_in_the_ball_and_in_the_box(norm, bounds):
  params, batch = network()
  inside = batch | {'inputs': jnp.clip(batch['inputs'], -0.6, 0.8)}
  delta = attack(losses, params, inside, norm, 0.3, 0.2, bounds=bounds)
  sizes = lengths(delta, norm)
  assert sizes.max() <= 0.3 * (1 + 1e-6)
  assert sizes.max() > 0.29  # it goes as far as it may
  moved = np.asarray(inside['inputs'] + delta)
  is_out = (moved < -0.6 - 1e-6) | (moved > 0.8 + 1e-6)
  assert not is_out.any() if bounds else is_out.any()


@pytest.mark.parametrize('norm', ['linf', 'l2'])
def test_agrees_with_loops_in_numpy(norm):
  params, batch = network()
  a, b = (np.asarray(params[name], np.float64) for name in 'ab')
  radius, step, low, high = 0.5, 0.2, -1.0, 1.2
  x0 = np.clip(np.asarray(batch['inputs'], np.float64), low, high)
  expected = []
  for x, label in zip(x0, np.asarray(batch['labels']), strict=True):
    delta = np.zeros(D)
    for _ in range(7):
      hidden = (x + delta) @ a
      logits = np.maximum(hidden, 0) @ b
      slope = np.exp(logits - logits.max())
      slope = slope / slope.sum() - np.eye(3)[label]
      grad = a @ ((hidden > 0) * (b @ slope))
      delta = delta + step * (np.sign(grad) if norm == 'linf' else grad / np.linalg.norm(grad))
      if norm == 'linf':
        delta = np.clip(delta, -radius, radius)
      else:
        delta = delta * min(1, radius / np.linalg.norm(delta))
      delta = np.clip(x + delta, low, high) - x
    expected.append(delta)
  batch = batch | {'inputs': jnp.asarray(x0, jnp.float32)}
  found = attack(losses, params, batch, norm, radius, step, iterations=7, bounds=(low, high))
  np.testing.assert_allclose(found, expected, atol=1e-4)


def test_it_raises_the_loss():
  params, batch = network()
  for norm in ('linf', 'l2'):
    delta = attack(losses, params, batch, norm)
    moved = losses(params, {**batch, 'inputs': batch['inputs'] + delta})
    assert np.all(moved > losses(params, batch))


def test_examples_do_not_know_of_each_other():
  params, batch = network()
  here = attack(losses, params, batch, 'l2')
  other = batch | {'inputs': batch['inputs'].at[3].add(1.0)}
  there = np.array(attack(losses, params, other, 'l2'))
  assert np.abs(there[3] - here[3]).max() > 1e-3
  there[3] = here[3]
  np.testing.assert_allclose(there, here, atol=1e-6)


def test_no_gradient_flows_through_it():
  params, batch = network()

  def loss(params, shift):
    moved = batch | {'inputs': batch['inputs'] + shift}
    return jnp.sum(attack(losses, params, moved, 'l2', iterations=3) ** 2)

  grads = jax.grad(loss, argnums=(0, 1))(params, 0.0)
  assert all(np.all(leaf == 0) for leaf in jax.tree.leaves(grads))


def test_all_axes_of_an_input_count():
  """Images are attacked like the vectors of their pixels."""
  params, batch = network()
  images = batch | {'inputs': jnp.tile(batch['inputs'], 2)[:, : 2 * D].reshape(M, D, 2, 1)}
  flat = batch | {'inputs': images['inputs'].reshape(M, 2 * D)}
  params = params | {'a': jnp.concatenate([params['a'], -0.5 * params['a']])}
  of_images = lambda p, b: losses(p, b | {'inputs': b['inputs'].reshape(M, -1)})  # noqa: E731
  for norm in ('linf', 'l2'):
    expected = attack(losses, params, flat, norm)
    found = attack(of_images, params, images, norm)
    np.testing.assert_allclose(found.reshape(M, -1), expected, atol=1e-5)


def test_sharded_examples_and_networks_that_differ_make_no_difference():
  """The inputs vary over no axis of the mesh, or over another one than the parameters."""
  params, batch = network()
  expected = attack(losses, params, batch, 'l2')
  devices = jax.devices()[:4]
  mesh = jax.make_mesh(
    (2, 2), ('members', 'examples'), (jax.sharding.AxisType.Explicit,) * 2, devices=devices
  )
  members = jax.tree.map(lambda x: jnp.stack([x, 2 * x]), params)

  def of_shard(params, batch):
    params = jax.tree.map(lambda x: x[0], params)
    return attack(losses, params, batch, 'l2')[None]

  specs = (jax.P('members'), jax.P('examples'))
  on_shards = jax.shard_map(
    of_shard, mesh=mesh, in_specs=specs, out_specs=jax.P('members', 'examples')
  )
  there = sharding.put(members, mesh, 'members'), sharding.put(batch, mesh, 'examples')
  found = np.asarray(jax.jit(on_shards)(*there))
  np.testing.assert_allclose(found[0], expected, atol=1e-5)
  doubled = jax.tree.map(lambda x: 2 * x, params)
  np.testing.assert_allclose(found[1], attack(losses, doubled, batch, 'l2'), atol=1e-5)


def test_the_odds_are_those_of_the_softmax():
  rng = np.random.default_rng(1)
  logits, labels = rng.normal(size=(9, 4)) * 3, rng.integers(0, 4, 9)
  p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
  p = p[np.arange(9), labels]
  found = odds_against(jnp.asarray(logits, jnp.float32), jnp.asarray(labels))
  np.testing.assert_allclose(found, np.log((1 - p) / p), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize('norm', ['linf', 'l2'])
def test_the_odds_rise_on_the_path_on_which_cross_entropy_does(norm):
  params, batch = network()
  odds = lambda p, b: odds_against(apply(p, b['inputs']), b['labels'])  # noqa: E731
  expected = attack(losses, params, batch, norm)
  np.testing.assert_allclose(attack(odds, params, batch, norm), expected, atol=1e-4)


def test_the_odds_keep_the_gradient_of_a_network_that_is_sure():
  """Margins of 60: cross-entropy is flat in float32, and an ascent on it does not start."""
  w = jnp.full(D, 60.0)
  batch = {'inputs': jnp.full((2, D), 0.2), 'labels': jnp.asarray([1, 1])}
  logits = lambda w, b: jnp.stack([0 * (b['inputs'] @ w), b['inputs'] @ w], axis=1)  # noqa: E731
  flat = attack(lambda w, b: cross_entropy(logits(w, b), b['labels']), w, batch, 'l2')
  assert np.all(flat == 0)
  delta = attack(lambda w, b: odds_against(logits(w, b), b['labels']), w, batch, 'l2')
  np.testing.assert_allclose(delta, np.full((2, D), -0.5 / np.sqrt(D)), rtol=1e-5)


def test_unit_rows():
  rows = jnp.asarray([[3.0, 4.0], [3e-30, 4e-30], [0.0, 0.0], [3e30, 4e30]])
  np.testing.assert_allclose(unit(rows), [[0.6, 0.8], [0.6, 0.8], [0, 0], [0.6, 0.8]], rtol=1e-6)


def test_inputs_that_do_not_matter_stay():
  _, batch = network()
  for norm in ('linf', 'l2'):
    assert np.all(attack(logistic, jnp.zeros(D), batch, norm) == 0)


def test_an_unknown_norm_is_refused():
  params, batch = network()
  with pytest.raises(ValueError, match=r'^norm must be one of linf, l2, not l1'):
    attack(losses, params, batch, 'l1')
