"""Optimizers against loops written by hand, in NumPy and float64, on a small quadratic."""

import inspect
import itertools
from typing import get_args, get_type_hints

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from research.optimizers import make_optimizer

CURVATURE = np.array([3.0, 0.7, -0.1])
START = np.array([1.0, -2.0, 0.5])
RATE, DECAY, B1, B2, EPS, MU = 0.05, 0.03, 0.8, 0.95, 1e-4, 0.9
STEPS = 12


def gradient(theta):
  return CURVATURE * theta + np.array([0.2, 0.0, -0.3])


def path(**section):
  """The parameters after each update by the optimizer of a config section."""
  tx = make_optimizer(STEPS, **section)
  theta = jnp.asarray(START, jnp.float32)
  state, thetas = tx.init(theta), []
  for _ in range(STEPS):
    updates, state = tx.update(jnp.asarray(gradient(theta), jnp.float32), state, theta)
    theta = optax.apply_updates(theta, updates)
    thetas.append(np.asarray(theta))
  return thetas


def sgd(theta, decay=0.0, clip=None):
  while True:
    g = gradient(theta)
    if clip is not None:
      g = g * min(1, clip / np.linalg.norm(g))
    theta = theta - RATE * (g + decay * theta)
    yield theta


def momentum(theta, decay=0.0, nesterov=False):
  v = np.zeros_like(theta)
  while True:
    g = gradient(theta) + decay * theta
    v = MU * v + g
    theta = theta - RATE * (g + MU * v if nesterov else v)
    yield theta


def adam(theta, l2=0.0, decoupled=0.0, clip=None):
  first, second = np.zeros_like(theta), np.zeros_like(theta)
  for t in itertools.count(1):
    g = gradient(theta)
    if clip is not None:
      g = g * min(1, clip / np.linalg.norm(g))
    g = g + l2 * theta
    first, second = B1 * first + (1 - B1) * g, B2 * second + (1 - B2) * g**2
    direction = (first / (1 - B1**t)) / (np.sqrt(second / (1 - B2**t)) + EPS)
    theta = theta - RATE * (direction + decoupled * theta)
    yield theta


ADAM = dict(b1=B1, b2=B2, eps=EPS)


def paths():
  """{case: (config section, the same by hand)}"""
  return {
    'sgd': (dict(name='sgd'), sgd(START)),
    'sgd with L2': (dict(weight_decay=DECAY), sgd(START, DECAY)),
    'sgd clipped': (dict(clip_norm=0.5), sgd(START, clip=0.5)),
    'decay is added after clipping': (
      dict(clip_norm=0.5, weight_decay=DECAY),
      sgd(START, DECAY, clip=0.5),
    ),
    'a norm below the bound is left alone': (dict(clip_norm=100.0), sgd(START)),
    'momentum': (dict(momentum=MU), momentum(START)),
    'momentum with L2': (dict(momentum=MU, weight_decay=DECAY), momentum(START, DECAY)),
    'nesterov': (dict(momentum=MU, nesterov=True), momentum(START, nesterov=True)),
    'adam': (dict(name='adam', **ADAM), adam(START)),
    'adam with L2': (dict(name='adam', weight_decay=DECAY, **ADAM), adam(START, l2=DECAY)),
    'adam clipped': (dict(name='adam', clip_norm=0.5, **ADAM), adam(START, clip=0.5)),
    'adamw': (dict(name='adamw', weight_decay=DECAY, **ADAM), adam(START, decoupled=DECAY)),
  }


@pytest.mark.parametrize('case', paths())
def test_agrees_with_the_loop_written_by_hand(case):
  section, by_hand = paths()[case]
  expected = list(itertools.islice(by_hand, STEPS))
  np.testing.assert_allclose(path(learning_rate=RATE, **section), expected, rtol=2e-4, atol=2e-5)


def test_the_loops_written_by_hand_differ():
  ends = [list(itertools.islice(make(START), STEPS))[-1] for make in (sgd, momentum, adam)]
  ends += [list(itertools.islice(adam(START, *decays), STEPS))[-1] for decays in ((1, 0), (0, 1))]
  assert all(np.abs(a - b).max() > 1e-2 for a, b in itertools.combinations(ends, 2))


def median_of_minibatches(theta, minibatches, *, rolling, decay=0.0, clip=None):
  """M3 and RM3 by hand: of clipped gradients, with the L2 penalty of when they were taken."""
  seen = []
  for t, shift in enumerate(minibatches):
    g = gradient(theta) + shift
    if clip is not None:
      g = g * min(1, clip / np.linalg.norm(g))
    seen.append(g + decay * theta)
    if t >= 2 if rolling else t % 3 == 2:
      theta = theta - RATE / 2 * cosine(t, STEPS) * np.median(seen[-3:], axis=0)
    yield theta


