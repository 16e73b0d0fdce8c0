"""Every command of the README's section on launchers: run here, or as the dry run that it is."""

import pathlib
import re
import shlex

import pandas as pd
import pytest
import yaml

from launch import manifest
from research import configuration, studies

README = (pathlib.Path(__file__).parents[2] / 'README.md').read_text()
SECTION = README.partition('## From laptop to pod')[2].partition('\n## ')[0]
COMMANDS = [
  shlex.split(line, comments=True)
  for block in re.findall(r'```sh\n(.*?)```', SECTION, re.DOTALL)
  for line in block.splitlines()
]
SWEEPS = [command[3:] for command in COMMANDS if command[:3] == ['python', '-m', 'launch.sweep']]
DRY = [command for command in SWEEPS if '--dry-run' in command]


@pytest.fixture
def here(tmp_path, monkeypatch):
  """A folder with the configs, where relative paths of the README lead; /mnt/lab lies in it."""
  (tmp_path / 'configs').symlink_to(pathlib.Path.cwd() / 'configs')
  monkeypatch.chdir(tmp_path)
  return lambda command: [arg.replace('=/mnt/lab', f'={tmp_path}/lab') for arg in command]


def test_all_that_touches_an_engine_is_a_dry_run_and_each_backend_is_shown():
  engines = [it for it in SWEEPS if any(arg.startswith('--backend=') for arg in it)]
  shown = {arg for command in engines for arg in command if arg.startswith('--backend=')}
  assert shown == {f'--backend={name}' for name in ('local', 'slurm', 'tpu_vm', 'jobset')}
  assert all(it in DRY or '--backend=local' in it for it in engines)
  assert {it[0] for it in SWEEPS} == {'plan', 'run', 'status', 'retry', 'collect'}


def test_the_commands_of_a_laptop_run(here, call):
  """At the smallest scale; the README's takes half a minute."""
  first = next(i for i, it in enumerate(SWEEPS) if it[0] == 'collect') + 1
  said = {}
  for command in SWEEPS[:first]:
    code, out, errors = call(*[arg.replace(':cpu', ':smoke') for arg in command])
    assert code == 0, errors
    said[command[0]] = out
  assert said['plan'].startswith('runs/noise/manifest.jsonl: 3 runs')
  assert said['run'].count(': done after') == 3
  assert said['status'].startswith('runs/noise: 3 runs, 3 done')
  assert said['retry'].startswith('nothing to retry')
  assert pd.read_csv('runs/noise/table.csv')['run'].nunique() == 3


def test_the_dry_runs_print_what_would_be_submitted(here, call):
  for command in SWEEPS:
    if command[0] == 'plan':
      assert call(*here(command))[0] == 0
  before = sorted(pathlib.Path().rglob('*'))
  said = []
  for command in DRY:
    code, out, errors = call(*here(command))
    assert code == 0, errors
    said.append(out)
  array, nodes, tpu, jobset = said
  assert '#SBATCH --array=0-2\n' in array
  assert '#SBATCH --partition=gpu\n' in array
  assert '#SBATCH --array=0-0\n#SBATCH --nodes=2\n#SBATCH --ntasks-per-node=4\n' in nodes
  assert '--accelerator-type=v5litepod-16' in tpu
  assert [it['kind'] for it in yaml.safe_load_all(jobset)] == ['JobSet'] * 3
  assert sorted(pathlib.Path().rglob('*')) == before
  assert {path.name for path in before if path.is_file()} == {manifest.MANIFEST}


def test_the_other_commands_name_what_there_is():
  others = [command for command in COMMANDS if command[3:] not in SWEEPS]
  assert [command[0] for command in others] == ['python', '.venv/bin/python']
  assert '.[cuda13]' in others[0]
  study, config = others[1][3:5]
  assert study in studies.STUDIES
  configuration.load(config.removeprefix('--config='))
