import numpy as np
import pytest

from research.figures import layers, style


@pytest.mark.parametrize(
  ('n_layers', 'grid'), [(1, (1, 1)), (3, (1, 3)), (5, (2, 3)), (20, (5, 4)), (30, (5, 6))]
)
def test_one_panel_for_each_layer_in_order(make_table, n_layers, grid):
  figure = layers.figure(make_table(n_layers=n_layers, n_members=1))
  titles = [axes.get_title(loc='left') for axes in figure.axes]
  assert titles == [f'Dense_{k}' for k in range(n_layers)]  # Dense_2 before Dense_10
  spec = figure.axes[0].get_subplotspec().get_gridspec()
  assert (spec.nrows, spec.ncols) == grid


def test_lines_are_the_geometric_means_of_the_layer(make_table):
  table = make_table()
  for k, axes in enumerate(layers.figure(table).axes):
    orthogonal, *lines = axes.lines
    np.testing.assert_allclose(orthogonal.get_ydata(), 1 / 64)
    assert len(axes.collections) == 3
    for noise, line in zip((0.0, 0.5, 1.0), lines, strict=True):
      rows = table[table['task.label_noise'] == noise]
      values = np.log(rows[f'coherence/alpha/Dense_{k}'])
      means = np.exp(values.groupby(rows['step']).mean().dropna())
      np.testing.assert_array_equal(line.get_xdata(), means.index)
      np.testing.assert_allclose(line.get_ydata(), means)
      assert line.get_color() == style.noise_color(noise)


def test_one_member_has_no_band(make_table):
  for axes in layers.figure(make_table(n_members=1)).axes:
    assert not axes.collections


def test_panels_share_limits_and_only_the_outer_ones_are_labelled(make_table):
  figure = layers.figure(make_table(n_layers=5))
  figure.draw_without_rendering()
  assert len({(*axes.get_xlim(), *axes.get_ylim()) for axes in figure.axes}) == 1

  def labelled(axes, side):
    axis = axes.yaxis if side == 'left' else axes.xaxis
    return any(tick.label1.get_visible() for tick in axis.get_major_ticks())

  assert [labelled(axes, 'left') for axes in figure.axes] == [True, False, False, True, False]
  assert [labelled(axes, 'bottom') for axes in figure.axes] == [False, False, True, True, True]


def test_the_legend_names_each_noise_and_the_limit(make_table):
  (legend,) = layers.figure(make_table()).legends
  names = [text.get_text() for text in legend.get_texts()]
  assert names == ['real labels', '50 % random', 'random labels', 'orthogonal']


def test_long_names_keep_their_end(make_table):
  name = 'coherence/alpha/Encoder/Block_11/Attention/Query'
  table = make_table(n_layers=1).rename(columns={'coherence/alpha/Dense_0': name})
  (axes,) = layers.figure(table).axes
  assert axes.get_title(loc='left') == '…ck_11/Attention/Query'


def test_a_table_without_layers_says_so(make_table):
  with pytest.raises(ValueError, match="no 'coherence/alpha/<layer>'"):
    layers.figure(make_table(n_layers=0))


def test_a_missing_metric_is_named(make_table):
  with pytest.raises(ValueError, match="no 'coherence/m_coherence'"):
    layers.figure(make_table().drop(columns='coherence/m_coherence'))
