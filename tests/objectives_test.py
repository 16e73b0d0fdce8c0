"""Objectives: penalties against NumPy and their definitions, schedules, independence of examples."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from research.attacks import projected_gradient
from research.gradients import gradient_statistics
from research.losses import cross_entropy, make_losses, squared_error
from research.models import Model
from research.models.compositions import ensemble, single_logit
from research.objectives import make_objective

M, D, WIDTH = 12, 4, 6


def apply(params, x):
  return jnp.tanh(x @ params['a'] + params['b'][None]) @ params['c']


def apply_half(params, x, keys):
  """A dropout: of the hidden units, those of which the bit of the example's key is set."""
  kept = keys[:, 1, None] >> jnp.arange(WIDTH, dtype=jnp.uint32)[None] & 1
  return (jnp.tanh(x @ params['a'] + params['b'][None]) * kept @ params['c'])[None]


def linear(params, x):
  return x @ params


def given(*_):
  raise AssertionError('parameters are given')


PLAIN = Model(init=given, apply=apply, capture=given)
HALF = PLAIN._replace(train_apply=apply_half)


@functools.cache
def weights(n_classes=2, size=None):
  """Parameters of one network, or of an ensemble of so many."""
  rng = np.random.default_rng(7)
  shapes = {'a': (D, WIDTH), 'b': (WIDTH,), 'c': (WIDTH, n_classes)}
  lead = () if size is None else (size,)
  return {k: jnp.asarray(rng.normal(size=lead + s), jnp.float32) for k, s in shapes.items()}


def member(params, k):
  return jax.tree.map(lambda x: x[k], params)


@functools.cache
def sample(n_classes=2):
  """Everything that an objective may read."""
  rng = np.random.default_rng(0)
  return {
    'inputs': jnp.asarray(rng.normal(size=(M, D)), jnp.float32),
    'labels': jnp.asarray(rng.integers(0, n_classes, M)),
    'step': jnp.full(M, 3),
    'key': jnp.asarray(rng.integers(0, 2**32, (M, 2), np.uint32)),
    'environment': jnp.asarray([0, 0, 1, 1, 1, 2, 0, 1, 1, 1, 0, 1]),
  }


def objective(model=PLAIN, loss=cross_entropy, n_environments=1, **kwargs):
  """With losses that are compiled."""
  found = make_objective(model, loss, n_environments, **kwargs)
  return found._replace(losses=jax.jit(found.losses))


@functools.cache
def in_numpy(n_classes=2):
  """Logits and cross-entropies of the plain network in float64."""
  a, b, c = (np.asarray(x, np.float64) for x in weights(n_classes).values())
  z = np.tanh(np.asarray(sample()['inputs'], np.float64) @ a + b) @ c
  z = np.concatenate([np.zeros_like(z), z], axis=1) if n_classes == 1 else z
  labels = np.asarray(sample(max(n_classes, 2))['labels'])
  return z, np.log(np.exp(z).sum(axis=1)) - z[np.arange(M), labels]


def sq_norm(params):
  return sum(np.sum(np.square(leaf, dtype=np.float64)) for leaf in jax.tree.leaves(params))


def of_mean(losses, params, batch):
  """The mean loss and its gradient."""
  return jax.jit(jax.value_and_grad(lambda p, b: jnp.mean(losses(p, b))))(params, batch)


def assert_same_trees(here, there, **tolerance):
  jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, **tolerance), here, there)


@pytest.mark.parametrize('loss', [cross_entropy, squared_error])
def test_the_default_is_the_plain_loss_to_the_last_bit(loss):
  params, batch = weights(3), sample(3)
  plain = jax.jit(make_losses(apply, name=loss.__name__))
  found = objective(loss=loss)
  assert (found.coupled, found.reads) == (False, frozenset())
  np.testing.assert_array_equal(found.losses(params, batch), plain(params, batch))
  here, there = (of_mean(f, params, batch) for f in (found.losses, plain))
  jax.tree.map(np.testing.assert_array_equal, here, there)


@pytest.mark.parametrize('offsets', [(), (0.44, 2.5)])
@pytest.mark.parametrize('n_outputs', [1, 2])
def test_spectral_decoupling_of_two_classes_agrees_with_numpy(offsets, n_outputs):
  model = single_logit(PLAIN) if n_outputs == 1 else PLAIN
  z, losses = in_numpy(n_outputs)
  targets = np.asarray(offsets)[np.asarray(sample()['labels'])] if offsets else 0.0
  kwargs = {'penalty': 'spectral_decoupling', 'offsets': offsets, 'weights': (0.5, 0.3)}
  found = objective(model, **kwargs)
  assert (found.coupled, found.reads) == (False, frozenset())
  expected = 0.5 * losses + 0.3 * (z[:, 1] - z[:, 0] - targets) ** 2
  np.testing.assert_allclose(found.losses(weights(n_outputs), sample()), expected, rtol=1e-5)


