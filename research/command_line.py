"""What the programs share: flags, overrides, and errors of one line."""

import argparse
import os
import sys
import threading
from collections.abc import Callable

PREFIX = '--config.'


class Parser(argparse.ArgumentParser):
  """Refuses in one line, with exit code 2."""

  def error(self, message: str):
    self.exit(2, f'genlab: {message}; see {self.prog} --help\n')


def split_overrides(argv: list[str]) -> tuple[list[str], list[str]]:
  """Separates `--config.section.key=value` from the flags of the program."""
  overrides = [arg.removeprefix(PREFIX) for arg in argv if arg.startswith(PREFIX)]
  return overrides, [arg for arg in argv if not arg.startswith(PREFIX)]


def folder(text: str) -> str:
  """A flag that names a folder: an empty one, of a shell variable not set, is not this folder."""
  if not text:
    raise argparse.ArgumentTypeError('must name a folder')
  return text


def add_data_dir(parser: argparse.ArgumentParser) -> None:
  """Adds `--data_dir`, which is no part of an experiment, so no part of its config."""
  parser.add_argument(
    '--data_dir', help='TFDS folder; default: $GENLAB_DATA_DIR, then that of TFDS'
  )


def use_data_dir(flags: argparse.Namespace) -> None:
  """Hands `--data_dir` to the tasks."""
  if flags.data_dir:
    os.environ['GENLAB_DATA_DIR'] = flags.data_dir


def cache_programs() -> None:
  """Keeps compiled programs on disk, so that the next run of the same shapes starts at once."""
  import jax

  from research.tasks.cache import cache_folder

  jax.config.update('jax_compilation_cache_dir', str(cache_folder() / 'programs'))
  jax.config.update('jax_persistent_cache_min_compile_time_secs', 0.1)
  jax.config.update('jax_persistent_cache_min_entry_size_bytes', 0)


def guarded(run: Callable[[], int]) -> int:
  """Runs; what a user can mend ends as one line on stderr, not as a traceback."""
  try:
    code = _refusing(run)
    if code == 2:
      _wait_no_longer_than(10, code)
    return code
  except Exception:
    _wait_no_longer_than(10, 1)
    raise
  except KeyboardInterrupt:
    say('stopped; the same command goes on from the last checkpoint, and begins a calculation anew')
    return 130


def _wait_no_longer_than(seconds: float, code: int) -> None:
  """Ends one of several processes of a run with its own code, once it has said what is wrong.

  Where all refuse, they end together. Where one fails alone, JAX would wait at its end for the others,
  which wait for it, and abort after minutes.
  """
  from research import peers

  if 'jax' in sys.modules and peers.several():
    sys.stderr.flush()
    ender = threading.Timer(seconds, os._exit, [code])
    ender.daemon = True
    ender.start()


def _refusing(run: Callable[[], int]) -> int:
  from research.checkpoints import CheckpointError
  from research.configuration import ConfigError
  from research.gradients import BatchCoupledError
  from research.loop import Interrupted
  from research.peers import PeerRefused
  from research.tasks import MissingDataset
  from research.workdirs import WorkdirLocked

  try:
    return run()
  except Interrupted as stopped:
    say(stopped)
    return 128 + stopped.signal_number
  except (
    ConfigError,
    MissingDataset,
    BatchCoupledError,
    WorkdirLocked,
    PeerRefused,
    CheckpointError,
    OSError,
  ) as error:
    say(error)
    return 2


def say(message: object) -> None:
  """One line on stderr."""
  print('genlab:', ' '.join(str(message).split()), file=sys.stderr)
