import resource
import shutil
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as Spec

from research.checkpoints import CheckpointError, Checkpoints
from research.sharding import MEMBERS, make_mesh, put


def make_state(seed=0, n_members=8):
  """A population: leaves [R, ...], of several dtypes, and the step, which the members share."""
  rng = np.random.default_rng(seed)
  kernel = rng.normal(size=(n_members, 5, 3)).astype(np.float32)
  kernel[0, 0, :2] = np.nan, -0.0
  return {
    'params': {'Dense_0': {'kernel': jnp.asarray(kernel), 'bias': jnp.ones((n_members, 3))}},
    'momentum': (jnp.asarray(kernel, jnp.bfloat16), None),
    'step': jnp.int32(seed),
  }


def same_bits(a, b):
  assert jax.tree.structure(a) == jax.tree.structure(b)
  for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
    assert (x.dtype, x.shape) == (y.dtype, y.shape)
    assert np.asarray(x).tobytes() == np.asarray(y).tobytes()


def saved_steps(directory):
  return sorted(int(path.name) for path in directory.iterdir() if path.name.isdecimal())


@pytest.fixture(scope='session')
def two_steps(tmp_path_factory):
  directory = tmp_path_factory.mktemp('two_steps')
  with Checkpoints(directory) as checkpoints:
    checkpoints.save(10, make_state(10))
    checkpoints.save(20, make_state(20))
  return directory


@pytest.fixture
def directory(two_steps, tmp_path):
  """A copy of a directory that holds steps 10 and 20."""
  return shutil.copytree(two_steps, tmp_path / 'checkpoints')


def test_round_trip_is_bitwise(directory):
  state = make_state(20)
  for target in (state, jax.eval_shape(lambda: state)):
    with Checkpoints(directory) as checkpoints:
      step, restored = checkpoints.restore_latest(target)
    assert step == 20
    same_bits(restored, state)


def test_nothing_saved_is_none_and_nothing_is_created(tmp_path):
  with Checkpoints(tmp_path / 'none') as checkpoints:
    assert checkpoints.restore_latest(make_state()) is None
  assert not (tmp_path / 'none').exists()


@pytest.mark.parametrize('keep', [1, 3])
def test_keeps_the_newest(tmp_path, keep):
  with Checkpoints(tmp_path, keep=keep) as checkpoints:
    for step in (0, 9, 10, 11):
      checkpoints.save(step, {'x': jnp.float32(step)})
      checkpoints.wait()
      assert step in saved_steps(tmp_path)
  assert saved_steps(tmp_path) == [0, 9, 10, 11][-keep:]
  with pytest.raises(ValueError, match='keep'):
    Checkpoints(tmp_path, keep=0)


def test_what_is_no_step_is_passed_over(directory):
  shutil.copytree(directory / '20', directory / '20.bak')
  (directory / '30').write_text('a file')
  with Checkpoints(directory) as checkpoints:
    assert checkpoints.newest is None
    restored = checkpoints.restore_latest(make_state())
    assert restored is not None
    assert restored[0] == checkpoints.newest == 20
    checkpoints.save(40, make_state(40))
    checkpoints.wait()
    assert checkpoints.newest == 40
  assert (directory / '20.bak').is_dir()


def test_donated_buffers_are_safe(tmp_path):
  overwrite = jax.jit(lambda x: x * 0 - 1, donate_argnums=0)
  x = jnp.arange(2_000_000.0)
  expected = np.array(x)
  with Checkpoints(tmp_path) as checkpoints:
    checkpoints.save(1, {'x': x})
    y = overwrite(x)
    _, restored = checkpoints.restore_latest({'x': y})
  np.testing.assert_array_equal(restored['x'], expected)