def test_spectral_decoupling_of_more_classes_is_the_mean_of_their_squares():
  z, losses = in_numpy(3)
  found = objective(penalty='spectral_decoupling', weights=(1.0, 0.2))
  expected = losses + 0.2 * np.mean(z**2, axis=1)
  np.testing.assert_allclose(found.losses(weights(3), sample(3)), expected, rtol=1e-5)


@pytest.mark.parametrize('n_environments', [3, 5])
def test_irm_is_the_squared_gradient_of_a_scale_in_each_environment(n_environments):
  """Environments 0, 1 and 2 have 4, 7 and 1 examples; 3 and 4, where they exist, none."""
  batch = sample()

  def official(params, batch):
    z, penalties = apply(params, batch['inputs']), []
    for e in range(3):
      rows = np.flatnonzero(np.asarray(sample()['environment']) == e)
      risk = lambda w, rows=rows: jnp.mean(cross_entropy(w * z[rows], batch['labels'][rows]))  # noqa: E731
      penalties.append(jax.grad(risk)(1.0) ** 2)
    return 0.5 * cross_entropy(z, batch['labels']) + 7.0 * sum(penalties) / n_environments

  found = objective(n_environments=n_environments, penalty='irm', weights=(0.5, 7.0))
  assert (found.coupled, found.reads) == (True, {'environment'})
  here, there = (of_mean(f, weights(), batch) for f in (found.losses, official))
  assert_same_trees(here, there, rtol=1e-4, atol=1e-5)


def test_l2_is_weighted_with_the_loss():
  expected = 0.3 * (in_numpy()[1] + 0.01 * sq_norm(weights()))
  found = objective(l2=0.01, weights=(0.3, 1.0))
  np.testing.assert_allclose(found.losses(weights(), sample()), expected, rtol=1e-5)


def test_later_the_weights_are_others():
  z, losses = in_numpy()
  squares, l2 = (z[:, 1] - z[:, 0]) ** 2, 0.01 * sq_norm(weights())
  change = {'weights': (1.0, 0.1), 'later': 5, 'later_weights': (0.02, 0.7)}
  found = objective(penalty='spectral_decoupling', l2=0.01, **change)
  assert found.reads == {'step'}
  before, after = losses + l2 + 0.1 * squares, 0.02 * (losses + l2) + 0.7 * squares
  for step, expected in ((0, before), (4, before), (5, after), (100, after)):
    batch = sample() | {'step': jnp.full(M, step)}
    np.testing.assert_allclose(found.losses(weights(), batch), expected, rtol=1e-5)


def test_later_a_loss_alone_can_change_too():
  found = objective(later=3, later_weights=(0.25, 1.0))
  expected = 0.25 * in_numpy()[1]
  np.testing.assert_allclose(found.losses(weights(), sample()), expected, rtol=1e-5)


