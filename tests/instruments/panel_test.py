"""The panel: schedules, shared work, prices."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax import lax

from research import sharding
from research.gradients import gradient_statistics
from research.instruments import (
  INSTRUMENTS,
  GradientInstrument,
  Instrument,
  Network,
  due,
  make_gradient,
  make_measure,
  mount,
  panel,
)
from research.losses import make_losses
from research.models import make_model
from research.tasks import Blocks

OF_TWO_CLASSES = ('boundary_angle', 'starvation')
OTHERS = [name for name in INSTRUMENTS if name not in OF_TWO_CLASSES]


@functools.cache
def problem(name='coherence', widths=(128, 128), m=64):
  """A network, parameters and a batch, with as many classes as the instrument is for."""
  n_classes = 2 if name in OF_TWO_CLASSES else 10
  model = make_model(n_classes, name='mlp', widths=widths)
  batch = {
    'inputs': jax.random.normal(jax.random.key(0), (m, 8, 8, 1)),
    'labels': jax.random.randint(jax.random.key(1), (m,), 0, n_classes),
    'reference/linear': jax.random.randint(jax.random.key(3), (m,), 0, n_classes),
  }
  params = jax.jit(model.init)(jax.random.key(2), batch['inputs'])
  upper = np.broadcast_to(np.arange(8)[:, None, None] < 4, (8, 8, 1))
  blocks = Blocks({'upper': upper, 'lower': ~upper})
  return Network(make_losses(model.apply), model.apply, blocks), params, batch


def weight_norm():
  norm = lambda network, params, batch: {'norm': optax.tree.norm(params)}  # noqa: E731
  return Instrument(measure=norm, price=0.0)


SUITING = {
  'adversarial': {'radius': 0.5, 'iterations': 3},
  'batch_coherence': {'batch_size': 16},
  'universal': {'radius': 0.5},
}


def made(name):
  """An instrument that suits the sample of the problem."""
  return INSTRUMENTS[name](**SUITING.get(name, {}))


def test_due_at_zero_at_the_end_and_on_schedule():
  mounted = {
    'a': mount(weight_norm(), 100, every=30),
    'b': mount(weight_norm(), 100, per_decade=1, on='batch'),
  }
  assert [s for s in range(101) if due(mounted, s, 'probe')] == [0, 30, 60, 90, 100]
  assert [s for s in range(101) if due(mounted, s, 'batch')] == [0, 1, 10, 100]
  assert due(mounted, 0, 'batch') == {'b'}


@pytest.mark.parametrize(
  ('kwargs', 'message'),
  [
    (dict(every=0), 'every must be at least 1, not 0'),
    (dict(per_decade=0), 'per_decade must be at least 1, not 0'),
    (dict(every=5, per_decade=5), 'every and per_decade exclude each other'),
  ],
)
def test_senseless_schedules_are_refused(kwargs, message):
  with pytest.raises(ValueError, match=message):
    mount(weight_norm(), 100, **kwargs)


def test_instruments_share_one_computation_of_the_statistics(monkeypatch):
  calls = []

  def counting(losses, **kwargs):
    calls.append(kwargs)
    return gradient_statistics(losses, **kwargs)

  monkeypatch.setattr(panel, 'gradient_statistics', counting)
  network, params, batch = problem()
  measure = make_measure([made(name) for name in OTHERS], network)
  jax.eval_shape(measure, params, batch)
  assert calls == [dict(gram=True, second_moment=True, axis=None)]


def test_merged_instruments_measure_what_each_measures_alone():
  network, params, batch = problem()
  instruments = [made(name) for name in OTHERS]
  together = jax.jit(make_measure(instruments, network))(params, batch)
  for it in instruments:
    for name, value in jax.jit(make_measure([it], network))(params, batch).items():
      np.testing.assert_allclose(together[name], value, rtol=1e-4, atol=1e-6, err_msg=name)


def test_the_measured_step_gives_the_optimizer_the_same_gradient():
  network, params, batch = problem()
  loss, grads, nothing = jax.jit(make_gradient([], network))(params, batch)
  measured = jax.jit(make_gradient([INSTRUMENTS['coherence'](), weight_norm()], network))
  same_loss, same_grads, metrics = measured(params, batch)
  assert not nothing
  assert {'batch/coherence/alpha', 'batch/norm'} <= set(metrics)
  np.testing.assert_allclose(same_loss, loss, rtol=1e-5)
  jax.tree.map(
    lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-6), same_grads, grads
  )


@pytest.mark.parametrize('name', INSTRUMENTS)
def test_nan_in_nan_out(name):
  network, params, batch = problem(name)
  it, broken = made(name), jax.tree.map(lambda x: jnp.nan * x, params)
  for value in jax.jit(make_measure([it], network))(broken, batch).values():
    assert np.isnan(value), name


def test_two_metrics_of_one_name_are_refused():
  network, params, batch = problem()
  with pytest.raises(ValueError, match='two instruments measure norm'):
    make_measure([weight_norm(), weight_norm()], network)(params, batch)


def flops(function, *args):
  return jax.jit(function).lower(*args).compile().cost_analysis()['flops']


@pytest.mark.parametrize('name', INSTRUMENTS)
def test_costs_what_it_says(name, monkeypatch):
  """XLA's own count, over that of one gradient of the mean loss."""
  monkeypatch.setattr(lax, 'scan', functools.partial(lax.scan, unroll=True))  # or bodies count once
  network, params, batch = problem(name)
  it = made(name)
  measure = make_measure([it], network)
  one = flops(jax.grad(lambda p, b: jnp.mean(network.losses(p, b))), params, batch)
  price = flops(measure, params, batch) / one
  assert 0.85 * it.price <= price <= 1.15 * it.price, price


