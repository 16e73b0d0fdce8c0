"""R networks in one program: the same numbers however they are laid out, and compiled once."""

import functools

import jax
import numpy as np
import optax
import pytest

from research import settings, sharding
from research.gradients import BatchCoupledError, make_average, mean_gradient
from research.instruments import INSTRUMENTS, Instrument, batch_coherence, mount
from research.losses import make_losses
from research.members import fastest_advance
from research.models import make_model
from research.optimizers import make_optimizer
from research.population import Population
from research.tasks import make_task

STEPS = 6
MODELS = {
  'mlp': dict(name='mlp', widths=(16,)),
  'cnn': dict(name='cnn', widths=(4, 4)),
  'resnet': dict(name='resnet', depth=10, width=1),
  'vit': dict(name='vit', patch=4, width=8, depth=1, heads=2),
}
SLOW = functools.partial(pytest.param, marks=pytest.mark.slow)
TASK = functools.cache(lambda noise: make_task('digits', n_train=96, n_test=50, label_noise=noise))


def make_population(
  model=MODELS['mlp'],
  *,
  size=4,
  seed=3,
  n_devices=1,
  advance='auto',
  instruments=('coherence',),
  on='probe',
  split='train',
  noise=0.5,
  optimizer=None,
  average=mean_gradient,
  devices_per_member=None,
):
  task = TASK(noise)
  network = make_model(task.n_classes, **model)
  return Population(
    task,
    network,
    make_losses(network.apply),
    make_optimizer(STEPS, **(optimizer or dict(learning_rate=0.05, momentum=0.9))),
    {name: mount(made(name), STEPS, every=2, on=on) for name in instruments},
    seed=seed,
    batch_size=16,
    members=settings.Population(size=size, advance=advance, devices_per_member=devices_per_member),
    probe=settings.Probe(size=32, split=split),
    evaluation=settings.Evaluation(chunk_size=20),
    average=average,
    devices=jax.devices()[:n_devices],
  )


def made(name):
  small = {'batch_coherence': dict(batch_size=4), 'sharpness': dict(iterations=4)}
  return INSTRUMENTS[name](**small.get(name, {}))


def run(population, steps=STEPS):
  """Everything that the population says of itself on the way, and its parameters at the end."""
  state, rows = population.init(), []
  for step in range(steps):
    row = population.measure(state, step) | population.evaluate(state)
    state, metrics = population.step(state, step)
    rows.append(jax.device_get(row | metrics))
  return rows, jax.device_get(state.params)


def assert_same(here, there, rtol=1e-4, atol=1e-5):
  jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=rtol, atol=atol), here, there)


@functools.cache
def reference(model):
  return run(make_population(MODELS[model], instruments=('coherence', 'stiffness')))


