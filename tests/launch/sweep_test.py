"""The program: what it refuses, and a sweep on this machine with runs that fail, stop and go on."""

import json
import os
import signal
import subprocess
import sys
import time

import pandas as pd
import pytest
import stubs

from launch import manifest, outcome
from research import configuration, workdirs

# (flags, what the one line says)
REFUSED = {
  'no command': ([], 'required: COMMAND'),
  'unknown command': (['plant'], "invalid choice: 'plant'"),
  'no workdir': (['status'], 'required: --workdir'),
  'empty workdir': (['status', '--workdir='], 'must name a folder'),
  'misspelt flag': (['run', '--workdir=W', '--backend=local', '--wrokers=2'], '--wrokers=2'),
  'flag cut short': (['run', '--workdir=W', '--backend=local', '--work=2'], '--work=2'),
  'unknown backend': (['run', '--workdir=W', '--backend=pbs'], "'pbs' (choose from local, slurm,"),
  'no backend': (['run', '--workdir=W'], 'required: --backend'),
  'no number': (['run', '--workdir=W', '--backend=local', '--workers=x'], "invalid int value: 'x'"),
  'zero': (['run', '--workdir=W', '--backend=local', '--workers=0'], 'must be at least 1, not 0'),
  'no nodes': (
    ['run', '--workdir=W', '--backend=slurm', '--nodes=0'],
    '--nodes must be at least 1',
  ),
  'of another': (
    ['run', '--workdir=W', '--backend=slurm', '--image=x'],
    '--image is a flag of jobset, not of slurm',
  ),
  'required': (['run', '--workdir=W', '--backend=jobset', '--image=x'], 'jobset needs --claim'),
  'late override': (
    ['run', '--workdir=W', '--backend=local', '--config.seed=1'],
    '--config.seed=1 belongs to plan',
  ),
  'no manifest': (
    ['run', '--workdir=W', '--backend=local'],
    'make it with: python -m launch.sweep',
  ),
  'no manifest to show': (['status', '--workdir=W'], 'no W/manifest.jsonl; make it with'),
  'no config': (['plan', '--workdir=W', '--config=x.py'], "no config file 'x.py'"),
  'unknown key': (
    ['plan', '--workdir=W', '--config=config.py', '--config.model.widht=3'],
    "did you mean 'model.widths'",
  ),
  'what varies': (
    ['plan', '--workdir=W', '--config=config.py', '--config.task.label_noise=1'],
    'task.label_noise is what sweep() of config.py varies',
  ),
  'out of range': (
    ['plan', '--workdir=W', '--config=config.py', '--config.training.batch_size=100'],
    'training.batch_size=100 exceeds the 64 train examples',
  ),
}


@pytest.mark.parametrize('case', REFUSED)
def test_what_cannot_be_done_is_refused_in_one_line(case, config, call, monkeypatch):
  monkeypatch.chdir(config.parent)
  flags, message = REFUSED[case]
  code, out, errors = call(*flags)
  assert (code, out) == (2, '')
  (line,) = errors.splitlines()
  assert line.startswith('genlab: ')
  assert message in line.replace("'local', 'slurm'", 'local, slurm')
  assert [path.name for path in config.parent.iterdir()] == ['config.py']


def test_a_dataset_that_is_elsewhere_does_not_stop_a_plan(config, call):
  text = config.read_text().replace("name='digits'", "name='svhn_cropped'")
  config.write_text(text)
  root = config.parent / 'sweep'
  code, out, _ = call('plan', f'--config={config}', f'--workdir={root}', '--data_dir=nowhere')
  assert code == 0
  assert 'on this machine, svhn_cropped is not prepared' in out
  assert len(manifest.read(root)) == 3


def run(root, fake, *flags):
  return 'run', f'--workdir={root}', '--backend=local', f'--python={fake}', *flags


def states(root):
  return [it.state for it in outcome.outcomes(root, manifest.read(root), {})]


def test_a_dry_run_prints_the_commands_and_does_nothing(planned, fake, call):
  code, out, _ = call(*run(planned, fake, '--dry-run', '--workers=2'))
  lines = out.splitlines()
  assert code == 0
  assert lines[0] == '# 3 runs, 2 at once'
  assert [path.name for path in planned.iterdir()] == [manifest.MANIFEST]
  (planned / 'logs').mkdir()
  for line in lines[1:]:
    subprocess.run(line, shell=True, check=True)
  assert states(planned) == ['done'] * 3


