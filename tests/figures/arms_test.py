import numpy as np
import pandas as pd
import pytest

from research import tables
from research.figures import arms, style

COLORS = {'a_b': arms.BLUE, 'c': arms.BLACK}


def panel(scale='linear', limits=(0.1, 10)):
  with style.context():
    axes = style.Figure().subplots()
  axes.set_yscale(scale)
  axes.set_ylim(limits)
  return axes


@pytest.mark.parametrize('scale', ['linear', 'log'])
def test_lines_and_bands_are_those_of_the_tables(make_arms, scale):
  table = make_arms({'a_b': {}, 'c': {}}, ['x'], n_members=30)
  axes = panel(scale)
  lines = arms.draw(axes, table, 'x', COLORS, linestyle='--')
  bands = tables.band(table, 'x', 'run', log=scale == 'log')
  assert list(lines) == ['a_b', 'c']
  for run, shape in zip(lines, axes.collections, strict=True):
    curve = bands[bands['run'] == run]
    np.testing.assert_allclose(lines[run].get_xydata(), curve[['step', 'mean']])
    assert (lines[run].get_color(), lines[run].get_linestyle()) == (COLORS[run], '--')
    heights = shape.get_paths()[0].vertices[:, 1]
    assert all(np.isclose(heights, edge).any() for edge in [*curve['low'], *curve['high']])
  assert lines['a_b'].get_label() == 'a b'


def test_a_run_without_the_metric_has_no_line_and_one_member_no_band(make_arms):
  table = make_arms({'a_b': {}, 'c': {}}, ['x'], n_members=1)
  table.loc[table['run'] == 'c', 'x'] = np.nan
  axes = panel()
  assert list(arms.draw(axes, table, 'x', COLORS)) == ['a_b']
  assert not axes.collections


@pytest.mark.parametrize('log', [False, True])
@pytest.mark.parametrize('n_members', [1, 4])
def test_limits_hold_all_means_and_what_is_included(make_arms, log, n_members):
  table = make_arms({'a_b': {}, 'c': {}}, ['x'], n_members=n_members)
  low, high = arms.limits(table, ['x'], 'run', log=log, include=[9.0])
  means = tables.band(table, 'x', 'run', log=log)['mean']
  assert low < means.min()
  assert high > 9.0
  assert low > 0 or not log


def test_a_band_that_is_very_wide_does_not_stretch_the_axis():
  rows = [{'run': 'c', 'step': 0, 'seed': k, 'x': 1.0 + 50 * k} for k in (0, 1)]
  rows += [{'run': 'c', 'step': 1, 'seed': k, 'x': 20.0} for k in (0, 1)]
  low, high = arms.limits(pd.DataFrame(rows), ['x'], 'run')
  assert 15 < low < 20
  assert 26 < high < 30
  low, high = arms.limits(pd.DataFrame(rows), ['x'], 'run', log=True)
  assert low > 3  # means are 7.1, geometric, and 20
  assert high < 50


@pytest.mark.parametrize(('scale', 'values'), [('linear', (2, 5)), ('log', (1, 2))])
def test_names_are_beside_the_ends_of_their_lines_and_apart(scale, values):
  axes = panel(scale)
  lines = [axes.plot([0, 1], [3, value], label=str(value))[0] for value in (*values, 5.01)]
  arms.label_ends(axes, lines, gap=0.1)
  heights = {text.get_text(): text.get_position()[1] for text in axes.texts}
  to_axes = axes.transData + axes.transAxes.inverted()
  assert np.isclose(heights[str(values[0])], to_axes.transform((1, values[0]))[1])
  assert np.diff(sorted(heights.values())).min() > 0.1 - 1e-9
  assert max(heights.values()) <= 1


def test_names_of_lines_at_the_top_stay_within_the_axes():
  axes = panel(limits=(0, 1))
  lines = [axes.plot([0, 1], [0, 1], label=name)[0] for name in 'abc']
  arms.label_ends(axes, lines, gap=0.2)
  np.testing.assert_allclose([text.get_position()[1] for text in axes.texts], [0.6, 0.8, 1.0])


def test_the_last_rows_are_those_of_each_run():
  table = pd.DataFrame({'run': [*'aabb'], 'step': [0, 5, 0, 9]})
  assert arms.ends(table).index.tolist() == [1, 3]


def test_what_is_missing_is_named(make_arms):
  table = make_arms({'c': {}}, ['x'])
  with pytest.raises(ValueError, match="no 'y'"):
    arms.require(table, ['x', 'y'])
  with pytest.raises(ValueError, match="'x' was measured at no step"):
    arms.require(table.assign(x=np.nan), ['x'])
