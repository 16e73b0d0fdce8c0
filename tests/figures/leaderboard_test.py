import numpy as np
import pytest
from referee_tables import HYPERPARAMETERS, MEASURES, contest

from research.figures import families, leaderboard
from research.referee import ranking


@pytest.fixture(scope='module')
def board():
  return ranking.leaderboard(contest(), MEASURES, HYPERPARAMETERS, n_resamples=10)


def test_rows_are_scores_in_order(board):
  axes = leaderboard.figure(board).axes
  rows = board[~board['baseline']].reset_index(drop=True)
  labels = [label.get_text() for label in axes[0].get_yticklabels()]
  assert labels == [families.short(name) for name in rows['measure']]
  assert labels[-1] == 'params'
  for panel, score in zip(axes, leaderboard.TITLES, strict=True):
    drawn = [line for line in panel.lines if line.get_marker() in families.MARKERS]
    expected = rows[score].dropna()
    assert [float(np.squeeze(line.get_xdata())) for line in drawn] == expected.tolist()
    assert [float(np.squeeze(line.get_ydata())) for line in drawn] == expected.index.tolist()
    assert [text.get_text() for text in panel.texts] == ['not computed']
  ends = [line for line in axes[2].lines if line.get_marker() == '|']
  largest = rows['sign_error_max'].dropna().tolist()
  assert [float(np.squeeze(line.get_xdata())) for line in ends] == largest


def test_intervals_and_bands_are_those_of_the_board(board):
  axes = leaderboard.figure(board).axes
  rows = board[~board['baseline']].dropna(subset='psi')
  lines = [tuple(line.get_xdata()) for line in axes[1].lines if line.get_linewidth() == 1.6]
  assert lines == [*zip(rows['psi_low'], rows['psi_high'], strict=True)]
  bands = [patch.get_x() for patch in axes[1].patches]
  expected = board.set_index('measure').loc[[*leaderboard.BANDS], 'psi_low']
  assert bands == expected.tolist()


def test_without_intervals_baselines_are_lines(board):
  bare = board.drop(columns=[name for name in board if name.endswith(('_low', '_high'))])
  axes = leaderboard.figure(bare).axes
  assert not axes[0].patches
  expected = bare.set_index('measure').loc[[*leaderboard.BANDS], 'tau'].tolist()
  assert [line.get_xdata()[0] for line in axes[0].lines[:3]] == expected


def test_the_first_are_shown(board):
  labels = leaderboard.figure(board, top=2).axes[0].get_yticklabels()
  names = board[~board['baseline']]['measure'][:2]
  assert [label.get_text() for label in labels] == [families.short(name) for name in names]


def test_families_have_looks_of_their_own():
  names = [f'{letter}/x' for letter in 'abcdefghijklm']
  looks = families.looks([*names, 'a/y'])
  assert len({(look['color'], look['marker']) for look in looks.values()}) == len(looks) == 13
  assert (families.short('norms/path_log'), families.short('params')) == (
    'norms: path log',
    'params',
  )
  with pytest.raises(ValueError, match='^names must'):
    families.looks(str(k) for k in range(40))


def test_bad_boards_are_named(board):
  with pytest.raises(ValueError, match="^board must have a column 'psi'"):
    leaderboard.figure(board.drop(columns='psi'))
  with pytest.raises(ValueError, match='^board must have at least one'):
    leaderboard.figure(board[board['baseline']])
