"""Training on images that stay on disk: bit by bit what training in memory gives, and resumed alike."""

import functools
import json

import jax
import numpy as np
import pytest
from array_record.python import array_record_module
from crashes import crash_at

from research import checks, configuration, loop, settings
from research.configuration import ConfigError
from research.instruments import INSTRUMENTS, mount
from research.losses import make_losses
from research.models import make_model
from research.optimizers import make_optimizer
from research.population import Population
from research.tasks import BrokenRecord, make_task

CONFIG = 'configs/coherence/imagenet.py:smoke'
MLP = ['model.name=mlp', 'model.widths=(8,)', 'optimizer.momentum=0.9', 'task.label_noise=0.5']
OWN_ORDER = [*MLP, 'task.shared_order=False']


@pytest.fixture(autouse=True)
def folder(imagenet, monkeypatch):
  monkeypatch.setenv('GENLAB_DATA_DIR', str(imagenet))
  return imagenet


def train(workdir, *overrides):
  assert loop.train_and_evaluate(configuration.load(CONFIG, overrides), workdir)
  return (workdir / 'metrics.jsonl').read_bytes()


@pytest.mark.slow
def test_the_config_trains(tmp_path):
  rows = [json.loads(line) for line in train(tmp_path).splitlines()]
  assert [row['step'] for row in rows if 'train/batch_loss' in row] == [0, 2, 4]
  assert all(np.isfinite(row['test/loss']).all() for row in rows if 'test/loss' in row)
  assert len(rows[-1]['coherence/alpha']) == 2
  first, second = rows[0]['train/batch_loss']
  assert first != second  # the same batch, another network


@pytest.mark.parametrize('on', ['probe', 'batch'])
def test_in_memory_and_streamed_leave_the_same_bytes(tmp_path, on):
  overrides = [*OWN_ORDER, f'instruments.coherence.on={on}', 'task.n_test=11']
  here = train(tmp_path / 'memory', *overrides, 'task.streamed=False')
  assert train(tmp_path / 'disk', *overrides) == here


@pytest.mark.parametrize('at', [1, 5])
def test_a_crash_loses_nothing(tmp_path, at):
  whole = train(tmp_path / 'whole', *MLP)
  with crash_at(at):
    train(tmp_path / 'parts', *MLP)
  assert train(tmp_path / 'parts', *MLP) == whole


TASK = functools.cache(
  lambda folder, **section: make_task(
    'imagenet2012',
    test_split='validation',
    image_size=16,
    label_noise=0.5,
    data_dir=folder,
    **section,
  )
)


def make_population(folder, *, chunk_size=None, n_devices=1, size=2, seed=3, probe=16, **section):
  task = TASK(str(folder), **section)
  model = make_model(task.n_classes, name='mlp', widths=(8,))
  names = ('coherence', 'gsnr', 'group_coherence') if chunk_size is None else ('coherence', 'gsnr')
  return Population(
    task,
    model,
    make_losses(model.apply),
    make_optimizer(4, learning_rate=0.05, momentum=0.9),
    {name: mount(INSTRUMENTS[name](), 4, every=2) for name in names},
    seed=seed,
    batch_size=8,
    members=settings.Population(size=size),
    probe=settings.Probe(size=probe, chunk_size=chunk_size),
    evaluation=settings.Evaluation(chunk_size=8, max_train_examples=20),
    devices=jax.devices()[:n_devices],
  )


def run(population):
  state, rows = population.init(), []
  for step in range(4):
    row = population.measure(state, step) | population.evaluate(state)
    state, metrics = population.step(state, step)
    rows.append(jax.device_get(row | metrics))
  return rows, jax.device_get(state.params)


def assert_same(here, there, rtol):
  """What is in `here` is the same there, to a tolerance; `rtol=0`: bit by bit."""
  for row, other in zip(here[0], there[0], strict=True):
    for name in row:
      np.testing.assert_allclose(row[name], other[name], rtol=rtol, atol=rtol, err_msg=name)
  jax.tree.map(
    lambda a, b: np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol), here[1], there[1]
  )


@pytest.mark.slow
def test_every_metric_and_parameter_is_that_of_training_in_memory(folder):
  here = run(make_population(folder))
  assert_same(here, run(make_population(folder, streamed=True)), rtol=0)


