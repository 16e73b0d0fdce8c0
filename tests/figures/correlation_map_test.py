import numpy as np
import pandas as pd
import pytest
from referee_tables import MEASURES, contest
from scipy import stats

from research.figures import correlation_map, families


def test_cells_are_rank_correlations_of_those_that_have_both():
  table = contest()
  axes = correlation_map.figure(table, MEASURES).axes[0]
  matrix = axes.images[0].get_array()
  labels = [label.get_text() for label in axes.get_yticklabels()]
  names = {families.short(name): name for name in MEASURES} | {'gap': 'gap'}
  assert sorted(labels) == sorted(names)
  assert labels[0] == 'gap'
  for i, a in enumerate(labels):
    for j, b in enumerate(labels):
      x, y = (table[names[name]].to_numpy() for name in (a, b))
      both = np.isfinite(x) & np.isfinite(y)
      if 'params' in (a, b):
        assert np.ma.is_masked(matrix[i, j])
      else:
        assert matrix[i, j] == pytest.approx(stats.spearmanr(x[both], y[both]).statistic)


def test_those_that_say_the_same_are_neighbours():
  rng = np.random.default_rng(0)
  base = rng.normal(size=(3, 100))
  columns = {f'{k % 3}/{k}': (-1) ** k * base[k % 3] + 0.1 * rng.normal(size=100) for k in range(9)}
  order = correlation_map.clustered(pd.DataFrame(columns).corr(method='spearman'))
  assert [name[0] for name in order[::3]] == [name[0] for name in order[2::3]]
  assert len({name[0] for name in order[::3]}) == 3


@pytest.mark.parametrize(
  ('message', 'measures'),
  [("networks must have a column 'x'", ['x', 'params']), ('measures must name', ['params'])],
)
def test_bad_arguments_are_named(message, measures):
  with pytest.raises(ValueError, match=f'^{message}'):
    correlation_map.figure(contest(), measures)
