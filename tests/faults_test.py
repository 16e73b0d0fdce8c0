"""What a run survives, and what it refuses: each ends with the bytes of a run that nothing befell."""

import functools
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys

import jax
import numpy as np
import pytest
from crashes import crash_at

from research import command_line, configuration, loop, main, population, sharding, workdirs
from research.checkpoints import CheckpointError, Checkpoints
from research.population import Population
from research.records import Records, read_metrics

SLOW = functools.partial(pytest.param, marks=pytest.mark.slow)
CONFIG = 'configs/coherence/digits.py:smoke'
OVERRIDES = [
  'training.total_steps=20',
  'training.checkpoint_every=4',
  'training.log_every=3',
  'population.size=4',
  'optimizer.momentum=0.9',
  'instruments.stiffness.on=batch',
  'instruments.stiffness.every=5',
]


def train(workdir, *overrides):
  config = configuration.load(CONFIG, [*OVERRIDES, *overrides])
  return loop.train_and_evaluate(config, workdir)


def run_main(workdir, *overrides):
  flags = [f'--config={CONFIG}', f'--workdir={workdir}']
  return main.main([*flags, *(f'--config.{it}' for it in (*OVERRIDES, *overrides))])


@pytest.fixture(autouse=True)
def _no_user_cache_of_programs(monkeypatch):
  monkeypatch.setattr(command_line, 'cache_programs', lambda: None)


def final_state(workdir):
  """Step and leaves of the newest checkpoint, as NumPy arrays."""
  config = configuration.load(CONFIG, OVERRIDES)
  with Checkpoints(workdir / 'checkpoints') as checkpoints:
    step, state = checkpoints.restore_latest(loop.build(config).abstract_state())
  return step, jax.device_get(jax.tree.leaves(state))


def assert_same_run(here, there):
  assert (here / 'metrics.jsonl').read_bytes() == (there / 'metrics.jsonl').read_bytes()
  (step, leaves), (other_step, others) = final_state(here), final_state(there)
  assert step == other_step == 20
  for a, b in zip(leaves, others, strict=True):
    np.testing.assert_array_equal(a, b)


def only_line(errors):
  (line,) = [line for line in errors.splitlines() if line.startswith('genlab: ')]
  return line.removeprefix('genlab: ')


@pytest.fixture(scope='module')
def whole(tmp_path_factory):
  workdir = tmp_path_factory.mktemp('whole')
  assert train(workdir)
  return workdir


@pytest.fixture
def stopped(tmp_path):
  """A run that crashed at step 10, with checkpoints of steps 4 and 8."""
  with crash_at(10):
    train(tmp_path / 'run')
  return tmp_path / 'run'


def calls(number, then):
  """What does `then` at call `number` of a function, counted from 0, and otherwise nothing."""
  seen = []

  def before():
    seen.append(None)
    if len(seen) == number + 1:
      then()

  return before


def precede(monkeypatch, owner, name, before):
  function = getattr(owner, name)

  def preceded(*args, **kwargs):
    before()
    return function(*args, **kwargs)

  monkeypatch.setattr(owner, name, preceded)


# (of what, its function, the call of it during which the signal comes, the step that is saved)
MOMENTS = {
  'initializing': (Population, 'init', 0, 0),
  'compiling the first step': (Population, 'update_program', 0, 1),
  'compiling a later step': (Population, 'update_program', 1, 2),
  'compiling a measurement': (Population, 'measure_program', 0, 1),
  'measuring': (Population, 'measure', 7, 8),
  'evaluating': (Population, 'evaluate', 2, None),
  'training': (Population, 'step', 13, 14),
  'measuring after the last step': (Population, 'measure_batch', 0, 20),
  'writing a row': (Records, 'write', 3, None),
  'saving': (Checkpoints, 'save', 1, 8),
}


SLOW_MOMENTS = (
  *('initializing', 'compiling a later step', 'compiling a measurement'),
  *('measuring after the last step', 'writing a row'),
)


