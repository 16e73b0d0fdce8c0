import numpy as np
import pytest
from combinations import SEEDS, table

from research.figures import linear_dynamics

NAMES = ('curves', 'loads', 'starts')


@pytest.fixture
def made():
  always = {'seed': SEEDS, 'load': (0.5, 1.0, 2.0)}
  ways = [name for way in linear_dynamics.WAYS for name in (way, f'{way}_theory')]
  errors = ['generalization', 'generalization_theory', 'training_theory']
  return {
    'curves': table({**always, 'start': (0.0, 1.0), 'time': (0.1, 1.0, 10.0)}, errors, 0.2, 0.9),
    'loads': table(always, ways, 0.3, 2.0),
    'starts': table({**always, 'start': (0.0, 1.0, 4.0)}, ['late'], 0.3, 2.0),
  }


def test_markers_are_geometric_means_and_lines_the_theory(made):
  times, loads, starts = linear_dynamics.figure(**made).axes
  means = np.exp(np.log(made['loads'].set_index(['seed', 'load'])).groupby('load').mean())
  for container, way in zip(loads.containers, linear_dynamics.WAYS, strict=True):
    np.testing.assert_allclose(np.asarray(container.lines[0].get_ydata(), float), means[way])
  shown = [np.asarray(line.get_ydata(), float) for line in loads.lines]
  for way in linear_dynamics.WAYS:
    expected = made['loads'].groupby('load')[f'{way}_theory'].mean().to_numpy()
    assert any(len(y) == 3 and np.allclose(y, expected) for y in shown)
  logs = made['starts'].assign(late=np.log(made['starts']['late']))
  expected = np.exp(logs.groupby(['load', 'start'])['late'].mean())
  for container, load in zip(starts.containers, (0.5, 1.0, 2.0), strict=True):
    np.testing.assert_allclose(np.asarray(container.lines[0].get_ydata(), float), expected[load])
  from_zero = made['curves'].query('start == 0 and load == 0.5').groupby('time')
  np.testing.assert_allclose(
    np.asarray(times.lines[0].get_ydata(), float), from_zero['generalization_theory'].mean()
  )


@pytest.mark.parametrize('name', NAMES)
def test_a_missing_column_is_named(made, name):
  column = made[name].columns[-1]
  made[name] = made[name].drop(columns=column)
  with pytest.raises(ValueError, match=f"^{name} must have a column '{column}'"):
    linear_dynamics.figure(**made)
