"""Checkpoints that are whole or absent: asynchronous, verified, kept by number.

Orbax, hidden here, writes a step in the background under `unverified/`. A thread of ours then adds
the checksums of its files, in the format of `sha256sum -c`, and renames the step into place: a kill
at any moment leaves nothing half-made where steps are looked for, and what is read is checked.
"""

import contextlib
import hashlib
import shutil
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import Any

import jax
from absl import logging

from research.peers import is_first, number_of_first
from research.trees import named_leaves
from research.workdirs import replace_file, sync_folder

MANIFEST = 'SHA256SUMS'


class CheckpointError(RuntimeError):
  """A checkpoint could not be saved, or does not fit, or none that exists can be trusted."""


class Checkpoints:
  """The checkpoints of one run: `with Checkpoints(directory) as checkpoints: ...`.

  Leaving the `with` waits for the last save. Restoring writes nothing; only a process that holds
  the lock of the run directory may save.
  """

  def __init__(self, directory: str | Path, *, keep: int = 2):
    """`keep` is how many of the newest steps stay; nothing is created before the first save."""
    if keep < 1:
      raise ValueError(f'keep must be at least 1, not {keep}')
    self._directory = Path(directory).absolute()
    self._unverified = self._directory / 'unverified'
    self._keep = keep
    self._intact: set[int] = set()  # steps that were saved or restored here
    self._damaged: set[int] = set()
    self._thread = ThreadPoolExecutor(1, 'checkpoint')
    self._pending: Future | None = None

  def save(self, step: int, state: Any) -> None:
    """Saves a tree of arrays, none of them empty; returns when their buffers may be donated.

    A step that was saved or restored here is not saved again: a state is a function of its step.

    Raises:
      CheckpointError: this save, or the one before in the background, failed; the message names the
        directory and the bytes free on its disk. Earlier steps are as they were.
    """
    from orbax.checkpoint import args, multihost

    self.wait()
    if step in self._intact:
      return
    items = {'state': args.StandardSave(state), 'meta': args.JsonSave(_leaf_types(state))}
    with self._explained(step):
      if is_first():
        shutil.rmtree(self._unverified, ignore_errors=True)  # what a kill or a failure left
        self._unverified.mkdir(parents=True)
      multihost.sync_global_processes(f'cleaned before {step}')
      self._manager.reload()  # it saves no step that it believes to be there
      self._manager.save(step, args=args.Composite(**items))
    self._pending = self._thread.submit(self._commit, step)

  def _commit(self, step: int) -> None:
    with self._explained(step):
      self._manager.wait_until_finished()
      if is_first():
        saved = self._unverified / str(step)
        replace_file(saved / MANIFEST, '\n'.join(sorted(_checksums(saved))) + '\n')
        shutil.rmtree(self._directory / str(step), ignore_errors=True)  # a damaged one
        saved.rename(self._directory / str(step))
        sync_folder(self._directory)
        self._delete_all_but_newest(step)
      self._intact.add(step)

  def _delete_all_but_newest(self, newest: int) -> None:
    older = [s for s in self._steps() if s < newest and s not in self._damaged]
    for step in set(self._steps()).difference([newest, *older[: self._keep - 1]]):
      shutil.rmtree(self._directory / str(step))

  @contextlib.contextmanager
  def _explained(self, step: int) -> Iterator[None]:
    try:
      yield
    except Exception as error:
      self.__dict__.pop('_manager', None)  # it would raise the same again, once in each thread
      disk = next(path for path in self._unverified.parents if path.exists())
      free, reason = shutil.disk_usage(disk).free, f'{error}'.partition('\n')[0]
      raise CheckpointError(
        f'step {step} was not saved in {self._directory} ({free:,} bytes free): {reason}'
      ) from error

  @property
  def newest(self) -> int | None:
    """The newest step that was saved or restored here and is known to be on the disk."""
    return max(self._intact, default=None)

  def wait(self) -> None:
    """Returns when the last save can be restored; raises CheckpointError if it failed."""
    if self._pending:
      pending, self._pending = self._pending, None
      pending.result()

  def restore_latest(self, target: Any) -> tuple[int, Any] | None:
    """The newest undamaged step and its state, or None where no step was ever saved.

    A damaged step is skipped, with a logged warning that names the file.

    Args:
      target: a tree of arrays, or of `jax.ShapeDtypeStruct`, like the one that was saved. Leaves
        are restored onto its shardings, whatever the devices that saved them; those without one go
        to the first device.

    Raises:
      CheckpointError: there are steps, and all are damaged; or the newest intact one has other
        leaves, shapes or dtypes than the target: nothing is ever cast.
    """
    self.wait()
    step = number_of_first(self._newest_intact)
    if step < 0:
      return None
    state = self._restore(step, target)
    self._intact.add(step)
    return step, state

  def _newest_intact(self) -> int:
    """The newest undamaged step; -1 where there is none at all."""
    for step in self._steps():
      damage = _damage(self._directory / str(step))
      if damage is None:
        return step
      self._damaged.add(step)
      logging.warning('checkpoint %d of %s is skipped: %s', step, self._directory, damage)
    if self._damaged:
      found = f'found {sorted(self._damaged)}; remove the run directory to start from step 0'
      raise CheckpointError(f'no step in {self._directory} is intact ({found})')
    return -1

  def _restore(self, step: int, target: Any) -> Any:
    from orbax.checkpoint import args

    def read(**items):
      return self._manager.restore(step, directory=self._directory, args=args.Composite(**items))

    saved, requested = read(meta=args.JsonRestore()).meta, _leaf_types(target)
    differ = [n for n in {**requested, **saved} if saved.get(n) != requested.get(n)]
    if differ:
      name, more = differ[0], f' ({len(differ)} leaves differ)' if len(differ) > 1 else ''
      raise CheckpointError(
        f'step {step} of {self._directory} does not fit: {name} was saved as '
        f'{saved.get(name, "nothing")}, and is requested as {requested.get(name, "nothing")}{more}'
      )
    first_device = jax.sharding.SingleDeviceSharding(jax.local_devices()[0])

    def placed(x):
      sharding = getattr(x, 'sharding', None) or first_device
      return jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=sharding)

    return read(state=args.StandardRestore(jax.tree.map(placed, target))).state

  def _steps(self) -> list[int]:
    """The steps in the directory, the newest first."""
    folders = [p for p in self._directory.glob('[0-9]*') if p.is_dir() and p.name.isdecimal()]
    return sorted((int(p.name) for p in folders), reverse=True)

  @cached_property
  def _manager(self) -> Any:
    import orbax.checkpoint as ocp  # late, here and above: it takes a third of a second

    create_late = ocp.CheckpointManagerOptions(create=False)
    return ocp.CheckpointManager(self._unverified, options=create_late)

  def __enter__(self) -> 'Checkpoints':
    return self

  def __exit__(self, *exception) -> None:
    try:
      self.wait()
    finally:
      self._thread.shutdown()
      if '_manager' in self.__dict__:
        self._manager.close()


def _leaf_types(tree: Any) -> dict[str, str]:
  """`{'params/Dense_0/kernel': 'float32[10,64]', ...}`."""
  return {n: f'{x.dtype}[{",".join(map(str, x.shape))}]' for n, x in named_leaves(tree).items()}


def _checksums(directory: Path) -> Iterator[str]:
  """The lines of the manifest of a step."""
  for path in directory.rglob('*'):
    if path.is_file() and path.name != MANIFEST:
      with path.open('rb') as file:
        yield f'{hashlib.file_digest(file, "sha256").hexdigest()}  {path.relative_to(directory)}'


def _damage(directory: Path) -> str | None:
  """What is wrong with a step, or None."""
  try:
    manifest = (directory / MANIFEST).read_bytes().decode(errors='replace')
    expected = set(manifest.removesuffix('\n').split('\n'))
    wrong = sorted(line[66:] for line in expected.symmetric_difference(_checksums(directory)))
  except OSError as error:
    return str(error)
  return f'{wrong[0]} is not what {MANIFEST} says' if wrong else None