def on_devices(n, function, params, batch):
  """What a function of `(params, shard)` returns, with the sample sharded over n devices."""
  mesh = sharding.make_mesh(1, 64, jax.devices()[:n])
  specs = (jax.P(), jax.P(sharding.EXAMPLES))
  on_shards = jax.shard_map(function, mesh=mesh, in_specs=specs, out_specs=jax.P())
  return jax.jit(on_shards)(
    sharding.put(params, mesh), sharding.put(batch, mesh, sharding.EXAMPLES)
  )


@pytest.mark.parametrize('n', [2, pytest.param(8, marks=pytest.mark.slow)])
@pytest.mark.parametrize('name', INSTRUMENTS)
def test_any_number_of_devices_gives_the_same(name, n):
  network, params, batch = problem(name)
  batch = {**batch, 'corrupt': jnp.arange(64) % 3 == 0}
  expected = jax.jit(make_measure([made(name)], network))(params, batch)
  measured = on_devices(n, make_measure([made(name)], network, sharding.EXAMPLES), params, batch)
  assert set(measured) == set(expected)
  for key, value in expected.items():
    np.testing.assert_allclose(measured[key], value, rtol=1e-3, atol=1e-5, err_msg=key)


def test_formulas_see_the_whole_sample_but_its_inputs():
  network, params, batch = problem()
  batch = {**batch, 'corrupt': jnp.arange(64) % 3 == 0}

  def seen(stats, sample):
    assert set(sample) == {'labels', 'corrupt', 'reference/linear'}
    return {name: jnp.sum(jnp.arange(64) * sample[name]) for name in ('labels', 'corrupt')}

  it, axis = GradientInstrument(formula=seen, price=1.0), sharding.EXAMPLES
  expected = {name: np.sum(np.arange(64) * batch[name]) for name in ('labels', 'corrupt')}
  assert make_measure([it], network)(params, batch) == expected
  assert on_devices(2, make_measure([it], network, axis), params, batch) == expected
  step = lambda *args: make_gradient([it], network, axis)(*args)[2]  # noqa: E731
  of_step = {f'batch/{name}': value for name, value in expected.items()}
  assert on_devices(2, step, params, batch) == of_step
