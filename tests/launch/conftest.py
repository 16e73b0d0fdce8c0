"""Sweeps of a tiny config, by the program, in a folder of their own."""

import os
import pathlib

import pytest
import stubs

from launch import sweep
from research import command_line

ROOT = pathlib.Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _one_device_for_workers_and_no_settings_left_behind(monkeypatch):
  monkeypatch.setattr(command_line, 'cache_programs', lambda: None)
  monkeypatch.setenv('GENLAB_DATA_DIR', os.environ.get('GENLAB_DATA_DIR', ''))
  monkeypatch.setenv('XLA_FLAGS', '')
  monkeypatch.setenv('PYTHONPATH', str(ROOT))
  monkeypatch.delenv('CUDA_VISIBLE_DEVICES', raising=False)


@pytest.fixture
def config(tmp_path):
  file = tmp_path / 'config.py'
  file.write_text(stubs.CONFIG)
  return file


@pytest.fixture
def call(capsys):
  """Calls the program; returns its exit code, stdout and stderr."""

  def called(*argv):
    try:
      code = sweep.main([str(arg) for arg in argv])
    except SystemExit as stopped:
      code = stopped.code
    return code, *capsys.readouterr()

  return called


@pytest.fixture
def planned(config, call):
  """The folder of a sweep of three runs that are planned."""
  root = config.parent / 'sweep'
  assert call('plan', f'--config={config}', f'--workdir={root}')[0] == 0
  return root


@pytest.fixture
def fake(tmp_path):
  return stubs.write(tmp_path / 'fake', stubs.FAKE)
