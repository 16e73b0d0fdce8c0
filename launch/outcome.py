"""What became of each run: read from its directory, its log, and the exit code beside the log."""

import dataclasses
import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from absl import logging

from launch.manifest import Run, content_id
from research import workdirs

LOGS = 'logs'
SUBMITTED = 'submitted.jsonl'
STATES = ('done', 'running', 'queued', 'stopped', 'failed', 'missing')
STOPPED = (130, 143)  # saved: the same command goes on
TAIL = 12  # lines of a log that are shown


@dataclasses.dataclass(frozen=True, kw_only=True)
class Outcome:
  """The state of a run, one of STATES, and what to say of it; `tail` of its log if it failed."""

  run: Run
  state: str
  note: str = ''
  tail: tuple[str, ...] = ()


def log(root: Path, run: Run) -> Path:
  """What the attempts of a run printed, one after another."""
  return root / LOGS / f'{run.id}.log'


def exit_file(root: Path, run: Run) -> Path:
  """The exit code of the last attempt; there is none while it is at work, nor if it was killed.

  What starts a run removes it then, not before: a retry that is refused leaves what failed failed.
  """
  return root / LOGS / f'{run.id}.exit'


def outcomes(root: Path, runs: Iterable[Run], held: Mapping[str, tuple[str, str]]) -> list[Outcome]:
  """What became of each run.

  Args:
    root: the folder of the manifest.
    runs: of the manifest.
    held: the state of the runs that an engine holds, and what it says of them, by id.
  """
  return [_outcome(root, run, held.get(run.id)) for run in runs]


def _outcome(root: Path, run: Run, held: tuple[str, str] | None) -> Outcome:
  workdir = root / run.workdir
  config = workdirs.read_json(workdir / 'config.json')
  if config is not None and content_id(config) != run.id:
    note = f'{workdir} holds a run of another config, {content_id(config)} and not {run.id}'
    return Outcome(run=run, state='failed', note=note)
  if workdirs.is_done(workdir):
    diverged = len(workdirs.read_json(workdir / 'DONE').get('diverged', {}))
    note = (
      f'{diverged} of {config["population"]["size"]} networks diverged'
      if config and diverged
      else ''
    )
    return Outcome(run=run, state='done', note=note)
  if holder := workdirs.holder(workdir):
    return Outcome(run=run, state='running', note=holder)
  if held:
    return Outcome(run=run, state=held[0], note=held[1])
  try:
    code = int(exit_file(root, run).read_text())
  except (FileNotFoundError, ValueError):
    if config is None and not log(root, run).exists():
      return Outcome(run=run, state='missing')
    return Outcome(
      run=run, state='stopped', note='without a last word; it goes on from what is saved'
    )
  if code == 0:
    return Outcome(run=run, state='missing', note='it was done, and has been removed')
  if code in STOPPED:
    return Outcome(
      run=run, state='stopped', note=f'exit code {code}; it goes on from what is saved'
    )
  note = f'exit code {code}; {log(root, run)} ends:'
  return Outcome(run=run, state='failed', note=note, tail=_tail(log(root, run)))


def _tail(path: Path) -> tuple[str, ...]:
  if not path.exists():
    return ()
  with path.open('rb') as file:
    file.seek(max(0, path.stat().st_size - 16_384))
    lines = file.read().decode(errors='replace').splitlines()
  return tuple(line[-160:] for line in lines[-TAIL:])


def counts(found: list[Outcome]) -> str:
  """How many runs are in each state: `3 runs, 2 done, 1 failed`."""
  numbers = {state: sum(it.state == state for it in found) for state in STATES}
  return ', '.join([f'{len(found)} runs', *(f'{n} {state}' for state, n in numbers.items() if n)])


def shown(found: list[Outcome], root: Path) -> str:
  """The counts, and a line for each run; under what failed, the end of its log."""
  lines = [f'{root}: {counts(found)}']
  width = max(len(it.run.workdir) for it in found)
  for it in found:
    lines.append(f'{it.state:<8} {it.run.id}  {it.run.workdir:<{width}}  {it.note}'.rstrip())
    lines += [f'         | {line}' for line in it.tail]
  return '\n'.join(lines)


def note_submission(root: Path, backend: str, job: str, runs: list[Run]) -> None:
  """Notes which job of an engine holds which runs, in order."""
  line = json.dumps({'backend': backend, 'job': job, 'runs': [r.id for r in runs]}) + '\n'
  path = root / LOGS / SUBMITTED
  torn = path.exists() and path.read_bytes()[-1:] not in (b'', b'\n')
  with path.open('a') as file:
    file.write('\n' + line if torn else line)


def submissions(root: Path, backend: str) -> list[dict]:
  """What `note_submission` noted of a backend, the oldest first; torn lines are skipped."""
  path = root / LOGS / SUBMITTED
  noted = []
  for line in path.read_bytes().splitlines() if path.exists() else []:
    try:
      noted.append(json.loads(line))
    except ValueError:
      logging.warning('%s: skipped a torn line: %s', path, line[:80])
  return [it for it in noted if it['backend'] == backend]