@pytest.mark.parametrize(
  ('moment', 'number'),
  [
    *((SLOW if it in SLOW_MOMENTS else pytest.param)(it, signal.SIGTERM) for it in MOMENTS),
    ('training', signal.SIGINT),
  ],
)
def test_a_stop_signal_at_any_moment_saves_and_resumes(
  whole, tmp_path, monkeypatch, capsys, moment, number
):
  owner, name, call, step = MOMENTS[moment]
  with monkeypatch.context() as patch:
    precede(patch, owner, name, calls(call, lambda: signal.raise_signal(number)))
    code = run_main(tmp_path)
  if step == 20:  # the run ended before it looked
    assert code == 0
  else:
    assert code == 128 + number
    message = only_line(capsys.readouterr().err)
    assert message.startswith('stopped at step ')
    if step is not None:
      assert message.startswith(f'stopped at step {step}, which is saved')
    assert not workdirs.is_done(tmp_path)
    assert train(tmp_path)
    saved = int(message.split()[3].rstrip(','))
    assert workdirs.read_json(tmp_path / 'DONE')['resumed_at'] == saved
  assert_same_run(tmp_path, whole)


def flip(path):
  data = bytearray(path.read_bytes())
  data[len(data) // 2] ^= 1
  path.write_bytes(data)


def largest(folder):
  files = (path for path in (folder / 'state').rglob('*') if path.is_file())
  return max(files, key=lambda path: path.stat().st_size)


DAMAGES = {
  'truncated': lambda step: os.truncate(largest(step), 10),
  'one bit flipped': lambda step: flip(largest(step)),
  'data emptied': lambda step: os.truncate(largest(step), 0),
  'manifest gone': lambda step: (step / 'SHA256SUMS').unlink(),
  'emptied': lambda step: [shutil.rmtree(step), step.mkdir()],
}
SLOW_DAMAGES = ('truncated', 'data emptied', 'manifest gone')


@pytest.mark.parametrize('damage', ['one bit flipped', 'emptied', *map(SLOW, SLOW_DAMAGES)])
def test_a_run_falls_back_to_the_checkpoint_before_a_damaged_one(whole, stopped, caplog, damage):
  DAMAGES[damage](stopped / 'checkpoints' / '8')
  assert train(stopped)
  assert workdirs.read_json(stopped / 'DONE')['resumed_at'] == 4
  assert f'checkpoint 8 of {stopped / "checkpoints"} is skipped' in caplog.text
  assert_same_run(stopped, whole)


def tree(folder):
  return {path: path.read_bytes() for path in folder.rglob('*') if path.is_file()}


def lose_all(checkpoints):
  shutil.rmtree(checkpoints)


def damage_all(checkpoints):
  for step in ('4', '8'):
    flip(largest(checkpoints / step))


@pytest.mark.parametrize(
  ('lose', 'says'),
  [
    (damage_all, 'is intact (found [4, 8]; remove the run directory to start from step 0)'),
    (lose_all, 'has no checkpoints, but a record up to step 9: they have been removed; remove'),
  ],
)
def test_a_run_without_any_checkpoint_it_had_is_not_begun_anew(stopped, capsys, lose, says):
  lose(stopped / 'checkpoints')
  before = tree(stopped)
  assert run_main(stopped) == 2
  assert says in only_line(capsys.readouterr().err)
  after = tree(stopped)
  assert after.pop(stopped / '.lock')
  assert after == {path: data for path, data in before.items() if path.name != '.lock'}


def test_a_run_that_had_saved_nothing_yet_is_begun_anew(whole, tmp_path):
  with crash_at(3):
    train(tmp_path)
  assert train(tmp_path)
  assert workdirs.read_json(tmp_path / 'DONE')['resumed_at'] == 0
  assert_same_run(tmp_path, whole)


def test_what_a_signal_saved_is_missed_however_early(tmp_path, monkeypatch, capsys):
  step = Population.step

  def interrupt(self, state, number):
    if number == 2:
      signal.raise_signal(signal.SIGTERM)
    return step(self, state, number)

  with monkeypatch.context() as patch:
    patch.setattr(Population, 'step', interrupt)
    with pytest.raises(loop.Interrupted, match='stopped at step 3'):
      train(tmp_path)
  shutil.rmtree(tmp_path / 'checkpoints')
  assert run_main(tmp_path) == 2
  assert 'but a record up to step 2' in only_line(capsys.readouterr().err)


@pytest.mark.parametrize(
  ('override', 'leaf'),
  [
    ('model.widths=(24,)', 'params/Dense_0/bias was saved as float32[4,16], and is requested as'),
    ('optimizer.name=adam', 'opt_state/0/count was saved as nothing, and is requested as'),
    ('optimizer.momentum=0.0', 'opt_state/0/count was saved as nothing, and is requested as'),
    ('population.size=2', 'step was saved as int32[4], and is requested as int32[2]'),
  ],
)
def test_another_model_or_optimizer_is_refused_by_its_leaf(whole, stopped, capsys, override, leaf):
  """Its config is lost, which would have refused it by the name of the key."""
  (stopped / 'config.json').unlink()
  before = tree(stopped / 'checkpoints')
  overrides = [override, *(['optimizer.momentum=0.0'] if 'adam' in override else [])]
  assert run_main(stopped, *overrides) == 2
  assert leaf in only_line(capsys.readouterr().err)
  assert tree(stopped / 'checkpoints') == before
  assert not (stopped / 'config.json').exists()
  assert train(stopped)  # as it was begun
  assert_same_run(stopped, whole)


def test_another_dtype_is_refused_by_its_leaf(stopped, monkeypatch):
  abstract_state = Population.abstract_state

  def in_half(self):
    half = lambda x: x.update(dtype=jax.numpy.bfloat16) if x.dtype == np.float32 else x  # noqa: E731
    return jax.tree.map(half, abstract_state(self))

  monkeypatch.setattr(Population, 'abstract_state', in_half)
  message = r'Dense_0/bias was saved as float32\[4,16\], and is requested as bfloat16\[4,16\]'
  with pytest.raises(CheckpointError, match=message):
    train(stopped)


@pytest.mark.parametrize('n_devices', [1, SLOW(2)])
def test_a_run_goes_on_on_fewer_devices(whole, stopped, monkeypatch, n_devices):
  """The population is spread over all eight devices before."""
  goes_on_with(monkeypatch, n_devices, stopped, whole)


def test_a_run_goes_on_on_more_devices(whole, tmp_path, monkeypatch):
  with monkeypatch.context() as patch:
    few(patch, 1)
    precede(patch, Population, 'step', calls(10, lambda: signal.raise_signal(signal.SIGTERM)))
    with pytest.raises(loop.Interrupted):
      train(tmp_path)
  goes_on_with(monkeypatch, 8, tmp_path, whole)


def few(monkeypatch, n_devices):
  make_mesh = sharding.make_mesh
  on_few = lambda r, b, *_: make_mesh(r, b, jax.devices()[:n_devices])  # noqa: E731
  monkeypatch.setattr(population.sharding, 'make_mesh', on_few)


def goes_on_with(monkeypatch, n_devices, workdir, whole):
  rows = (workdir / 'metrics.jsonl').read_bytes().splitlines()[:5]
  few(monkeypatch, n_devices)
  assert train(workdir)
  assert (workdir / 'metrics.jsonl').read_bytes().splitlines()[:5] == rows
  here, there = read_metrics(workdir), read_metrics(whole)
  np.testing.assert_allclose(here.to_numpy(), there.to_numpy(), rtol=1e-3, atol=1e-4)


def allow_files_of(n_bytes):
  resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))


