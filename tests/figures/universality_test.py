import functools

import numpy as np
import pytest
from combinations import SEEDS
from combinations import table as any_table

from research.figures import universality

table = functools.partial(any_table, low=2, high=9)


@pytest.fixture
def made():
  seeds = {'seed': SEEDS}
  kinds = dict(enumerate(('network',) * 4 + ('random',)))
  masses = dict(enumerate((1e-1, 1e-3, 2e-5, 1e-6, 0.0)))
  of_targets = {'target': range(5)}
  regrets = table(
    {**seeds, **of_targets, 'n': (12, 400, 800), 'draw': (0, 1)},
    ['regret', 'bound', 'table_code'],
  )
  widths = table({**seeds, **of_targets, 'width': (16, 256)}, ['regret'])
  return {
    'regrets': regrets.assign(
      kind=regrets['target'].map(kinds), mass=regrets['target'].map(masses)
    ),
    'widths': widths.assign(kind=widths['target'].map(kinds)),
    'envelope': table({**seeds, 'complexity': (6.0, 20.0)}, ['highest', 'line']),
    'initializations': table({**seeds, 'depth': (1, 4), 'scale': (0.5, 4.0)}, ['lempel_ziv']),
    'predictives': table(
      {**seeds, 'n_train': (16, 64), 'arm': universality.PREDICTIVES}, ['excess']
    ),
  }


def test_points_are_means_over_draws_and_seeds(made):
  rarity, growth, widths, envelope, scales, predictives = universality.figure(**made).axes
  at = made['regrets'].query('n == 400')
  expected = at.groupby('target')['regret'].mean()
  points = np.asarray(rarity.containers[0].lines[0].get_xydata(), float)
  np.testing.assert_allclose(points[:, 0], [1e-1, 1e-3, 2e-5, 1e-6])
  np.testing.assert_allclose(points[:, 1], expected[:4])
  x, y = rarity.lines[0].get_data()
  np.testing.assert_allclose(y, -np.log(x))
  by_n = made['regrets'].groupby(['target', 'n'])[['regret', 'bound']].mean()
  shown = [0, 1, 3, 4]  # the heaviest, between, the rarest, a random table
  for i, target in enumerate(shown):
    solid, dashed = growth.lines[2 * i : 2 * i + 2]
    np.testing.assert_allclose(solid.get_ydata(), by_n.loc[target]['regret'])
    np.testing.assert_allclose(dashed.get_ydata(), by_n.loc[target]['bound'])
    of_width = made['widths'].query(f'target == {target}').groupby('width')['regret'].mean()
    line = widths.containers[i].lines[0]
    np.testing.assert_allclose(np.asarray(line.get_ydata(), float), of_width)
    assert line.get_color() == solid.get_color()
  highest = made['envelope'].groupby('complexity')['highest'].mean()
  np.testing.assert_allclose(
    np.asarray(envelope.containers[0].lines[0].get_ydata(), float), highest
  )
  for container, (_, rows) in zip(
    scales.containers, made['initializations'].groupby('depth'), strict=True
  ):
    mean = rows.groupby('scale')['lempel_ziv'].mean()
    np.testing.assert_allclose(np.asarray(container.lines[0].get_ydata(), float), mean)
  for container, (_, rows) in zip(
    predictives.containers, made['predictives'].groupby('n_train'), strict=True
  ):
    mean = np.exp(np.log(rows['excess']).groupby(rows['arm']).mean())
    found = container.lines[0].get_xdata()
    np.testing.assert_allclose(np.asarray(found, float), mean.loc[[*universality.PREDICTIVES]])


def test_what_is_not_seen_is_not_drawn(made):
  made['envelope'].loc[made['envelope']['complexity'] == 20, 'highest'] = -np.inf
  axes = universality.figure(**made).axes[3]
  assert [*axes.containers[0].lines[0].get_xdata()] == [6.0]


@pytest.mark.parametrize(
  'name', ['regrets', 'widths', 'envelope', 'initializations', 'predictives']
)
def test_a_missing_column_is_named(made, name):
  column = [c for c in made[name].columns if c not in ('draw', 'mass', 'kind')][-1]
  made[name] = made[name].drop(columns=column)
  with pytest.raises(ValueError, match=f"^{name} must have a column '{column}'"):
    universality.figure(**made)
