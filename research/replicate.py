"""`python -m research.replicate STUDY --workdir=DIR [--config=FILE[:scale]] [--config.key=value ...]`

Runs what is missing of a study, judges its claims, and writes its figures and its card.
"""

import argparse
import pathlib
import sys
from collections.abc import Iterable
from typing import Any

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
  runs = configuration.runs(source, overrides)
  for config in runs.values():
    _require(config, study.INSTRUMENTS)
  runs = {root / name: config for name, config in runs.items()}
  ran = [loop.train_and_evaluate(config, workdir) for workdir, config in runs.items()]
  stems = {name: root / 'figures' / name for name in study.FIGURES}
  made = [root / 'card.md', *(stem.with_suffix('.png') for stem in stems.values())]
  if not any(ran) and all(path.exists() for path in made):
    print(f'{root} is done already; nothing to do. Its card: {root / "card.md"}')
    return 0
  table = tables.load_runs(root, only=[run.name for run in runs])
  asked = ' '.join([source, *(command_line.PREFIX + override for override in overrides)])
  card = make_card(flags.study, asked, study.CLAIMS, table, list(runs))
  figures = [
    path for name, figure in study.FIGURES.items() for path in save(figure(table), stems[name])
  ]
  written = write_card(card, root)
  _print(study.TITLE, study.summary(table), card)
  print(f'figures: {", ".join(map(str, figures))}\ncard: {written}')
  return 0


def _require(config: Any, names: Iterable[str]) -> None:
  """Checks that the instruments that a study reads measure on the probe set."""
  from research.configuration import ConfigError

  for name in names:
    if name not in config.instruments or config.instruments[name].on != 'probe':
      raise ConfigError(
        f'{config.source}: this study reads instruments.{name} on the probe set; mount it there, or'
        f' with --config.instruments.{name}.on=probe'
      )


def _print(title: str, summary, card: dict) -> None:
  from research.studies.card import VERDICTS, plus_minus

  print(f'\n{title}\n\n{summary.to_string()}\n')
  for claim in card['claims']:
    print(
      f'{VERDICTS[claim["holds"]]:>14}  {claim["name"]}: {plus_minus(claim)} (n = {claim["n"]})'
    )
    print(f'{"":>14}  {claim["note"]}; the paper: {claim["paper"]}')
  print(f'\n{card["minutes"]:g} minutes of training on {card["device"]}')


if __name__ == '__main__':
  sys.exit(main(sys.argv[1:]))
