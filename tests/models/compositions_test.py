"""One logit for two classes; several networks as one, each trained as if it were alone."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from research.losses import cross_entropy
from research.models import make_model
from research.models.compositions import ensemble, single_logit
from research.objectives import make_objective

M, D, K = 10, 4, 3


def make(n_classes=2, **kwargs):
  return make_model(n_classes, name='mlp', widths=(6,), activation='tanh', **kwargs)


@functools.cache
def sample():
  rng = np.random.default_rng(0)
  return {
    'inputs': jnp.asarray(rng.normal(size=(M, D)), jnp.float32),
    'labels': jnp.asarray(rng.integers(0, 2, M)),
    'key': jax.random.key_data(jax.random.split(jax.random.key(1), M)),
  }


@functools.cache
def initial(**kwargs):
  model = make(**kwargs)
  return model, model.init(jax.random.key(0), sample()['inputs'])


def member(params, k):
  return jax.tree.map(lambda leaf: leaf[k], params)


def assert_same_trees(here, there, **tolerance):
  assert jax.tree.structure(here) == jax.tree.structure(there)
  jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, **tolerance), here, there)


def test_cross_entropy_of_a_single_logit_is_the_logistic_loss():
  model, params = initial(single_logit=True)
  outputs = np.asarray(make(1).apply(params, sample()['inputs']), np.float64)[:, 0]
  logits = model.apply(params, sample()['inputs'])
  np.testing.assert_array_equal(logits, np.stack([0 * outputs, outputs], axis=1))
  signs = 2 * np.asarray(sample()['labels']) - 1
  expected = np.log1p(np.exp(-signs * outputs))
  np.testing.assert_allclose(cross_entropy(logits, sample()['labels']), expected, rtol=1e-5)


def test_two_outputs_learn_twice_as_fast_as_a_single_logit():
  """Of linear classifiers that start as the same function, f = z1 - z0; gradients, not noise."""
  one = make_model(2, name='mlp', widths=(), single_logit=True)
  two = make_model(2, name='mlp', widths=())
  kernel = jnp.asarray([[0.3], [-0.2], [0.1], [0.5]])
  alone = {'Dense_0': {'kernel': kernel, 'bias': jnp.zeros(1)}}
  apart = {
    'Dense_0': {'kernel': jnp.concatenate([-kernel / 2, kernel / 2], 1), 'bias': jnp.zeros(2)}
  }

  def change(model, params):
    losses = make_objective(model, cross_entropy, 1).losses
    grads = jax.grad(lambda p: jnp.mean(losses(p, sample())))(params)
    f = [
      jnp.diff(model.apply(p, sample()['inputs']), axis=-1)
      for p in (params, jax.tree.map(lambda x, g: x - 0.1 * g, params, grads))
    ]
    return f[1] - f[0]

  np.testing.assert_allclose(change(two, apart), 2 * change(one, alone), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize('kwargs', [{'single_logit': True}, {'ensemble': K}, {}])
def test_what_is_captured_last_is_what_is_applied(kwargs):
  model, params = initial(**kwargs)
  activations = model.capture(params, sample()['inputs'])
  assert list(activations) == ['Dense_0', 'Dense_1', 'logits']
  logits = model.apply(params, sample()['inputs'])
  assert logits.shape == (M, 2)
  np.testing.assert_allclose(activations['logits'], logits, rtol=1e-5, atol=1e-6)
  if 'ensemble' in kwargs:
    assert activations['Dense_0'].shape == (M, K, 6)
    for k in range(K):
      alone = make().capture(member(params, k), sample()['inputs'])
      np.testing.assert_allclose(activations['Dense_0'][:, k], alone['Dense_0'], rtol=1e-5)


def test_the_logits_of_an_ensemble_are_the_mean_of_its_members():
  model, params = initial(ensemble=K)
  alone = [make().apply(member(params, k), sample()['inputs']) for k in range(K)]
  found = model.apply(params, sample()['inputs'])
  np.testing.assert_allclose(found, np.mean(alone, axis=0), rtol=1e-5, atol=1e-6)
  said = model.train_apply(params, sample()['inputs'], sample()['key'])
  np.testing.assert_allclose(said, np.stack(alone), rtol=1e-5, atol=1e-6)


def test_members_start_apart_and_each_like_one_network():
  _, params = initial(ensemble=K)
  keys = jax.random.split(jax.random.key(0), K)
  alone = [make().init(key, sample()['inputs']) for key in keys]
  assert_same_trees(params, jax.tree.map(lambda *x: jnp.stack(x), *alone), rtol=1e-6)
  kernels = params['Dense_0']['kernel']
  assert all(jnp.abs(kernels[i] - kernels[j]).max() > 0.1 for i in range(K) for j in range(i))


@pytest.mark.parametrize(
  'tx', [optax.sgd(0.1, momentum=0.9), optax.adam(0.01)], ids=['sgd', 'adam']
)
def test_members_are_trained_as_if_each_were_alone(tx):
  """Three steps; the objective has a penalty, too."""
  kwargs = {'penalty': 'spectral_decoupling', 'weights': (1.0, 0.1), 'l2': 0.01}

  def trained(model, params):
    losses = make_objective(model, cross_entropy, 1, **kwargs).losses
    gradient = jax.grad(lambda p: jnp.mean(losses(p, sample())))
    state = tx.init(params)

    @jax.jit
    def step(params, state):
      updates, state = tx.update(gradient(params), state, params)
      return optax.apply_updates(params, updates), state

    for _ in range(3):
      params, state = step(params, state)
    return params

  model, params = initial(ensemble=K)
  found = trained(model, params)
  for k in range(K):
    assert_same_trees(member(found, k), trained(make(), member(params, k)), rtol=1e-4, atol=1e-6)


def test_members_silence_different_units():
  model, params = initial(ensemble=2, dropout=0.5)
  same = jax.tree.map(lambda leaf: leaf.at[1].set(leaf[0]), params)
  x, keys = sample()['inputs'], sample()['key']
  said = model.train_apply(same, x, keys)
  assert said.shape == (2, M, 2)
  alone = make(dropout=0.5).train_apply(member(same, 0), x, keys)
  np.testing.assert_allclose(said[:1], alone, rtol=1e-5, atol=1e-6)
  assert np.mean(np.abs(said[1] - said[0]).max(axis=-1) > 1e-3) > 0.8


def test_what_single_logits_say_in_training_is_of_two_classes_too():
  model, params = initial(single_logit=True, dropout=0.5, ensemble=2)
  x, keys = sample()['inputs'], sample()['key']
  said = model.train_apply(params, x, keys)
  assert said.shape == (2, M, 2)
  assert np.all(said[..., 0] == 0)
  outputs = make(1, dropout=0.5).train_apply(member(params, 0), x, keys)
  np.testing.assert_allclose(said[:1, :, 1:], outputs, rtol=1e-5, atol=1e-6)


def test_compositions_keep_what_is_known_of_the_model():
  coupled = make()._replace(per_example=False)
  assert not ensemble(coupled, 2).per_example
  assert not single_logit(coupled).per_example
  assert single_logit(make(1)).train_apply is None


def test_senseless_compositions_are_refused():
  with pytest.raises(ValueError, match=r'^single_logit is for two classes; the task has 10'):
    make(10, single_logit=True)
  with pytest.raises(ValueError, match=r'^ensemble must be at least 1, not 0'):
    make(ensemble=0)