@pytest.mark.parametrize('median', ['m3', 'rm3'])
@pytest.mark.parametrize('more', [{}, {'decay': 0.3}, {'decay': 0.3, 'clip': 0.5}])
def test_medians_agree_with_the_loop_written_by_hand(median, more):
  """With a schedule, which counts minibatches."""
  minibatches = np.random.default_rng(0).normal(size=(STEPS, 3))
  expected = [*median_of_minibatches(START, minibatches, rolling=median == 'rm3', **more)]
  tx = make_optimizer(
    STEPS,
    learning_rate=RATE,
    schedule='cosine',
    median=median,
    weight_decay=more.get('decay', 0.0),
    clip_norm=more.get('clip'),
  )
  theta = jnp.asarray(START, jnp.float32)
  state, thetas = tx.init(theta), []
  for shift in minibatches:
    grads = jnp.asarray(gradient(theta) + shift, jnp.float32)
    updates, state = jax.jit(tx.update)(grads, state, theta)
    theta = optax.apply_updates(theta, updates)
    thetas.append(np.asarray(theta))
  np.testing.assert_allclose(thetas, expected, rtol=2e-4, atol=2e-5)


@pytest.mark.parametrize('median', ['m3', 'rm3'])
def test_before_the_third_minibatch_nothing_moves_not_even_by_decay(median):
  tx = make_optimizer(STEPS, name='adamw', b1=0.0, weight_decay=0.5, median=median)
  theta = jnp.asarray(START, jnp.float32)
  state, sizes = tx.init(theta), []
  for _ in range(4):
    updates, state = tx.update(jnp.ones(3), state, theta)
    sizes.append(float(np.abs(updates).max()))
  assert sizes[:2] == [0, 0]
  assert sizes[2] > 0
  assert (sizes[3] > 0) == (median == 'rm3')


def test_without_a_median_the_state_is_what_it_was():
  """Checkpoints of earlier runs go on."""
  tx = make_optimizer(STEPS, name='adam', weight_decay=0.1, clip_norm=1.0)
  links = [optax.clip_by_global_norm(1.0), optax.add_decayed_weights(0.1), optax.scale_by_adam()]
  same = optax.chain(*links, optax.scale_by_learning_rate(lambda step: 0.1))
  params = jnp.zeros(3)
  assert jax.tree.structure(tx.init(params)) == jax.tree.structure(same.init(params))


def rates(total_steps, **section):
  """The learning rate of each update: how far it goes down a gradient of one."""
  tx = make_optimizer(total_steps, learning_rate=2.0, **section)
  state, found = tx.init(jnp.zeros(())), []
  for _ in range(total_steps):
    update, state = tx.update(jnp.ones(()), state, jnp.zeros(()))
    found.append(-float(update))
  return found


def cosine(step, total):
  return 2.0 * 0.5 * (1 + np.cos(np.pi * step / total))


