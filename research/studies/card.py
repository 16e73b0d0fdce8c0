"""The card of a study: each claim beside what our runs say, in Markdown and JSON; never typed."""

import math
import pathlib
from collections.abc import Sequence
from typing import Any

import pandas as pd

from research.studies.claim import Claim, Verdict
from research.workdirs import read_json, replace_file, write_json

VERDICTS = {True: 'holds', False: 'FAILS', None: 'not measurable'}


def make_card(
  study: str,
  source: str,
  claims: Sequence[Claim],
  table: pd.DataFrame,
  workdirs: Sequence[pathlib.Path],
) -> dict[str, Any]:
  """Judges every claim on the table.

  Args:
    study: the name of the study.
    source: the config file and scale of its runs, and after a blank the overrides.
    claims: to be judged.
    table: of `research.tables.load_runs`.
    workdirs: the run directories: they know commit, device and time.
  """
  attempts = [a for w in workdirs for a in read_json(w / 'environment.json')['attempts']]
  seconds = sum(a['seconds'] for a in attempts)
  return {
    'study': study,
    'scale': source.partition(' ')[0].partition(':')[2],
    'config': source,
    'commit': ', '.join(sorted({a['commit'] or 'unknown' for a in attempts})),
    'device': ', '.join(sorted({f'{a["n_devices"]} x {a["device"]}' for a in attempts})),
    'minutes': round(seconds / 60, 2),
    'claims': [_judged(claim, claim.judge(table)) for claim in claims],
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
    f'# {card["study"]}, {card["config"]}',
    '',
    f'{card["minutes"]:g} minutes on {card["device"]}; commit {card["commit"]}.',
    '',
    '| claim | paper | ours ± standard error | n | verdict |',
    '|---|---|---|---|---|',
  ]
  for claim in card['claims']:
    verdict = VERDICTS[claim['holds']] + (f': {claim["note"]}' if claim['note'] else '')
    paper = f'{claim["paper"]} ({claim["source"]})'
    cells = [claim['claim'], paper, plus_minus(claim), str(claim['n']), verdict]
    lines.append(' | '.join(['', *(cell.replace('|', r'\|') for cell in cells), '']).strip())
  return '\n'.join([*lines, ''])


def plus_minus(claim: dict[str, Any]) -> str:
  """Ours ± standard error; a dash for what was not measured."""
  ours, stderr = claim['ours'], claim['stderr']
  if ours is None:
    return '–'
  return f'{ours:.3g} ± {"–" if stderr is None else f"{stderr:.2g}"}'


def _judged(claim: Claim, verdict: Verdict) -> dict[str, Any]:
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
  }
