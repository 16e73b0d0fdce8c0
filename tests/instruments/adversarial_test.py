"""Accuracy under attack, and shares of blocks, of linear classifiers in closed form."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from research.attacks import projected_gradient
from research.instruments import Network, make_measure
from research.instruments.adversarial import adversarial
from research.losses import make_losses
from research.tasks import Blocks
from research.tasks.slabs import random_rotation

M, D = 24, 6
MASKS = {'a': np.arange(D) < 2, 'b': (np.arange(D) >= 2) & (np.arange(D) < 5)}  # 5 is in none
Q = random_rotation(D, np.random.default_rng(3))


def linear(w, x):
  """Two classes by their difference <x, w>."""
  f = x @ w
  return jnp.stack([-0.3 * f, 0.7 * f], axis=1)


def relu(params, x):
  return jax.nn.relu(x @ params['a']) @ params['b']


@functools.cache
def sample():
  rng = np.random.default_rng(0)
  inputs, labels = rng.normal(size=(M, D)), rng.integers(0, 2, M)
  return {'inputs': jnp.asarray(inputs, jnp.float32), 'labels': jnp.asarray(labels)}


@functools.cache
def network(n_classes=3):
  rng = np.random.default_rng(1)
  shapes = {'a': (D, 10), 'b': (10, n_classes)}
  return {name: jnp.asarray(rng.normal(size=s), jnp.float32) for name, s in shapes.items()}


@functools.cache
def compiled(apply, blocks=None, **kwargs):
  it = adversarial(**{'radius': 0.5, 'iterations': 10} | kwargs)
  return jax.jit(make_measure([it], Network(make_losses(apply), apply, blocks)))


def measured(params, batch, apply=linear, blocks=None, **kwargs):
  metrics = compiled(apply, blocks, **kwargs)(params, batch)
  assert all(name.startswith('adversarial/') for name in metrics)
  return {name.removeprefix('adversarial/'): float(x) for name, x in metrics.items()}


def assert_same(here, there, **tolerance):
  assert set(here) == set(there)
  for name in there:
    np.testing.assert_allclose(here[name], there[name], err_msg=name, **tolerance)


W = jnp.asarray([1.0, -2.0, 0.5, 1.5, -0.2, 0.8])
BLOCKS, ROTATED = Blocks(MASKS), Blocks(MASKS, Q)


@pytest.mark.parametrize('norm', ['linf', 'l2'])
def test_of_a_linear_classifier_it_is_the_worst_case(norm):
  w, x = np.asarray(W, np.float64), np.asarray(sample()['inputs'], np.float64)
  signs = 2 * np.asarray(sample()['labels']) - 1
  direction = np.sign(w) if norm == 'linf' else w / np.linalg.norm(w)
  margins = signs * (x @ w) - 0.5 * w @ direction
  assert 0 < np.mean(margins > 0) < np.mean(signs * (x @ w) > 0)
  expected = {
    'accuracy': np.mean(margins > 0),
    'loss': np.mean(np.log1p(np.exp(-margins))),
    'length': 0.5 * np.linalg.norm(direction),
    'share/a': np.linalg.norm(direction[:2]) / np.linalg.norm(direction),
    'share/b': np.linalg.norm(direction[2:5]) / np.linalg.norm(direction),
  }
  assert_same(measured(W, sample(), blocks=BLOCKS, norm=norm), expected, rtol=1e-4)


@pytest.mark.parametrize('blocks', [BLOCKS, ROTATED], ids=['plain', 'rotated'])
def test_a_block_that_is_all_the_classifier_reads_holds_the_perturbation(blocks):
  w = blocks.rotated(jnp.where(MASKS['b'], W, 0)[None])[0]
  metrics = measured(w, sample(), blocks=blocks)
  np.testing.assert_allclose(metrics['share/b'], 1, rtol=1e-5)
  np.testing.assert_allclose(metrics['share/a'], 0, atol=1e-5)


def test_a_rotation_changes_nothing():
  """Network and inputs are rotated together; the ball of l2 is round."""
  here = measured(W, sample(), blocks=BLOCKS)
  seen = sample() | {'inputs': ROTATED.rotated(sample()['inputs'])}
  there = measured(ROTATED.rotated(W[None])[0], seen, blocks=ROTATED)
  assert_same(there, here, rtol=1e-4)


def test_agrees_with_the_definitions_of_a_network():
  """Also that the path is that of the cross-entropy, where that is not lost to rounding."""
  params, batch = network(), sample()
  reach = {'norm': 'l2', 'radius': 0.5, 'step_size': 0.125, 'iterations': 10}
  attack = functools.partial(projected_gradient, make_losses(relu), **reach)
  delta = np.asarray(jax.jit(attack)(params, batch), np.float64)
  a, b = (np.asarray(leaf, np.float64) for leaf in params.values())
  z = np.maximum((np.asarray(batch['inputs']) + delta) @ a, 0) @ b
  labels, sizes = np.asarray(batch['labels']), np.linalg.norm(delta, axis=1)
  expected = {
    'accuracy': np.mean(z.argmax(axis=1) == labels),
    'loss': np.mean(np.log(np.exp(z).sum(axis=1)) - z[np.arange(M), labels]),
    'length': np.mean(sizes),
  }
  for name, mask in MASKS.items():
    expected[f'share/{name}'] = np.mean(np.linalg.norm(delta[:, mask], axis=1) / sizes)
  assert_same(measured(params, batch, relu, BLOCKS), expected, rtol=1e-3)


def test_of_one_example_the_squares_of_shares_add_up_to_one():
  whole = Blocks(MASKS | {'rest': np.arange(D) == 5}, Q)
  one = jax.tree.map(lambda x: x[:1], sample())
  metrics = measured(network(), one, relu, whole)
  total = sum(value**2 for name, value in metrics.items() if name.startswith('share/'))
  np.testing.assert_allclose(total, 1, rtol=1e-5)


def test_the_order_of_examples_does_not_matter():
  order = np.random.default_rng(2).permutation(M)
  here = measured(network(), sample(), relu, BLOCKS)
  there = measured(network(), jax.tree.map(lambda x: x[order], sample()), relu, BLOCKS)
  assert_same(there, here, rtol=1e-4)


def test_of_two_classes_the_scale_of_the_logits_does_not_matter():
  """Times 40, most cross-entropies are flat in float32: an attack on them would not start."""
  here = measured(network(2), sample(), relu, BLOCKS)
  sure = network(2) | {'b': 40 * network(2)['b']}
  there = measured(sure, sample(), relu, BLOCKS)
  del here['loss'], there['loss']
  assert_same(there, here, rtol=1e-3)


def test_vmapped_networks_are_measured_like_each_alone():
  networks = jnp.stack([W, -2 * W, W[::-1]])
  together = jax.vmap(compiled(linear, BLOCKS), (0, None))(networks, sample())
  for i, w in enumerate(networks):
    alone = compiled(linear, BLOCKS)(w, sample())
    for name, value in alone.items():
      np.testing.assert_allclose(together[name][i], value, rtol=1e-4, err_msg=name)


def test_examples_that_do_not_move_have_no_share():
  blind = measured(jnp.zeros(D), sample(), blocks=BLOCKS)
  assert blind['length'] == 0
  assert np.isnan(blind['share/a'])
  dead = lambda w, x: linear(w, jnp.where(x[:, :1] > 0, x, 0))  # noqa: E731
  metrics = measured(W, sample(), dead, BLOCKS, radius=1e-3)
  moved = np.mean(np.asarray(sample()['inputs'])[:, 0] > 0)
  np.testing.assert_allclose(metrics['length'], 1e-3 * moved, rtol=1e-4)
  expected = np.linalg.norm(W[:2]) / np.linalg.norm(W)
  np.testing.assert_allclose(metrics['share/a'], expected, rtol=1e-4)


def test_bounds_hold():
  """With inputs and bounds in [0, 1], coordinates at the bounds move one way only."""
  inside = sample() | {'inputs': (sample()['inputs'] > 0).astype(jnp.float32)}
  free = measured(W, inside, norm='linf')
  bound = measured(W, inside, norm='linf', bounds=(0.0, 1.0))
  signs = 1 - 2 * np.asarray(inside['labels'])[:, None]
  delta = np.clip(inside['inputs'] + 0.5 * signs * np.sign(W), 0, 1) - inside['inputs']
  np.testing.assert_allclose(bound['length'], np.linalg.norm(delta, axis=1).mean(), rtol=1e-4)
  assert bound['loss'] < free['loss']


@pytest.mark.parametrize(
  ('kwargs', 'message'),
  [
    ({'norm': 'l1'}, 'norm must be one of linf, l2, not l1'),
    ({'radius': 0.0}, 'radius must be positive, not 0'),
    ({'step_size': -1.0}, 'step_size must be positive, not -1'),
    ({'iterations': 0}, 'iterations must be at least 1, not 0'),
    ({'bounds': (1.0, 1.0)}, 'bounds must be the least and the greatest value'),
  ],
)
def test_what_is_out_of_range_is_refused(kwargs, message):
  with pytest.raises(ValueError, match=f'^{message}'):
    adversarial(**{'radius': 1.0} | kwargs)
