"""The programs of the engines, such as `sbatch` and `kubectl`, and the options of a backend."""

import dataclasses
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

from research.configuration import ConfigError

REQUIRED = dataclasses.MISSING


def option(default: Any, help: str) -> Any:
  """A field of a backend's options: a flag of the same name. `tuple` fields may be given repeatedly."""
  return dataclasses.field(default=default, metadata={'help': help})


def slug(root: Path) -> str:
  """The name of a sweep's folder as engines take names: lower case, digits and hyphens."""
  return re.sub('[^a-z0-9]+', '-', root.absolute().name.lower()).strip('-')


def at_least(least: int, **values: int | None) -> None:
  """Checks options that are numbers.

  Raises:
    ConfigError: one is smaller.
  """
  for name, value in values.items():
    if value is not None and value < least:
      raise ConfigError(f'--{name} must be at least {least}, not {value}')


def is_here(program: str) -> bool:
  """Whether this machine has the program."""
  return shutil.which(program) is not None


def check_here(program: str) -> None:
  """Checks that this machine has the program.

  Raises:
    ConfigError: it has not.
  """
  if not is_here(program):
    raise ConfigError(f'{program} is not on PATH: run this where it is, or look with --dry-run')


def ask(command: list[str], text: str | None = None) -> str:
  """What a program answers on stdout, `text` being its stdin.

  Raises:
    ConfigError: there is no such program on this machine.
    OSError: it fails; the message is its own.
  """
  check_here(command[0])
  done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
  if done.returncode:
    said = done.stderr.strip() or done.stdout.strip() or 'nothing'
    raise OSError(f'{" ".join(command)} ended with {done.returncode} and said: {said}')
  return done.stdout
