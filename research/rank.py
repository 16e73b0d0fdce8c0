"""`python -m research.rank RUNS [--measures=FILE.py]`

Ranks measures on the networks of finished runs: those of the house, and yours. FILE.py defines
`MEASURES`, families by name as in `research.measures`: functions of a trained network and its sample.
First, a family of yours must not tell apart two worlds of which it can know nothing (`two_worlds`).
What is measured is kept beside each run; only what is new is computed.
"""

import argparse
import hashlib
import math
import pathlib
import runpy
import sys

from research import command_line


def main(argv: list[str]) -> int:
  """Returns the exit code: 0 done, 2 refused."""
  parser = command_line.Parser(
    prog='python -m research.rank', description=__doc__, allow_abbrev=False
  )
  parser.add_argument('runs', help='folder of runs, such as runs/contest/cpu/zoo')
  parser.add_argument('--measures', help='a file that defines MEASURES')
  parser.add_argument('--top', type=int, default=10, help='how many of the house are shown, 10')
  command_line.add_data_dir(parser)
  flags = parser.parse_args(argv)
  return command_line.guarded(lambda: _run(flags))


def _run(flags: argparse.Namespace) -> int:
  from research import workdirs
  from research.configuration import ConfigError
  from research.measures import MEASURES
  from research.referee import ranking
  from research.studies.contest import zoo

  command_line.use_data_dir(flags)
  command_line.cache_programs()
  own = _own(flags.measures) if flags.measures else {}
  paths = sorted(path.parent for path in pathlib.Path(flags.runs).glob('*/config.json'))
  paths = [path for path in paths if workdirs.is_done(path)]
  if not paths:
    raise FileNotFoundError(
      f'no folders of finished runs in {flags.runs}, such as those that python -m research.replicate'
      ' contest makes under its --workdir, in zoo'
    )
  names = {family: _names(family, measure) for family, measure in own.items()}
  yours = {name for of_family in names.values() for name in of_family}
  if taken := yours & {*zoo.KNOWN, *zoo.names_of_measures(zoo.networks(paths[:1]))}:
    raise ConfigError(f'measures must have names of their own; {min(taken)} is taken: rename it')
  _guard(own)
  everything = zoo.networks(paths, MEASURES | own)
  table = zoo.judged(everything)
  varied = [name for name in zoo.HYPERPARAMETERS if table[name].nunique() > 1]
  if len(table) < 2 or not varied:
    raise ConfigError(
      f'{flags.runs} must hold networks of two settings or more that have reached their level; '
      f'{len(table)} have'
    )
  measures = list(dict.fromkeys([*zoo.distinct(table), *sorted(yours)]))
  board = ranking.leaderboard(table, measures, varied, n_resamples=0)
  board['yours'] = ['*' if name in yours else '' for name in board['measure']]
  columns = ['rank', 'measure', 'yours', 'computed', 'tau', 'psi', 'sign_error_mean']
  columns += ['sign_error_max', 'worst']
  shown = board[(board['rank'] <= flags.top) | (board['yours'] != '') | board['baseline']]
  print(
    f'\n{len(table):,} of {len(everything):,} networks in {len(paths)} runs are judged; by Psi\n'
  )
  print(shown[columns].round(3).to_string(index=False))
  return 0


def _names(family: str, measure) -> list[str]:
  """The names that a family gives, by tracing it on a network of the guard.

  Raises:
    ConfigError: it fails, or does not give a dictionary of scalars.
  """
  import jax

  from research.configuration import ConfigError
  from research.measures import Trained, guard

  model, *arrays = guard.worlds(0, 1).worlds['linear']
  family = family.partition('@')[0]
  try:
    one = [jax.tree.map(lambda x: x[0], it) for it in arrays]
    found = jax.eval_shape(lambda *it: measure(Trained(model, *it)), *one)
  except Exception as error:
    reason = str(error).partition('\n')[0]
    raise ConfigError(
      f'the measure {family!r} fails when it is traced: {type(error).__name__}: {reason}'
    ) from error
  shapes = [getattr(it, 'shape', None) for it in found.values()] if isinstance(found, dict) else []
  if not shapes or any(shape != () for shape in shapes):
    raise ConfigError(f'the measure {family!r} must return {{name: scalar}}, not {found}')
  return [*found]


def _guard(own) -> None:
  """Says how alike two worlds look to families that can know nothing of the world they are in.

  Raises:
    ConfigError: one tells them apart.
  """
  from research.configuration import ConfigError
  from research.measures import guard

  if not own:
    return
  worlds = guard.worlds(0, 200)
  for measure in own.values():
    for name, p in guard.leaks(measure, worlds).items():
      if math.isnan(p):
        print(f'{name}: not defined for the networks of the guard, which can say nothing of it')
      else:
        print(f'{name}: p = {p:.2g} that two worlds look alike to it')
      if p < 1e-6:
        raise ConfigError(f'{name} tells two worlds apart: it has seen the test labels')


def _own(file: str):
  """The families that a file defines, under names that change when the file does.

  Raises:
    FileNotFoundError, ConfigError: there is no such file, or it defines none.
  """
  from research.configuration import ConfigError

  path = pathlib.Path(file)
  if not path.is_file():
    raise FileNotFoundError(f'no file {file}')
  try:
    found = runpy.run_path(str(path)).get('MEASURES')
  except Exception as error:
    raise ConfigError(f'mend {file}: {type(error).__name__}: {error}') from error
  if not isinstance(found, dict) or not found or not all(map(callable, found.values())):
    raise ConfigError(f"{file} must define MEASURES = {{'name': function}}")
  version = hashlib.sha256(path.read_bytes()).hexdigest()[:12]
  return {f'{name}@{version}': measure for name, measure in found.items()}


if __name__ == '__main__':
  sys.exit(main(sys.argv[1:]))
