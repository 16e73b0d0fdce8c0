"""The card: what is in it, and that it shows every verdict."""

import json

import numpy as np
import pandas as pd
import pytest

from research.studies import card as cards
from research.studies.claim import Claim, Verdict
from research.workdirs import write_json

OF_RUNS = {'commit', 'device', 'started', 'versions', 'minutes', 'experiments'}
FIELDS = {'study', 'scale', 'command', 'reading', 'claims', 'not_run', *OF_RUNS}
MEASURED = {'ours', 'stderr', 'n', 'holds', 'note', 'minutes'}
CLAIM_FIELDS = {'name', 'claim', 'source', 'paper', *MEASURED}


def loss_falls(table):
  """The loss falls."""
  return Verdict(holds=True, ours=np.float32(0.25), stderr=np.float64(0.0123), n=np.int64(8))


def loss_rises(table):
  """The loss
  rises | goes up."""
  return Verdict(holds=np.False_, ours=-1.0, stderr=0.5, n=8, note='95 % interval -2 to 0')


def loss_is_known(table):
  """The loss is known."""
  return Verdict(holds=None, note='nobody looked')


def loss_explodes(table):
  """The loss explodes."""
  return Verdict(holds=True, ours=3.0, stderr=float('inf'), n=len(table))


JUDGES = (loss_falls, loss_rises, loss_is_known, loss_explodes)
CLAIMS = [
  Claim(judge=judge, reads=('runs',), source='Somebody 2020', paper='it does') for judge in JUDGES
]
COMMAND = 'python -m research.replicate losses --scale=cpu'


@pytest.fixture
def workdirs(tmp_path):
  workdirs = []
  for arm, commits in (('a', ['c0ffee', 'c0ffee']), ('b', ['c0ffee', None])):
    workdirs.append(tmp_path / 'runs' / arm)
    workdirs[-1].mkdir(parents=True)
    device = {
      'device': 'TPU v4',
      'n_devices': 8,
      'started': f'2026-11-0{len(arm)}',
      'versions': {'jax': '1'},
    }
    attempts = [{'commit': commit, 'seconds': 22.5, **device} for commit in commits]
    write_json(workdirs[-1] / 'environment.json', {'attempts': attempts})
    write_json(workdirs[-1] / 'config.json', {'population': {'size': 4}})
  return workdirs


@pytest.fixture
def card(workdirs):
  tables = {'runs': pd.DataFrame({'step': [0, 1]})}
  return cards.make_card('losses', 'cpu', COMMAND, CLAIMS, tables, {'runs': workdirs}, 'It is so.')


def test_the_json_has_exactly_the_fields_of_the_design(card, tmp_path):
  cards.write_card(card, tmp_path)
  written = json.loads((tmp_path / 'card.json').read_text())
  assert written == card
  assert set(written) == FIELDS
  assert all(set(claim) == CLAIM_FIELDS for claim in written['claims'])


def test_the_card_says_where_it_comes_from(card):
  assert (card['study'], card['scale'], card['minutes']) == ('losses', 'cpu', 1.5)
  assert card['command'] == COMMAND
  assert card['experiments'] == {'runs': {'runs': 2, 'networks': 8, 'minutes': 1.5}}
  assert card['commit'] == 'c0ffee, unknown'
  assert card['device'] == '8 x TPU v4'


def test_claims_come_in_order_with_plain_values(card):
  falls, rises, known, explodes = card['claims']
  assert falls == {
    'name': 'loss_falls',
    'claim': 'The loss falls.',
    'source': 'Somebody 2020',
    'paper': 'it does',
    'ours': 0.25,
    'stderr': 0.0123,
    'n': 8,
    'holds': True,
    'note': '',
    'minutes': 1.5,
  }
  assert rises['holds'] is False
  assert (known['holds'], known['ours'], known['stderr'], known['n']) == (None, None, None, 0)
  assert (explodes['ours'], explodes['stderr'], explodes['n']) == (3.0, None, 2)


def test_the_page_shows_every_verdict(card, tmp_path):
  path = cards.write_card(card, tmp_path)
  assert path == tmp_path / 'card.md'
  page = path.read_text(encoding='utf-8')
  title, _, origin, _, command, _, reading, _, *table = page.splitlines()
  assert title == '# losses, scale cpu'
  assert command.strip() == COMMAND
  assert reading == 'It is so.'
  assert origin == '1.5 minutes on 8 x TPU v4; commit c0ffee, unknown.'
  assert table[-1] == '| runs | 2 | 8 | 1.5 |'
  assert table[2:6] == [
    '| The loss falls. | it does (Somebody 2020) | 0.25 ± 0.012 | 8 | 1.5 | holds |',
    r'| The loss rises \| goes up. | it does (Somebody 2020) | -1 ± 0.5 | 8 | 1.5 |'
    ' FAILS: 95 % interval -2 to 0 |',
    '| The loss is known. | it does (Somebody 2020) | – | 0 | 1.5 | not measurable: nobody looked |',
    '| The loss explodes. | it does (Somebody 2020) | 3 ± – | 2 | 1.5 | holds |',
  ]


def test_a_claim_whose_runs_are_not_there_is_not_judged(card, workdirs):
  needs_more = Claim(judge=loss_rises, reads=('runs', 'others'), source='', paper='')
  tables = {'runs': pd.DataFrame({'step': [0, 1]})}
  card = cards.make_card('it', 'cpu', COMMAND, [CLAIMS[0], needs_more], tables, {'runs': workdirs})
  assert [claim['name'] for claim in card['claims']] == ['loss_falls']
  assert card['not_run'] == ['loss_rises']
  assert 'Not run: what 1 more claims read.' in cards.as_markdown(card)


def test_a_card_is_written_whatever_the_locale(card, tmp_path, monkeypatch):
  monkeypatch.setattr('locale.getencoding', lambda: 'ascii')
  monkeypatch.setattr('io.text_encoding', lambda encoding, stacklevel=2: encoding or 'ascii')
  assert '±' in cards.write_card(card, tmp_path).read_text(encoding='utf-8')
