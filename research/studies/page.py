"""The card of a study as a web page: one file that a browser shows anywhere, without a network.

The style is in it, the figures are in it, and a content security policy forbids it to load anything.
"""

import base64
import html
import pathlib
import struct
import types
from collections.abc import Mapping
from typing import Any

from research.studies.card import VERDICTS, plus_minus
from research.workdirs import replace_file

MARKS = {True: ('holds', '✓'), False: ('fails', '✗'), None: ('unknown', '○')}  # class, sign
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"

CSS = pathlib.Path(__file__).with_name('page.css').read_text(encoding='utf-8')


def write_page(
  card: dict[str, Any],
  figures: Mapping[str, pathlib.Path],
  workdir: pathlib.Path,
  title: str,
  captions: Mapping[str, str] = types.MappingProxyType({}),
) -> pathlib.Path:
  """Writes `card.html`, whole or not at all; returns its path."""
  path = workdir / 'card.html'
  replace_file(path, as_html(card, figures, title, captions))
  return path


def as_html(
  card: dict[str, Any],
  figures: Mapping[str, pathlib.Path],
  title: str,
  captions: Mapping[str, str] = types.MappingProxyType({}),
) -> str:
  """The page; the same card and figures are the same text.

  Args:
    card: of `research.studies.card.make_card`.
    figures: PNG files by name, in the order of the page.
    title: of the study.
    captions: a sentence below a figure, by its name.
  """
  return '\n'.join(
    [
      '<!DOCTYPE html>',
      '<html lang="en">',
      '<head>',
      '<meta charset="utf-8">',
      f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">',
      '<meta name="viewport" content="width=device-width, initial-scale=1">',
      '<link rel="icon" href="data:,">',
      f'<title>{_text(title)}</title>',
      f'<style>{CSS}</style>',
      '</head>',
      '<body>',
      '<main>',
      *_header(card, title),
      *_claims(card['claims']),
      *_cost(card['experiments']),
      *_figures(figures, title, captions),
      '</main>',
      '</body>',
      '</html>',
      '',
    ]
  )


def _header(card: dict[str, Any], title: str) -> list[str]:
  """What came out, what to know first, how to run it again, and where it comes from."""
  reading = [f'<p class="reading">{_text(card["reading"])}</p>'] if card['reading'] else []
  facts = {
    'study': _text(card['study']),
    'scale': _text(card['scale']),
    'training': _duration(card['minutes']),
    'device': _text(card['device']),
    'started': _text(card['started']),
    'commit': f'<span class="code">{_text(card["commit"])}</span>',
  }
  pairs = sorted(card['versions'].items())
  facts['versions'] = _text(', '.join(f'{package} {version}' for package, version in pairs))
  return [
    '<header>',
    f'<h1>{_text(title)}</h1>',
    f'<p class="summary">{_summary(card["claims"], len(card["not_run"]))}</p>',
    *reading,
    f'<pre><code>{_words(card["command"])}</code></pre>',
    '<dl>',
    *(f'<dt>{name}</dt><dd>{fact}</dd>' for name, fact in facts.items()),
    '</dl>',
    '</header>',
  ]


def _summary(claims: list[dict[str, Any]], n_not_run: int) -> str:
  verdicts = [claim['holds'] for claim in claims]
  holds, fails, unknown = (sum(v is verdict for v in verdicts) for verdict in (True, False, None))
  of_all = f'{len(claims)} claim{"" if len(claims) == 1 else "s"}'
  rest = f' What {n_not_run} more read was not run.' if n_not_run else ''
  return (
    f'Of {of_all}, <strong>{holds}</strong> {"holds" if holds == 1 else "hold"},'
    f' <strong>{fails}</strong> {"fails" if fails == 1 else "fail"}, and'
    f' <strong>{unknown}</strong> cannot be measured at this scale.{rest}'
  )


