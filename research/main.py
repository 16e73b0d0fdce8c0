"""`python -m research.main --config=FILE[:scale] --workdir=DIR [--config.section.key=value ...]`"""

import argparse
import pathlib
import sys

from research import command_line


def main(argv: list[str]) -> int:
  """Runs one config; returns the exit code.

  0 done; 2 refused, or failed with what was saved intact; 3 ended, since all networks have diverged;
  75 of several processes that wait for one; 130 or 143 stopped and saved.
  """
  overrides, rest = command_line.split_overrides(argv)
  parser = command_line.Parser(
    prog='python -m research.main', description=__doc__, allow_abbrev=False
  )
  parser.add_argument('--config', required=True, help='config file, and after a colon its scale')
  parser.add_argument(
    '--workdir', required=True, type=command_line.folder, help='run directory; run again to resume'
  )
  parser.add_argument('--tensorboard', action='store_true', help='keep a TensorBoard view')
  parser.add_argument(
    '--costs', action='store_true', help='first print operations and memory of each program'
  )
  parser.add_argument(
    '--profile',
    type=_steps,
    metavar='FIRST:STOP',
    help='keep a trace of these steps, or of so many',
  )
  command_line.add_data_dir(parser)
  flags = parser.parse_args(rest)
  return command_line.guarded(lambda: _run(flags, overrides))


def _steps(text: str) -> range:
  from research.profiling import steps

  try:
    return steps(text)
  except ValueError as error:
    raise argparse.ArgumentTypeError(str(error)) from error


def _run(flags: argparse.Namespace, overrides: list[str]) -> int:
  from research import configuration, divergence, loop, processes, workdirs

  config = configuration.load(flags.config, overrides)
  command_line.use_data_dir(flags)
  command_line.cache_programs()
  processes.join()
  workdir = pathlib.Path(flags.workdir)
  extras = {'tensorboard': flags.tensorboard, 'costs': flags.costs, 'profile': flags.profile}
  if loop.train_and_evaluate(config, workdir, **extras):
    print(f'done: {workdir / "metrics.jsonl"}')
  else:
    print(f'{flags.workdir} is done already; nothing to do')
  diverged = workdirs.read_json(workdir / 'DONE').get('diverged', {})
  if diverged:
    n = config.population.size
    command_line.say(f'{len(diverged)} of {n} networks diverged: see {workdir / divergence.FILE}')
  return 3 if len(diverged) == config.population.size else 0


if __name__ == '__main__':
  sys.exit(main(sys.argv[1:]))
