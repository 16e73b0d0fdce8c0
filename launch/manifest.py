"""The plan of a sweep: `manifest.jsonl`, a line for each run, keyed by the content of its config."""

import dataclasses
import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from research import configuration, sweeps
from research.command_line import PREFIX
from research.configuration import Config, ConfigError
from research.workdirs import replace_file

MANIFEST = 'manifest.jsonl'


@dataclasses.dataclass(frozen=True, kw_only=True)
class Run:
  """One run of a sweep.

  Attributes:
    id: of what the resolved config holds, wherever its file lies: 12 hexadecimal digits.
    config: the config file, and after a colon its scale.
    overrides: `section.key=value`, those of all runs and those of this one.
    workdir: the run directory, relative to the manifest's; also the name of the run.
  """

  id: str
  config: str
  overrides: list[str]
  workdir: str

  def command(self, root: Path, python: str, data_dir: str | None = None) -> list[str]:
    """The command that starts this run, resumes it, or finds it done; `root` holds the manifest."""
    command = [python, '-m', 'research.main']
    command += [f'--config={self.config}', f'--workdir={root / self.workdir}']
    command += [f'--data_dir={data_dir}'] if data_dir else []
    return [*command, *(PREFIX + override for override in self.overrides)]


def plan(path: str, overrides: Iterable[str] = (), *, alone: bool = False) -> list[Run]:
  """The runs of a config file's sweep; nothing is written.

  Args:
    path: the config file, and after a colon its scale.
    overrides: for all runs.
    alone: one run, of the config itself and not of its `sweep()`.

  Raises:
    ConfigError: a config is wrong, two runs are the same, or differ in their seed alone.
  """
  of_runs = {'run': [*overrides]} if alone else sweeps.overrides_of_runs(path, overrides)
  runs, seen = [], {}
  for name, own in of_runs.items():
    if not name or Path(name).is_absolute() or '..' in Path(name).parts or len(name) > 200:
      raise ConfigError(f'sweep() of {path} has a run {name!r}, which cannot name a directory')
    config = configuration.load(path, own)
    seedless = content_id({**configuration.as_json(config), 'seed': None})
    if seedless in seen:
      other, seed = seen[seedless]
      if seed == config.seed:
        raise ConfigError(f'sweep() of {path}: {other!r} and {name!r} are the same run; drop one')
      raise ConfigError(
        f'sweep() of {path}: {other!r} and {name!r} differ in their seed alone; networks that do are'
        f' one run, which trains them together: drop seed there, give {PREFIX}population.size=N'
      )
    seen[seedless] = name, config.seed
    runs.append(Run(id=run_id(config), config=path, overrides=own, workdir=name))
  if not runs:
    raise ConfigError(f'sweep() of {path} has no runs')
  return runs


def run_id(config: Config) -> str:
  """The id of a resolved config."""
  return content_id(configuration.as_json(config))


def content_id(values: dict[str, Any]) -> str:
  """The id of the values in a `config.json`, its source apart: the file may move."""
  own = {key: value for key, value in values.items() if key != 'source'}
  return hashlib.sha256(json.dumps(own, sort_keys=True).encode()).hexdigest()[:12]


def write(root: Path, runs: list[Run]) -> bool:
  """Writes the manifest in `root`, or adds runs to the one that is there.

  Returns:
    Whether anything was written.

  Raises:
    ConfigError: the manifest has runs that are not among these.
  """
  path = root / MANIFEST
  there = read(root) if path.exists() else []
  ids = {run.workdir: run.id for run in runs}
  for run in there:
    if ids.get(run.workdir) != run.id:
      planned = 'another config' if run.workdir in ids else 'no such run'
      raise ConfigError(
        f'{path} has {run.workdir!r}, id {run.id}, for which {runs[0].config} now has {planned};'
        f' plan into another --workdir, or remove {root}'
      )
  if there == runs:
    return False
  root.mkdir(parents=True, exist_ok=True)
  replace_file(path, ''.join(json.dumps(dataclasses.asdict(run)) + '\n' for run in runs))
  return True


def read(root: Path) -> list[Run]:
  """The runs of the manifest in `root`.

  Raises:
    ConfigError: there is none, or a line of it is no run.
  """
  path = root / MANIFEST
  if not path.is_file():
    raise ConfigError(
      f'no {path}; make it with: python -m launch.sweep plan --config=FILE --workdir={root}'
    )
  runs = []
  for number, line in enumerate(path.read_text().splitlines(), 1):
    try:
      runs.append(Run(**json.loads(line)))
    except (ValueError, TypeError):
      raise ConfigError(
        f'line {number} of {path} is no run; remove the file, and plan again'
      ) from None
  return runs


def check_unchanged(root: Path, runs: Iterable[Run]) -> None:
  """Checks that the config files still say what they said when the runs were planned.

  Raises:
    ConfigError: one does not.
  """
  for run in runs:
    now = run_id(configuration.load(run.config, run.overrides))
    if now != run.id:
      raise ConfigError(
        f'{root / MANIFEST}: {run.workdir!r} was planned as {run.id}, and {run.config} now gives'
        f' {now}; restore the file, or plan into another --workdir'
      )
