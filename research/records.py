"""The run directory: what was asked, where it ran, what was measured, and whether it is done.

    config.json  environment.json  metrics.jsonl  checkpoints/  figures/  DONE

`metrics.jsonl` is the record. Its rows hold no time of day: a run that was interrupted and resumed
leaves the same bytes as one that was not. One process writes; others read at any time.
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
import statistics
import subprocess
import sys
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from absl import logging

if TYPE_CHECKING:
  import pandas as pd

METRICS = 'metrics.jsonl'
RESERVED = ('step', 'member', 'nonfinite')
EXPECTED = f'each is a scalar or [R], the same R, and not called one of {RESERVED}'
PACKAGES = ('jax', 'jaxlib', 'flax', 'optax', 'orbax-checkpoint', 'numpy')
NULL = np.array(None)
Row = dict[str, Any]


class WorkdirLocked(OSError):
  """Another process is at work in the run directory."""


def check_writable(workdir: str | Path) -> None:
  """Checks that the run directory can be used, before anything is computed; changes nothing.

  Raises:
    OSError: it, or where it would be created, is a file or may not be written.
  """
  path = Path(workdir).absolute()
  nearest = next(p for p in [path, *path.parents] if p.exists())
  if not nearest.is_dir():
    raise NotADirectoryError(errno.ENOTDIR, 'the run directory lies in a file', str(nearest))
  if not os.access(nearest, os.W_OK | os.X_OK):
    raise PermissionError(errno.EACCES, 'the run directory may not be written', str(nearest))


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
  with (path / '.lock').open('a+') as lock:
    try:
      fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
      lock.seek(0)
      raise WorkdirLocked(f'{path} is in use by {lock.read() or "another process"}') from None
    lock.truncate(0)
    lock.write(f'process {os.getpid()} on {socket.gethostname()}')
    lock.flush()
    yield path


class Records:
  """Appends to the record of a run: `with Records(workdir) as records: records.write(...)`.

  Opening drops, in one atomic replacement, what a resumed run will measure again (rows with
  step >= first_step), torn lines and repeated steps. With `tensorboard`, a view for TensorBoard is
  built anew from the rows that remain, and then follows.
  """

  def __init__(self, workdir: str | Path, first_step: int = 0, tensorboard: bool = False):
    path = Path(workdir) / METRICS
    rows = _read_rows(path) if path.exists() else {}
    kept = [row for step, row in rows.items() if step < first_step]
    _replace(path, ''.join(map(_line, kept)))
    self._last_step = kept[-1]['step'] if kept else -1
    self._file = path.open('a', buffering=1)  # by the line: a killed run loses no whole row
    self._view = _open_view(workdir) if tensorboard else None

  def write(self, step: int, metrics: Mapping[str, Any]) -> None:
    """Writes the row of one step: each metric is an array [R], one value per member, or a scalar.

    Floats keep all the digits of their float64 value, so that float32 round-trips exactly. What is
    not finite becomes null, and the row names its metric under `nonfinite`.

    Raises:
      ValueError: the step is not later than the last, a name is reserved, or shapes disagree.
    """
    if step <= self._last_step:
      raise ValueError(f'step {step} follows step {self._last_step}: steps of a record increase')
    row: Row = {'step': int(step)}
    nonfinite, shapes = [], {()}
    for name in sorted(metrics):
      values = np.asarray(metrics[name])
      if values.dtype.kind not in 'biuf':  # bfloat16 and the like
        values = values.astype(np.float64)
      shapes.add(values.shape)
      if name in RESERVED or values.ndim > 1 or len(shapes) > 2:
        raise ValueError(f'metric {name!r} with shape {list(values.shape)}: {EXPECTED}')
      finite = np.isfinite(values)
      row[name] = (values if finite.all() else np.where(finite, values, NULL)).tolist()
      if not finite.all():
        nonfinite.append(name)
    if nonfinite:
      row['nonfinite'] = nonfinite
    self._file.write(_line(row))
    self._last_step = row['step']
    if self._view:
      _show(self._view, row)

  def flush(self) -> None:
    """Makes the rows written so far durable: call it before a checkpoint that follows them."""
    self._file.flush()
    os.fsync(self._file.fileno())
    if self._view:
      self._view.flush()

  def __enter__(self) -> 'Records':
    return self

  def __exit__(self, *exception) -> None:
    self.flush()
    self._file.close()
    if self._view:
      self._view.close()


def read_metrics(workdir: str | Path) -> 'pd.DataFrame':
  """The record of a run, finished or not: one row per (step, member), sorted, none twice.

  Columns: step, member, and one per metric. A scalar holds for each member; what was not measured
  at a step, or was not finite, is NaN. Torn lines are skipped: one logged warning says so, unless
  only the last line is torn, which may be in the writing.

  Raises:
    FileNotFoundError: there is no record.
  """
  import pandas as pd  # here, since training has no use for it

  rows = _read_rows(Path(workdir) / METRICS)
  names = sorted({name for row in rows.values() for name in row}.difference(RESERVED))
  sizes = (len(row[n]) for row in rows.values() for n in names if isinstance(row.get(n), list))
  n_members = max(sizes, default=1)
  columns = {name: np.full((len(rows), n_members), np.nan) for name in names}
  for i, row in enumerate(rows.values()):
    for name in row.keys() - RESERVED:
      columns[name][i] = row[name]  # null becomes NaN
  steps, members = np.fromiter(rows, np.int64, len(rows)), np.arange(n_members)
  index = {'step': np.repeat(steps, n_members), 'member': np.tile(members, len(rows))}
  return pd.DataFrame(index | {name: values.ravel() for name, values in columns.items()})


def _read_rows(path: Path) -> dict[int, Row]:
  """The valid rows by step, sorted; of a repeated step, the last."""
  rows, torn = {}, []
  lines = path.read_bytes().splitlines()
  for number, line in enumerate(lines, 1):
    try:
      row = json.loads(line, parse_constant=lambda _: None)
      rows[int(row['step'])] = row
    except (ValueError, TypeError, KeyError):
      torn.append(number)
  if torn and torn != [len(lines)]:
    logging.warning('%s: skipped %d torn lines, the first is line %d', path, len(torn), torn[0])
  return dict(sorted(rows.items()))


def _line(row: Row) -> str:
  return json.dumps(row, allow_nan=False) + '\n'


def rebuild_tensorboard(workdir: str | Path) -> None:
  """Makes the TensorBoard view of a run anew from its record: the means over finite members."""
  _open_view(workdir).close()


def _open_view(workdir: str | Path) -> Any:
  from tensorboardX import SummaryWriter

  folder = Path(workdir) / 'tensorboard'
  shutil.rmtree(folder, ignore_errors=True)
  view = SummaryWriter(str(folder))
  for row in _read_rows(Path(workdir) / METRICS).values():
    _show(view, row)
  return view


def _show(view: Any, row: Row) -> None:
  for name in sorted(row.keys() - RESERVED):
    values = row[name] if isinstance(row[name], list) else [row[name]]
    finite = [value for value in values if value is not None]
    if finite:
      view.add_scalar(name, statistics.fmean(finite), row['step'])


def write_json(path: str | Path, value: Any) -> None:
  """Writes a JSON file whole or not at all, with sorted keys; a NaN in it is a ValueError."""
  _replace(Path(path), json.dumps(value, sort_keys=True, indent=2, allow_nan=False) + '\n')


def read_json(path: str | Path) -> Any:
  """The value in a JSON file, or None where there is no such file."""
  return json.loads(Path(path).read_text()) if Path(path).exists() else None


def _replace(path: Path, text: str) -> None:
  unfinished = path.with_name(f'.{path.name}.unfinished')
  with unfinished.open('w') as file:
    file.write(text)
    file.flush()
    os.fsync(file.fileno())
  unfinished.replace(path)


def mark_done(workdir: str | Path, summary: dict[str, Any]) -> None:
  """Writes `DONE`, the last file of a run; numbers of the summary that are not finite are null."""
  text = json.dumps(summary, default=lambda array: np.asarray(array).tolist())
  write_json(Path(workdir) / 'DONE', json.loads(text, parse_constant=lambda _: None))


def is_done(workdir: str | Path) -> bool:
  """Whether the run has nothing left to do."""
  return (Path(workdir) / 'DONE').is_file()


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
  }
  attempts = (read_json(path) or {'attempts': []})['attempts']
  write_json(path, {'attempts': [*attempts, attempt]})


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
