"""The page: it says everything the card does, needs nothing else, and survives hostile text."""

import base64
import copy
import html.parser
import io
import re

import pytest
from matplotlib.figure import Figure

from research.studies import page

VOID = {'meta', 'link', 'img', 'br', 'hr', 'input'}
HOSTILE = '<script>alert("a|b")</script> \'&amp; <!-- $x ${y} {z} %s'
PLAIN = {
  **{'source': 'Somebody 2020', 'paper': 'it does', 'n': 8, 'note': '95 % interval 1 to 2'},
  'minutes': 2.5,
}
CARD = {
  'study': 'losses',
  'scale': 'cpu',
  'command': "python -m research.replicate losses '--config.model.widths=(1,)'",
  'commit': 'c0ffee, unknown',
  'device': '8 x TPU v4',
  'minutes': 1.5,
  'reading': 'Nobody should read too much into this.',
  'experiments': {
    'wide': {'runs': 3, 'networks': 24, 'minutes': 1.25},
    'deep': {'runs': 1, 'networks': 8, 'minutes': 0.25},
  },
  'not_run': [],
  'started': '2026-01-02',
  'versions': {'numpy': '2.3', 'jax': '0.11'},
  'claims': [
    {'name': 'falls', 'claim': 'It falls.', 'ours': 0.25, 'stderr': 0.0123, 'holds': True, **PLAIN},
    {'name': 'rises', 'claim': 'It rises.', 'ours': -1.0, 'stderr': None, 'holds': False, **PLAIN},
    {'name': 'known', 'claim': 'Known.', 'ours': None, 'stderr': None, 'holds': None, **PLAIN},
  ],
}


class Page(html.parser.HTMLParser):
  """A page as `elements`, each with its tag, attributes, and the text in it."""

  def __init__(self, source):
    super().__init__()
    self.elements, self.open = [], []
    self.feed(source)
    self.close()
    assert not self.open, f'never closed: {self.open}'

  def handle_starttag(self, tag, attrs):
    assert len(attrs) == len(dict(attrs)), f'{tag}: an attribute twice'
    self.elements.append({'tag': tag, 'text': '', **dict(attrs)})
    if tag not in VOID:
      self.open.append(self.elements[-1])

  def handle_endtag(self, tag):
    assert self.open, f'</{tag}> closes nothing'
    assert self.open.pop()['tag'] == tag, f'</{tag}> is out of place'

  def handle_data(self, data):
    for element in self.open:
      element['text'] += data

  def __call__(self, tag, **attributes):
    return [
      element
      for element in self.elements
      if element['tag'] == tag and all(element.get(k) == v for k, v in attributes.items())
    ]

  def words(self, tag, **attributes):
    return [' '.join(element['text'].split()) for element in self(tag, **attributes)]


@pytest.fixture
def card():
  return copy.deepcopy(CARD)


@pytest.fixture
def figures(tmp_path):
  paths = {}
  for name, inches in (('wide_figure', (3, 1)), ('square', (1, 1))):
    image = io.BytesIO()
    Figure(figsize=inches, dpi=100).savefig(image, format='png', dpi='figure')
    paths[name] = tmp_path / f'{name}.png'
    paths[name].write_bytes(image.getvalue())
  return paths


def test_all_claims_are_there_in_order(card, figures):
  shown = Page(page.as_html(card, figures, 'Losses'))
  rows = [re.sub(r'\s+', ' ', row['text']).strip() for row in shown('tr')[1:4]]
  tail = ' Somebody 2020; 2.5 minutes it does '
  assert rows[0] == f'✓ holds It falls.{tail}0.25 ± 0.012 8 95 % interval 1 to 2'
  assert rows[1] == f'✗ FAILS It rises.{tail}-1 ± – 8 95 % interval 1 to 2'
  assert rows[2] == f'○ not measurable Known.{tail}– 8 95 % interval 1 to 2'
  assert [row['id'] for row in shown('tr')[1:4]] == ['falls', 'rises', 'known']
  assert shown.words('p', **{'class': 'summary'}) == [
    'Of 3 claims, 1 holds, 1 fails, and 1 cannot be measured at this scale.'
  ]


