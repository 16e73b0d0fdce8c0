"""The record of a run, `metrics.jsonl`: a row of what was measured at each step.

Rows hold no time of day: a run that was interrupted and resumed leaves the same bytes as one that
was not. One process writes; others read at any time. TensorBoard is a view of it.
"""

import contextlib
import json
import os
import shutil
import statistics
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from absl import logging

from research.peers import is_first
from research.workdirs import explained, replace_file

if TYPE_CHECKING:
  import pandas as pd

METRICS = 'metrics.jsonl'
RESERVED = ('step', 'member', 'nonfinite')
EXPECTED = f'each is a scalar or [R], the same R, and not called one of {RESERVED}'
NULL = np.array(None)
FLOAT_MAX = sys.float_info.max
Row = dict[str, Any]


class Records:
  """Appends to the record of a run: `with Records(workdir) as records: records.write(...)`.

  Opening drops, in one atomic replacement, what a resumed run will measure again (rows with
  step >= first_step), torn lines and repeated steps. With `tensorboard`, a view for TensorBoard is
  built anew from the rows that remain, and then follows.

  Raises:
    FileNotFoundError: a run is resumed, and the rows before its checkpoint are gone.
  """

  def __init__(self, workdir: str | Path, first_step: int = 0, tensorboard: bool = False):
    path = Path(workdir) / METRICS
    rows = _read_rows(path) if path.exists() else {}
    kept = [row for step, row in rows.items() if step < first_step]
    if first_step and 0 not in rows:  # every run is evaluated at step 0
      raise FileNotFoundError(
        f'{path} has lost the rows before step {first_step}, where its checkpoints are; remove'
        f' {Path(workdir)} to start again'
      )
    replace_file(path, ''.join(map(_line, kept)))
    self._path, self._last_step = path, kept[-1]['step'] if kept else -1
    own = path if is_first() else Path(os.devnull)  # of several processes, one keeps the record
    self._file = own.open('a', buffering=1)  # by the line: a killed run loses no whole row
    self._view = _open_view(workdir) if tensorboard and is_first() else None

  def write(self, step: int, metrics: Mapping[str, Any]) -> None:
    """Writes the row of one step: each metric is an array [R], one value per member, or a scalar.

    Floats keep all the digits of their float64 value, so that float32 round-trips exactly. What is
    not finite becomes null, and the row names its metric under `nonfinite`.

    Raises:
      ValueError: the step is not later than the last, a name is reserved, or shapes disagree.
      OSError: the row could not be written; the message names the file and the bytes free.
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
    with explained(self._path):
      self._file.write(_line(row))
    self._last_step = row['step']
    if self._view:
      _show(self._view, row)

  def flush(self) -> None:
    """Makes the rows written so far durable: call it before a checkpoint that follows them."""
    with explained(self._path):
      self._file.flush()
      if is_first():
        os.fsync(self._file.fileno())
    if self._view:
      self._view.flush()

  def __enter__(self) -> 'Records':
    return self

  def __exit__(self, *exception) -> None:
    try:
      self.flush()
    finally:
      with contextlib.suppress(OSError):  # of a full disk, which has been said
        self._file.close()
      if self._view:
        self._view.close()


def last_step(workdir: str | Path) -> int:
  """The last step of the record of a run, -1 where it has none."""
  path = Path(workdir) / METRICS
  return max(_read_rows(path), default=-1) if path.exists() else -1


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
  rows, torn, size = {}, [], None
  lines = path.read_bytes().splitlines()
  for number, line in enumerate(lines, 1):
    try:
      row = json.loads(line, parse_constant=lambda _: None)
      size = _n_members(row, size)
      rows[row['step']] = row
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
      torn.append(number)
  if torn and torn != [len(lines)]:
    logging.warning('%s: skipped %d torn lines, the first is line %d', path, len(torn), torn[0])
  return dict(sorted(rows.items()))


def _n_members(row: Row, size: int | None) -> int | None:
  """R of a row, which is `size` if that is known; an error where `write` writes no such row."""
  if type(row['step']) is not int or not 0 <= row['step'] < 2**63:
    raise ValueError('no step')
  for name, value in row.items():
    if name not in RESERVED:
      values = value if type(value) is list else [value]
      if values is value and len(values) != (size := len(values) if size is None else size):
        raise ValueError('another R')
      if not all(it is None or -FLOAT_MAX <= it <= FLOAT_MAX for it in values):
        raise ValueError('not a number')
  return size


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
