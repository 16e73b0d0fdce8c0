"""The programs as a user meets them: exit codes, one line for what went wrong, nothing left behind."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

from research import command_line, main, replicate, studies

CONFIG = '--config=configs/coherence/digits.py:smoke'
STUDY = 'real_and_random_labels'
STUDIES = ', '.join(studies.STUDIES)


@pytest.fixture(autouse=True)
def _no_settings_left_behind(monkeypatch):
  monkeypatch.setattr(command_line, 'cache_programs', lambda: None)
  monkeypatch.setenv('GENLAB_DATA_DIR', os.environ.get('GENLAB_DATA_DIR', ''))


def run(program, *argv):
  """The exit code, whether it is returned or raised."""
  try:
    return program.main(list(argv))
  except SystemExit as stopped:
    return stopped.code


def only_line(errors):
  (line,) = errors.splitlines()
  assert line.startswith('genlab: ')
  return line.removeprefix('genlab: ')


def start(module, *argv):
  """A process with one device: eight simulated ones only slow it down."""
  return subprocess.Popen(
    [sys.executable, '-m', f'research.{module}', *argv],
    stdout=subprocess.PIPE,
    stderr=subprocess.PIPE,
    text=True,
    env=os.environ | {'XLA_FLAGS': ''},
  )


def seen(folder):
  """Every file below a folder, and when it was written."""
  return {path: path.stat().st_mtime_ns for path in folder.rglob('*')}


# (flags, how the refusal begins, what it says besides: the remedy)
REFUSED = {
  'unknown flag': (['--confg=x'], 'unrecognized arguments: --confg=x', 'main --help'),
  'flag cut short': (['--tens'], 'unrecognized arguments: --tens', 'main --help'),
  'a value apart': (['--config.seed', '3'], 'unrecognized arguments: 3', 'main --help'),
  'no such config': (['--config=x.py'], "no config file 'x.py'", 'give --config=configs/'),
  'no such scale': ([f'{CONFIG}r'], 'configs/coherence/digits.py: no scale', 'choose smoke'),
  'unknown key': (['--config.model.widht=3'], "unknown config key 'model.widht'", 'model.widths'),
  'no value': (['--config.seed'], "override 'seed' has no value", '--config.seed=VALUE'),
  'wrong type': (['--config.training.total_steps=1e3'], 'training.total_steps=1000.0 must', 'int'),
  'learning rate': (
    ['--config.optimizer.learning_rate=-1'],
    'optimizer.learning_rate must be positive',
    '--config.optimizer.learning_rate=VALUE',
  ),
  'label noise': (
    ['--config.task.label_noise=2'],
    'task.label_noise must lie in [0, 1], not 2',
    '--config.task.label_noise=VALUE',
  ),
  'batch': (
    ['--config.training.batch_size=100000'],
    'training.batch_size=100000 exceeds the 128 train examples',
    '--config.training.batch_size=VALUE',
  ),
  'probe': (
    ['--config.probe.size=361', '--config.probe.split=test'],
    'probe.size=361 exceeds the 360 test examples',
    '--config.probe.size=VALUE',
  ),
  'patch': (
    ['--config.model.name=vit', '--config.model.patch=3'],
    'model.patch must divide the image',
    '--config.model.patch=VALUE',
  ),
  'schedule': (
    ['--config.instruments.coherence.every=0'],
    'instruments.coherence.every must be at least 1, not 0',
    'configs/coherence/digits.py',
  ),
  'dataset': (
    ['--config.task.name=svhn_cropped', '--data_dir=no/such/folder'],
    'svhn_cropped is not prepared in no/such/folder',
    'tfds build svhn_cropped --file_format=array_record --data_dir=no/such/folder',
  ),
  'name of two lines': (['--config.task.name=a\nb'], 'a b is not prepared in', 'tfds build'),
  'coupled examples': (
    ['--config.model.name=resnet', '--config.model.norm=batch', '--config.model.depth=10'],
    'the loss of one example depends on the other examples of its batch',
    "model.norm='group'",
  ),
}


@pytest.mark.parametrize('case', REFUSED)
def test_what_cannot_be_run_is_refused_in_one_line_and_nothing_is_written(case, tmp_path, capsys):
  flags, begins, says = REFUSED[case]
  workdir = tmp_path / 'runs' / 'a'
  assert run(main, CONFIG, f'--workdir={workdir}', *flags) == 2
  printed = capsys.readouterr()
  assert printed.out == ''
  message = only_line(printed.err)
  assert message.startswith(begins)
  assert says in message
  assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
  ('flags', 'message'),
  [
    ([CONFIG], 'the following arguments are required: --workdir'),
    (['--workdir=x'], 'the following arguments are required: --config'),
    ([CONFIG, '--workdir='], 'argument --workdir: must name a folder'),
  ],
)
def test_what_is_missing_is_named(flags, message, tmp_path, monkeypatch, capsys):
  monkeypatch.chdir(tmp_path)
  assert run(main, *flags) == 2
  assert only_line(capsys.readouterr().err) == f'{message}; see python -m research.main --help'
  assert not list(tmp_path.iterdir())


def test_a_workdir_below_a_file_is_refused(tmp_path, capsys):
  file = tmp_path / 'file'
  file.write_text('mine')
  assert run(main, CONFIG, f'--workdir={file / "run"}') == 2
  message = only_line(capsys.readouterr().err)
  assert 'lies in a file' in message
  assert str(file) in message
  assert file.read_text() == 'mine'


@pytest.mark.skipif(os.geteuid() == 0, reason='root may write anywhere')
def test_a_workdir_that_may_not_be_written_is_refused(tmp_path, capsys):
  tmp_path.chmod(0o500)
  assert run(main, CONFIG, f'--workdir={tmp_path / "run"}') == 2
  assert 'may not be written' in only_line(capsys.readouterr().err)


def test_a_refusal_is_quick(tmp_path, record_property):
  """A process of its own, imports included: 2 seconds on an idle core."""
  started = time.perf_counter()
  process = start('main', CONFIG, f'--workdir={tmp_path / "run"}', '--config.model.widht=3')
  out, errors = process.communicate(timeout=60)
  seconds = time.perf_counter() - started
  record_property('seconds', seconds)
  assert process.returncode == 2
  assert out == ''
  assert only_line(errors).startswith("unknown config key 'model.widht'")
  assert not (tmp_path / 'run').exists()
  assert seconds < 15, seconds  # loose, for machines that are shared


@pytest.mark.parametrize('program', [main, replicate])
def test_help_says_how_it_is_used(program, capsys):
  assert run(program, '--help') == 0
  printed = capsys.readouterr()
  assert printed.err == ''
  assert '--workdir' in printed.out
  assert '--config.section.key=value' in printed.out.replace('--config.key', '--config.section.key')


@pytest.fixture(scope='module')
def done(tmp_path_factory):
  workdir = tmp_path_factory.mktemp('main') / 'run'
  with pytest.MonkeyPatch.context() as patch:
    patch.setattr(command_line, 'cache_programs', lambda: None)
    assert run(main, CONFIG, f'--workdir={workdir}', '--config.population.size=2') == 0
  return workdir


def test_a_run_says_where_its_record_is(done, capsys):
  assert run(main, CONFIG, f'--workdir={done}', '--config.population.size=2') == 0
  rows = [json.loads(line) for line in (done / 'metrics.jsonl').read_text().splitlines()]
  assert rows[-1]['step'] == 20
  assert capsys.readouterr().err == ''


@pytest.mark.parametrize('size', ['2', '2 '])
def test_a_second_run_of_a_done_one_says_so_and_changes_nothing(done, size, capsys):
  before = seen(done)
  assert run(main, CONFIG, f'--workdir={done}', f'--config.population.size={size}') == 0
  printed = capsys.readouterr()
  assert printed.out == f'{done} is done already; nothing to do\n'
  assert printed.err == ''
  assert seen(done) == before


def test_settings_that_are_the_same_are_taken_for_the_same(done):
  flags = [
    '--config.population.size=2',
    '--config.optimizer.eps=1e-08',
    '--config.task.label_noise=0',
  ]
  assert run(main, CONFIG, f'--workdir={done}', *flags) == 0


def test_another_config_on_the_same_workdir_is_refused_by_the_name_of_the_key(done, capsys):
  before = seen(done)
  flags = ['--config.population.size=2', '--config.optimizer.learning_rate=0.3']
  assert run(main, CONFIG, f'--workdir={done}', *flags) == 2
  message = only_line(capsys.readouterr().err)
  assert f'{done} holds a run with optimizer.learning_rate=0.1, not 0.3' in message
  assert 'choose another --workdir' in message
  assert seen(done) == before


def wait_for_step(workdir, step, process):
  """Waits until the record of a run at work has a row at a step, or after it."""
  record = workdir / 'metrics.jsonl'
  deadline = time.monotonic() + 120
  while time.monotonic() < deadline and process.poll() is None:
    lines = record.read_text().splitlines() if record.exists() else []
    if lines and json.loads(lines[-1])['step'] >= step:
      return
    time.sleep(0.02)
  pytest.fail(f'no row at step {step}: {process.communicate(timeout=60)}')


@pytest.mark.slow
def test_signals_stop_a_run_which_a_rerun_finishes(tmp_path, capsys):
  workdir = tmp_path / 'run'
  flags = [CONFIG, f'--workdir={workdir}', '--config.population.size=8']
  flags += ['--config.training.total_steps=3000', '--config.training.checkpoint_every=1000']
  for number, code, step in ((signal.SIGINT, 130, 10), (signal.SIGTERM, 143, 200)):
    process = start('main', *flags)
    wait_for_step(workdir, step, process)
    process.send_signal(number)
    out, errors = process.communicate(timeout=60)
    assert process.returncode == code
    assert out == ''
    message = only_line(errors)
    assert message.startswith('stopped at step ')
    assert message.endswith('which is saved; the same command goes on from there')
    assert not (workdir / 'DONE').exists()
  assert run(main, *flags) == 0
  assert capsys.readouterr().out == f'done: {workdir / "metrics.jsonl"}\n'
  assert json.loads((workdir / 'DONE').read_text())['resumed_at'] >= 200
  rows = [json.loads(line) for line in (workdir / 'metrics.jsonl').read_text().splitlines()]
  steps = [row['step'] for row in rows]
  assert steps == sorted(set(steps))
  assert steps[-1] == 3000


def test_a_stop_before_training_is_one_line_too(monkeypatch, capsys):
  def interrupt(*_):
    raise KeyboardInterrupt

  monkeypatch.setattr('research.configuration.load', interrupt)
  assert run(main, CONFIG, '--workdir=x') == 130
  assert only_line(capsys.readouterr().err).startswith('stopped; the same command goes on')
  monkeypatch.setattr(command_line, '_refusing', interrupt)  # while modules are being imported
  assert run(main, CONFIG, '--workdir=x') == 130
  assert only_line(capsys.readouterr().err).startswith('stopped')


def test_a_fault_of_ours_keeps_its_traceback(monkeypatch):
  def fail(*_):
    raise ValueError('shapes differ')

  monkeypatch.setattr('research.configuration.load', fail)
  with pytest.raises(ValueError, match='shapes differ'):
    run(main, CONFIG, '--workdir=x')


def test_the_studies_are_listed(capsys):
  assert run(replicate, '--list') == 0
  printed = capsys.readouterr()
  assert printed.out.startswith(f'{STUDY}: Coherence of the gradients')
  assert 'generalization_mystery: ' in printed.out


@pytest.mark.parametrize(
  ('flags', 'message'),
  [
    ([], f'which study?; there are: {STUDIES}'),
    (['real_labels'], f"no study 'real_labels'; there are: {STUDIES}"),
    ([STUDY, '--seeds=3:3'], '--seeds must be a number of networks, or FIRST:STOP'),
    ([STUDY, '--only=noises'], f"no experiment 'noises' in {STUDY}: labels"),
    ([STUDY, CONFIG, '--scale=cpu'], '--config replaces the one file of a study'),
    (['generalization_mystery', CONFIG], '--config replaces the one file of a study'),
    ([STUDY, '--conf=x'], 'unrecognized arguments: --conf=x'),
    ([STUDY, '--config=configs/coherence/nope.py'], "no config file 'configs/coherence/nope.py'"),
    ([STUDY, CONFIG, '--config.probe.sise=3'], "unknown config key 'probe.sise'"),
    ([STUDY, CONFIG, '--config.task.label_noise=0.5'], 'task.label_noise is what sweep() of'),
    ([STUDY, CONFIG, '--config.instruments.coherence=none'], f'{CONFIG[9:]}: this study reads'),
    ([STUDY, CONFIG, '--config.probe.size=5000'], 'probe.size=5000 exceeds the 128 train examples'),
  ],
)
def test_what_cannot_be_replicated_is_refused(flags, message, tmp_path, monkeypatch, capsys):
  root = pathlib.Path.cwd()
  monkeypatch.chdir(tmp_path)
  (tmp_path / 'configs').symlink_to(root / 'configs')
  assert run(replicate, *flags) == 2
  assert only_line(capsys.readouterr().err).startswith(message)
  assert [path.name for path in tmp_path.iterdir()] == ['configs']


def test_a_config_without_a_sweep_cannot_be_replicated(tmp_path, capsys):
  file = tmp_path / 'config.py'
  file.write_text('def get_config(scale=""): return {}')
  assert run(replicate, STUDY, f'--config={file}', f'--workdir={tmp_path / "runs"}') == 2
  assert only_line(capsys.readouterr().err).startswith(f'{file} defines no sweep()')


def test_a_study_leaves_its_runs_figures_and_card(tmp_path, capsys):
  root = tmp_path / 'study'
  flags = [STUDY, CONFIG, f'--workdir={root}', '--config.population.size=2']
  stray = root / 'labels' / 'label_noise=0.25'  # of an earlier sweep, say: no part of this study
  stray.mkdir(parents=True)
  (stray / 'config.json').write_text('{"task": {"name": "digits", "label_noise": 0.25}}')
  (stray / 'metrics.jsonl').write_text('{"step": 0, "train/accuracy": [0.5, 0.5]}\n')
  assert run(replicate, *flags) == 0
  printed = capsys.readouterr()
  assert printed.err == ''
  card = json.loads((root / 'card.json').read_text())
  assert card['scale'] == 'smoke'
  assert card['command'].endswith(':smoke --config.population.size=2')
  assert all(f'{claim["name"]}: ' in printed.out for claim in card['claims'])
  assert '25%' not in printed.out
  assert (root / 'card.md').read_text().startswith(f'# {STUDY}, ')
  assert {path.suffix for path in (root / 'figures').iterdir()} == {'.png', '.pdf'}
  runs = sorted(path.parent.name for path in root.rglob('DONE'))
  assert runs == ['label_noise=0.0', 'label_noise=0.5', 'label_noise=1.0']

  before = seen(root)
  assert run(replicate, *flags) == 0
  assert 'is done already; nothing to do' in capsys.readouterr().out
  assert seen(root) == before


@pytest.mark.slow
def test_a_study_reads_no_runs_but_its_own(tmp_path, capsys):
  """A run of another model beside the arms has layers that these have not."""
  workdir = tmp_path / 'study'
  other = ['--config.model.widths=(4,4,4)', f'--workdir={workdir / "mine"}']
  assert run(main, CONFIG, *other) == 0
  assert run(replicate, STUDY, CONFIG, f'--workdir={workdir}') == 0
  (workdir / 'figures' / 'layers.png').unlink()
  assert run(replicate, STUDY, CONFIG, f'--workdir={workdir}') == 0  # made again from the records
  assert (workdir / 'figures' / 'layers.png').exists()