def test_summary_counts_each_verdict(card):
  falls, rises, known = card['claims']
  card['claims'] = [falls, rises, falls, falls, known, known]
  assert Page(page.as_html(card, {}, 'Losses')).words('p', **{'class': 'summary'}) == [
    'Of 6 claims, 3 hold, 1 fails, and 2 cannot be measured at this scale.'
  ]


def test_the_page_says_what_it_is_and_how_to_make_it_again(card, figures):
  shown = Page(page.as_html(card, figures, 'Losses'))
  assert shown.words('title') == shown.words('h1') == ['Losses']
  assert shown.words('p', **{'class': 'reading'}) == ['Nobody should read too much into this.']
  assert shown.words('pre') == [card['command']]
  assert dict(zip(shown.words('dt'), shown.words('dd'), strict=True)) == {
    'study': 'losses',
    'scale': 'cpu',
    'training': '1.5 minutes',
    'device': '8 x TPU v4',
    'commit': 'c0ffee, unknown',
    'started': '2026-01-02',
    'versions': 'jax 0.11, numpy 2.3',
  }
  assert shown.words('h2') == ['Claims', 'Cost', 'Figures']


@pytest.mark.parametrize(
  ('minutes', 'shown'), [(0.09, '0.09 minutes'), (119.5, '119.5 minutes'), (735, '12.2 hours')]
)
def test_long_training_is_told_in_hours(card, minutes, shown):
  card['minutes'] = minutes
  assert shown in Page(page.as_html(card, {}, 'Losses')).words('dd')


def test_cost_is_a_row_per_experiment(card, figures):
  card['experiments']['deep']['minutes'] = 12345.67
  shown = Page(page.as_html(card, figures, 'Losses'))
  assert shown.words('tr')[-2:] == ['wide3241.25', 'deep1812,345.67']


def test_without_a_reading_and_figures_nothing_stands_in_their_place(card):
  card['reading'] = ''
  shown = Page(page.as_html(card, {}, 'Losses'))
  assert shown.words('h2') == ['Claims', 'Cost']
  assert not shown('p', **{'class': 'reading'})


def test_claims_that_were_not_run_are_counted(card):
  card['not_run'] = ['stays', 'jumps']
  (summary,) = Page(page.as_html(card, {}, 'Losses')).words('p', **{'class': 'summary'})
  assert summary.endswith('at this scale. What 2 more read was not run.')


def test_what_was_not_measured_is_a_dash(card, figures):
  for claim in card['claims']:
    claim |= {'ours': None, 'stderr': None, 'note': ''}
  source = page.as_html(card, figures, 'Losses')
  assert 'None' not in source
  assert Page(source).words('td')[:6] == ['✓ holds', 'it does', '–', '8', '–', '✗ FAILS']


def test_hostile_text_stays_text(card, figures):
  for claim in card['claims']:
    claim |= dict.fromkeys(('name', 'claim', 'source', 'paper', 'note'), HOSTILE)
  names = ('study', 'scale', 'command', 'commit', 'device', 'reading', 'started')
  card |= dict.fromkeys(names, HOSTILE)
  card['versions'] = {HOSTILE: HOSTILE}
  card['experiments'] = {HOSTILE: card['experiments']['wide']}
  paths = {HOSTILE: figures['square']}
  source = page.as_html(card, paths, HOSTILE)
  shown = Page(source)
  clean = Page(page.as_html(CARD | {'versions': {'c': 'd'}}, paths, ''))
  many = ('tr', 'td', 'th', 'span')  # one row here, two there; a span for each word of the command
  tags = [[e['tag'] for e in it.elements if e['tag'] not in many] for it in (shown, clean)]
  assert tags[0] == tags[1]
  assert '<script' not in source
  assert '<!--' not in source
  assert shown('title')[0]['text'] == shown('h1')[0]['text'] == shown('code')[0]['text'] == HOSTILE
  assert shown('tr')[1]['id'] == HOSTILE
  for tag, label in (('td', 'the paper'), ('td', 'note')):
    assert [e['text'] for e in shown(tag, **{'data-label': label})] == [HOSTILE] * 3
  assert [e['text'] for e in shown('cite')] == [f'{HOSTILE}; 2.5 minutes'] * 3
  assert shown('img')[0]['alt'] == f'{HOSTILE}; a figure of: {HOSTILE}'


