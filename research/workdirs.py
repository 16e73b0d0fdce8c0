"""The run directory: what was asked, where it ran, what was measured, and whether it is done.

config.json  environment.json  metrics.jsonl  checkpoints/  figures/  diverged.json  DONE
"""

import contextlib
import datetime
import errno
import fcntl
import json
import os
import platform
import shlex
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import IO, Any

import numpy as np

from research import peers

LOCK = '.lock'
PACKAGES = ('jax', 'jaxlib', 'flax', 'optax', 'orbax-checkpoint', 'numpy')


class WorkdirLocked(OSError):
  """Another process is at work in the run directory."""


def check_usable(workdir: str | Path) -> None:
  """Checks that the run directory can be used, before anything is computed; changes nothing.

  Raises:
    WorkdirLocked: another process holds it.
    OSError: it, or where it would be created, is a file or may not be written.
  """
  path = Path(workdir).absolute()
  nearest = next(p for p in [path, *path.parents] if p.exists())
  if not nearest.is_dir():
    raise NotADirectoryError(f'the run directory {path} lies in a file: {nearest}')
  if not os.access(nearest, os.W_OK | os.X_OK):
    raise PermissionError(f'the run directory {path} may not be written: {nearest}')
  if peers.is_first() and (path / LOCK).exists():
    with (path / LOCK).open('a+') as lock:
      _hold(lock, Path(workdir))


@contextlib.contextmanager
def open_workdir(workdir: str | Path) -> Iterator[Path]:
  """Creates a run directory where there is none, and holds it for this process alone.

  The lock is the kernel's: it goes when the process does, however it ends.

  Raises:
    WorkdirLocked: another process holds it; the message names that process and its host.
    OSError: it is a file, or cannot be created or written; nothing has changed then.
  """
  path = Path(workdir)
  if path.exists() and not path.is_dir():
    raise NotADirectoryError(errno.ENOTDIR, 'the run directory is a file', str(path))
  path.mkdir(parents=True, exist_ok=True)
  with (path / LOCK).open('a+') as lock:
    _hold(lock, path)
    lock.truncate(0)
    lock.write(f'process {os.getpid()} on {socket.gethostname()}')
    lock.flush()
    yield path


def holder(workdir: str | Path) -> str | None:
  """The process that is at work in a run directory, and its host; None if there is none.

  Where the file system has no locks across hosts, a process of another host is not seen.
  """
  try:
    with (Path(workdir) / LOCK).open() as lock:
      try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
      except BlockingIOError:
        return lock.read() or 'another process'
  except FileNotFoundError:
    pass
  return None


def _hold(lock: IO[str], workdir: Path) -> None:
  """Takes the lock of a run directory, until its file is closed.

  Tries for a fifth of a second: `holder` has it for a moment.
  """
  for seconds in (0.05, 0.15, None):
    try:
      return fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
      if seconds is None:
        lock.seek(0)
        raise WorkdirLocked(f'{workdir} is in use by {lock.read() or "another process"}') from None
      time.sleep(seconds)


def write_environment(workdir: str | Path) -> None:
  """Adds this process to the attempts in `environment.json`: its code, machine and versions."""
  import jax

  path = Path(workdir) / 'environment.json'
  attempt = {
    'started': datetime.datetime.now(datetime.UTC).isoformat(timespec='seconds'),
    'host': socket.gethostname(),
    'pid': os.getpid(),
    'command': shlex.join(sys.orig_argv),
    'commit': _commit(),
    'python': platform.python_version(),
    'platform': platform.platform(),
    'versions': {package: version(package) for package in PACKAGES},
    'device': jax.devices()[0].device_kind,
    'n_devices': jax.device_count(),
    'seconds': 0.0,
    'saved': None,
  }
  attempts = (read_json(path) or {'attempts': []})['attempts']
  write_json(path, {'attempts': [*attempts, attempt]})


def note_progress(workdir: str | Path, seconds: float, saved: int | None = None) -> None:
  """Notes how long the newest attempt has been training, and the newest step that it has on the disk;
  a killed one has its last note."""
  if not peers.is_first():
    return
  path = Path(workdir) / 'environment.json'
  attempts = read_json(path)['attempts']
  attempts[-1] |= {'seconds': round(seconds, 1), 'saved': saved}
  write_json(path, {'attempts': attempts})


def _commit() -> str | None:
  """The commit of the checkout that this file is in, with '+dirty' if tracked files differ."""
  root = Path(__file__).resolve().parents[1]
  if not (root / '.git').exists():  # installed, perhaps inside the checkout of something else
    return None
  command = ['git', 'describe', '--always', '--abbrev=40', '--exclude=*', '--dirty=+dirty']
  try:
    return subprocess.check_output(command, cwd=root, text=True, stderr=subprocess.PIPE).strip()
  except (OSError, subprocess.CalledProcessError):
    return None


def mark_done(workdir: str | Path, summary: dict[str, Any]) -> None:
  """Writes `DONE`, the last file of a run; numbers of the summary that are not finite are null."""
  text = json.dumps(summary, default=lambda array: np.asarray(array).tolist())
  write_json(Path(workdir) / 'DONE', json.loads(text, parse_constant=lambda _: None))


def is_done(workdir: str | Path) -> bool:
  """Whether the run has nothing left to do."""
  return (Path(workdir) / 'DONE').is_file()


def write_json(path: str | Path, value: Any) -> None:
  """Writes a JSON file whole or not at all, with sorted keys; a NaN in it is a ValueError."""
  replace_file(Path(path), json.dumps(value, sort_keys=True, indent=2, allow_nan=False) + '\n')


def read_json(path: str | Path) -> Any:
  """The value in a JSON file, or None where there is no such file."""
  return json.loads(Path(path).read_text()) if Path(path).exists() else None


def replace_file(path: Path, text: str) -> None:
  """Writes a text file whole or not at all, and durably; of several processes, the first alone."""
  if not peers.is_first():
    return
  unfinished = path.with_name(f'.{path.name}.unfinished')
  with explained(path):
    try:
      with unfinished.open('w', encoding='utf-8') as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
      unfinished.replace(path)
      sync_folder(path.parent)
    except OSError:
      unfinished.unlink(missing_ok=True)
      raise


def sync_folder(folder: Path) -> None:
  """Returns when the names in a folder are on the disk, too."""
  handle = os.open(folder, os.O_RDONLY)
  try:
    os.fsync(handle)
  finally:
    os.close(handle)


@contextlib.contextmanager
def explained(path: Path) -> Iterator[None]:
  """Names the file that cannot be written, and how many bytes its disk has free."""
  try:
    yield
  except OSError as error:
    reason = f'{error.strerror or error} ({shutil.disk_usage(path.parent).free:,} bytes free)'
    raise OSError(error.errno, reason, str(path)) from error