@pytest.fixture
def _any_size_again():
  limits = resource.getrlimit(resource.RLIMIT_FSIZE)
  yield
  resource.setrlimit(resource.RLIMIT_FSIZE, limits)


FULL = {
  'a row': (Records, 'write', 3, 1000, 'metrics.jsonl'),
  'a checkpoint': (Checkpoints, 'save', 1, 12_000, 'was not saved in'),
  'the last checkpoint': (Checkpoints, 'save', 4, 12_000, 'was not saved in'),
}


@pytest.mark.filterwarnings('ignore')  # orbax leaves a coroutine behind when it fails
@pytest.mark.usefixtures('_any_size_again')
@pytest.mark.parametrize('what', ['a row', 'a checkpoint', SLOW('the last checkpoint')])
def test_where_nothing_more_can_be_written_it_is_said_and_nothing_is_lost(
  whole, tmp_path, monkeypatch, capsys, what
):
  """Files may not grow beyond a size, from some moment on."""
  owner, name, call, n_bytes, says = FULL[what]
  with monkeypatch.context() as patch:
    precede(patch, owner, name, calls(call, lambda: allow_files_of(n_bytes)))
    assert run_main(tmp_path) == 2
  message = only_line(capsys.readouterr().err)
  assert says in message
  assert 'bytes free)' in message
  assert str(tmp_path) in message
  assert not workdirs.is_done(tmp_path)
  allow_files_of(resource.RLIM_INFINITY)
  assert train(tmp_path)
  assert_same_run(tmp_path, whole)


