"""What the referee reads, and what it refuses."""

import numpy as np
import pytest
from zoo import HYPERPARAMETERS, zoo

from research.referee.contest import contest


def test_a_table_is_read():
  table = zoo().assign(measure=1.0)
  table.loc[3, 'measure'] = np.inf
  found = contest(table, ['measure'], HYPERPARAMETERS)
  assert found.values == ([16, 64], ['adam', 'sgd'], [100, 400, 1600])
  for k, name in enumerate(HYPERPARAMETERS):
    assert [found.values[k][code] for code in found.codes[:, k]] == table[name].tolist()
  assert np.flatnonzero(np.isnan(found.columns[0])).tolist() == [3]
  of_settings = table.groupby(found.settings)[[*HYPERPARAMETERS]].nunique()
  assert (of_settings == 1).all(axis=None)
  assert len(of_settings) == 12


def test_the_order_of_rows_does_not_matter():
  table = zoo().sample(frac=1, random_state=0)
  found, expected = (contest(t, (), HYPERPARAMETERS) for t in (table, table.sort_index()))
  np.testing.assert_array_equal(found.settings[np.argsort(table.index)], expected.settings)
  assert found.values == expected.values


def test_values_of_any_kind_have_an_order():
  table = zoo()
  table['optimizer'] = [[None, (1, 2), 'x', 3][k % 4] for k in range(len(table))]
  assert contest(table, (), ['optimizer']).values == ([None, 3, 'x', (1, 2)],)


@pytest.mark.parametrize(
  ('message', 'change', 'arguments'),
  [
    ("networks must have a column 'seed'", lambda t: t.drop(columns='seed'), {}),
    ("networks must have a column 'depth'", lambda t: t, {'hyperparameters': ['depth']}),
    ("networks must have a column 'nothing'", lambda t: t, {'measures': ['nothing']}),
    ('networks must have at least one row', lambda t: t[:0], {}),
    (
      'networks must have columns of diff',
      lambda t: t.assign(x=1).rename(columns={'x': 'gap'}),
      {},
    ),
    ('hyperparameters must name at least', lambda t: t, {'hyperparameters': ()}),
    ('hyperparameters must not name', lambda t: t, {'hyperparameters': ['width', 'width']}),
    ('measures must not name', lambda t: t, {'measures': ['measure', 'measure']}),
    ('gap must be test', lambda t: t.assign(gap=1.5), {}),
    ('gap must be test', lambda t: t.assign(gap=np.nan), {}),
    ('gap must be numbers', lambda t: t.assign(gap='x'), {}),
    ('n_test must be a number', lambda t: t.assign(n_test=0), {}),
    ('n_test must be a number', lambda t: t.assign(n_test=np.inf), {}),
    ('measure must be numbers', lambda t: t.assign(measure='x'), {}),
    ('width must have a value', lambda t: t.assign(width=np.nan), {}),
    ('width must have values that', lambda t: t.assign(width=[[1]] * len(t)), {}),
  ],
)
def test_mistakes_are_named(message, change, arguments):
  table = change(zoo().assign(measure=0.5))
  with pytest.raises(ValueError, match=f'^{message}'):
    contest(
      table,
      arguments.get('measures', ['measure']),
      arguments.get('hyperparameters', HYPERPARAMETERS),
    )
