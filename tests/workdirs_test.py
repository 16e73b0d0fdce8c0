"""The run directory: whole files, the list of attempts, and one process at a time."""

import os
import resource
import signal
import socket
import subprocess
import sys

import jax.numpy as jnp
import numpy as np
import pytest

from research import workdirs
from research.workdirs import WorkdirLocked, open_workdir


def test_json_is_whole_or_absent(tmp_path):
  path = tmp_path / 'config.json'
  assert workdirs.read_json(path) is None
  workdirs.write_json(path, {'b': 1, 'a': [0.1]})
  assert path.read_text() == '{\n  "a": [\n    0.1\n  ],\n  "b": 1\n}\n'
  with pytest.raises(ValueError, match='not JSON compliant'):
    workdirs.write_json(path, {'b': float('nan')})
  assert workdirs.read_json(path) == {'a': [0.1], 'b': 1}
  assert os.listdir(tmp_path) == ['config.json']


def test_a_file_that_cannot_be_written_is_named_and_left_as_it_was(tmp_path):
  path = tmp_path / 'config.json'
  workdirs.write_json(path, 1)
  limits = resource.getrlimit(resource.RLIMIT_FSIZE)
  resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
  try:
    with pytest.raises(OSError, match=r'too large \([0-9,]+ bytes free\)') as error:
      workdirs.write_json(path, 'x' * 5000)
  finally:
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)
  assert str(path) in str(error.value)
  assert os.listdir(tmp_path) == ['config.json']
  assert workdirs.read_json(path) == 1


def test_done_survives_a_diverged_summary(tmp_path):
  assert not workdirs.is_done(tmp_path)
  workdirs.mark_done(tmp_path, {'loss': jnp.array([1.0, jnp.nan]), 'steps': np.int64(3)})
  assert workdirs.is_done(tmp_path)
  assert workdirs.read_json(tmp_path / 'DONE') == {'loss': [1.0, None], 'steps': 3}


def test_environment_keeps_every_attempt(tmp_path):
  for _ in range(2):
    workdirs.write_environment(tmp_path)
  first, second = workdirs.read_json(tmp_path / 'environment.json')['attempts']
  assert first.keys() == second.keys()
  assert second['pid'] == os.getpid()
  assert second['versions']['jax']
  assert second['n_devices'] == 8
  assert second['commit'] is None or len(second['commit'].removesuffix('+dirty')) == 40


def test_seconds_and_steps_are_those_of_the_newest_attempt(tmp_path):
  for seconds, saved in ((3.0, None), (4.26, 7)):
    workdirs.write_environment(tmp_path)
    workdirs.note_progress(tmp_path, seconds, saved)
  attempts = workdirs.read_json(tmp_path / 'environment.json')['attempts']
  assert [attempt['seconds'] for attempt in attempts] == [3.0, 4.3]
  assert [attempt['saved'] for attempt in attempts] == [None, 7]


HOLD = """
import sys, time
from research.workdirs import open_workdir
with open_workdir(sys.argv[1]):
  print('held', flush=True)
  time.sleep(60)
"""


def test_lock_names_its_holder_and_dies_with_it(tmp_path):
  workdir = tmp_path / 'new' / 'run'
  command = [sys.executable, '-c', HOLD, str(workdir)]
  with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
    assert holder.stdout is not None
    assert holder.stdout.readline() == 'held\n'
    with pytest.raises(WorkdirLocked) as refused, open_workdir(workdir):
      pass
    with pytest.raises(WorkdirLocked, match=f'process {holder.pid} on'):
      workdirs.check_usable(workdir)
    holder.send_signal(signal.SIGKILL)
  expected = f'{workdir} is in use by process {holder.pid} on {socket.gethostname()}'
  assert str(refused.value) == expected
  workdirs.check_usable(workdir)
  with open_workdir(workdir) as path:
    assert path == workdir
    with pytest.raises(WorkdirLocked, match=f'process {os.getpid()} on'), open_workdir(workdir):
      pass
  with open_workdir(workdir):
    pass


def test_a_workdir_that_cannot_be_had_is_left_as_it_was(tmp_path):
  file = tmp_path / 'file'
  file.write_text('mine')
  for workdir in (file, file / 'below', file / 'far' / 'below'):
    with pytest.raises(OSError, match='directory') as error, open_workdir(workdir):
      pass
    assert str(file) in str(error.value)
    assert '\n' not in str(error.value)
  assert os.listdir(tmp_path) == ['file']
  assert file.read_text() == 'mine'
