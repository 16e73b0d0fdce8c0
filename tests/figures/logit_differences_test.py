import itertools

import numpy as np
import pytest

from research.figures import logit_differences

SEEN = ('standard', 'random/linear', 'only/linear')
METRICS = [
  f'reliance/{seen}/class{label}/{q}'
  for seen, label, q in itertools.product(SEEN, (0, 1), logit_differences.QUANTILES)
]


@pytest.fixture
def table(make_arms):
  return make_arms({'a': {}, 'b': {}}, [*METRICS, 'reliance/random/linear/auc'])


def test_percentiles_are_means_over_members_at_the_last_step(table):
  end = table[table['step'] == 100].groupby('run')[METRICS].mean()
  for axes, run in zip(logit_differences.figure(table).axes, ('a', 'b'), strict=True):
    glyphs = [axes.lines[1:][i : i + 3] for i in range(0, 18, 3)]
    assert len(glyphs) == 6
    for (seen, label), (thin, thick, dot) in zip(
      itertools.product(SEEN, (0, 1)), glyphs, strict=True
    ):
      value = lambda q: end.loc[run, f'reliance/{seen}/class{label}/{q}']  # noqa: B023, E731
      np.testing.assert_allclose(thin.get_xdata(), [value('q05'), value('q95')])
      np.testing.assert_allclose(thick.get_xdata(), [value('q25'), value('q75')])
      np.testing.assert_allclose(dot.get_xdata(), [value('q50')])
      assert {line.get_color() for line in (thin, thick)} == {logit_differences.COLORS[label]}
    heights = [glyph[2].get_ydata()[0] for glyph in glyphs]
    assert heights[0] > heights[2] > heights[4]  # as is, simple, complex: from the top


def test_a_missing_metric_is_named(table):
  with pytest.raises(ValueError, match="no 'reliance/standard/class0/q50'"):
    logit_differences.figure(table.drop(columns='reliance/standard/class0/q50'))
