"""The card of a study: each claim beside what our runs say, in Markdown and JSON; never typed."""

import math
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from research.studies import plan
from research.studies.claim import Claim, Verdict
from research.workdirs import replace_file, write_json

VERDICTS = {True: 'holds', False: 'FAILS', None: 'not measurable'}


def make_card(
  study: str,
  scale: str,
  command: str,
  claims: Sequence[Claim],
  tables: Mapping[str, pd.DataFrame],
  workdirs: Mapping[str, Sequence[pathlib.Path]],
  reading: str = '',
) -> dict[str, Any]:
  """Judges every claim whose tables are there; the others are named under `not_run`.

  Args:
    study: the name of the study.
    scale: of its runs.
    command: what makes this card again.
    claims: to be judged.
    tables: of each experiment.
    workdirs: the run directories of each experiment: they know commit, device and time.
    reading: what a reader should know first, a paragraph.
  """
  processes = [a for paths in workdirs.values() for path in paths for a in plan.attempts(path)]
  seconds, costs = sum(process['seconds'] for process in processes), plan.costs(workdirs)
  judged = [claim for claim in claims if {*claim.reads} <= {*tables}]
  return {
    'study': study,
    'scale': scale,
    'command': command,
    'commit': ', '.join(sorted({process['commit'] or 'unknown' for process in processes})),
    'device': ', '.join(sorted({f'{p["n_devices"]} x {p["device"]}' for p in processes})),
    'started': min(process['started'] for process in processes),
    'versions': processes[-1]['versions'],
    'minutes': round(seconds / 60, 2),
    'experiments': costs,
    'reading': reading,
    'claims': [_judged(claim, claim.verdict(tables), costs) for claim in judged],
    'not_run': [claim.name for claim in claims if claim not in judged],
  }


def write_card(card: dict[str, Any], workdir: pathlib.Path) -> pathlib.Path:
  """Writes `card.json` and `card.md`; returns the path of the latter."""
  write_json(workdir / 'card.json', card)
  path = workdir / 'card.md'
  replace_file(path, as_markdown(card))
  return path


def as_markdown(card: dict[str, Any]) -> str:
  """The card as a page: where it comes from, and a table of the claims."""
  lines = [
    f'# {card["study"]}, scale {card["scale"]}',
    '',
    f'{card["minutes"]:g} minutes on {card["device"]}; commit {card["commit"]}.',
    '',
    f'    {card["command"]}',
    '',
    *([card['reading'], ''] if card['reading'] else []),
    '| claim | paper | ours ± standard error | n | minutes | verdict |',
    '|---|---|---|---|---|---|',
  ]
  for claim in card['claims']:
    verdict = VERDICTS[claim['holds']] + (f': {claim["note"]}' if claim['note'] else '')
    paper = f'{claim["paper"]} ({claim["source"]})'
    cells = [claim['claim'], paper, plus_minus(claim), str(claim['n'])]
    cells += [f'{claim["minutes"]:g}', verdict]
    lines.append(_row(*cells))
  if card['not_run']:
    lines += ['', f'Not run: what {len(card["not_run"])} more claims read.']
  lines += ['', '| experiment | runs | networks | minutes |', '|---|---|---|---|']
  for name, cost in card['experiments'].items():
    counts = [f'{cost[key]:g}' if cost['runs'] else '–' for key in ('runs', 'networks')]
    lines.append(_row(name, *counts, f'{cost["minutes"]:g}'))
  return '\n'.join([*lines, ''])


def _row(*cells: str) -> str:
  return ' | '.join(['', *(cell.replace('|', r'\|') for cell in cells), '']).strip()


def plus_minus(claim: dict[str, Any]) -> str:
  """Ours ± standard error; a dash for what was not measured."""
  ours, stderr = claim['ours'], claim['stderr']
  if ours is None:
    return '–'
  return f'{ours:.3g} ± {"–" if stderr is None else f"{stderr:.2g}"}'


def _judged(claim: Claim, verdict: Verdict, costs: Mapping[str, Any]) -> dict[str, Any]:
  return {
    'name': claim.name,
    'claim': claim.text,
    'source': claim.source,
    'paper': claim.paper,
    'ours': float(verdict.ours) if math.isfinite(verdict.ours) else None,
    'stderr': float(verdict.stderr) if math.isfinite(verdict.stderr) else None,
    'n': int(verdict.n),
    'holds': None if verdict.holds is None else bool(verdict.holds),
    'note': verdict.note,
    'minutes': round(sum(costs[name]['minutes'] for name in claim.reads if name in costs), 2),
  }
