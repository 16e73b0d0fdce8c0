"""What a study consists of, and the running of it: experiments, each the runs of a config's sweep."""

import dataclasses
import json
import pathlib
import time
import types
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from research import loop, sweeps, tables, workdirs
from research.configuration import Config, ConfigError
from research.workdirs import is_done, read_json

TABLE = 'table.json'  # of a calculation


@dataclasses.dataclass(frozen=True, kw_only=True)
class Experiment:
  """Runs that belong together: those of one config file's `sweep()`.

  Attributes:
    config: the file.
    instruments: what the claims read; mounted on the probe set by every run.
    prepare: from the study's folder, where experiments named before this one are finished, to more
      overrides of each run, `{run: {key: value}}`: for runs that go on from the outcome of others.
  """

  config: str
  instruments: tuple[str, ...] = ()
  prepare: Callable[[pathlib.Path], dict[str, dict[str, Any]]] | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plan:
  """The experiments that were asked for, at one scale.

  Attributes:
    experiments: by name.
    sources: the config file and scale of each.
    overrides: of all their runs.
  """

  experiments: Mapping[str, Experiment]
  sources: Mapping[str, str]
  overrides: list[str]

  def configs(
    self, name: str, of_run: Mapping[str, dict[str, Any]] | None = None
  ) -> dict[str, Config]:
    """The config of each run of an experiment.

    Raises:
      ConfigError: a config is wrong, or does not measure what the claims read.
    """
    configs = sweeps.runs(self.sources[name], self.overrides, of_run or {})
    for config in configs.values():
      _require(config, self.experiments[name].instruments)
    return configs


def run(plan: Plan, root: pathlib.Path) -> bool:
  """Runs what is missing, in `root/<experiment>/<run>`; what is done stays as it is.

  All configs are checked before anything is computed; but for what `prepare` adds, which depends on
  the outcome of other runs.

  Returns:
    Whether there was anything to do.

  Raises:
    ConfigError, MissingDataset, WorkdirLocked, OSError, Interrupted: as `loop.train_and_evaluate`.
  """
  configs = {name: plan.configs(name) for name in plan.experiments}
  for name, experiment in plan.experiments.items():
    for run_name, config in configs[name].items() if not experiment.prepare else ():
      loop.check(config, root / name / run_name)
  total = sum(map(len, configs.values()))
  number, ran, started = 0, False, time.perf_counter()
  for name, experiment in plan.experiments.items():
    if experiment.prepare:
      configs[name] = plan.configs(name, experiment.prepare(root))
    for run_name, config in configs[name].items():
      number, workdir = number + 1, root / name / run_name
      if not is_done(workdir):
        minutes = (time.perf_counter() - started) / 60
        print(f'{number} of {total}, at {minutes:.1f} min: {name}/{run_name}', flush=True)
      ran |= loop.train_and_evaluate(config, workdir)
  return ran


def calculate(
  calculations: Mapping[str, Callable[[], pd.DataFrame]],
  root: pathlib.Path,
  of: Mapping[str, Sequence[pathlib.Path]] = types.MappingProxyType({}),
) -> bool:
  """Makes the tables that are missing, in `root/calculations/<name>`, as `run` does runs.

  A table that is done stays as it is, also when the code has changed; but it is made again if the runs
  that it was made of have been.

  Args:
    calculations: what makes each table.
    root: the study's folder.
    of: the run directories that a table is made of, if any.

  Returns:
    Whether there was anything to do.

  Raises:
    WorkdirLocked, OSError: the directory cannot be used.
  """
  ran = False
  for name, calculation in calculations.items():
    workdir, started = _of_calculation(root, name), time.perf_counter()
    sources = {str(path): [a['started'] for a in attempts(path)] for path in of.get(name, ())}
    if is_done(workdir) and read_json(workdir / 'DONE')['of'] == sources:
      continue
    print(f'calculating {name}', flush=True)
    with workdirs.open_workdir(workdir):
      (workdir / 'environment.json').unlink(missing_ok=True)
      workdirs.write_environment(workdir)
      rows = calculation().to_dict('records')
      workdirs.replace_file(workdir / TABLE, json.dumps(rows, default=_plain))
      workdirs.note_progress(workdir, time.perf_counter() - started)
      workdirs.mark_done(workdir, {'rows': len(rows), 'of': sources})
    ran = True
  return ran


