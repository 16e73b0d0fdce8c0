import numpy as np
import pytest

from research.figures import arms, explained

RUNS = ('mnist', 'cifar10')
MAIN = [
  'simplicity/information_labels',
  'simplicity/performance_correlation/linear',
  'simplicity/information_beyond/linear',
  'simplicity/information_beyond_null/linear',
]
OTHERS = [f'{explained.BY}{name}' for name in explained.OTHERS]


@pytest.fixture
def table(make_arms):
  return make_arms({run: {} for run in RUNS}, MAIN + OTHERS)


def test_lines_are_means_over_members(table):
  for axes, run in zip(explained.figure(table).axes, RUNS, strict=True):
    rows = table[table['run'] == run].groupby('step')
    for line, metric in zip(axes.lines, MAIN + OTHERS, strict=True):
      np.testing.assert_allclose(line.get_ydata(), rows[metric].mean())
    colors = [line.get_color() for line in axes.lines[:4]]
    assert colors == [arms.BLACK, arms.BLUE, arms.ORANGE, arms.ORANGE]
    assert [line.get_linestyle() for line in axes.lines[:4]] == ['-', '-', '-', '--']


def test_every_line_but_the_dashed_one_is_named_at_the_right(table):
  _, last = explained.figure(table).axes
  names = {text.get_text() for text in last.texts}
  assert names == {'I(F;Y)', 'beyond linear', *explained.NAMES.values()}


@pytest.mark.filterwarnings('error')
def test_the_linear_classifier_and_one_member_are_enough(table):
  some = table[table['member'] == 0].drop(columns=OTHERS)
  assert {len(axes.lines) for axes in explained.figure(some).axes} == {4}


@pytest.mark.parametrize('metric', MAIN)
def test_a_missing_metric_is_named(table, metric):
  with pytest.raises(ValueError, match=f"no '{metric}'"):
    explained.figure(table.drop(columns=metric))