@pytest.mark.parametrize(
  ('section', 'expected'),
  [
    (dict(), [2.0] * 8),
    (dict(schedule='linear'), [2 - 2 * t / 8 for t in range(8)]),
    (dict(schedule='cosine'), [cosine(t, 8) for t in range(8)]),
    (dict(schedule='step'), [2, 2, 2, 2, 0.2, 0.2, 0.02, 0.02]),
    (dict(schedule='step', drop_at=(0.25,), drop_by=0.5), [2, 2, 1, 1, 1, 1, 1, 1]),
    (dict(schedule='step', drop_at=(0.49, 0.51)), [2, 2, 2, 2, 0.02, 0.02, 0.02, 0.02]),
    (dict(schedule='step', drop_at=()), [2.0] * 8),
    (dict(warmup_steps=4), [0, 0.5, 1, 1.5, 2, 2, 2, 2]),
    (dict(schedule='linear', warmup_steps=4), [0, 0.5, 1, 1.5, 2, 1.5, 1, 0.5]),
    (dict(schedule='cosine', warmup_steps=2), [0, 1, *(cosine(t, 6) for t in range(6))]),
    (dict(schedule='step', warmup_steps=4), [0, 0.5, 1, 1.5, 2, 2, 0.2, 0.02]),
  ],
)
def test_schedules(section, expected):
  np.testing.assert_allclose(rates(8, **section), expected, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize('schedule', ['constant', 'linear', 'cosine', 'step'])
def test_no_steps_or_one_are_a_schedule_too(schedule):
  assert rates(0, schedule=schedule) == []
  assert len(rates(1, schedule=schedule)) == 1


@pytest.mark.parametrize(
  ('section', 'message'),
  [
    (dict(learning_rate=0.0), 'learning_rate must be positive and finite, not 0.0'),
    (dict(learning_rate=-1.0), 'learning_rate must be positive'),
    (dict(learning_rate=float('nan')), 'learning_rate must be positive'),
    (dict(learning_rate=float('inf')), 'learning_rate must be positive'),
    (dict(momentum=1.0), r'momentum must lie in \[0, 1\), not 1.0'),
    (dict(momentum=-0.1), 'momentum must lie'),
    (dict(name='adam', b1=1.0), 'b1 must lie'),
    (dict(name='adam', b2=1.5), 'b2 must lie'),
    (dict(name='adam', eps=0.0), 'eps must be positive'),
    (dict(weight_decay=-1e-4), 'weight_decay must be at least 0'),
    (dict(weight_decay=float('nan')), 'weight_decay must be at least 0'),
    (dict(clip_norm=0.0), 'clip_norm must be positive or None, not 0.0'),
    (dict(warmup_steps=-1), r'warmup_steps must lie in \[0, 12\), not -1'),
    (dict(warmup_steps=12), 'warmup_steps must lie'),
    (dict(drop_at=(0.5, 1.0)), r'drop_at must be fractions of training in \(0, 1\)'),
    (dict(drop_by=0.0), 'drop_by must be positive'),
    (dict(nesterov=True), 'nesterov needs momentum above 0'),
    (dict(name='adam', momentum=0.9), 'momentum is for sgd; adam has b1'),
    (dict(name='adamw', nesterov=True), 'nesterov is for sgd; adamw has b1'),
    (
      dict(median='rm3', momentum=0.9),
      "momentum must be 0 with median='rm3', not 0.9: its gradients",
    ),
    (
      dict(median='m3', momentum=0.9),
      "momentum must be 0 with median='m3', not 0.9: it is defined",
    ),
    (dict(median='rm3', name='adam'), "b1 must be 0 with median='rm3', not 0.9"),
    (dict(reset_at=0), r'reset_at must lie in \(0, 12\)'),
    (dict(median='m3', name='adamw'), "b1 must be 0 with median='m3', not 0.9"),
  ],
)
def test_what_is_out_of_range_is_refused_by_its_name(section, message):
  with pytest.raises(ValueError, match=f'^{message}'):
    make_optimizer(STEPS, **section)


def test_every_argument_can_be_set_in_a_config():
  parameters = inspect.signature(make_optimizer).parameters
  keyword_only = [p for p in parameters.values() if p.kind is p.KEYWORD_ONLY]
  assert len(keyword_only) == len(parameters) - 2
  assert all(p.default is not p.empty for p in keyword_only)
  assert set(get_args(get_type_hints(make_optimizer)['name'])) == {'sgd', 'adam', 'adamw'}
  annotation = get_type_hints(make_optimizer)['median']
  assert set(get_args(get_args(annotation)[0])) == {'m3', 'rm3'}


@pytest.mark.parametrize('section', [dict(momentum=0.9), dict(name='adam'), dict(name='adamw')])
def test_a_reset_optimizer_goes_on_as_if_it_were_new(section):
  """Before the reset it is the plain one, after it a new one, which starts from the same params."""
  grads = [jnp.asarray(g, jnp.float32) for g in np.random.default_rng(0).normal(size=(8, 3))]
  plain, reset = make_optimizer(8, **section), make_optimizer(8, reset_at=5, **section)
  params = jnp.ones(3)
  state, plain_state, fresh_state = reset.init(params), plain.init(params), plain.init(params)
  for i, g in enumerate(grads):
    update, state = reset.update(g, state, params)
    expected, plain_state = plain.update(g, plain_state, params)
    if i >= 5:
      assert np.abs(expected - update).max() > 1e-4
      expected, fresh_state = plain.update(g, fresh_state, params)
    np.testing.assert_allclose(update, expected, rtol=1e-6)


def test_a_reset_leaves_the_schedule_alone():
  tx = make_optimizer(10, schedule='linear', learning_rate=1.0, reset_at=5)
  state, rates = tx.init(jnp.ones(1)), []
  for _ in range(10):
    update, state = tx.update(jnp.ones(1), state, jnp.ones(1))
    rates.append(-float(update[0]))
  np.testing.assert_allclose(rates, 1 - np.arange(10) / 10, rtol=1e-5)


@pytest.mark.parametrize('name', ['sgd', 'adam', 'adamw'])
def test_updates_keep_the_dtype_of_the_parameters(name):
  tx = make_optimizer(STEPS, name=name, weight_decay=0.1, clip_norm=1.0, schedule='cosine')
  params = {'a': jnp.ones(3), 'b': jnp.ones((2, 2))}
  updates, _ = jax.jit(tx.update)(params, tx.init(params), params)
  assert jax.tree.map(lambda x: (x.shape, x.dtype), updates) == jax.tree.map(
    lambda x: (x.shape, x.dtype), params
  )
