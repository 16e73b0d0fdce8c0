"""A pool of workers on this machine: where there are several GPUs, each run has one of its own."""

import collections
import dataclasses
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

from launch import engine, outcome
from launch.engine import option
from launch.manifest import Run
from research import workdirs
from research.configuration import ConfigError


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options:
  """How this machine is used."""

  workers: int | None = option(None, 'runs at once; default: one for each GPU, one without')
  python: str = option(sys.executable, 'the interpreter that has genlab')
  data_dir: str | None = option(None, 'the TFDS folder')

  def __post_init__(self):
    engine.at_least(1, workers=self.workers)


def text(root: Path, runs: list[Run], options: Options) -> str:
  """The command of each run; a shell could run them."""
  slots = _slots(options)
  gpus = ' '.join(f'CUDA_VISIBLE_DEVICES={gpu}' for gpu in slots if gpu is not None)
  lines = [f'# {len(runs)} runs, {len(slots)} at once' + (f', one of {gpus} each' if gpus else '')]
  for run in runs:
    command = shlex.join(run.command(root, options.python, options.data_dir))
    lines.append(f'{command} >> {shlex.quote(str(outcome.log(root, run)))} 2>&1')
  return '\n'.join(lines) + '\n'


def _slots(options: Options) -> list[str | None]:
  """A GPU for each worker, or None for each where there are none.

  Raises:
    ConfigError: there are more workers than GPUs: JAX takes most of a GPU's memory at once.
  """
  gpus = _gpus()
  workers = options.workers or len(gpus) or 1
  if gpus and workers > len(gpus):
    raise ConfigError(f'--workers={workers} exceeds the {len(gpus)} GPUs here: {", ".join(gpus)}')
  return [*gpus[:workers]] if gpus else [None] * workers


def _gpus() -> list[str]:
  """The GPUs that this process may use, as CUDA names them."""
  visible = os.environ.get('CUDA_VISIBLE_DEVICES')
  if visible is not None:
    return [name for name in visible.split(',') if name.strip() not in ('', '-1')]
  if not engine.is_here('nvidia-smi'):
    return []
  listed = subprocess.run(['nvidia-smi', '-L'], capture_output=True, text=True, check=False).stdout
  return [str(i) for i, _ in enumerate(x for x in listed.splitlines() if x.startswith('GPU '))]


def submit(root: Path, runs: list[Run], options: Options) -> int:
  """Runs them; SIGINT and SIGTERM stop the workers, which save, and a second signal kills them.

  Returns:
    0 if every run is done, 1 if one failed, 130 or 143 if stopped.
  """
  waiting, free = collections.deque(runs), collections.deque(_slots(options))
  at_work: dict[subprocess.Popen, tuple[Run, str | None, float]] = {}
  signals: list[int] = []  # those that came
  previous = {
    number: signal.signal(number, lambda number, _: signals.append(number))
    for number in (signal.SIGINT, signal.SIGTERM)
  }
  told, failed = 0, False
  try:
    while at_work or (waiting and not signals):
      while waiting and free and not signals:
        run, slot = waiting.popleft(), free.popleft()
        at_work[_start(root, run, slot, options)] = run, slot, time.monotonic()
      if len(signals) > told:
        for process in at_work:
          process.kill() if told else process.terminate()
        told = len(signals)
      for process in [it for it in at_work if it.poll() is not None]:
        run, slot, started = at_work.pop(process)
        code = process.returncode if process.returncode >= 0 else 128 - process.returncode
        outcome.exit_file(root, run).write_text(f'{code}\n')
        free.append(slot)
        done = workdirs.is_done(root / run.workdir)
        failed |= not done
        ended = 'done' if done else f'exit code {code}'
        print(f'{run.workdir}: {ended} after {time.monotonic() - started:.0f} s', flush=True)
      time.sleep(0.05)
  finally:
    for number, handler in previous.items():
      signal.signal(number, handler)
  return 128 + signals[0] if signals else int(failed)


def _start(root: Path, run: Run, gpu: str | None, options: Options) -> subprocess.Popen:
  environment = os.environ | ({} if gpu is None else {'CUDA_VISIBLE_DEVICES': gpu})
  with outcome.log(root, run).open('ab') as log:
    process = subprocess.Popen(
      run.command(root, options.python, options.data_dir),
      stdin=subprocess.DEVNULL,
      stdout=log,
      stderr=subprocess.STDOUT,
      env=environment,
      start_new_session=True,  # Ctrl-C in a terminal is for the pool, which hands it on
    )
  outcome.exit_file(root, run).unlink(missing_ok=True)
  return process
