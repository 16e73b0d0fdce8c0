import numpy as np
import pytest

from research.figures import easy_and_hard

TRAIN, TEST, M_COHERENCE = easy_and_hard.TRAIN, easy_and_hard.TEST, easy_and_hard.M_COHERENCE


@pytest.fixture
def table(make_arms):
  return make_arms({'easy': {'task.rows': 'e.npz'}, 'hard': {'task.rows': 'h.npz'}}, [TRAIN, TEST])


def test_lines_are_means_over_members(table):
  coherence, accuracy = easy_and_hard.figure(table).axes
  orthogonal, *lines = coherence.lines
  np.testing.assert_allclose(orthogonal.get_ydata(), 1)
  drawn = dict(
    zip(
      [(it, side) for it in (M_COHERENCE, TRAIN, TEST) for side in ('easy', 'hard')],
      [*lines, *accuracy.lines],
      strict=True,
    )
  )
  for (metric, side), line in drawn.items():
    rows = table[table['run'] == side]
    values = rows[metric] if metric != M_COHERENCE else np.log(rows[metric])
    means = values.groupby(rows['step']).mean()
    np.testing.assert_allclose(line.get_ydata(), np.exp(means) if metric == M_COHERENCE else means)
    assert line.get_color() == easy_and_hard.COLORS[side]
    assert line.get_linestyle() == ('--' if metric == TRAIN else '-')


def test_names(table):
  coherence, accuracy = easy_and_hard.figure(table).axes
  assert coherence.get_title(loc='left') == 'm-coherence, $m$ = 64'
  assert {text.get_text() for text in accuracy.texts} == {'easy', 'hard'}
  assert [text.get_text() for text in accuracy.get_legend().get_texts()] == ['test', 'training']


@pytest.mark.parametrize('metric', ['coherence/alpha', M_COHERENCE, TRAIN, TEST])
def test_a_missing_metric_is_named(table, metric):
  with pytest.raises(ValueError, match=f"no '{metric}'"):
    easy_and_hard.figure(table.drop(columns=metric))
