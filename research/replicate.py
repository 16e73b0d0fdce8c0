"""`python -m research.replicate STUDY --workdir=DIR [--config=FILE[:scale]] [--config.key=value ...]`

Runs what is missing of a study, judges its claims, and writes its figures and its card.
"""

import argparse
import pathlib
import sys

from research import command_line


def main(argv: list[str]) -> int:
  """Returns the exit code: 0 done, 2 refused, 130 or 143 stopped and saved."""
  overrides, rest = command_line.split_overrides(argv)
  parser = command_line.Parser(
    prog='python -m research.replicate', description=__doc__, allow_abbrev=False
  )
  parser.add_argument('study', nargs='?', help='which study; --list shows them')
  parser.add_argument('--list', action='store_true', help='list the studies')
  parser.add_argument('--config', help="config file and scale; default: the study's")
  parser.add_argument(
    '--workdir', type=command_line.folder, help='for runs, figures and card; default: runs/STUDY'
  )
  command_line.add_data_dir(parser)
  flags = parser.parse_args(rest)
  return command_line.guarded(lambda: _run(parser, flags, overrides))


def _run(parser: argparse.ArgumentParser, flags: argparse.Namespace, overrides: list[str]) -> int:
  from research import configuration, loop, studies, tables
  from research.figures.style import save
  from research.studies.card import make_card, write_card

  if flags.list:
    for name, study in studies.STUDIES.items():
      print(f'{name}: {study.TITLE} ({study.CONFIG})')
    return 0
  if flags.study not in studies.STUDIES:
    asked = f'no study {flags.study!r}' if flags.study else 'which study?'
    parser.error(f'{asked}; there are: {", ".join(studies.STUDIES)}')
  study = studies.STUDIES[flags.study]
  command_line.use_data_dir(flags)
  command_line.cache_programs()
  root = pathlib.Path(flags.workdir or f'runs/{flags.study}')
  source = flags.config or study.CONFIG
  runs = {
    root / configuration.run_name(arm): configuration.load(
      source, [*overrides, *(f'{key}={value!r}' for key, value in arm.items())]
    )
    for arm in configuration.sweep(source)
  }
  ran = [loop.train_and_evaluate(config, workdir) for workdir, config in runs.items()]
  if not any(ran) and (root / 'card.md').exists():
    print(f'{root} is done already; nothing to do. Its card: {root / "card.md"}')
    return 0
  table = tables.load_runs(root)
  table = table[table['run'].isin([run.relative_to(root).as_posix() for run in runs])]
  asked = ' '.join([source, *(command_line.PREFIX + override for override in overrides)])
  card = make_card(flags.study, asked, study.CLAIMS, table, list(runs))
  figures = [
    path
    for name, figure in study.FIGURES.items()
    for path in save(figure(table), root / 'figures' / name)
  ]
  written = write_card(card, root)
  _print(study.TITLE, study.summary(table), card)
  print(f'figures: {", ".join(map(str, figures))}\ncard: {written}')
  return 0


def _print(title: str, summary, card: dict) -> None:
  from research.studies.card import VERDICTS, plus_minus

  print(f'\n{title}\n\n{summary.to_string()}\n')
  for claim in card['claims']:
    print(
      f'{VERDICTS[claim["holds"]]:>14}  {claim["name"]}: {plus_minus(claim)} (n = {claim["n"]})'
    )
    print(f'{"":>14}  paper: {claim["paper"]}; {claim["note"]}')
  print(f'\n{card["minutes"]:g} minutes of training on {card["device"]}')


if __name__ == '__main__':
  sys.exit(main(sys.argv[1:]))
