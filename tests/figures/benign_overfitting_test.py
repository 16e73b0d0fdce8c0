import numpy as np
import pytest
from combinations import SEEDS, table

from research.figures import benign_overfitting

ALWAYS = {'seed': SEEDS, 'dim': (20, 200, 1000)}


@pytest.fixture
def made():
  arms = {**ALWAYS, 'separation': benign_overfitting.SEPARATIONS, 'flips': (0.0, 0.2)}
  return {
    'mixtures': table(arms, ['excess', 'margin', 'least_margin'], 0.01, 0.2),
    'smoothness': table({**ALWAYS, 'depth': (1, 3)}, ['sq_norm', 'excess'], 0.01, 0.2),
  }


def numbers(values):
  return np.asarray(values, float)


def test_points_are_means_over_seeds(made):
  excess, margin, smoothness = benign_overfitting.figure(**made).axes
  means = made['mixtures'].groupby(['separation', 'flips', 'dim']).mean()
  drawn = iter(excess.containers)
  for separation, (color, _) in benign_overfitting.SEPARATIONS.items():
    for flips, style in ((0.2, '-'), (0.0, '--')):
      line = next(drawn).lines[0]
      np.testing.assert_allclose(numbers(line.get_ydata()), means['excess'][separation, flips])
      assert (line.get_color(), line.get_linestyle()) == (color, style)
  assert [text.get_text() for text in excess.get_legend().get_texts()] == [
    'separation 1.5',
    'separation 3',
    'separation 6',
  ]
  for container, name in zip(margin.containers, ('margin', 'least_margin'), strict=True):
    np.testing.assert_allclose(numbers(container.lines[0].get_ydata()), means[name][6.0, 0.2])
  points = [line.get_xydata()[0] for line in smoothness.lines if len(line.get_xydata())]
  expected = made['smoothness'].groupby(['dim', 'depth'])[['sq_norm', 'excess']].mean()
  np.testing.assert_allclose(points, expected)


@pytest.mark.parametrize('name', ['mixtures', 'smoothness'])
def test_a_missing_column_is_named(made, name):
  column = made[name].columns[-1]
  made[name] = made[name].drop(columns=column)
  with pytest.raises(ValueError, match=f"^{name} must have a column '{column}'"):
    benign_overfitting.figure(**made)
