import numpy as np
import pytest

from research import tables
from research.figures import averaging

RUNS = ('c=0', 'c=1', 'c=2', 'c=4', 'c=8', 'rm3', 'm3', 'mean_of_three')
METRICS = [averaging.CORRUPT, 'train/accuracy', averaging.TEST]


@pytest.fixture
def table(make_arms):
  return make_arms({run: {'task.label_noise': 0.5} for run in RUNS}, METRICS)


def test_markers_are_means_at_the_last_step_and_bars_their_intervals(table):
  end = table[table['step'] == 100]
  end = end.assign(gap=end['train/accuracy'] - (0.05 + 0.5 * end['test/accuracy']))
  for axes, metric in zip(averaging.figure(table).axes, averaging.PANELS, strict=True):
    band = tables.band(end, metric, 'run').set_index('run').loc[[*RUNS]]
    drawn = [point for it in axes.containers for point in it.lines[0].get_xydata()]
    np.testing.assert_allclose([y for _, y in drawn], band['mean'])
    bars = [segment for it in axes.containers for segment in it.lines[2][0].get_segments()]
    np.testing.assert_allclose([bar[0, 1] for bar in bars], band['low'])
    np.testing.assert_allclose([bar[1, 1] for bar in bars], band['high'])
    np.testing.assert_allclose(axes.lines[0].get_ydata(), band.loc['c=0', 'mean'])


def test_each_run_is_at_its_c_and_the_medians_are_at_the_right(table):
  for axes in averaging.figure(table).axes:
    drawn = [point for it in axes.containers for point in it.lines[0].get_xydata()]
    x = [x for x, _ in drawn]
    assert x[:5] == [0, 1, 2, 4, 8]
    assert 8 < x[5] < x[6] < x[7]
    ticks = [tick.get_text() for tick in axes.get_xticklabels()]
    assert ticks == ['0', '1', '2', '4', '8', 'RM3', 'M3', 'mean\nof 3']


@pytest.mark.parametrize('runs', [RUNS[:3], RUNS[5:], RUNS[1:]])
@pytest.mark.filterwarnings('error')
def test_some_of_the_runs_and_one_member_are_enough(table, runs):
  some = table[table['run'].isin(runs) & (table['member'] == 0)]
  for axes in averaging.figure(some).axes:
    assert len(axes.get_xticks()) == len(runs)


def test_another_name_is_refused(table):
  with pytest.raises(ValueError, match='not median'):
    averaging.figure(table.replace({'run': {'m3': 'median'}}))


@pytest.mark.parametrize('metric', [*METRICS, 'task.label_noise'])
def test_a_missing_metric_is_named(table, metric):
  with pytest.raises(ValueError, match=f"no '{metric}'"):
    averaging.figure(table.drop(columns=metric))
