import numpy as np
import pytest
from combinations import SEEDS, table

from research.figures import accelerated_sgd


@pytest.fixture
def made():
  methods = tuple(accelerated_sgd.METHODS)
  columns = {'seed': SEEDS, 'method': methods, 'band': (0, 1, 2)}
  bands = table(columns, [*accelerated_sgd.PARTS, 'simulated'], 0.2, 0.9)
  return {
    'rates': table({'method': methods, 'eigenvalue': (0.01, 0.1, 1.0)}, ['rate'], 0.2, 0.9),
    'bands': bands.assign(eigenvalue=10.0 ** -bands['band']),
  }


def geometric(values, by):
  return np.exp(np.log(values).groupby(by).mean()).to_numpy()


def test_lines_are_what_the_tables_say(made):
  rates, risks, ratios = accelerated_sgd.figure(**made).axes
  for line, method in zip(rates.lines, accelerated_sgd.METHODS, strict=True):
    expected = -np.log(made['rates'][made['rates']['method'] == method]['rate'])
    np.testing.assert_allclose(np.asarray(line.get_ydata(), float), expected)
  bands = made['bands'].sort_values(['seed', 'eigenvalue'])
  for container, method in zip(risks.containers, accelerated_sgd.METHODS, strict=True):
    rows = bands[bands['method'] == method]
    shown = np.asarray(container.lines[0].get_ydata(), float)
    np.testing.assert_allclose(shown, geometric(rows['simulated'], rows['eigenvalue']))
  sgd, asgd = (
    bands[bands['method'] == each].set_index(['seed', 'eigenvalue']) for each in ('sgd', 'asgd')
  )
  for container, part in zip(ratios.containers, accelerated_sgd.PARTS, strict=True):
    shown = np.asarray(container.lines[0].get_ydata(), float)
    np.testing.assert_allclose(shown, geometric(asgd[part] / sgd[part], 'eigenvalue'))


@pytest.mark.parametrize('name', ['rates', 'bands'])
def test_a_missing_column_is_named(made, name):
  column = 'rate' if name == 'rates' else 'simulated'
  made[name] = made[name].drop(columns=column)
  with pytest.raises(ValueError, match=f"^{name} must have a column '{column}'"):
    accelerated_sgd.figure(**made)