@pytest.mark.parametrize('n_devices', [2, 8])
@pytest.mark.parametrize('model', ['mlp', 'cnn'])
def test_any_number_of_devices_gives_the_same_numbers(model, n_devices):
  population = make_population(
    MODELS[model], n_devices=n_devices, instruments=('coherence', 'stiffness')
  )
  assert population.mesh.devices.size == n_devices
  assert_same(run(population), reference(model), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize('on', ['probe', 'batch'])
@pytest.mark.parametrize('n_devices', [1, 2, 8])
def test_a_gradient_inside_an_instrument_is_that_of_the_whole_sample(n_devices, on, monkeypatch):
  def mean_gradient_norm():
    def measure(network, params, batch):
      mean_loss = lambda p: network.losses(p, batch).mean()  # noqa: E731
      return {'norm': optax.tree.norm(jax.grad(mean_loss)(params))}

    return Instrument(measure=measure, price=1.0)

  monkeypatch.setitem(INSTRUMENTS, 'mean_gradient_norm', mean_gradient_norm)
  population = make_population(
    size=1, n_devices=n_devices, instruments=('mean_gradient_norm', 'noise_scale'), on=on
  )
  state = population.init()
  if on == 'probe':
    metrics = population.measure(state, 0)
    signal = metrics['noise/signal'] + metrics['noise/trace'] / 32
    np.testing.assert_allclose(metrics['norm'], np.sqrt(signal), rtol=1e-4)
  else:
    _, metrics = population.step(state, 0)
    np.testing.assert_allclose(metrics['batch/norm'], metrics['train/grad_norm'], rtol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize('per_member', [1, 2, 4])
def test_any_share_of_devices_for_a_member_gives_the_same_numbers(per_member):
  here = make_population(size=2, n_devices=4, devices_per_member=per_member)
  assert here.mesh.shape[sharding.EXAMPLES] == per_member
  assert_same(run(here), run(make_population(size=2)), rtol=1e-3, atol=1e-4)


def test_eight_devices_share_three_members():
  here = make_population(size=3, n_devices=8)
  assert dict(here.mesh.shape) == {'members': 1, 'examples': 8}
  assert_same(run(here), run(make_population(size=3)), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize('model', ['mlp', 'cnn', *map(SLOW, ('resnet', 'vit'))])
def test_members_together_or_one_after_another_are_the_same(model):
  together, apart = (make_population(MODELS[model], advance=a) for a in ('vmap', 'scan'))
  assert_same(run(together, 3), run(apart, 3), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize('noise', [0.0, 0.5])
def test_a_member_is_the_run_of_its_seed(noise):
  rows, params = run(make_population(size=4, seed=3, noise=noise))
  alone, params_alone = run(make_population(size=1, seed=5, noise=noise))
  member = lambda tree: jax.tree.map(lambda x: x[2:3], tree)  # noqa: E731
  assert_same([member(row) for row in rows], alone)
  assert_same(member(params), params_alone)


def test_seeds_differ_in_initialization_order_and_noise():
  rows, _ = run(make_population(noise=0.5), 1)
  assert len(set(rows[0]['train/batch_loss'].tolist())) == 4
  labels = np.stack([TASK(0.5).train_labels(seed) for seed in range(4)])
  assert len(np.unique(labels, axis=0)) == 4


def test_the_same_seed_gives_the_same_bits():
  assert_same(run(make_population()), run(make_population()), rtol=0, atol=0)


@pytest.mark.parametrize('on', ['probe', 'batch'])
def test_nothing_recompiles(on):
  population = make_population(on=on)
  run(population, 4)
  run(population, 4)
  measures = [program for program, _ in population._measures.values()]
  programs = [*population._steps.values(), *measures]
  programs += [population._init, population._evaluate]
  assert [program._cache_size() for program in programs] == [
    *[1] * (len(programs) - 1),
    2,  # evaluation: once for the training, once for the test set
  ]


def test_the_step_donates_its_state():
  population = make_population()
  state = population.init()
  population.step(state, 0)
  assert all(leaf.is_deleted() for leaf in jax.tree.leaves(state.params))


def test_measuring_on_the_batch_does_not_change_training():
  rows, params = run(make_population(on='batch'))
  plain, plain_params = run(make_population(instruments=()))
  assert 'batch/coherence/alpha' in rows[0]
  assert 'batch/coherence/alpha' not in rows[1]
  assert_same(params, plain_params)
  for row, expected in zip(rows, plain, strict=True):
    assert_same({name: row[name] for name in expected}, expected)


def test_after_the_last_step_the_batch_is_measured_without_an_update():
  population = make_population(on='batch')
  state = population.init()
  measured = population.measure_batch(state, STEPS)
  assert 'batch/coherence/alpha' in measured
  assert not any(leaf.is_deleted() for leaf in jax.tree.leaves(state.params))


def test_evaluation_agrees_with_a_loop_over_examples():
  population = make_population()
  state = population.init()
  metrics = jax.device_get(population.evaluate(state))
  task = TASK(0.5)
  for r, seed in enumerate(population.seeds):
    params = jax.tree.map(lambda x, r=r: x[r], state.params)
    correct = {'train': [], 'test': []}
    losses = {'train': [], 'test': []}
    for name, split, labels in (
      ('train', task.train, task.train_labels(int(seed))),
      ('test', task.test, task.test.labels),
    ):
      logits = population.model.apply(params, task.normalize(split.inputs))
      log_p = np.asarray(jax.nn.log_softmax(logits), np.float64)
      losses[name] = -log_p[np.arange(len(labels)), labels]
      correct[name] = np.argmax(logits, axis=1) == labels
      np.testing.assert_allclose(metrics[f'{name}/loss'][r], losses[name].mean(), rtol=1e-5)
      np.testing.assert_allclose(metrics[f'{name}/accuracy'][r], correct[name].mean(), rtol=1e-5)
    corrupt = task.is_corrupt(int(seed))
    np.testing.assert_allclose(
      metrics['train/accuracy_corrupt'][r], correct['train'][corrupt].mean(), rtol=1e-5
    )
    np.testing.assert_allclose(
      metrics['train/accuracy_pristine'][r], correct['train'][~corrupt].mean(), rtol=1e-5
    )


def test_a_diverged_network_has_no_accuracy():
  population = make_population(size=2)
  state = population.init()

  def diverged(x):
    values = np.array(x)
    values[1] = np.nan
    return jax.device_put(values, x.sharding)

  params = jax.tree.map(diverged, state.params)
  metrics = population.evaluate(state.replace(params=params))
  for name, values in metrics.items():
    assert np.isfinite(values[0]), name
    assert np.isnan(values[1]), name


@pytest.mark.slow
def test_padding_does_not_touch_a_batch_norm():
  batch_norm = dict(name='resnet', depth=10, width=1, norm='batch')
  population = make_population(batch_norm, size=1, instruments=())
  state = population.init()
  task, params = TASK(0.5), jax.tree.map(lambda x: x[0], state.params)
  rows = [*range(40, 50), *range(10)]  # the last chunk of 20 is padded with the first examples
  logits = population.model.apply(params, task.normalize(task.test.inputs[np.array(rows)]))
  correct = (np.argmax(logits, 1) == task.test.labels[np.array(rows)])[:10].sum()
  for rows in (range(20), range(20, 40)):
    logits = population.model.apply(params, task.normalize(task.test.inputs[np.array(rows)]))
    correct += (np.argmax(logits, 1) == task.test.labels[np.array(rows)]).sum()
  np.testing.assert_allclose(population.evaluate(state)['test/accuracy'][0], correct / 50)


def test_without_label_noise_there_are_no_groups():
  metrics = make_population(noise=0.0)
  assert set(metrics.evaluate(metrics.init())) == {
    'train/loss',
    'train/accuracy',
    'test/loss',
    'test/accuracy',
  }


def test_the_probe_may_be_of_test_examples():
  here, there = (make_population(split=split) for split in ('train', 'test'))
  state = here.init()
  a, b = here.measure(state, 0), there.measure(state, 0)
  assert abs(float(a['coherence/alpha'][0] - b['coherence/alpha'][0])) > 1e-6


def gradients(population, state, examples):
  """The gradients [m, P] of training examples for the first member, one after another."""
  task, params = population.task, jax.tree.map(lambda x: x[0], state.params)
  batch = {
    'inputs': task.normalize(task.train.inputs[examples]),
    'labels': task.train_labels(int(population.seeds[0]))[examples],
  }
  rows = [
    jax.grad(lambda p, i=i: population.losses(p, jax.tree.map(lambda x: x[i : i + 1], batch))[0])(
      params
    )
    for i in range(len(examples))
  ]
  return np.stack([np.concatenate([np.ravel(g) for g in jax.tree.leaves(row)]) for row in rows])


def test_the_probe_sees_the_labels_that_the_member_trains_on():
  population = make_population(size=1, instruments=('coherence',))
  state = population.init()
  g = gradients(population, state, np.arange(32))
  alpha = np.sum(g.mean(0) ** 2) / np.mean(np.sum(g**2, axis=1))
  np.testing.assert_allclose(population.measure(state, 0)['coherence/alpha'][0], alpha, rtol=1e-4)


@pytest.mark.parametrize('on', ['probe', 'batch'])
def test_corrupt_labels_are_known_to_instruments(on):
  population = make_population(size=1, instruments=('group_coherence',), on=on)
  state, task, prefix = population.init(), TASK(0.5), 'batch/' * (on == 'batch')
  examples = np.arange(32) if on == 'probe' else task.batch_indices(3, 0, 16)
  g, corrupt = gradients(population, state, examples), task.is_corrupt(3)[examples]
  assert 0 < corrupt.sum() < len(g)
  metrics = population.measure(state, 0) | population.measure_batch(state, 0)
  for name, mask in (('pristine', ~corrupt), ('corrupt', corrupt)):
    share = g.mean(0) @ g[mask].sum(0) / len(g) / np.sum(g.mean(0) ** 2)
    np.testing.assert_allclose(metrics[f'{prefix}groups/share/{name}'][0], share, rtol=1e-4)


@pytest.mark.parametrize('kwargs', [dict(noise=0.0), dict(split='test')])
def test_where_no_label_is_noisy_all_are_pristine(kwargs):
  population = make_population(instruments=('group_coherence', 'coherence'), **kwargs)
  metrics = population.measure(population.init(), 0)
  np.testing.assert_allclose(metrics['groups/share/pristine'], 1, rtol=1e-6)
  np.testing.assert_array_equal(metrics['groups/share/corrupt'], 0)
  np.testing.assert_allclose(
    metrics['groups/m_coherence/pristine'], metrics['coherence/m_coherence'], rtol=1e-4
  )


FOUR = ('batch_coherence', 'gradient_norms', 'group_coherence', 'sharpness')


@functools.cache
def measured_by_four(on, size=2, n_devices=1):
  rows, _ = run(make_population(size=size, n_devices=n_devices, instruments=FOUR, on=on), 3)
  return rows


@pytest.mark.slow
@pytest.mark.parametrize('on', ['probe', 'batch'])
@pytest.mark.parametrize('n_devices', [2, SLOW(8)])
def test_what_sees_the_whole_sample_sees_it_on_any_number_of_devices(on, n_devices):
  assert_same(measured_by_four(on, n_devices=n_devices), measured_by_four(on), 1e-3, 1e-4)


@pytest.mark.parametrize('on', ['probe', 'batch'])
def test_what_sees_the_whole_sample_sees_that_of_the_member(on):
  first = jax.tree.map(lambda x: x[:1], measured_by_four(on))
  assert any(name.endswith('groups/share/corrupt') for name in first[0])
  assert_same(first, measured_by_four(on, size=1), 1e-3, 1e-4)


def test_a_sample_that_does_not_suit_an_instrument_is_refused_by_its_key(monkeypatch):
  monkeypatch.setitem(INSTRUMENTS, 'batch_coherence', lambda **_: batch_coherence(batch_size=5))
  with pytest.raises(ValueError, match=r'^batch_coherence\.batch_size=5 does not cut the 32 exam'):
    make_population(instruments=('batch_coherence',))
  with pytest.raises(ValueError, match=r'^batch_coherence\.batch_size=5 does not cut the 16 exam'):
    make_population(instruments=('batch_coherence',), on='batch')


def test_memory_of_the_state_is_shared_between_devices():
  population = make_population(size=8, n_devices=8)
  kernel = jax.tree.leaves(population.init().params)[-1]
  assert {shard.data.shape[0] for shard in kernel.addressable_shards} == {1}


def test_coupled_examples_are_refused_under_gradient_instruments():
  batch_norm = dict(name='resnet', depth=10, width=1, norm='batch')
  with pytest.raises(BatchCoupledError, match=r"model\.norm='group'"):
    make_population(batch_norm)


@pytest.mark.slow
def test_coupled_examples_may_be_measured_without_gradients_of_each():
  batch_norm = dict(name='resnet', depth=10, width=1, norm='batch')
  rows, _ = run(make_population(batch_norm, instruments=('batch_coherence',)), 1)
  assert np.isfinite(rows[0]['train/batch_loss']).all()
  assert np.isfinite(rows[0]['batch_coherence/alpha']).all()


def test_what_exceeds_its_set_is_refused():
  with pytest.raises(ValueError, match=r'^probe\.size=51 exceeds the 50 test examples'):
    make_population_with(probe=settings.Probe(size=51, split='test'))
  with pytest.raises(ValueError, match=r'^training\.batch_size=97 exceeds the 96 train examples'):
    make_population_with(batch_size=97)


def make_population_with(batch_size=16, probe=settings.Probe(size=32)):  # noqa: B008
  network = make_model(10, **MODELS['mlp'])
  return Population(
    TASK(0.0),
    network,
    make_losses(network.apply),
    make_optimizer(STEPS),
    {},
    seed=0,
    batch_size=batch_size,
    members=settings.Population(size=1),
    probe=probe,
    evaluation=settings.Evaluation(),
  )


def test_large_examples_advance_one_after_another_on_the_cpu():
  image = TASK(0.0).normalize(TASK(0.0).train.inputs[:1])
  advance = {name: fastest_advance(make_model(10, **kw), image) for name, kw in MODELS.items()}
  assert advance == {'mlp': 'vmap', 'cnn': 'scan', 'resnet': 'scan', 'vit': 'scan'}


ROBUST = [dict(name='winsorized', percent=20.0), dict(name='median_of_means', n_groups=4)]


@pytest.mark.slow
@pytest.mark.parametrize('section', ROBUST, ids=lambda section: section['name'])
def test_robust_averages_are_the_same_on_any_devices_and_in_any_company(section):
  average = make_average(**section)
  alone = run(make_population(size=1, average=average))[1]
  together = run(make_population(size=2, n_devices=8, average=average))[1]
  assert_same(alone, jax.tree.map(lambda x: x[:1], together))
  plain = run(make_population(size=1))[1]
  moved = [np.abs(a - b).max() for a, b in zip(*map(jax.tree.leaves, (alone, plain)), strict=True)]
  assert max(moved) > 1e-3


def test_what_is_measured_on_the_batch_does_not_change_the_average():
  average = make_average(**ROBUST[0])
  measured = make_population(size=1, average=average, on='batch')
  (rows, params), expected = run(measured), run(make_population(size=1, average=average))[1]
  assert_same(params, expected, rtol=1e-5, atol=1e-6)
  assert 'batch/coherence/alpha' in rows[0]


def test_an_average_that_does_not_suit_the_batch_is_refused_early():
  average = make_average(name='median_of_means', n_groups=3)
  with pytest.raises(ValueError, match=r'^n_groups=3 does not divide the 16 examples of the batch'):
    make_population(average=average)