FULL_DISK = """
mkdir $1 && mount -t tmpfs -o size=$2 tmpfs $1 || exit 99
shift 2
"$@"; echo code $?
ls $DISK/run/checkpoints $DISK/run
mount -o remount,size=100m $DISK
"$@"; echo code $?
cp -r $DISK/run $COPY
"""
MOUNTS = ['unshare', '--user', '--map-root-user', '--mount', 'sh', '-c']


def may_mount(tmp_path):
  try:
    command = [*MOUNTS, 'mount -t tmpfs tmpfs "$0"', str(tmp_path)]
    return subprocess.run(command, capture_output=True, timeout=20).returncode == 0
  except (OSError, subprocess.TimeoutExpired):
    return False


@pytest.mark.slow
@pytest.mark.parametrize(('size', 'found'), [('6m', {'4', '8'}), SLOW('600k', set())])
def test_on_a_full_disk_a_run_ends_and_goes_on_when_there_is_room(tmp_path, size, found):
  """A disk of its own, of 6 MB: the third checkpoint does not fit. Of 0.6 MB: the only one does not."""
  if not may_mount(tmp_path):
    pytest.skip('mounting a small disk takes user namespaces, which this machine does not allow')
  disk, copy = tmp_path / 'disk', tmp_path / 'copy'
  overrides = [*OVERRIDES, 'population.size=16', 'model.widths=(256,)']
  overrides += [] if found else ['training.checkpoint_every=1000']
  program = [sys.executable, '-m', 'research.main', f'--config={CONFIG}', f'--workdir={disk}/run']
  program += [f'--config.{override}' for override in overrides]
  script = [*MOUNTS, FULL_DISK, 'sh', str(disk), size, *program]
  environment = os.environ | {'DISK': str(disk), 'COPY': str(copy), 'XLA_FLAGS': ''}
  ran = subprocess.run(script, capture_output=True, text=True, env=environment, timeout=300)
  first, second = ran.stdout.split('code ')[1:]
  assert first[0] == '2', ran.stderr
  assert {word for word in first.split()[1:] if word.isdecimal()} == found
  assert 'DONE' not in first.split()
  message = only_line(ran.stderr)
  assert str(disk) in message
  assert 'bytes free)' in message
  assert second[0] == '0', ran.stderr
  done = workdirs.read_json(copy / 'DONE')
  assert done['resumed_at'] == max(map(int, found), default=0)
  assert [*read_metrics(copy)['step'].unique()][-1] == 20


def test_a_disk_that_may_only_be_read_is_refused(tmp_path):
  if not may_mount(tmp_path):
    pytest.skip('mounting a disk takes user namespaces, which this machine does not allow')
  mount = 'mount -t tmpfs -o ro tmpfs "$0" && exec "$@"'
  program = [sys.executable, '-m', 'research.main', f'--config={CONFIG}', f'--workdir={tmp_path}/a']
  ran = subprocess.run([*MOUNTS, mount, str(tmp_path), *program], capture_output=True, text=True)
  assert ran.returncode == 2
  message = f'genlab: the run directory {tmp_path}/a may not be written: {tmp_path}\n'
  assert ran.stderr == message


def test_a_second_job_is_refused_with_the_host_and_process_of_the_first(
  tmp_path, monkeypatch, capsys
):
  monkeypatch.setattr(loop, 'build', None)  # before anything is read
  with workdirs.open_workdir(tmp_path):
    assert run_main(tmp_path) == 2
  holder = f'process {os.getpid()} on {socket.gethostname()}'
  assert only_line(capsys.readouterr().err) == f'{tmp_path} is in use by {holder}'
