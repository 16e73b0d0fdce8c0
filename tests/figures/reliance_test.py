import numpy as np
import pytest

from research.figures import arms, reliance

BLOCKS = {'lms5': ('linear', 'slab5'), 'ms57': ('slab5', 'slab7')}
METRICS = [
  reliance.STANDARD,
  *(f'{reliance.PREFIX}{block}/auc' for block in ('linear', 'slab5', 'slab7')),
]


@pytest.fixture
def table(make_arms):
  table = make_arms({run: {} for run in BLOCKS}, METRICS)
  for run, blocks in BLOCKS.items():
    absent = [name for name in METRICS[1:] if name.split('/')[2] not in blocks]
    table.loc[table['run'] == run, absent] = np.nan
  table[METRICS] /= 4
  return table


def test_lines_are_means_over_members_in_the_colour_of_the_feature(table):
  for axes, (run, blocks) in zip(reliance.figure(table).axes, BLOCKS.items(), strict=True):
    rows = table[table['run'] == run].groupby('step')
    metrics = [reliance.STANDARD, *(f'{reliance.PREFIX}{block}/auc' for block in blocks)]
    lines = axes.lines[1:]  # the first is chance
    assert len(lines) == 3
    colors = (arms.BLACK, arms.BLUE, arms.ORANGE)
    for line, metric, color in zip(lines, metrics, colors, strict=True):
      np.testing.assert_allclose(line.get_ydata(), rows[metric].mean())
      assert line.get_color() == color


def test_features_are_in_the_order_of_their_simplicity(table):
  shuffled = table[table.columns[::-1]]
  assert reliance.blocks_of(shuffled[shuffled['run'] == 'lms5']) == ['linear', 'slab5']


@pytest.mark.filterwarnings('error')
def test_one_feature_one_member_and_many_runs_are_no_trouble(make_arms):
  table = make_arms({str(i): {} for i in range(9)}, METRICS[:2], n_members=1)
  panels = [axes for axes in reliance.figure(table).axes if axes.axison]
  assert len(panels) == 9
  assert {len(axes.lines) for axes in panels} == {3}


def test_a_missing_metric_is_named(table):
  with pytest.raises(ValueError, match=f"no '{reliance.STANDARD}'"):
    reliance.figure(table.drop(columns=reliance.STANDARD))
