"""What the README shows is true: its code runs, its files exist, its instrument can be mounted."""

import pathlib
import re

import jax
import numpy as np
import pytest

from research import configuration, instruments, loop
from research.measures import guard

ROOT = pathlib.Path(__file__).parents[1]
README = (ROOT / 'README.md').read_text()
PYTHON = re.findall(r'```python\n(.*?)```', README, re.DOTALL)


def test_statistics_stand_alone(capsys):
  exec(PYTHON[0], {})
  assert capsys.readouterr().out.splitlines()[1:] == ['(64,)', '(64, 64)']


def test_the_example_instrument_is_short_and_mounts_by_an_override(tmp_path, monkeypatch):
  assert len(PYTHON[1].splitlines()) <= 25
  scope = {}
  exec(PYTHON[1], scope)
  monkeypatch.setitem(instruments.INSTRUMENTS, 'dispersion', scope['dispersion'])
  config = configuration.load(
    'configs/coherence/digits.py:smoke', ['instruments.dispersion.every=5']
  )
  population = loop.build(config)
  metrics = population.measure(population.init(), 5)
  assert metrics['dispersion/norms'].shape == (3,)
  assert np.all(jax.device_get(metrics['dispersion/norms']) > 0)


def test_the_example_measure_is_short_and_passes_the_guard():
  assert len(PYTHON[2].splitlines()) <= 20
  scope = {}
  exec(PYTHON[2], scope)
  (measure,) = scope['MEASURES'].values()
  assert min(guard.leaks(measure, guard.worlds(0, 50)).values()) > 1e-3


@pytest.mark.parametrize('path', re.findall(r'\]\(([^)]+)\)', README))
def test_links_lead_somewhere(path):
  assert (ROOT / path).exists()


@pytest.mark.parametrize('command', re.findall(r'--config=(\S+) (.*)', README))
def test_configs_of_the_commands_load(command):
  path, rest = command
  configuration.load(path, re.findall(r'--config\.(\S+=\S+)', rest))


def test_every_instrument_is_listed():
  listed = set(re.findall(r'^\| `(\w+)`', README, re.MULTILINE))
  assert listed == set(instruments.INSTRUMENTS), "a row of the README's table for each instrument"


def test_the_tests_that_show_what_is_survived_exist():
  named = re.findall(r'`([\w/]+_test)(?:::(\w+))?`', (ROOT / 'docs' / 'faults.md').read_text())
  assert len(named) > 10
  for file, test in named:
    path = ROOT / 'tests' / f'{file}.py'
    assert path.exists(), file
    assert f'def {test}' in path.read_text(), test
