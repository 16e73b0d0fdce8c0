import numpy as np
import pytest
from referee_tables import HYPERPARAMETERS, MEASURES, contest

from research.figures import families, worst_environments
from research.referee import robust


@pytest.fixture(scope='module')
def errors():
  table = contest().assign(**{'sure/gap': lambda t: t['gap']})
  return robust.sign_errors(table, [*MEASURES, 'sure/gap'], HYPERPARAMETERS)


def test_cells_are_means_over_environments_and_the_last_the_largest(errors):
  axes = worst_environments.figure(errors).axes[0]
  matrix = axes.images[0].get_array()
  columns = [label.get_text().replace(' ', '_') for label in axes.get_xticklabels()]
  assert columns == [*HYPERPARAMETERS, 'largest']
  names = {families.short(name): name for name in errors['measure']}
  rows = [names[label.get_text()] for label in axes.get_yticklabels()]
  assert sorted(rows) == sorted(names.values())
  assert rows[0] == 'sure/gap'
  assert rows[-1] == 'params'
  rings = {round(p.get_y() + 0.45): columns[round(p.get_x() + 0.47)] for p in axes.patches}
  for y, name in enumerate(rows):
    found = errors[errors['measure'] == name]
    if name == 'params':
      assert np.ma.getmaskarray(matrix[y]).all()
      continue
    expected = [found[found['axis'] == axis]['sign_error'].mean() for axis in HYPERPARAMETERS]
    np.testing.assert_allclose(matrix[y], [*expected, found['sign_error'].max()])
    if found['sign_error'].max() > 0:
      assert rings[y] == found.loc[found['sign_error'].idxmax(), 'axis']
  assert len(rings) == len(rows) - 2  # none for what is never wrong, or never judged
  largest = np.ma.filled(matrix[:, -1], 2)
  assert np.all(np.diff(largest) >= 0)


def test_bad_tables_are_named(errors):
  with pytest.raises(ValueError, match="^errors must have a column 'axis'"):
    worst_environments.figure(errors.drop(columns='axis'))
  with pytest.raises(ValueError, match='^errors must have at least one'):
    worst_environments.figure(errors.assign(sign_error=np.nan))
