"""Two processes with two devices each at one run: as one process, and stopped as one."""

import functools
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import time

import numpy as np
import pytest

from research import peers
from research.records import read_metrics

FLAGS = ['--config=configs/coherence/digits.py:smoke', '--config.population.size=2']
LONG = ['--config.training.total_steps=400', '--config.training.log_every=10']


def start(workdir, *overrides, devices, environment=None, largest_file=None):
  count = f'--xla_force_host_platform_device_count={devices}'
  own = {'XLA_FLAGS': count, 'JAX_PLATFORMS': 'cpu'} | (environment or {})
  command = ['-m', 'research.main', *FLAGS, f'--workdir={workdir}', *overrides]
  return subprocess.Popen(
    [sys.executable, *command],
    stdout=subprocess.PIPE,
    stderr=subprocess.PIPE,
    text=True,
    env={**os.environ, **own},
    preexec_fn=None if largest_file is None else functools.partial(allow_files_of, largest_file),
  )


def allow_files_of(n_bytes):
  resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, n_bytes))


def start_pair(workdir, *overrides, of_second=(), largest_file=None):
  with socket.socket() as it:
    it.bind(('localhost', 0))
    port = it.getsockname()[1]
  of_pair = {'JAX_COORDINATOR_ADDRESS': f'localhost:{port}', 'JAX_NUM_PROCESSES': '2'}
  of_pair['GENLAB_HEARTBEAT_SECONDS'] = '10'
  return [
    start(
      workdir,
      *overrides,
      *own,
      devices=2,
      environment=of_pair | {'JAX_PROCESS_ID': str(index)},
      largest_file=None if index else largest_file,
    )
    for index, own in enumerate([(), of_second])
  ]


def ended(*processes):
  """Exit codes and what was said on stderr, of all."""
  said = [process.communicate(timeout=300)[1] for process in processes]
  return [process.returncode for process in processes], said


def wait_for_step(workdir, step):
  give_up = time.monotonic() + 200
  while time.monotonic() < give_up:
    path = workdir / 'metrics.jsonl'
    if path.exists() and any(json.loads(x)['step'] >= step for x in path.read_text().splitlines()):
      return
    time.sleep(0.02)
  pytest.fail(f'no row of step {step}')


def assert_same_record(here, there):
  here, there = read_metrics(here), read_metrics(there)
  assert [*here] == [*there]
  np.testing.assert_allclose(here, there, rtol=2e-3, atol=1e-4)


@pytest.fixture(scope='module')
def alone(tmp_path_factory):
  workdir = tmp_path_factory.mktemp('alone') / 'run'
  codes, said = ended(start(workdir, *LONG, devices=4))
  assert codes == [0], said
  return workdir


def test_two_processes_are_stopped_as_one_and_one_goes_on(alone, tmp_path):
  workdir = tmp_path / 'run'
  pair = start_pair(workdir, *LONG)
  wait_for_step(workdir, 40)
  pair[1].send_signal(signal.SIGTERM)  # the one that writes nothing
  codes, said = ended(*pair)
  assert codes == [143, 143], said
  stopped = [line for text in said for line in text.splitlines() if 'stopped at step' in line]
  assert len(stopped) == 2
  assert stopped[0] == stopped[1]
  codes, said = ended(start(workdir, *LONG, devices=1))
  assert codes == [0], said
  assert_same_record(workdir, alone)
  attempts = json.loads((workdir / 'environment.json').read_text())['attempts']
  assert attempts[0]['n_devices'] == 4


@pytest.mark.slow
def test_a_directory_in_use_is_refused_by_all(tmp_path):
  workdir = tmp_path / 'run'
  holder = start(workdir, '--config.training.total_steps=1000000', devices=1)
  wait_for_step(workdir, 0)
  codes, said = ended(*start_pair(workdir, '--config.training.total_steps=1000000'))
  holder.terminate()
  assert ended(holder)[0] == [143]
  assert codes == [2, 2], said
  assert 'in use by process' in said[0]
  assert 'the first process of this run could not begin' in said[1]


@pytest.mark.slow
@pytest.mark.parametrize('victim', [0, 1])
def test_where_one_is_killed_the_other_ends_and_one_goes_on(victim, alone, tmp_path):
  workdir = tmp_path / 'run'
  pair = start_pair(workdir, *LONG)
  wait_for_step(workdir, 40)
  pair[victim].kill()
  started = time.monotonic()
  codes, said = ended(*pair)
  assert time.monotonic() - started < 60
  assert codes[victim] == -signal.SIGKILL
  assert codes[1 - victim] != 0, said
  codes, said = ended(start(workdir, *LONG, devices=4))
  assert codes == [0], said
  assert_same_record(workdir, alone)


@pytest.mark.slow
def test_processes_of_two_configs_are_refused_by_all(tmp_path):
  pair = start_pair(tmp_path / 'run', of_second=['--config.optimizer.learning_rate=0.3'])
  codes, said = ended(*pair)
  assert codes == [2, 2], said
  assert all('process 1 of this run has another config than the first' in text for text in said)
  assert not (tmp_path / 'run' / 'metrics.jsonl').exists()


@pytest.mark.slow
def test_an_error_of_one_is_said_in_its_own_code_and_the_other_does_not_wait_for_ever(tmp_path):
  overrides = [*LONG, '--config.training.log_every=1', '--config.training.total_steps=100000']
  pair = start_pair(tmp_path / 'run', *overrides, largest_file=150_000)
  wait_for_step(tmp_path / 'run', 20)
  started = time.monotonic()
  codes, said = ended(*pair)
  assert time.monotonic() - started < 100
  assert codes[0] == 2, said
  assert 'metrics.jsonl' in said[0]
  assert codes[1] != 0


def test_a_process_alone_agrees_with_itself():
  done = []
  peers.of_first(lambda: done.append(1))
  peers.wait_for_all('nothing')
  assert done == [1]
  assert peers.number_of_first(lambda: 7) == 7
  peers.check_same('config', 'any')
  assert peers.is_first()
  assert not peers.several()
  with pytest.raises(KeyError):
    peers.of_first(lambda: {}['nothing'])


def test_a_single_process_refuses_without_looking_for_devices(tmp_path):
  """Which takes seconds where there are accelerators; here there would be none of this name."""
  workdir = tmp_path / 'run'
  (code,), (said,) = ended(
    start(
      workdir,
      '--config.training.batch_size=1000',
      devices=1,
      environment={'JAX_PLATFORMS': 'nothing'},
    )
  )
  assert code == 2
  assert 'training.batch_size=1000 exceeds' in said
  assert not workdir.exists()