def test_tags_are_balanced_and_ids_unique(card, figures):
  shown = Page(page.as_html(card, figures, 'Losses'))
  ids = [element['id'] for element in shown.elements if 'id' in element]
  assert len(ids) == len(set(ids)) == 3
  assert all(head['scope'] in ('col', 'row') for head in shown('th'))
  with pytest.raises(AssertionError, match='out of place'):
    Page('<p><b></p></b>')
  with pytest.raises(AssertionError, match='never closed'):
    Page('<p>')


def test_figures_are_in_the_page_byte_for_byte(card, figures):
  shown = Page(page.as_html(card, figures, 'Losses'))
  head = 'data:image/png;base64,'
  assert all(image['src'].startswith(head) for image in shown('img'))
  decoded = [base64.b64decode(i['src'][len(head) :], validate=True) for i in shown('img')]
  assert decoded == [path.read_bytes() for path in figures.values()]
  assert [(image['width'], image['height']) for image in shown('img')] == [
    ('150', '50'),
    ('50', '50'),
  ]
  assert shown.words('figcaption') == ['Figure 1. wide figure', 'Figure 2. square']
  assert [i['alt'] for i in shown('img')] == [
    f'{name}; a figure of: Losses' for name in ('wide figure', 'square')
  ]


def test_a_figure_may_have_a_caption(card, figures):
  captions = {'square': 'Four <corners>.'}
  shown = Page(page.as_html(card, figures, 'Losses', captions))
  assert shown.words('figcaption') == ['Figure 1. wide figure', 'Figure 2. square. Four <corners>.']


def test_nothing_is_loaded_from_elsewhere(card, figures):
  source = page.as_html(card, figures, 'Losses')
  shown = Page(source)
  loads = ('src', 'href', 'srcset', 'action', 'data', 'poster', 'background', 'style')
  urls = [element[name] for element in shown.elements for name in loads if name in element]
  assert len(urls) == 3
  assert all(url.startswith('data:') for url in urls)
  assert not re.search(r'@import|url\(|http:|https:', source)
  assert not shown('script')
  (policy,) = shown('meta', **{'http-equiv': 'Content-Security-Policy'})
  assert policy['content'].startswith("default-src 'none';")


def test_the_same_card_is_the_same_text(card, figures):
  card['versions'] = {'numpy': '2.3', 'jax': '0.11'}
  again = card | {'versions': {'jax': '0.11', 'numpy': '2.3'}}
  assert page.as_html(card, figures, 'Losses') == page.as_html(again, figures, 'Losses')


def test_the_page_is_written_whole_whatever_the_locale(card, figures, tmp_path, monkeypatch):
  monkeypatch.setattr('locale.getencoding', lambda: 'ascii')
  monkeypatch.setattr('io.text_encoding', lambda encoding, stacklevel=2: encoding or 'ascii')
  path = page.write_page(card, figures, tmp_path, 'Losses')
  assert path == tmp_path / 'card.html'
  assert path.read_text(encoding='utf-8') == page.as_html(card, figures, 'Losses')
  assert {p.name for p in tmp_path.iterdir()} == {'card.html', 'wide_figure.png', 'square.png'}
  before = path.read_bytes()
  with pytest.raises(KeyError):
    page.write_page({}, figures, tmp_path, 'Losses')
  assert path.read_bytes() == before