@pytest.mark.parametrize('norm', ['linf', 'l2'])
def test_adversarial_training_is_training_on_perturbed_inputs(norm):
  """The perturbation is a constant: no gradient flows through it, and dropout does not enter it."""
  reach = {'radius': 0.4, 'step_size': 0.15, 'iterations': 4, 'bounds': (-1.5, 1.5)}
  found = objective(HALF, adversary=norm, **reach)
  assert found.reads == {'key'}
  attack = functools.partial(projected_gradient, make_losses(apply), norm=norm, **reach)
  delta = jax.jit(attack)(weights(), sample())
  moved = sample() | {'inputs': sample()['inputs'] + delta}
  here = of_mean(found.losses, weights(), sample())
  there = of_mean(objective(HALF).losses, weights(), moved)
  assert_same_trees(here, there, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize('label', [0, 1])
def test_examples_of_which_the_network_is_sure_are_perturbed_too(label):
  """A margin of 20, of which the adversary takes 10; in float32, this cross-entropy has no slope."""
  model = single_logit(PLAIN._replace(apply=linear))
  batch = {'inputs': jnp.full((1, D), 1.25 * (2 * label - 1)), 'labels': jnp.asarray([label])}
  found = objective(model, adversary='linf', radius=0.625, step_size=0.3, iterations=3)
  losses = found.losses(jnp.full((D, 1), 4.0), batch)
  np.testing.assert_allclose(losses, np.log1p(np.exp(-10.0)), rtol=1e-2)


def test_other_losses_are_raised_themselves():
  """A squared error, by an output that is even more on the label's side."""
  batch = {'inputs': jnp.asarray([[0.0, 3.0]]), 'labels': jnp.asarray([1])}
  reach = {'radius': 0.5, 'step_size': 0.5, 'iterations': 1}
  found = objective(PLAIN._replace(apply=linear), squared_error, adversary='linf', **reach)
  np.testing.assert_allclose(found.losses(jnp.eye(2), batch), [0.5 * 2.5**2], rtol=1e-6)


INDEPENDENT = {
  'spectral decoupling, of an ensemble with dropout': (
    ensemble(HALF, 2),
    weights(2, 2),
    {'penalty': 'spectral_decoupling', 'weights': (1.0, 0.3), 'later': 4, 'l2': 0.01},
  ),
  'linf, with dropout': (HALF, weights(), {'adversary': 'linf', 'iterations': 3}),
  'l2 ball': (PLAIN, weights(), {'adversary': 'l2', 'penalty': 'spectral_decoupling'}),
}


@pytest.mark.parametrize('name', INDEPENDENT)
def test_examples_do_not_know_of_each_other(name):
  model, params, kwargs = INDEPENDENT[name]
  found, batch = objective(model, **kwargs), sample()
  assert not found.coupled
  here = np.array(found.losses(params, batch))
  inputs, step = batch['inputs'].at[3].add(1.0), batch['step'].at[3].set(9)
  there = np.array(found.losses(params, batch | {'inputs': inputs, 'step': step}))
  assert abs(there[3] - here[3]) > 1e-4
  there[3] = here[3]
  np.testing.assert_allclose(there, here, rtol=1e-5)


def test_irm_couples_the_examples():
  losses = objective(n_environments=3, penalty='irm').losses
  other = sample() | {'inputs': sample()['inputs'].at[3].add(1.0)}
  change = np.abs(losses(weights(), other) - losses(weights(), sample()))
  assert np.all(change > 1e-5)


@pytest.mark.parametrize('name', list(INDEPENDENT)[:2])
def test_the_engine_agrees_with_the_gradients_of_examples_one_by_one(name):
  model, params, kwargs = INDEPENDENT[name]
  losses, batch = objective(model, **kwargs).losses, sample()

  def loss(params, example):
    return losses(params, jax.tree.map(lambda x: x[None], example))[0]

  values, gradients = jax.jit(jax.vmap(jax.value_and_grad(loss), (None, 0)))(params, batch)
  rows = np.concatenate([np.reshape(g, (M, -1)) for g in jax.tree.leaves(gradients)], axis=1)
  stats = jax.jit(gradient_statistics(losses, gram=True))(params, batch)
  np.testing.assert_allclose(stats.losses, values, rtol=1e-4)
  scale = np.square(rows).sum(axis=1).max()
  np.testing.assert_allclose(stats.gram, rows @ rows.T, atol=1e-4 * scale)
  expected = jax.tree.map(lambda g: np.mean(g, axis=0), gradients)
  assert_same_trees(stats.mean_grad, expected, atol=1e-4 * np.sqrt(scale))


def test_an_ensemble_is_trained_by_the_sum_of_its_losses():
  kwargs = {'penalty': 'spectral_decoupling', 'weights': (0.5, 0.3), 'l2': 0.01}
  found = objective(ensemble(PLAIN, 3), **kwargs).losses(weights(2, 3), sample())
  alone = objective(**kwargs).losses
  expected = sum(alone(member(weights(2, 3), k), sample()) for k in range(3))
  np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_the_adversary_attacks_the_whole_ensemble():
  model, reach = ensemble(PLAIN, 3), {'radius': 0.5, 'step_size': 0.3, 'iterations': 2}
  attack = functools.partial(projected_gradient, make_losses(model.apply), norm='l2', **reach)
  delta = jax.jit(attack)(weights(2, 3), sample())
  found = objective(model, adversary='l2', **reach).losses(weights(2, 3), sample())
  moved = sample() | {'inputs': sample()['inputs'] + delta}
  alone = objective().losses
  expected = sum(alone(member(weights(2, 3), k), moved) for k in range(3))
  np.testing.assert_allclose(found, expected, rtol=1e-4)


@pytest.mark.parametrize(
  ('kwargs', 'message'),
  [
    ({'adversary': 'l1'}, 'adversary must be none or one of linf, l2, not l1'),
    ({'penalty': 'rex'}, 'penalty must be none or one of spectral_decoupling, irm, not rex'),
    ({'radius': 0.0}, 'radius must be positive, not 0'),
    ({'step_size': -1.0}, 'step_size must be positive, not -1'),
    ({'iterations': 0}, 'iterations must be at least 1, not 0'),
    ({'bounds': (1.0, 0.0)}, 'bounds must be the least and the greatest value'),
    ({'bounds': (1.0,)}, 'bounds must be the least and the greatest value'),
    ({'offsets': (1.0, 2.0)}, 'offsets are one for each of two classes'),
    ({'offsets': (1.0,), 'penalty': 'spectral_decoupling'}, 'offsets are one for each'),
    ({'l2': -0.1}, 'l2 must not be negative, not -0.1'),
    ({'weights': (1.0,)}, 'weights must be those of loss and penalty'),
    ({'later_weights': (1.0, -1.0)}, 'later_weights must be those of loss and penalty'),
    ({'later': 0}, 'later must be a step from 1 on, or none, not 0'),
    ({'penalty': 'irm'}, 'penalty=irm needs a task'),
  ],
)
def test_what_is_out_of_range_is_refused(kwargs, message):
  with pytest.raises(ValueError, match=f'^{message}'):
    objective(**kwargs)


def test_offsets_are_for_two_classes():
  found = objective(penalty='spectral_decoupling', offsets=(0.0, 1.0))
  with pytest.raises(ValueError, match='^offsets are for two classes; the task has 3'):
    found.losses(weights(3), sample(3))