def flip(path, position=None):
  data = bytearray(path.read_bytes())
  data[len(data) // 2 if position is None else position] ^= 1
  path.write_bytes(data)


def largest(step):
  return max(
    (p for p in (step / 'state').rglob('*') if p.is_file()), key=lambda p: p.stat().st_size
  )


DAMAGES = {
  'truncated': lambda step: largest(step).write_bytes(largest(step).read_bytes()[:-7]),
  'one bit flipped': lambda step: flip(largest(step)),
  'data emptied': lambda step: largest(step).write_bytes(b''),
  'metadata lost': lambda step: (step / 'state' / '_METADATA').unlink(),
  'manifest lost': lambda step: (step / 'SHA256SUMS').unlink(),
  'manifest emptied': lambda step: (step / 'SHA256SUMS').write_text(''),
  'manifest flipped': lambda step: flip(step / 'SHA256SUMS', 0),
  'end of line flipped': lambda step: flip(
    step / 'SHA256SUMS', (step / 'SHA256SUMS').read_bytes().index(b'\n')
  ),
  'emptied': lambda step: [shutil.rmtree(step), step.mkdir()],
}


@pytest.mark.parametrize('damage', DAMAGES)
def test_damaged_step_is_skipped_with_a_warning(directory, caplog, damage):
  DAMAGES[damage](directory / '20')
  with Checkpoints(directory) as checkpoints:
    step, restored = checkpoints.restore_latest(make_state())
  assert step == 10
  same_bits(restored, make_state(10))
  (warning,) = caplog.messages
  assert warning.startswith(f'checkpoint 20 of {directory} is skipped: ')
  assert 'SHA256SUMS' in warning
  assert '\n' not in warning


def test_warning_names_the_damaged_file(directory, caplog):
  path = largest(directory / '20')
  flip(path)
  with Checkpoints(directory) as checkpoints:
    checkpoints.restore_latest(make_state())
  assert str(path.relative_to(directory / '20')) in caplog.text


def test_all_damaged_is_an_error(directory):
  for step in ('10', '20'):
    flip(largest(directory / step))
  with Checkpoints(directory) as checkpoints, pytest.raises(CheckpointError) as error:
    checkpoints.restore_latest(make_state())
  assert f'no step in {directory} is intact (found [10, 20]' in str(error.value)


def test_damaged_step_is_replaced_when_it_is_reached_again(directory):
  flip(largest(directory / '20'))
  with Checkpoints(directory) as checkpoints:
    assert checkpoints.restore_latest(make_state())[0] == 10
    checkpoints.save(20, make_state(21))
  with Checkpoints(directory) as checkpoints:
    step, restored = checkpoints.restore_latest(make_state())
  assert step == 20
  same_bits(restored, make_state(21))


def test_damaged_step_takes_no_place_of_those_kept(directory):
  flip(largest(directory / '20'))
  with Checkpoints(directory, keep=2) as checkpoints:
    checkpoints.restore_latest(make_state())
    checkpoints.save(30, make_state(30))
  assert saved_steps(directory) == [10, 30]


def test_saving_a_restored_step_again_leaves_it_as_it_is(directory):
  before = largest(directory / '20').stat().st_ino
  with Checkpoints(directory) as checkpoints:
    step, state = checkpoints.restore_latest(make_state())
    checkpoints.save(step, state)
  assert largest(directory / '20').stat().st_ino == before


def test_a_step_that_was_not_finished_is_no_step(directory):
  shutil.move(directory / '20', directory / 'unverified' / '20')
  with Checkpoints(directory) as checkpoints:
    assert checkpoints.restore_latest(make_state())[0] == 10
    checkpoints.save(20, make_state(20))
  assert list((directory / 'unverified').iterdir()) == []


def mismatch(directory, target):
  with Checkpoints(directory) as checkpoints, pytest.raises(CheckpointError, match='fit') as error:
    checkpoints.restore_latest(target)
  return str(error.value)


def test_mismatch_names_the_leaf_saved_and_requested(directory):
  state = make_state()
  layer = state['params']['Dense_0']
  bias = 'params/Dense_0/bias'

  def with_bias(**bias):
    kernel = {'kernel': layer['kernel']}
    return state | {'params': {'Dense_0': kernel | bias}}

  said = mismatch(directory, with_bias(bias=jnp.ones((8, 4))))
  assert f'{bias} was saved as float32[8,3], and is requested as float32[8,4]' in said
  said = mismatch(directory, with_bias(bias=layer['bias'].astype(jnp.bfloat16)))
  assert f'{bias} was saved as float32[8,3], and is requested as bfloat16[8,3]' in said
  said = mismatch(directory, with_bias())
  assert f'{bias} was saved as float32[8,3], and is requested as nothing' in said
  said = mismatch(directory, state | {'extra': jnp.ones(2)})
  assert 'extra was saved as nothing, and is requested as float32[2]' in said
  assert '(5 leaves differ)' in mismatch(directory, {'x': layer} | {'step': state['step']})


def on_devices(tree, n):
  return put(tree, make_mesh(8, 1, jax.devices()[:n]), MEMBERS)


@pytest.mark.parametrize(('before', 'after'), [(8, 4), (8, 1), (1, 8), (4, 2)])
def test_restores_onto_another_mesh(tmp_path, before, after):
  state = {k: v for k, v in make_state().items() if k != 'step'}
  with Checkpoints(tmp_path) as checkpoints:
    checkpoints.save(0, on_devices(state, before))
  mesh = make_mesh(8, 1, jax.devices()[:after])
  sharding = NamedSharding(mesh, Spec(MEMBERS))
  target = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=sharding), state)
  with Checkpoints(tmp_path) as checkpoints:
    _, restored = checkpoints.restore_latest(target)
  same_bits(restored, state)
  assert all(x.sharding == sharding for x in jax.tree.leaves(restored))


