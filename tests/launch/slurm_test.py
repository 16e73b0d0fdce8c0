"""SLURM: the script to the letter, and array jobs whose tasks really run, on a SLURM of stand-ins."""

import pathlib
import sys

import pytest
import stubs

from launch import manifest, outcome, slurm
from research.configuration import ConfigError

GOLDEN = pathlib.Path(__file__).with_name('golden')
ROOT = pathlib.Path('runs/Noise.study')


@pytest.mark.parametrize(
  ('name', 'options'),
  [
    ('slurm_array.sh', {'parallel': 8, 'sbatch': ('--partition=gpu', '--account=me')}),
    (
      'slurm_nodes.sh',
      {'nodes': 2, 'gpus': 4, 'cpus': 8, 'time': '1-00:00:00', 'data_dir': '/sets'},
    ),
    ('slurm_cpu.sh', {'gpus': 0}),
  ],
)
def test_the_script_is_the_one_on_record(name, options):
  text = slurm.text(ROOT, stubs.RUNS, slurm.Options(python='python', **options))
  assert text == (GOLDEN / name).read_text(), (
    f'if that is meant, it goes into golden/{name}:\n{text}'
  )


def run(root, *flags):
  return f'--workdir={root}', '--backend=slurm', f'--python={sys.executable}', *flags


def states(root):
  held = slurm.held(outcome.submissions(root, 'slurm'))
  return [it.state for it in outcome.outcomes(root, manifest.read(root), held)]


def test_a_dry_run_prints_what_sbatch_gets(planned, call, tmp_path, monkeypatch, fake):
  stubs.slurm(tmp_path / 'bin', monkeypatch)
  flags = run(planned, f'--python={fake}', '--gpus=0', '--sbatch=--partition=a', '--sbatch=--qos=b')
  code, out, _ = call('run', *flags, '--dry-run')
  assert code == 0
  assert '#SBATCH --partition=a\n#SBATCH --qos=b\n' in out
  assert [path.name for path in planned.iterdir()] == [manifest.MANIFEST]
  assert not (tmp_path / 'bin' / 'scripts').exists()
  assert call('run', *flags)[0] == 0
  assert (tmp_path / 'bin' / 'scripts').read_text() == out


def test_a_folder_that_directives_cannot_name_is_refused():
  for name in ('a b', 'a%j'):
    with pytest.raises(ConfigError, match='rename it'):
      slurm.text(pathlib.Path(name), stubs.RUNS, slurm.Options())


def test_without_sbatch_there_is_a_remedy(planned, call, monkeypatch):
  monkeypatch.setenv('PATH', '/nowhere')
  code, out, errors = call('run', *run(planned))
  assert (code, out) == (2, '')
  assert 'sbatch is not on PATH: run this where it is, or look with --dry-run' in errors
  assert states(planned) == ['missing'] * 3


def test_what_sbatch_refuses_is_handed_on(planned, call, tmp_path, monkeypatch):
  refuses = '#!/bin/sh\necho "invalid partition" >&2; exit 1\n'
  stubs.install(tmp_path / 'bin', monkeypatch, sbatch=refuses)
  code, _, errors = call('run', *run(planned))
  assert code == 2
  assert 'sbatch --parsable ended with 1 and said: invalid partition' in errors
  assert outcome.submissions(planned, 'slurm') == []


def test_a_retry_that_is_refused_leaves_what_failed(planned, call, tmp_path, monkeypatch, fake):
  stubs.slurm(tmp_path / 'bin', monkeypatch)
  (planned / 'label_noise=0.5.crash').touch()
  assert call('run', *run(planned, f'--python={fake}'))[0] == 0
  assert states(planned) == ['done', 'failed', 'done']
  refuses = stubs.write(tmp_path / 'bin' / 'sbatch', '#!/bin/sh\nexit 1\n')
  assert call('retry', *run(planned, f'--python={fake}'))[0] == 2
  assert states(planned) == ['done', 'failed', 'done']
  stubs.write(refuses, stubs.SBATCH)
  (planned / 'label_noise=0.5.crash').unlink()
  assert 'has 1 runs' in call('retry', *run(planned, f'--python={fake}'))[1]
  assert states(planned) == ['done'] * 3