def test_one_that_fails_is_shown_and_it_alone_is_retried(planned, fake, call):
  crash = planned / 'label_noise=0.5.crash'
  crash.touch()
  code, out, _ = call(*run(planned, fake, '--workers=2'))
  assert code == 1
  assert 'label_noise=0.5: exit code 7' in out
  code, out, _ = call('status', f'--workdir={planned}')
  assert code == 1
  assert out.splitlines()[0] == f'{planned}: 3 runs, 2 done, 1 failed'
  assert '         | out of luck' in out.splitlines()
  code, out, _ = call(*run(planned, fake))
  assert (code, out) == (0, 'nothing to run: 3 runs, 2 done, 1 failed\n')
  crash.unlink()
  code, out, _ = call('retry', *run(planned, fake)[1:])
  assert code == 0
  assert out.startswith('label_noise=0.5: done')
  assert len(out.splitlines()) == 1
  before = {path: path.stat().st_mtime_ns for path in planned.rglob('*')}
  for command in ('run', 'retry'):
    assert call(command, *run(planned, fake)[1:])[:2] == (
      0,
      f'nothing to {command}: 3 runs, 3 done\n',
    )
  assert {path: path.stat().st_mtime_ns for path in planned.rglob('*')} == before


def test_each_worker_has_a_gpu_of_its_own(planned, fake, call, tmp_path, monkeypatch):
  listed = '#!/bin/sh\necho "GPU 0: H (UUID: a)"\necho "  MIG 1g"\necho "GPU 1: H (UUID: b)"\n'
  stubs.install(tmp_path / 'bin', monkeypatch, **{'nvidia-smi': listed})
  code, out, _ = call(*run(planned, fake, '--dry-run'))
  assert out.startswith(
    '# 3 runs, 2 at once, one of CUDA_VISIBLE_DEVICES=0 CUDA_VISIBLE_DEVICES=1 each'
  )
  code, _, errors = call(*run(planned, fake, '--workers=3'))
  assert code == 2
  assert '--workers=3 exceeds the 2 GPUs here: 0, 1' in errors
  assert call(*run(planned, fake))[0] == 0
  logs = ''.join(path.read_text() for path in (planned / 'logs').glob('*.log'))
  assert {word for word in logs.split() if word.startswith('gpu=')} == {'gpu=0', 'gpu=1'}
  monkeypatch.setenv('CUDA_VISIBLE_DEVICES', '5')
  (planned / 'label_noise=0.0' / 'DONE').unlink()
  assert states(planned) == ['missing', 'done', 'done']
  assert call(*run(planned, fake, '--dry-run'))[1].startswith(
    '# 1 runs, 1 at once, one of CUDA_VIS'
  )


def started(*argv):
  return subprocess.Popen(
    [sys.executable, '-m', 'launch.sweep', *map(str, argv)],
    stdout=subprocess.PIPE,
    stderr=subprocess.STDOUT,
    text=True,
    env=os.environ | {'XLA_FLAGS': ''},
    start_new_session=True,
  )


def wait_until(true, process):
  deadline = time.monotonic() + 120
  while not true():
    if process.poll() is not None or time.monotonic() > deadline:
      process.kill()
      pytest.fail(f'never happened: {process.communicate(timeout=60)}')
    time.sleep(0.02)


