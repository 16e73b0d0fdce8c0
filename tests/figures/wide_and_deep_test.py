import numpy as np
import pytest
from combinations import SEEDS, table

from research.figures import wide_and_deep

ALWAYS = {'seed': SEEDS}


@pytest.fixture
def made():
  return {
    'networks': table({**ALWAYS, 'classifier': wide_and_deep.CLASSIFIERS}, ['accuracy'], 0.5, 1),
    'depths': table(
      {**ALWAYS, 'network': wide_and_deep.NETWORKS, 'depth': (1, 10, 100)}, ['share'], 0.5, 1
    ),
    'sizes': table(
      {**ALWAYS, 'classifier': wide_and_deep.BY_SIZE, 'n': (50, 100)}, ['excess'], 0.01, 0.1
    ),
    'exponents': table(
      {**ALWAYS, 'dim': (1, 2, 3), 'exponent': (0.5, 1.0, 1.5)}, ['accuracy', 'hilbert'], 0.8, 0.9
    ),
  }


def test_points_are_means_over_seeds(made):
  networks, depths, sizes, exponents = wide_and_deep.figure(**made).axes
  means = made['networks'].groupby('classifier')['accuracy'].mean()
  labels = [text.get_text() for text in networks.get_yticklabels()]
  assert labels == [label for label, _ in wide_and_deep.CLASSIFIERS.values()]
  for name, container in zip(wide_and_deep.CLASSIFIERS, networks.containers, strict=True):
    np.testing.assert_allclose(np.asarray(container.lines[0].get_xdata(), float), means[name])
  difference = made['exponents'].assign(points=lambda t: 100 * (t['accuracy'] - t['hilbert']))
  for axes, rows, by, against, metric in (
    (depths, made['depths'], 'network', 'depth', 'share'),
    (sizes, made['sizes'], 'classifier', 'n', 'excess'),
    (exponents, difference, 'dim', 'exponent', 'points'),
  ):
    expected = rows.pivot_table(index=against, columns=by, values=metric)
    looks = {'dim': wide_and_deep.DIMENSIONS, 'network': wide_and_deep.NETWORKS}
    names = looks.get(by, wide_and_deep.BY_SIZE)
    assert len(axes.get_legend().get_texts()) == len(names)
    for container, name in zip(axes.containers, names, strict=True):
      line = container.lines[0]
      np.testing.assert_allclose(np.asarray(line.get_xdata(), float), expected.index)
      np.testing.assert_allclose(np.asarray(line.get_ydata(), float), expected[name])


def test_an_arm_that_is_not_there_is_not_drawn(made):
  made['depths'] = made['depths'].query('network == "relu"')
  depths = wide_and_deep.figure(**made).axes[1]
  assert [text.get_text() for text in depths.get_legend().get_texts()] == ['ReLU']


@pytest.mark.parametrize('name', ['networks', 'depths', 'sizes', 'exponents'])
def test_a_missing_column_is_named(made, name):
  column = made[name].columns[-1]
  made[name] = made[name].drop(columns=column)
  with pytest.raises(ValueError, match=f"^{name} must have a column '{column}'"):
    wide_and_deep.figure(**made)
