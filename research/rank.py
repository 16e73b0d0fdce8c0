"""`python -m research.rank RUNS [--measures=FILE.py]`

Ranks measures on the networks of finished runs: those of the house, and yours. FILE.py defines
`MEASURES`, families by name as in `research.measures`: functions of a trained network and its sample.
First, a family of yours must not tell apart two worlds of which it can know nothing (`two_worlds`).
What is measured is kept beside each run; only what is new is computed.
"""

import argparse
import hashlib
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
      f'no finished runs in {flags.runs}; python -m research.replicate contest makes some'
    )
  yours = {name for measure in own.values() for name in _guarded(measure)}
  if taken := yours & {*zoo.KNOWN, *zoo.names_of_measures(zoo.networks(paths[:1]))}:
    raise ConfigError(f'measures must have names of their own; {min(taken)} is taken: rename it')
  table = zoo.judged(zoo.networks(paths, MEASURES | own))
  varied = [name for name in zoo.HYPERPARAMETERS if table[name].nunique() > 1]
  if len(table) < 2 or not varied:
    raise ConfigError(
      f'{flags.runs} must hold networks of two settings or more that have reached their level; '
      f'{len(table)} have'
    )
  board = ranking.leaderboard(table, zoo.names_of_measures(table), varied, n_resamples=0)
  board['yours'] = ['*' if name in yours else '' for name in board['measure']]
  columns = ['rank', 'measure', 'yours', 'computed', 'tau', 'psi', 'sign_error_mean']
  columns += ['sign_error_max', 'worst']
  shown = board[(board['rank'] <= flags.top) | (board['yours'] != '') | board['baseline']]
  print(f'\n{len(table):,} networks of {len(paths)} runs, by Psi\n')
  print(shown[columns].round(3).to_string(index=False))
  return 0


def _guarded(measure) -> list[str]:
  """The names that a family gives; says whether they tell two worlds apart."""
  from research.measures import guard

  found = guard.leaks(measure, guard.worlds(0, 200))
  for name, p in found.items():
    verdict = 'it has seen the test labels' if p < 1e-6 else 'as it should'
    print(f'{name}: p = {p:.2g} that two worlds look alike to it; {verdict}')
  return [*found]


def _own(file: str):
  """The families that a file defines, under names that change when the file does.

  Raises:
    FileNotFoundError, ConfigError: there is no such file, or it defines none.
  """
  from research.configuration import ConfigError

  path = pathlib.Path(file)
  if not path.is_file():
    raise FileNotFoundError(f'no file {file}')
  found = runpy.run_path(str(path)).get('MEASURES')
  if not isinstance(found, dict) or not found or not all(map(callable, found.values())):
    raise ConfigError(f"{file} must define MEASURES = {{'name': function}}")
  version = hashlib.sha256(path.read_bytes()).hexdigest()[:12]
  return {f'{name}@{version}': measure for name, measure in found.items()}


if __name__ == '__main__':
  sys.exit(main(sys.argv[1:]))