@pytest.mark.slow
def test_real_tasks_run_one_crashes_and_it_alone_is_retried(
  planned, config, call, tmp_path, monkeypatch
):
  """The drill: three array tasks train, one of them dies; status, retry, and a no-op."""
  stubs.slurm(tmp_path / 'bin', monkeypatch)
  config.with_name('crash').touch()
  code, out, _ = call('run', *run(planned))
  assert code == 0
  assert out.startswith('job 4001 has 3 runs')
  code, out, _ = call('status', f'--workdir={planned}')
  assert code == 1
  assert out.splitlines()[0] == f'{planned}: 3 runs, 2 done, 1 failed'
  assert 'exit code 139' in out
  assert '         | Segmentation fault' in out.splitlines()
  config.with_name('crash').unlink()
  before = {path: path.read_bytes() for path in planned.rglob('metrics.jsonl')}
  assert len(before) == 2
  code, out, _ = call('retry', *run(planned))
  assert out.startswith('job 4002 has 1 runs')
  assert states(planned) == ['done'] * 3
  assert {path: path.read_bytes() for path in before} == before
  scripts = (tmp_path / 'bin' / 'scripts').read_text()
  for command in ('run', 'retry'):
    assert call(command, *run(planned))[:2] == (0, f'nothing to {command}: 3 runs, 3 done\n')
  assert (tmp_path / 'bin' / 'scripts').read_text() == scripts
  assert not (tmp_path / 'bin' / 'scontrol.asked').exists()


def test_what_is_queued_is_not_submitted_again(planned, call, tmp_path, monkeypatch, fake):
  stubs.slurm(tmp_path / 'bin', monkeypatch)
  runs = manifest.read(planned)
  (planned / 'logs').mkdir()
  outcome.note_submission(planned, 'slurm', '7', runs)
  (tmp_path / 'bin' / 'queue').write_text('7_0 RUNNING None\n7_2 PENDING Priority\n8_1 PENDING\n')
  assert states(planned) == ['running', 'missing', 'queued']
  assert 'job 7_2 is PENDING (Priority)' in call('status', f'--workdir={planned}')[1]
  _, out, _ = call('run', *run(planned, f'--python={fake}'))
  assert 'has 1 runs' in out
  assert outcome.submissions(planned, 'slurm')[-1]['runs'] == [runs[1].id]


def test_a_note_that_was_torn_is_skipped_and_the_next_begins_a_line(
  planned, call, tmp_path, monkeypatch, fake
):
  stubs.slurm(tmp_path / 'bin', monkeypatch)
  runs = manifest.read(planned)
  (planned / 'logs').mkdir()
  outcome.note_submission(planned, 'slurm', '7', runs[:1])
  notes = planned / 'logs' / 'submitted.jsonl'
  notes.write_bytes(notes.read_bytes() + b'{"backend": "slurm", "jo')
  (tmp_path / 'bin' / 'queue').write_text('7_0 RUNNING None\n')
  assert call('status', f'--workdir={planned}')[0] == 0
  assert states(planned) == ['running', 'missing', 'missing']
  assert call('run', *run(planned, f'--python={fake}'))[0] == 0
  found = outcome.submissions(planned, 'slurm')
  assert [(it['job'], len(it['runs'])) for it in found] == [('7', 1), ('4001', 2)]
  assert notes.read_text().count('\n') == 3


def test_a_run_that_meets_the_time_limit_queues_again(planned, call, tmp_path, monkeypatch):
  stubs.slurm(tmp_path / 'bin', monkeypatch)
  meets = stubs.write(tmp_path / 'meets', '#!/bin/bash\nexit 143\n')
  assert call('run', *run(planned, f'--python={meets}'))[0] == 0
  asked = (tmp_path / 'bin' / 'scontrol.asked').read_text().splitlines()
  assert asked == ['requeue 4001_0', 'requeue 4001_1', 'requeue 4001_2']
  assert states(planned) == ['stopped'] * 3


def test_processes_of_two_nodes_join(planned, config, call, tmp_path, monkeypatch):
  """Each array task is one run of 2 x 1 processes, which find each other by SLURM's variables alone."""
  stubs.slurm(tmp_path / 'bin', monkeypatch)
  joins = f"""#!{sys.executable}
import pathlib, sys
from research import processes
processes.join()
import jax
of, n = f'process {{jax.process_index()}} of {{jax.process_count()}}', jax.device_count()
sys.stdout.write(f'{{of}} sees {{n}}\\n')  # at once: both write into one log
workdir = next(arg.removeprefix('--workdir=') for arg in sys.argv if arg.startswith('--workdir='))
if jax.process_index() == 0:
  pathlib.Path(workdir).mkdir()
  pathlib.Path(workdir, 'DONE').write_text('{{}}')
"""
  monkeypatch.setenv('GENLAB_JOIN_SECONDS', '60')
  root = tmp_path / 'alone'
  assert call('plan', f'--config={config}', f'--workdir={root}', '--alone')[0] == 0
  python = stubs.write(tmp_path / 'joins', joins)
  assert call('run', *run(root, f'--python={python}', '--nodes=2'))[0] == 0
  (log,) = (root / 'logs').glob('*.log')
  said = sorted(line for line in log.read_text().splitlines() if line.startswith('process'))
  assert said == ['process 0 of 2 sees 2', 'process 1 of 2 sees 2']
  assert states(root) == ['done']
