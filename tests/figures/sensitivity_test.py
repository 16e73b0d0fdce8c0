import numpy as np
import pytest
from combinations import SEEDS, table

from research.figures import sensitivity


@pytest.fixture
def made():
  columns = {
    'seed': SEEDS,
    'features': tuple(sensitivity.FEATURES),
    'activation': tuple(sensitivity.ACTIVATIONS),
    'width': (10, 20, 40),
  }
  return {
    'widths': table(columns, ['law', 'sensitivity'], 1.0, 9.0),
    'examples': table({'seed': SEEDS, 'n': (5, 10)}, ['sensitivity'], 1.0, 9.0),
  }


def test_markers_are_means(made):
  *by_width, by_examples = sensitivity.figure(**made).axes
  logs = made['widths'].assign(log=np.log(made['widths']['sensitivity']))
  expected = np.exp(logs.groupby(['features', 'activation', 'width'])['log'].mean())
  for axes, features in zip(by_width, sensitivity.FEATURES, strict=True):
    for container, activation in zip(axes.containers, sensitivity.ACTIVATIONS, strict=True):
      shown = np.asarray(container.lines[0].get_ydata(), float)
      np.testing.assert_allclose(shown, expected[features, activation])
  shown = np.asarray(by_examples.containers[0].lines[0].get_ydata(), float)
  np.testing.assert_allclose(shown, made['examples'].groupby('n')['sensitivity'].mean())


@pytest.mark.parametrize('name', ['widths', 'examples'])
def test_a_missing_column_is_named(made, name):
  made[name] = made[name].drop(columns='sensitivity')
  with pytest.raises(ValueError, match=f"^{name} must have a column 'sensitivity'"):
    sensitivity.figure(**made)