@pytest.mark.parametrize(('number', 'code'), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_stops_the_workers_and_starts_no_more(number, code, planned, fake, call):
  waits = [planned / f'label_noise={noise}.wait' for noise in (0.0, 0.5)]
  for path in waits:
    path.touch()
  process = started(*run(planned, fake, '--workers=2'))
  wait_until(lambda: len([*(planned / 'logs').glob('*.log')]) == 2, process)
  time.sleep(0.3)  # the traps of the stand-ins are set
  os.killpg(process.pid, number)  # as a terminal does, whose Ctrl-C goes to all of a group
  out, _ = process.communicate(timeout=60)
  assert process.returncode == code, out
  assert states(planned) == ['stopped', 'stopped', 'missing']
  assert all('saved' in path.read_text() for path in (planned / 'logs').glob('*.log'))
  for path in waits:
    path.unlink()
  assert call(*run(planned, fake))[0] == 0
  assert states(planned) == ['done'] * 3


def test_a_retry_that_is_stopped_leaves_what_it_did_not_start(planned, fake, call):
  paths = [planned / f'label_noise={noise}.crash' for noise in (0.0, 0.5, 1.0)]
  for path in paths:
    path.touch()
  assert call(*run(planned, fake))[0] == 1
  wait = planned / 'label_noise=0.0.wait'
  wait.touch()
  process = started('retry', *run(planned, fake)[1:])
  wait_until(lambda: states(planned)[0] == 'stopped', process)  # at work: without an exit code
  time.sleep(0.3)  # the trap of the stand-in is set
  process.send_signal(signal.SIGTERM)
  process.communicate(timeout=60)
  assert process.returncode == 143
  assert states(planned) == ['stopped', 'failed', 'failed']


def test_the_launcher_leaves_the_devices_to_the_runs(planned, fake, monkeypatch):
  """JAX takes most of a GPU's memory when first used; on a platform that is none, it would fail."""
  monkeypatch.setenv('JAX_PLATFORMS', 'none')
  for command in (run(planned, fake), ['status', f'--workdir={planned}']):
    process = started(*command)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0, out
  assert states(planned) == ['done'] * 3


def test_a_second_signal_kills(planned, fake, tmp_path):
  deaf = stubs.write(
    tmp_path / 'deaf', '#!/bin/bash\ntrap "" TERM\necho deaf\nsleep 60 & wait; wait\n'
  )
  process = started(*run(planned, deaf))
  wait_until(lambda: any(path.stat().st_size for path in (planned / 'logs').glob('*.log')), process)
  process.send_signal(signal.SIGTERM)
  time.sleep(0.5)
  assert process.poll() is None
  process.send_signal(signal.SIGTERM)
  process.communicate(timeout=30)
  assert process.returncode == 143
  assert states(planned) == ['failed', 'missing', 'missing']  # 137


def test_runs_at_work_and_of_another_config_are_told_apart(planned, call):
  first, second, _ = manifest.read(planned)
  workdir = planned / first.workdir
  workdir.mkdir()
  (planned / second.workdir).mkdir()
  (planned / second.workdir / 'config.json').write_text('{"seed": 1}')
  from research import workdirs

  with workdirs.open_workdir(workdir):
    code, out, _ = call('status', f'--workdir={planned}')
    assert f'running  {first.id}  label_noise=0.0  process {os.getpid()} on ' in out
    assert 'holds a run of another config' in out
    assert code == 1
  assert 'running' not in call('status', f'--workdir={planned}')[1]


def test_a_run_that_was_killed_goes_on(planned, fake, call):
  (planned / 'logs').mkdir()
  outcome.log(planned, manifest.read(planned)[0]).write_text('step 3\n')
  assert 'stopped' in call('status', f'--workdir={planned}')[1]
  assert 'label_noise=0.0: done' in call(*run(planned, fake))[1]


@pytest.fixture(scope='module')
def real(tmp_path_factory):
  """A sweep of real runs: interrupted by SIGTERM, then finished by the same command."""
  folder = tmp_path_factory.mktemp('real')
  (folder / 'config.py').write_text(stubs.CONFIG)
  root = folder / 'sweep'
  steps = ['--config.training.total_steps=2000', '--config.training.checkpoint_every=1000']
  size = ['--config.population.size=4']
  plan = started('plan', f'--config={folder / "config.py"}', f'--workdir={root}', *steps, *size)
  said, _ = plan.communicate(timeout=120)
  assert plan.returncode == 0, said
  command = ['run', f'--workdir={root}', '--backend=local']
  process = started(*command)
  record = root / 'label_noise=0.0' / 'metrics.jsonl'
  wait_until(lambda: record.exists() and len(record.read_text().splitlines()) > 2, process)
  process.send_signal(signal.SIGTERM)
  out, _ = process.communicate(timeout=120)
  found = outcome.outcomes(root, manifest.read(root), {})
  again = started(*command)
  after, _ = again.communicate(timeout=300)
  return root, (process.returncode, out, found), (again.returncode, after)


@pytest.mark.slow
def test_real_runs_are_stopped_saved_and_finished(real):
  root, (code, out, found), (again, after) = real
  assert code == 143, out
  assert [it.state for it in found] == ['stopped', 'missing', 'missing']
  (log,) = (it for it in (root / 'logs').glob('*.log') if 'stopped at step' in it.read_text())
  assert 'which is saved' in log.read_text()
  assert again == 0, after
  assert states(root) == ['done'] * 3
  assert json.loads((root / 'label_noise=0.0' / 'DONE').read_text())['resumed_at'] > 0


@pytest.mark.parametrize('suffix', ['csv', 'parquet'])
def test_the_table_is_collected(suffix, real, call, tmp_path):
  out = tmp_path / f'table.{suffix}'
  assert call('collect', f'--workdir={real[0]}', f'--out={out}')[0] == 0
  table = pd.read_csv(out) if suffix == 'csv' else pd.read_parquet(out)
  assert set(table['run']) == {f'label_noise={noise}' for noise in (0.0, 0.5, 1.0)}
  assert set(table['seed']) == {0, 1, 2, 3}
  assert table.groupby('run')['step'].max().eq(2000).all()
  assert not list(tmp_path.glob('.*'))


def test_only_what_is_done_is_collected(planned, fake, call, tmp_path, monkeypatch):
  code, _, errors = call('collect', f'--workdir={planned}')
  assert code == 2
  assert 'is done yet' in errors
  code, _, errors = call('collect', f'--workdir={planned}', '--out=table.xlsx')
  assert 'must end in .csv or .parquet' in errors
  monkeypatch.setattr('importlib.util.find_spec', lambda name: None)
  code, _, errors = call('collect', f'--workdir={planned}', '--out=table.parquet')
  assert code == 2
  assert 'needs pyarrow, which is not installed' in errors


def test_networks_that_diverged_are_counted(planned):
  run = manifest.read(planned)[0]
  config = configuration.as_json(configuration.load(run.config, run.overrides))
  workdir = planned / run.workdir
  workdir.mkdir(parents=True)
  workdirs.write_json(workdir / 'config.json', config)
  workdirs.mark_done(workdir, {'diverged': {'3': {'step': 7, 'leaf': 'x'}}})
  found = outcome.outcomes(planned, [run], {})[0]
  assert found.state == 'done'
  assert found.note == f'1 of {config["population"]["size"]} networks diverged'