def test_leaves_without_a_sharding_go_to_the_first_device(tmp_path):
  state = {'x': jnp.arange(8.0)}
  with Checkpoints(tmp_path) as checkpoints:
    checkpoints.save(0, on_devices(state, 8))
  with Checkpoints(tmp_path) as checkpoints:
    _, restored = checkpoints.restore_latest(jax.eval_shape(lambda: state))
  same_bits(restored, state)
  assert restored['x'].devices() == {jax.devices()[0]}


def save_without_space(checkpoints, step):
  """Saves while no file may grow beyond a kilobyte."""
  noise = np.random.default_rng(0).normal(size=50_000)
  limits = resource.getrlimit(resource.RLIMIT_FSIZE)
  resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
  try:
    checkpoints.save(step, make_state() | {'noise': jnp.asarray(noise)})
    assert isinstance(checkpoints._pending.exception(), CheckpointError)
  finally:
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@pytest.mark.filterwarnings('ignore')  # orbax leaves a coroutine behind when it fails
def test_failure_in_the_background_raises_at_the_next_save_and_not_again(directory):
  with Checkpoints(directory) as checkpoints:
    save_without_space(checkpoints, 30)
    with pytest.raises(CheckpointError) as error:
      checkpoints.save(40, make_state(40))
    checkpoints.save(40, make_state(40))
  said = str(error.value)
  assert said.startswith(f'step 30 was not saved in {directory} (')
  assert 'bytes free): ' in said
  assert '\n' not in said
  assert saved_steps(directory) == [20, 40]


@pytest.mark.filterwarnings('ignore')
def test_failure_in_the_background_raises_at_exit(directory):
  checkpoints = Checkpoints(directory)
  with pytest.raises(CheckpointError, match='step 30'), checkpoints:
    save_without_space(checkpoints, 30)
  with Checkpoints(directory) as checkpoints:
    assert checkpoints.restore_latest(make_state())[0] == 20


def test_directory_that_cannot_be_made_is_said(tmp_path):
  (tmp_path / 'file').touch()
  message = r'step 1 .*file/below \([0-9,]+ bytes free\)'
  with Checkpoints(tmp_path / 'file' / 'below') as checkpoints:  # noqa: SIM117
    with pytest.raises(CheckpointError, match=message):
      checkpoints.save(1, make_state())


DRILL = """
import os, random, signal, sys, time
import numpy as np, jax, orbax.checkpoint
from research.checkpoints import Checkpoints

def state_at(step):
  return {'x': jax.numpy.full((8, 64), step, 'float32'), 'step': jax.numpy.int32(step)}

def train(pipe):
  with Checkpoints(sys.argv[1]) as checkpoints:
    found = checkpoints.restore_latest(state_at(0))
    first, state = found or (0, state_at(0))
    assert int(state['step']) == first and (np.asarray(state['x']) == first).all(), (first, state)
    for step in range(first + 1, first + 1000):
      checkpoints.save(step, state_at(step))
      os.write(pipe, first.to_bytes(4, 'big'))

random.seed(0)
firsts = []
for trial in range(13):
  reader, writer = os.pipe()
  child = os.fork()  # before any device is opened: a restart without the imports
  if child == 0:
    try:
      train(writer)
    finally:
      os._exit(1)
  os.close(writer)
  firsts.append(int.from_bytes(os.read(reader, 4), 'big'))
  time.sleep(random.uniform(0.0, 0.15))
  os.kill(child, signal.SIGKILL)
  assert os.waitpid(child, 0)[1] == signal.SIGKILL, f'restart {trial} failed; {firsts}'
print(*firsts)
"""


def test_a_step_survives_sigkill_at_any_moment(tmp_path):
  command = [sys.executable, '-W', 'ignore', '-c', DRILL, str(tmp_path)]
  done = subprocess.run(command, capture_output=True, text=True, timeout=60)
  assert done.returncode == 0, done.stderr
  firsts = [int(first) for first in done.stdout.split()]
  assert len(firsts) == 13
  assert firsts == sorted(firsts)
  assert firsts[-1] > 0
  assert 'is skipped' not in done.stderr