@pytest.mark.slow
def test_any_number_of_devices_gives_the_same_numbers(folder):
  here = run(make_population(folder))
  there = make_population(folder, streamed=True, n_devices=8)
  assert there.mesh.devices.size == 8
  assert_same(here, run(there), rtol=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize('streamed', [False, True])
@pytest.mark.parametrize(('chunk_size', 'n_devices'), [(8, 1), (4, 8), (16, 1)])
def test_a_probe_in_chunks_gives_the_numbers_of_the_whole(folder, streamed, chunk_size, n_devices):
  chunked = make_population(
    folder, chunk_size=chunk_size, streamed=streamed, n_devices=n_devices, size=2
  )
  assert_same(run(chunked), run(make_population(folder)), rtol=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize('n_devices', [1, 8])
def test_members_that_share_an_order_are_runs_of_their_seeds(folder, n_devices):
  shared = dict(streamed=True, shared_order=True, order_seed=5)
  rows, params = run(make_population(folder, **shared, n_devices=n_devices))
  in_memory = dict(shared, streamed=False)
  assert_same((rows, params), run(make_population(folder, **in_memory)), rtol=1e-3)
  second = lambda tree: jax.tree.map(lambda x: x[1:2], tree)  # noqa: E731
  alone = run(make_population(folder, **shared, size=1, seed=4))
  assert_same(([second(row) for row in rows], second(params)), alone, rtol=1e-3)


def test_members_that_share_an_order_read_it_once(folder, monkeypatch):
  shared = make_population(folder, streamed=True, shared_order=True)
  own = make_population(folder, streamed=True)
  assert shared._rows(0).shape == (8,)
  assert own._rows(0).shape == (2, 8)
  np.testing.assert_array_equal(shared._indices(0)[1], shared._rows(0))


def test_the_host_does_not_run_ahead_of_the_devices(folder, monkeypatch):
  population = make_population(folder, streamed=True)
  waited = []
  ready = jax.block_until_ready
  monkeypatch.setattr(jax, 'block_until_ready', lambda x: waited.append(x) or ready(x))
  state, last = population.init(), population._last
  for step in range(3):
    state, metrics = population.step(state, step)
    assert waited[-1] is last
    last = metrics


def refusal(*overrides):
  with pytest.raises(ConfigError) as error:
    loop.build(configuration.load(CONFIG, [*MLP, *overrides]))
  assert '\n' not in str(error.value)
  return str(error.value)


def test_what_needs_the_whole_probe_is_refused_before_anything_is_read(tmp_path, monkeypatch):
  monkeypatch.setattr(loop, 'make_task', lambda **_: pytest.fail('the task was read'))
  for name in ('stiffness', 'sharpness'):
    said = refusal(f'instruments.{name}.every=2')
    assert said.startswith(f'probe.chunk_size must be none for instruments.{name}, which sees all')
  with pytest.raises(ConfigError, match=r'^probe.chunk_size must divide size=16, not be 7; set it'):
    loop.check(configuration.load(CONFIG, ['probe.chunk_size=7']), tmp_path)


def test_a_probe_that_does_not_fit_is_refused(monkeypatch):
  monkeypatch.setattr(checks, 'PROBE', 16 * 32 * 32 * 3 * 4 - 1)
  said = refusal('probe.chunk_size=none')
  assert said.startswith(
    'probe.chunk_size must be given: the 16 examples of the probe take 0.0 GiB'
  )
  monkeypatch.setattr(checks, 'PROBE', 16 * 32 * 32 * 3 * 4)
  loop.build(configuration.load(CONFIG, [*MLP, 'probe.chunk_size=none']))


def test_what_learns_from_the_whole_training_set_is_refused():
  said = refusal('instruments.simple_explanation.every=2', 'probe.chunk_size=none')
  assert said.startswith('instruments.simple_explanation compares with classifiers fitted to')


def damaged(source, target, split, at, change):
  """A copy of the dataset in which one record of a split has been changed."""
  for path in (source / 'imagenet2012' / '5.1.0').iterdir():
    copy = target / 'imagenet2012' / '5.1.0' / path.name
    copy.parent.mkdir(parents=True, exist_ok=True)
    copy.write_bytes(path.read_bytes())
    if f'-{split}.' in path.name:
      reader = array_record_module.ArrayRecordReader(str(path))
      records = reader.read_all()
      reader.close()
      writer = array_record_module.ArrayRecordWriter(str(copy), 'group_size:1')
      for number, record in enumerate(records):
        writer.write(change(record) if number == at else record)
      writer.close()
  return target


def without_image(record):
  from tensorflow_datasets.proto import tf_example_pb2

  example = tf_example_pb2.Example.FromString(record)
  example.features.feature['image'].bytes_list.value[0] = b'\xff\xd8\xff\xe0 and no more'
  return example.SerializeToString()


def with_a_label_too_high(record):
  from tensorflow_datasets.proto import tf_example_pb2

  example = tf_example_pb2.Example.FromString(record)
  example.features.feature['label'].int64_list.value[0] = 1000
  return example.SerializeToString()


def test_a_broken_image_stops_the_run_with_its_name(folder, tmp_path, monkeypatch):
  data = damaged(folder, tmp_path / 'data', 'train', 21, without_image)
  monkeypatch.setenv('GENLAB_DATA_DIR', str(data))
  monkeypatch.setattr('research.tasks.images.SAMPLE', 8)
  said = f'^record 21 of train of imagenet2012 in {data}/.* holds no image that can be decoded: '
  with pytest.raises(BrokenRecord, match=said):
    train(tmp_path / 'run', *MLP)
  config = configuration.load(CONFIG, [*MLP, 'task.streamed=False'])
  with pytest.raises(BrokenRecord, match=said):
    loop.build(config)


@pytest.mark.parametrize(
  ('change', 'said'),
  [
    (with_a_label_too_high, r'has the label 1000, which must lie in \[0, 999\]'),
    (lambda record: b'\xff\xff\xff', 'cannot be read: '),
    (lambda record: b'', 'cannot be read: '),
  ],
)
def test_a_broken_record_is_found_before_training(folder, tmp_path, monkeypatch, change, said):
  data = damaged(folder, tmp_path / 'data', 'validation', 7, change)
  monkeypatch.setenv('GENLAB_DATA_DIR', str(data))
  named = f'^record 7 of validation of imagenet2012 in {data}/imagenet2012/5.1.0 {said}'
  with pytest.raises(BrokenRecord, match=named):
    train(tmp_path / 'run', *MLP)
  assert not (tmp_path / 'run' / 'metrics.jsonl').exists()