def _claims(claims: list[dict[str, Any]]) -> list[str]:
  columns = {
    'verdict': 'verdict',
    'claim': 'claim',
    'paper': 'the paper',
    'ours': 'ours ± s.e.',
    'n number': 'n',
    'note': 'note',
  }
  return [
    '<section>',
    '<h2>Claims</h2>',
    '<table class="claims">',
    '<caption>Ours ± standard error over n networks, or pairs of networks. What is not shown,'
    ' fails.</caption>',
    '<thead><tr>',
    *(f'<th scope="col" class="{name}">{label}</th>' for name, label in columns.items()),
    '</tr></thead>',
    '<tbody>',
    *(line for claim in claims for line in _claim(claim)),
    '</tbody>',
    '</table>',
    '</section>',
  ]


def _claim(claim: dict[str, Any]) -> list[str]:
  kind, mark = MARKS[claim['holds']]
  value, sign, error = plus_minus(claim).partition(' ± ')
  error = f'{sign}<span class="error">{_text(error)}</span>' if sign else ''
  return [
    f'<tr id="{_text(claim["name"])}">',
    f'<td class="verdict"><span class="badge {kind}"><span aria-hidden="true">{mark}</span>'
    f' {VERDICTS[claim["holds"]]}</span></td>',
    f'<th scope="row" class="claim">{_text(claim["claim"])}'
    f' <cite class="soft">{_text(claim["source"])}; {_duration(claim["minutes"])}</cite></th>',
    f'<td class="paper" data-label="the paper">{_text(claim["paper"])}</td>',
    f'<td class="ours" data-label="ours ± s.e."><span class="value">{_text(value)}</span>'
    f'{error}</td>',
    f'<td class="n number" data-label="n">{_text(claim["n"])}</td>',
    f'<td class="note" data-label="note">{_text(claim["note"])}</td>',
    '</tr>',
  ]


def _cost(experiments: Mapping[str, Mapping[str, Any]]) -> list[str]:
  """A small table of what each experiment took."""
  keys = ('runs', 'networks', 'minutes')
  rows = [
    f'<tr><th scope="row">{_text(name)}</th>'
    + ''.join(f'<td class="number">{_number(cost[key])}</td>' for key in keys)
    + '</tr>'
    for name, cost in experiments.items()
  ]
  return [
    '<section>',
    '<h2>Cost</h2>',
    '<table>',
    '<caption>What was trained or calculated, and for how long.</caption>',
    '<thead><tr><th scope="col">experiment</th>',
    *(f'<th scope="col" class="number">{key}</th>' for key in keys),
    '</tr></thead>',
    '<tbody>',
    *rows,
    '</tbody>',
    '</table>',
    '</section>',
  ]


def _figures(
  figures: Mapping[str, pathlib.Path], title: str, captions: Mapping[str, str]
) -> list[str]:
  lines = []
  for number, (name, path) in enumerate(figures.items(), 1):
    data = path.read_bytes()
    width, height = (side // 2 for side in struct.unpack('>II', data[16:24]))  # two pixels to one
    words = _text(name.replace('_', ' '))
    caption = f'. {_text(captions[name])}' if name in captions else ''
    lines += [
      '<figure>',
      f'<div class="scroll" tabindex="0" role="group" aria-label="Figure {number}: {words}">',
      f'<img alt="{words}; a figure of: {_text(title)}" width="{width}" height="{height}"'
      f' src="data:image/png;base64,{base64.b64encode(data).decode()}">',
      '</div>',
      f'<figcaption><strong>Figure {number}.</strong> {words}{caption}</figcaption>',
      '</figure>',
    ]
  return ['<section>', '<h2>Figures</h2>', *lines, '</section>'] if lines else []


def _duration(minutes: float | None) -> str:
  if minutes is None or minutes < 120:
    return f'{_number(minutes)} minutes'
  return f'{minutes / 60:.1f} hours'


def _number(value: float | None) -> str:
  return '–' if value is None else f'{value:,.10g}'


def _words(command: str) -> str:
  """A command whose words are kept whole where a line is broken: not `--` here, `seeds=5` there."""
  return ' '.join(f'<span>{html.escape(word)}</span>' for word in command.split(' '))


def _text(value: Any) -> str:
  """Escaped for text and attributes; a dash for what is not there."""
  return '–' if value is None or value == '' else html.escape(str(value))
