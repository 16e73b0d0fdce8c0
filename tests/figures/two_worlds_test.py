import numpy as np
import pandas as pd
import pytest
from combinations import SEEDS
from combinations import table as any_table

from research.figures import two_worlds

METRICS = ['train_fit', 'test_error', 'expected_fit', 'expected_error']


@pytest.fixture
def made():
  columns = {'seed': SEEDS, 'n': (10, 20, 30), 'world': ('linear', 'random')}
  names = ['a', 'b', 'c', 'test error (a leak)']
  gap = [0.05, 0.1, 0.02, 1.0]
  measures = [pd.DataFrame({'n': n, 'measure': names, 'gap': gap, 'trials': 500}) for n in (20, 30)]
  return {'errors': any_table(columns, METRICS, 0, 1), 'measures': pd.concat(measures)}


def test_points_are_means_over_seeds_and_lines_closed_forms(made):
  left, middle, right = two_worlds.figure(**made).axes
  for axes, metric, expected in (
    (left, 'test_error', 'expected_error'),
    (middle, 'train_fit', 'expected_fit'),
  ):
    means = made['errors'].groupby(['world', 'n'])[[metric, expected]].mean()
    for container, world in zip(axes.containers, ('linear', 'random'), strict=True):
      found = np.asarray(container.lines[0].get_ydata(), float)
      np.testing.assert_allclose(found, means.loc[world][metric])
    lines = [
      line for line in axes.lines if line.get_marker() == 'None' and len(line.get_xdata()) == 3
    ]
    drawn = [np.asarray(line.get_ydata(), float) for line in lines]
    for world in ('linear', 'random'):
      assert any(np.allclose(y, means.loc[world][expected]) for y in drawn)
  blind, _, leak, line = right.lines
  np.testing.assert_allclose(blind.get_ydata(), [0.1, 0.05, 0.02])
  np.testing.assert_allclose(leak.get_ydata(), [1.0])
  assert line.get_ydata()[0] == pytest.approx(np.sqrt(np.log(600) / 500))


@pytest.mark.parametrize(('name', 'column'), [('errors', 'expected_error'), ('measures', 'gap')])
def test_a_missing_column_is_named(made, name, column):
  made[name] = made[name].drop(columns=column)
  with pytest.raises(ValueError, match=f"^{name} must have a column '{column}'"):
    two_worlds.figure(**made)
