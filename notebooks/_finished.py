"""What notebooks share: where finished runs are, and a study's tables, figures and verdicts of them."""

import os
import sys
import textwrap
from pathlib import Path
from types import ModuleType

import research
from research.figures import style
from research.studies import card as cards
from research.studies import plan
from research.tables import load_runs
from research.workdirs import read_json


def folder(default: str) -> Path:
  """`GENLAB_RUNS`, or a folder of the checkout."""
  return Path(os.environ.get('GENLAB_RUNS', Path(research.__path__[0]).parent / default))


def saved(figure: style.Figure, stem: Path) -> style.Figure:
  """Saves a figure, says where, and returns it, so that the notebook shows it."""
  for path in style.save(figure, stem):
    print(path)
  return figure


class Markdown(str):
  """Text that a notebook shows as a page."""

  def _repr_markdown_(self) -> str:
    return str(self)


class Finished:
  """What is finished of a study, as `research.replicate` leaves it: nothing is trained or calculated.

  Attributes:
    tables: of each experiment all of whose runs are done, and of each calculation and measurement.
    card: of the study; None if there is none yet.
  """

  def __init__(self, study: ModuleType, default: str):
    """Reads the folder, and says what is missing; ends the notebook if there is nothing at all."""
    self.study, self.root = study, folder(default)
    self.tables = {}
    for name in study.EXPERIMENTS:
      configs = sorted((self.root / name).glob('*/config.json'))
      unfinished = [path for path in configs if not path.with_name('DONE').exists()]
      if configs and not unfinished:
        self.tables[name] = load_runs(self.root / name)
      else:
        print(f'{name}: {len(unfinished)} runs unfinished' if unfinished else f'{name}: not run')
    calculations = [*study.CALCULATIONS, *study.MEASUREMENTS]
    done = plan.load(plan.calculated(calculations, self.root))
    for name in calculations:
      if name not in done:
        print(f'{name}: not calculated')
    self.tables |= done
    if not self.tables:
      name = study.__name__.rpartition('.')[2]
      sys.exit(
        f'nothing finished of this study in {self.root}; run `python -m research.replicate {name}`'
        ' first, or set GENLAB_RUNS to its folder'
      )
    path = self.root / 'card.json'
    self.card = read_json(path) if path.exists() else None
    if self.card is None:
      print(f'no card in {self.root}: `python -m research.replicate` writes it when all is done')
    else:
      minutes, device = self.card['minutes'], self.card['device']
      print(f'scale {self.card["scale"]}, {minutes:g} minutes of computing on {device}')

  def show(self, name: str) -> style.Figure | None:
    """A figure of the study; saves it beside the runs."""
    draw, *reads = self.study.FIGURES[name]
    if missing := [it for it in reads if it not in self.tables]:
      print(f'no figure: {", ".join(missing)} is not here')
      return None
    return saved(draw(*(self.tables[it] for it in reads)), self.root / 'figures' / name)

  def verdicts(self, question: str) -> None:
    """Prints what the card says of the claims in one file of the study, where they were measured."""
    of_question = [it for it in self.study.CLAIMS if it.judge.__module__.endswith(f'.{question}')]
    names = [claim.name for claim in of_question]
    for claim in self.card['claims'] if self.card else ():
      if claim['name'] in names:
        line = f'{cards.VERDICTS[claim["holds"]]}: {cards.plus_minus(claim)}. {claim["claim"]}'
        line += f' The paper: {claim["paper"]}.' + (f' ({claim["note"]})' if claim['note'] else '')
        print(textwrap.fill(line, 100, subsequent_indent='  '))

  def reading(self) -> None:
    """Prints the first paragraph of the card."""
    if self.card and self.card['reading']:
      print(textwrap.fill(self.card['reading'], 100))

  def names_by_verdict(self) -> None:
    """Prints which claims hold, fail, and cannot be measured."""
    claims = self.card['claims'] if self.card else []
    for holds, verdict in cards.VERDICTS.items() if claims else ():
      names = [claim['name'] for claim in claims if claim['holds'] is holds]
      print(f'{verdict} ({len(names)})', *names, sep='\n  ')

  def all_claims(self) -> Markdown:
    """The card's table of claims, as a page."""
    if self.card is None:
      return Markdown('no card')
    return Markdown('| claim' + cards.as_markdown(self.card).split('\n| claim', 1)[1])
