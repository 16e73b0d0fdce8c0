"""Processes of one run find each other, and say so where one is missing."""

import os
import socket
import subprocess
import sys
import time

import pytest

from research import processes
from research.configuration import ConfigError

SLURM = {
  'SLURM_JOB_ID': '77',
  'SLURM_STEP_NODELIST': 'node[001-002]',
  'SLURM_NTASKS': '2',
  'SLURM_PROCID': '1',
  'SLURM_LOCALID': '0',
}
EXPLICIT = {
  'JAX_COORDINATOR_ADDRESS': 'localhost:1',
  'JAX_NUM_PROCESSES': '2',
  'JAX_PROCESS_ID': '0',
}


@pytest.mark.parametrize(
  'alone',
  [
    {},
    SLURM | {'SLURM_NTASKS': '1'},
    {name: SLURM[name] for name in ('SLURM_JOB_ID', 'SLURM_NTASKS', 'SLURM_PROCID')},  # no step
    EXPLICIT | {'JAX_NUM_PROCESSES': '1'},
    EXPLICIT | {'JAX_NUM_PROCESSES': '1'} | SLURM,
  ],
)
def test_a_single_process_joins_nothing(alone, monkeypatch):
  monkeypatch.setattr('jax.distributed.initialize', lambda **_: pytest.fail('joined'))
  processes.join(alone)


@pytest.mark.parametrize(
  ('environment', 'arguments'),
  [
    (SLURM, {'cluster_detection_method': 'slurm'}),
    ({'GENLAB_PROCESSES': 'auto'}, {}),
    (
      EXPLICIT,
      {
        'coordinator_address': 'localhost:1',
        'num_processes': 2,
        'process_id': 0,
        'cluster_detection_method': 'deactivate',
      },
    ),
  ],
)
def test_several_join_by_what_their_environment_says(environment, arguments, monkeypatch):
  seen = []
  monkeypatch.setattr('jax.distributed.initialize', lambda **given: seen.append(given))
  processes.join(environment | {'GENLAB_JOIN_SECONDS': '20'})
  assert seen == [{**arguments, 'initialization_timeout': 100, 'heartbeat_timeout_seconds': 100}]


@pytest.mark.parametrize(
  ('wrong', 'message'),
  [
    ({'JAX_PROCESS_ID': '2'}, 'JAX_PROCESS_ID=2 must be from 0 to'),
    ({'JAX_PROCESS_ID': ''}, "JAX_PROCESS_ID='' in the environment must be a number"),
    ({'JAX_NUM_PROCESSES': 'two'}, "JAX_NUM_PROCESSES='two'"),
    ({'JAX_COORDINATOR_ADDRESS': ''}, 'needs JAX_COORDINATOR_ADDRESS=HOST:PORT'),
    ({'GENLAB_JOIN_SECONDS': '1m'}, "GENLAB_JOIN_SECONDS='1m'"),
  ],
)
def test_what_is_incomplete_is_named(wrong, message):
  with pytest.raises(ConfigError, match=message):
    processes.join(EXPLICIT | wrong)


def free_port():
  with socket.socket() as it:
    it.bind(('localhost', 0))
    return it.getsockname()[1]


def start(index, port, seconds, code):
  own = {
    'JAX_COORDINATOR_ADDRESS': f'localhost:{port}',
    'JAX_NUM_PROCESSES': '2',
    'JAX_PROCESS_ID': str(index),
    'GENLAB_JOIN_SECONDS': str(seconds),
    'XLA_FLAGS': '',
  }
  return subprocess.Popen(
    [sys.executable, '-c', code],
    stdout=subprocess.PIPE,
    stderr=subprocess.PIPE,
    text=True,
    env=os.environ | own,
  )


def test_two_processes_see_each_other():
  code = 'from research import processes; processes.join(); import jax; print(jax.process_count())'
  port = free_port()
  pair = [start(index, port, 60, code) for index in (0, 1)]
  said = [process.communicate(timeout=120) for process in pair]
  assert [out for out, _ in said] == ['2\n', '2\n'], said


@pytest.mark.parametrize('index', [0, 1])
def test_a_missing_peer_is_one_line_within_the_time_set(index, tmp_path):
  started = time.monotonic()
  main = 'import sys; from research import main; sys.exit(main.main(sys.argv[1:]))'
  flags = ['--config=configs/coherence/digits.py:smoke', f'--workdir={tmp_path / "run"}']
  process = start(index, free_port(), 3, f'import sys; sys.argv += {flags}; {main}')
  out, errors = process.communicate(timeout=60)
  assert process.returncode == processes.PEER_MISSING
  assert out == ''
  assert errors.startswith(f'genlab: process {index} of 2 has waited 3 s for the others: ')
  assert len(errors.splitlines()) == 1
  assert time.monotonic() - started < 45  # 5 s on an idle core
  assert not (tmp_path / 'run').exists()
