"""`python -m launch.sweep plan|run|status|retry|collect --workdir=DIR`: the runs of a config's sweep().

plan writes DIR/manifest.jsonl. run starts what is missing or was stopped, retry what failed, each by
`--backend=local|slurm|tpu_vm|jobset`; with `--dry-run` they print what would be submitted, and nothing
else happens. What is done, at work or queued stays as it is. status shows what became of each run;
collect writes the tidy table of those that are done.
"""

import argparse
import dataclasses
import sys
from pathlib import Path
from typing import Any

from research import command_line

GOES_ON = ('missing', 'stopped')


def main(argv: list[str]) -> int:
  """Returns the exit code: 0 done or submitted, 1 a run failed, 2 refused, 130 or 143 stopped."""
  overrides, rest = command_line.split_overrides(argv)
  parser = command_line.Parser(
    prog='python -m launch.sweep', description=__doc__, allow_abbrev=False
  )
  commands = parser.add_subparsers(dest='command', required=True, metavar='COMMAND')
  for name, (function, flags, help) in COMMANDS.items():
    own = commands.add_parser(name, help=help, description=help, allow_abbrev=False)
    own.add_argument(
      '--workdir', required=True, type=command_line.folder, help='the folder of the sweep'
    )
    for add in flags:
      add(own)
    own.set_defaults(function=function, own=own)
  flags = parser.parse_args(rest)
  if overrides and flags.command != 'plan':
    parser.error(f'{command_line.PREFIX}{overrides[0]} belongs to plan: the manifest keeps it')
  return command_line.guarded(lambda: flags.function(flags, overrides, Path(flags.workdir)))


def _backends() -> dict[str, Any]:
  from launch import jobset, local, slurm, tpu_vm

  return {'local': local, 'slurm': slurm, 'tpu_vm': tpu_vm, 'jobset': jobset}


def _add_plan(parser: argparse.ArgumentParser) -> None:
  parser.add_argument('--config', required=True, help='config file, and after a colon its scale')
  parser.add_argument(
    '--alone', action='store_true', help='one run, of the config, not its sweep()'
  )
  command_line.add_data_dir(parser)


def _add_backend(parser: argparse.ArgumentParser) -> None:
  """The flags of all backends; `_options` refuses those of another."""
  backends = _backends()
  parser.add_argument('--backend', required=True, choices=backends, help='what runs them')
  parser.add_argument('--dry-run', action='store_true', help='print what would be submitted')
  fields = {}
  for name, backend in backends.items():
    for field in dataclasses.fields(backend.Options):
      fields.setdefault(field.name, (field, []))[1].append(name)
  for name, (field, of) in fields.items():
    keywords: dict[str, Any] = {'help': f'{", ".join(of)}: {field.metadata["help"]}'}
    if field.type is bool:
      keywords['action'] = argparse.BooleanOptionalAction
    elif 'tuple' in str(field.type):
      keywords['action'] = 'append'
    elif 'int' in str(field.type):
      keywords['type'] = int
    parser.add_argument(f'--{name}', **keywords)


def _add_out(parser: argparse.ArgumentParser) -> None:
  parser.add_argument('--out', help='FILE.csv or FILE.parquet; default: table.csv in the folder')


def _options(flags: argparse.Namespace) -> Any:
  """The options of the backend that was asked for."""
  backends = _backends()
  own = {field.name: field for field in dataclasses.fields(backends[flags.backend].Options)}
  given = {}
  for name, value in vars(flags).items():
    of = [it for it in backends if name in backends[it].Options.__dataclass_fields__]
    if not of or value is None:
      continue
    if name not in own:
      flags.own.error(f'--{name} is a flag of {", ".join(of)}, not of {flags.backend}')
    given[name] = tuple(value) if isinstance(value, list) else value
  for name, field in own.items():
    if name not in given and field.default is dataclasses.MISSING:
      flags.own.error(f'{flags.backend} needs --{name}: {field.metadata["help"]}')
  return backends[flags.backend].Options(**given)


def _plan(flags: argparse.Namespace, overrides: list[str], root: Path) -> int:
  from launch import manifest
  from research import configuration, loop
  from research.tasks import MissingDataset

  command_line.use_data_dir(flags)
  runs, absent = manifest.plan(flags.config, overrides, alone=flags.alone), None
  for run in runs:
    try:
      loop.check(configuration.load(run.config, run.overrides), root / run.workdir)
    except MissingDataset as error:  # it may be where the runs will be
      absent = error
  written = manifest.write(root, runs)
  print(f'{root / manifest.MANIFEST}: {len(runs)} runs{"" if written else ", planned already"}')
  if absent:
    print(f'on this machine, {absent}')
  return 0


def _run(flags: argparse.Namespace, overrides: list[str], root: Path) -> int:
  return _start(flags, root, GOES_ON)


def _retry(flags: argparse.Namespace, overrides: list[str], root: Path) -> int:
  return _start(flags, root, ('failed',))


def _start(flags: argparse.Namespace, root: Path, states: tuple[str, ...]) -> int:
  """Submits the runs that are in one of the states."""
  from launch import manifest, outcome

  options, backend = _options(flags), _backends()[flags.backend]
  runs = manifest.read(root)
  manifest.check_unchanged(root, runs)
  found = _outcomes(root, runs)
  chosen = [it.run for it in found if it.state in states]
  if not chosen:
    print(f'nothing to {flags.command}: {outcome.counts(found)}')
    return 0
  submitted = backend.text(root, chosen, options)
  if flags.dry_run:
    print(submitted, end='')
    return 0
  (root / outcome.LOGS).mkdir(exist_ok=True)
  return backend.submit(root, chosen, options)


def _status(flags: argparse.Namespace, overrides: list[str], root: Path) -> int:
  from launch import manifest, outcome

  found = _outcomes(root, manifest.read(root))
  print(outcome.shown(found, root))
  return int(any(it.state == 'failed' for it in found))


def _outcomes(root: Path, runs: list) -> list:
  from launch import jobset, outcome, slurm

  held = slurm.held(outcome.submissions(root, 'slurm'))
  held |= jobset.held(outcome.submissions(root, 'jobset'))
  return outcome.outcomes(root, runs, held)


def _collect(flags: argparse.Namespace, overrides: list[str], root: Path) -> int:
  from launch import collect, manifest, outcome

  found = _outcomes(root, manifest.read(root))
  path = Path(flags.out or root / 'table.csv')
  rows = collect.write(root, [it.run for it in found if it.state == 'done'], path)
  print(f'{path}: {rows} rows of {outcome.counts(found)}')
  return 0


# What each does, its flags beside --workdir, and its help.
COMMANDS = {
  'plan': (_plan, [_add_plan], "write the manifest of a config's sweep()"),
  'run': (_run, [_add_backend], 'start the runs that are missing or were stopped'),
  'status': (_status, [], 'show what became of each run; exit code 1 if one failed'),
  'retry': (_retry, [_add_backend], 'start the runs that failed, and no others'),
  'collect': (_collect, [_add_out], 'write the tidy table of the runs that are done'),
}


if __name__ == '__main__':
  sys.exit(main(sys.argv[1:]))
