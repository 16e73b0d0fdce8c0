"""The runs of a config file: one for each entry of its `sweep()`."""

import types
from collections.abc import Iterable, Mapping
from typing import Any

from research.configuration import Config, ConfigError, from_file, load


def sweep(path: str) -> dict[str, dict[str, Any]]:
  """The runs of the config file's `sweep()`, or `sweep(scale)`: their names, their overrides.

  A sweep is a list of overrides by dotted key, from which the names of the runs are made, or a
  dictionary of them by name.
  """
  file, _, scale = path.partition(':')
  arms = from_file(file, 'sweep', *filter(None, [scale]), optional=True)
  return dict(arms) if isinstance(arms, dict) else {run_name(arm): arm for arm in arms}


def runs(
  path: str,
  overrides: Iterable[str] = (),
  of_run: Mapping[str, dict[str, Any]] = types.MappingProxyType({}),
) -> dict[str, Config]:
  """The config of each run of a file's sweep, by the name of its directory.

  Raises:
    ConfigError: as `overrides_of_runs` and `load` do.
  """
  of_runs = overrides_of_runs(path, overrides, of_run)
  return {name: load(path, own) for name, own in of_runs.items()}


def overrides_of_runs(
  path: str,
  overrides: Iterable[str] = (),
  of_run: Mapping[str, dict[str, Any]] = types.MappingProxyType({}),
) -> dict[str, list[str]]:
  """What each run of a file's sweep overrides, as `section.key=value`, by the name of its directory.

  Args:
    path: the config file, and after a colon the scale.
    overrides: for all runs.
    of_run: more overrides of single runs, by dotted key.

  Raises:
    ConfigError: the file has no sweep; or an override sets what the sweep varies.
  """
  overrides, arms = list(overrides), sweep(path)
  if unknown := {*of_run} - {*arms}:
    raise ConfigError(f'sweep() of {path} has no run {", ".join(sorted(unknown))}')
  for override in overrides:
    key = override.partition('=')[0]
    if any(key in arm for arm in arms.values()):
      file = path.partition(':')[0]
      raise ConfigError(f'{key} is what sweep() of {file} varies; change it there, or drop it here')
  return {
    name: [*overrides, *(f'{k}={v!r}' for k, v in {**arm, **of_run.get(name, {})}.items())]
    for name, arm in arms.items()
  }


def run_name(overrides: dict[str, Any]) -> str:
  """The directory of a run within its sweep: `label_noise=0.5`."""
  return ','.join(f'{key.rpartition(".")[2]}={value}' for key, value in overrides.items())
