"""`python -m research.replicate STUDY [--scale=smoke|cpu|full] [--seeds=5] [--workdir=DIR]`

Runs what is missing of a study, judges its claims, and writes its figures and its card: `card.md`,
`card.json` and `card.html`. `--config.section.key=value` sets a key of all its runs.
"""

import argparse
import functools
import inspect
import pathlib
import shlex
import sys

from research import command_line

SCALES = ('smoke', 'cpu', 'full')


def main(argv: list[str]) -> int:
  """Returns the exit code: 0 done, 2 refused, 130 or 143 stopped and saved."""
  overrides, rest = command_line.split_overrides(argv)
  parser = command_line.Parser(
    prog='python -m research.replicate', description=__doc__, allow_abbrev=False
  )
  parser.add_argument('study', nargs='?', help='which study; --list shows them')
  parser.add_argument('--list', action='store_true', help='list the studies')
  parser.add_argument('--scale', choices=SCALES, help='default: cpu, minutes on two cores')
  parser.add_argument('--seeds', help='networks in each arm, 5, or their seeds, 100:105')
  parser.add_argument('--only', help='some of the experiments, with commas between')
  parser.add_argument('--config', help='for a study of one experiment: another config file')
  parser.add_argument(
    '--workdir',
    type=command_line.folder,
    help='for runs, figures and card; default: runs/STUDY/SCALE',
  )
  command_line.add_data_dir(parser)
  flags = parser.parse_args(rest)
  return command_line.guarded(lambda: _run(parser, flags, overrides))


def _run(parser: argparse.ArgumentParser, flags: argparse.Namespace, overrides: list[str]) -> int:
  from research import studies
  from research.figures.style import save
  from research.studies import plan
  from research.studies.card import make_card, write_card
  from research.studies.page import write_page
  from research.workdirs import read_json

  if flags.list:
    for name, study in studies.STUDIES.items():
      print(f'{name}: {study.TITLE} ({", ".join([*study.EXPERIMENTS, *study.CALCULATIONS])})')
    return 0
  if flags.study not in studies.STUDIES:
    asked = f'no study {flags.study!r}' if flags.study else 'which study?'
    parser.error(f'{asked}; there are: {", ".join(studies.STUDIES)}')
  study = studies.STUDIES[flags.study]
  whole, asked_for, calculations = _plans(parser, flags, overrides, study)
  command_line.use_data_dir(flags)
  command_line.cache_programs()
  scale = next((it.partition(':')[2] for it in whole.sources.values()), flags.scale or 'cpu')
  root = pathlib.Path(flags.workdir or f'runs/{flags.study}/{scale}')
  ran = plan.run(asked_for, root)
  workdirs = plan.finished(whole, root)
  of = {name: workdirs[it] for name, (_, it) in study.MEASUREMENTS.items() if it in workdirs}
  calculations |= {
    name: functools.partial(study.MEASUREMENTS[name][0], paths) for name, paths in of.items()
  }
  ran |= plan.calculate(calculations, root, of)
  workdirs |= plan.calculated([*study.CALCULATIONS, *calculations], root)
  tables = plan.load(workdirs)
  command = shlex.join(['python', '-m', 'research.replicate', *_asked(flags, overrides)])
  card = make_card(
    flags.study, scale, command, study.CLAIMS, tables, workdirs, study.reading(tables)
  )
  drawn = {name: it for name, it in study.FIGURES.items() if {*it[1:]} <= {*tables}}
  stems = {name: root / 'figures' / name for name in drawn}
  images = {name: stem.with_suffix('.png') for name, stem in stems.items()}
  made = all(path.exists() for path in [root / 'card.html', *images.values()])
  if not ran and made and read_json(root / 'card.json') == card:
    print(f'{root} is done already; nothing to do. Its card: {root / "card.md"}')
    return 0
  written = write_card(card, root)
  for name, (draw, *reads) in drawn.items():
    save(draw(*(tables[it] for it in reads)), stems[name])
  captions = {name: (inspect.getdoc(it[0]) or '').partition('\n')[0] for name, it in drawn.items()}
  page = write_page(card, images, root, study.TITLE, captions)
  _print(study.TITLE, study.summary(tables), card)
  if drawn:
    print(f'figures: {root / "figures"}')
  print(f'card: {written}, {page}')
  return 0


def _plans(parser, flags: argparse.Namespace, overrides: list[str], study):
  """The whole study, and what of it the flags ask for: experiments and calculations."""
  from research.studies import plan

  experiments, all_names = study.EXPERIMENTS, [*study.EXPERIMENTS, *study.CALCULATIONS]
  names = all_names if flags.only is None else flags.only.split(',')
  if unknown := [name for name in names if name not in all_names]:
    parser.error(f'no experiment {unknown[0]!r} in {flags.study}: {", ".join(all_names)}')
  if not experiments and (flags.scale or flags.seeds or flags.config or overrides):
    parser.error(f'{flags.study} is calculated, without runs: it takes no scale, seeds or config')
  if flags.config and (len(study.EXPERIMENTS) != 1 or (flags.scale and ':' in flags.config)):
    parser.error('--config replaces the one file of a study, with its scale after a colon')
  sources = {}
  for name, experiment in experiments.items():
    file, _, scale = (flags.config or experiment.config).partition(':')
    sources[name] = f'{file}:{scale or flags.scale or "cpu"}'
  try:
    seeds = plan.seed_overrides(flags.seeds) if flags.seeds is not None else []
  except ValueError as error:
    parser.error(str(error))
  keys = [override.partition('=')[0] for override in overrides]
  if seeds and {'seed', 'population.size'} & {*keys}:
    parser.error('--seeds sets seed and population.size; drop it, or the overrides')
  overrides = [*seeds, *overrides]
  some = {name: it for name, it in experiments.items() if name in names}
  return (
    plan.Plan(experiments=experiments, sources=sources, overrides=overrides),
    plan.Plan(experiments=some, sources=sources, overrides=overrides),
    {name: it for name, it in study.CALCULATIONS.items() if name in names},
  )


def _asked(flags: argparse.Namespace, overrides: list[str]) -> list[str]:
  """The flags that decide what the whole study is."""
  values = {name: getattr(flags, name) for name in ('scale', 'seeds', 'config')}
  given = [f'--{name}={value}' for name, value in values.items() if value is not None]
  return [flags.study, *given, *(command_line.PREFIX + override for override in overrides)]


def _print(title: str, summary, card: dict) -> None:
  from research.studies.card import VERDICTS, plus_minus

  print(f'\n{title}\n\n{summary.to_string()}\n')
  if card['scale'] == 'smoke':
    print('scale smoke tests that all runs; its verdicts mean nothing\n')
  for claim in card['claims']:
    print(
      f'{VERDICTS[claim["holds"]]:>14}  {claim["name"]}: {plus_minus(claim)} (n = {claim["n"]})'
    )
    print(f'{"":>14}  {claim["note"]}; the paper: {claim["paper"]}')
  if card['not_run']:
    print(f'not run: what {len(card["not_run"])} more claims read')
  print(f'\n{card["minutes"]:g} minutes of computing on {card["device"]}')


if __name__ == '__main__':
  sys.exit(main(sys.argv[1:]))
