"""The experiment end to end: what it leaves behind, and that nothing is lost on the way."""

import json
import signal

import jax
import numpy as np
import pytest
from crashes import crash_at

from research import configuration, loop, workdirs
from research.checkpoints import Checkpoints
from research.population import Population
from research.records import read_metrics

CONFIG = 'configs/coherence/digits.py:smoke'
OVERRIDES = [
  'training.total_steps=30',
  'training.checkpoint_every=4',
  'training.log_every=3',
  'population.size=2',
  'task.label_noise=0.5',
  'optimizer.momentum=0.9',
  'instruments.stiffness.on=batch',
  'instruments.stiffness.every=5',
]


def train(workdir, *overrides):
  config = configuration.load(CONFIG, [*OVERRIDES, *overrides])
  return loop.train_and_evaluate(config, workdir)


def final_state(workdir, *overrides):
  """Step and leaves of the newest checkpoint, as NumPy arrays."""
  config = configuration.load(CONFIG, [*OVERRIDES, *overrides])
  target = loop.build(config).abstract_state()
  with Checkpoints(workdir / 'checkpoints') as checkpoints:
    step, state = checkpoints.restore_latest(target)
  return step, jax.device_get(jax.tree.leaves(state))


def assert_same_run(here, there, *overrides):
  assert (here / 'metrics.jsonl').read_bytes() == (there / 'metrics.jsonl').read_bytes()
  (step, leaves), (other_step, others) = (final_state(run, *overrides) for run in (here, there))
  assert step == other_step == 30
  for a, b in zip(leaves, others, strict=True):
    np.testing.assert_array_equal(a, b)


@pytest.fixture(scope='module')
def uninterrupted(tmp_path_factory):
  workdir = tmp_path_factory.mktemp('uninterrupted')
  assert train(workdir)
  return workdir


def test_leaves_a_record_of_every_scheduled_measurement(uninterrupted):
  rows = [json.loads(line) for line in (uninterrupted / 'metrics.jsonl').read_text().splitlines()]
  steps = lambda name: [row['step'] for row in rows if name in row]  # noqa: E731
  assert steps('train/batch_loss') == list(range(0, 30, 3))  # no update follows theta_30
  assert steps('batch/stiffness/cosine') == [0, 5, 10, 15, 20, 25, 30]
  assert steps('coherence/alpha')[0] == steps('test/accuracy')[0] == 0
  assert steps('coherence/alpha')[-1] == steps('test/accuracy')[-1] == 30
  assert all(len(row['coherence/alpha']) == 2 for row in rows if 'coherence/alpha' in row)
  assert rows[-1]['train/epoch'] == 30 / (128 // 16)


def test_leaves_config_environment_and_done(uninterrupted):
  config = workdirs.read_json(uninterrupted / 'config.json')
  assert config['task']['label_noise'] == 0.5
  assert config['optimizer']['b2'] == 0.999  # defaults are on record
  attempts = workdirs.read_json(uninterrupted / 'environment.json')['attempts']
  assert len(attempts) == 1
  assert {'commit', 'versions', 'device', 'command'} <= set(attempts[0])
  assert workdirs.read_json(uninterrupted / 'DONE')['steps'] == 30


def test_a_second_call_does_nothing(uninterrupted):
  before = {p: p.stat().st_mtime_ns for p in uninterrupted.rglob('*')}
  assert not train(uninterrupted)
  assert {p: p.stat().st_mtime_ns for p in uninterrupted.rglob('*')} == before


def test_training_reduces_the_loss(uninterrupted):
  table = read_metrics(uninterrupted)
  loss = table.groupby('step')['train/loss'].mean().dropna()
  assert loss.iloc[-1] < loss.iloc[0]


@pytest.mark.parametrize('median', ['m3', pytest.param('rm3', marks=pytest.mark.slow)])
def test_a_crash_between_two_medians_loses_nothing(tmp_path, median):
  """At step 16, where it goes on, one of three minibatches has been seen by M3, and all by RM3."""
  overrides = ['optimizer.momentum=0.0', f'optimizer.median={median}']
  assert train(tmp_path / 'whole', *overrides)
  with crash_at(17):
    train(tmp_path / 'parts', *overrides)
  assert train(tmp_path / 'parts', *overrides)
  assert_same_run(tmp_path / 'parts', tmp_path / 'whole', *overrides)


@pytest.mark.parametrize('at', [17, *(pytest.param(n, marks=pytest.mark.slow) for n in (1, 4, 29))])
def test_a_crash_loses_nothing(uninterrupted, tmp_path, at):
  with crash_at(at):
    train(tmp_path)
  with (tmp_path / 'metrics.jsonl').open('a') as torn:
    torn.write('{"step": 9999, "train/ba')
  assert train(tmp_path)
  assert_same_run(tmp_path, uninterrupted)
  assert workdirs.read_json(tmp_path / 'DONE')['resumed_at'] == at // 4 * 4


def test_a_stop_signal_saves_and_resumes(uninterrupted, tmp_path, monkeypatch):
  step = Population.step

  def interrupt(self, state, number):
    if number == 13:
      signal.raise_signal(signal.SIGTERM)
    return step(self, state, number)

  with monkeypatch.context() as patch:
    patch.setattr(Population, 'step', interrupt)
    with pytest.raises(loop.Interrupted, match='stopped at step 14'):
      train(tmp_path)
  assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
  assert train(tmp_path)
  assert_same_run(tmp_path, uninterrupted)
  assert workdirs.read_json(tmp_path / 'DONE')['resumed_at'] == 14


def test_checkpoints_without_their_record_are_refused(tmp_path, monkeypatch):
  with monkeypatch.context() as patch:
    patch.setattr(workdirs, 'mark_done', lambda *_: None)
    train(tmp_path)
  (tmp_path / 'metrics.jsonl').unlink()
  with pytest.raises(FileNotFoundError, match='lost the rows before step 30'):
    train(tmp_path)


def test_another_config_is_refused_by_the_name_of_its_key(uninterrupted):
  with pytest.raises(configuration.ConfigError, match=r'optimizer\.learning_rate=0\.1, not 0\.2'):
    train(uninterrupted, 'optimizer.learning_rate=0.2')


def test_an_unusable_workdir_is_refused_before_anything_is_built(tmp_path, monkeypatch):
  monkeypatch.setattr(loop, 'build', None)
  (tmp_path / 'file').write_text('')
  with pytest.raises(OSError, match='lies in a file'):
    train(tmp_path / 'file' / 'run')


def test_a_run_at_work_is_not_joined(tmp_path):
  with workdirs.open_workdir(tmp_path), pytest.raises(workdirs.WorkdirLocked, match='process'):
    train(tmp_path)