def calculated(names: Iterable[str], root: pathlib.Path) -> dict[str, list[pathlib.Path]]:
  """The directory of each calculation that is done, as `finished` has those of runs."""
  paths = {name: _of_calculation(root, name) for name in names}
  return {name: [path] for name, path in paths.items() if is_done(path)}


def _of_calculation(root: pathlib.Path, name: str) -> pathlib.Path:
  return root / 'calculations' / name


def _plain(value: Any) -> Any:
  """NumPy's numbers and arrays as Python's."""
  return value.tolist()


def finished(plan: Plan, root: pathlib.Path) -> dict[str, list[pathlib.Path]]:
  """The run directories of each experiment all of whose runs are done.

  Raises:
    ConfigError: one of them was done with another config.
  """
  found = {}
  for name, experiment in plan.experiments.items():
    workdirs = {run_name: root / name / run_name for run_name in sweeps.sweep(plan.sources[name])}
    if all(map(is_done, workdirs.values())):
      found[name] = [*workdirs.values()]
      if not experiment.prepare:
        for run_name, config in plan.configs(name).items():
          loop.check(config, workdirs[run_name])
  return found


def load(found: Mapping[str, Sequence[pathlib.Path]]) -> dict[str, pd.DataFrame]:
  """The tidy table of each experiment, of its own runs alone, and of each calculation."""
  return {
    name: pd.DataFrame(read_json(paths[0] / TABLE))
    if (paths[0] / TABLE).exists()
    else tables.load_runs(paths[0].parent, only=[path.name for path in paths])
    for name, paths in found.items()
  }


def costs(found: Mapping[str, Sequence[pathlib.Path]]) -> dict[str, dict[str, Any]]:
  """How many runs and networks each experiment has, and how many minutes they took.

  A calculation has neither runs nor networks.
  """
  return {
    name: {
      'runs': len(sizes := [*_sizes(paths)]),
      'networks': sum(sizes),
      'minutes': round(sum(a['seconds'] for path in paths for a in attempts(path)) / 60, 2),
    }
    for name, paths in found.items()
  }


def _sizes(paths: Iterable[pathlib.Path]) -> Iterator[int]:
  """How many networks each run has; nothing for a calculation."""
  for path in paths:
    if config := read_json(path / 'config.json'):
      yield config['population']['size']


def sizes_of(calculations: Iterable[str], tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
  """How many rows and seeds each of the calculations has that are done: for the terminal."""
  rows = {
    name: {
      'rows': len(tables[name]),
      'seeds': tables[name]['seed'].nunique() if 'seed' in tables[name] else 0,
    }
    for name in calculations
    if name in tables
  }
  return pd.DataFrame.from_dict(rows, orient='index').rename_axis('calculation')


def attempts(workdir: pathlib.Path) -> list[dict[str, Any]]:
  """The processes that worked at a run: their code, device and time."""
  return read_json(workdir / 'environment.json')['attempts']


def seed_overrides(text: str) -> list[str]:
  """`'5'`: seeds 0 to 4 in every arm; `'100:105'`: seeds 100 to 104.

  Raises:
    ValueError: it is neither.
  """
  first, _, stop = text.rpartition(':')
  numbers = [int(n) if n.isdecimal() else -1 for n in (first or '0', stop)]
  if not 0 <= numbers[0] < numbers[1]:
    raise ValueError(f'--seeds must be a number of networks, or FIRST:STOP, not {text!r}')
  return [f'seed={numbers[0]}', f'population.size={numbers[1] - numbers[0]}']


def _require(config: Config, names: Iterable[str]) -> None:
  """Checks that the instruments that a study reads measure on the probe set."""
  for name in names:
    if name not in config.instruments or config.instruments[name].on != 'probe':
      raise ConfigError(
        f'{config.source}: this study reads instruments.{name} on the probe set; mount it there, or'
        f' with --config.instruments.{name}.on=probe'
      )
