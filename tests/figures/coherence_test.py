import io

import matplotlib
import numpy as np
import pandas as pd
import pytest

from research import tables
from research.figures import coherence, style

PANELS = ('coherence/alpha', 'train/accuracy', 'test/accuracy')


def line(axes, label):
  (found,) = (line for line in axes.lines if line.get_label() == label)
  return found


def test_panels_and_their_names(make_table):
  figure = coherence.figure(make_table())
  titles = [axes.get_title(loc='left') for axes in figure.axes]
  assert titles == ['Coherence of gradients', 'Training-label accuracy', 'Test accuracy']
  assert [axes.get_xlabel() for axes in figure.axes] == ['step'] * 3
  assert figure.axes[0].get_ylabel() == r'coherence $\alpha$'
  names = [text.get_text() for text in figure.axes[2].texts]
  assert sorted(names) == ['50 % random', 'random labels', 'real labels']


def log_mean(values):
  return np.log(values).mean()


def test_lines_are_the_means_over_members(make_table):
  table = make_table()
  for axes, metric in zip(coherence.figure(table).axes, PANELS, strict=True):
    for noise in (0.0, 0.5, 1.0):
      rows = table[table['task.label_noise'] == noise].dropna(subset=[metric])
      values = rows.groupby('step')[metric]
      means = values.mean() if axes.get_yscale() == 'linear' else np.exp(values.agg(log_mean))
      drawn = line(axes, style.noise_label(noise))
      np.testing.assert_array_equal(drawn.get_xdata(), means.index)
      np.testing.assert_allclose(drawn.get_ydata(), means)
      assert drawn.get_color() == style.noise_color(noise)


def test_bands_are_those_of_the_tables_where_they_fit(make_table):
  table = make_table(noises=(1.0,), n_members=50)
  axes = coherence.figure(table).axes[0]
  curve = tables.band(table, 'coherence/alpha', 'task.label_noise', log=True)
  (band,) = axes.collections
  heights = band.get_paths()[0].vertices[:, 1]
  for edge in ('low', 'high'):
    assert all(np.isclose(heights, height).any() for height in curve[edge])


def test_one_member_has_no_band(make_table):
  for axes in coherence.figure(make_table(n_members=1)).axes:
    assert not axes.collections
  for axes in coherence.figure(make_table(n_members=2)).axes:
    assert len(axes.collections) == 3


def test_the_limit_is_one_over_m_and_m_coherence_is_m_alpha(make_table):
  figure = coherence.figure(make_table(m=64))
  figure.draw_without_rendering()
  axes = figure.axes[0]
  np.testing.assert_allclose(line(axes, 'orthogonal').get_ydata(), 1 / 64)
  (right,) = axes.child_axes
  np.testing.assert_allclose(right.get_ylim(), 64 * np.array(axes.get_ylim()))
  assert 'm = 64' in right.get_ylabel()


def test_all_means_and_the_limit_lie_within_the_axes(make_table):
  for axes in coherence.figure(make_table(n_members=2)).axes:
    bottom, top = axes.get_ylim()
    for drawn in axes.lines:
      assert bottom < np.min(drawn.get_ydata())
      assert np.max(drawn.get_ydata()) < top


def test_step_zero_shows(make_table):
  for axes in coherence.figure(make_table()).axes:
    zero, one, ten = axes.transData.transform([(step, 0.5) for step in (0, 1, 10)])[:, 0]
    assert axes.get_xlim() == (0, 100)
    assert zero < one < ten


def test_texts_neither_overlap_nor_leave_the_page(make_table):
  table = make_table(noises=(0.0, 0.1, 0.2, 0.5, 0.8, 1.0))
  table['test/accuracy'] = 0.97
  figure = coherence.figure(table)
  figure.draw_without_rendering()
  boxes = [text.get_window_extent() for text in figure.axes[2].texts]
  assert len(boxes) == 6
  for i, box in enumerate(boxes):
    assert not any(box.overlaps(other) for other in boxes[:i])
    assert figure.bbox.x0 <= box.x0
    assert box.x1 <= figure.bbox.x1
  titles = [axes._left_title.get_window_extent() for axes in figure.axes]
  assert titles[0].x1 < titles[1].x0
  assert titles[1].x1 < titles[2].x0


@pytest.mark.parametrize('metric', [*PANELS, 'coherence/m_coherence', 'task.label_noise'])
def test_a_missing_metric_is_named(make_table, metric):
  with pytest.raises(ValueError, match=f"no '{metric}'"):
    coherence.figure(make_table().drop(columns=metric))
  with pytest.raises(ValueError, match=f"'{metric}' was measured at no step"):
    coherence.figure(make_table().assign(**{metric: np.nan}))


def test_different_sample_sizes_are_not_compared(make_table):
  table = pd.concat([make_table((0.0,), m=64), make_table((1.0,), m=128)])
  with pytest.raises(ValueError, match='m = 64, 128'):
    coherence.figure(table)


def test_members_are_pooled_over_seeds_and_nothing_else(make_table):
  a, b = make_table(n_members=1, seed=0), make_table(n_members=1, seed=1)
  pooled = coherence.figure(pd.concat([a.assign(seed=0), b.assign(seed=1)]))
  assert len(pooled.axes[0].collections) == 3
  mixed = pd.concat([a.assign(**{'model.widths': [(8,)] * len(a)}), b])
  with pytest.raises(ValueError, match=r'differ in model\.widths'):
    coherence.figure(mixed)


def test_a_run_that_has_just_begun_has_a_figure(make_table, tmp_path):
  table = make_table()
  style.save(coherence.figure(table[table['step'] == 0]), tmp_path / 'first')


def test_leaves_no_trace_in_the_users_matplotlib(make_table):
  def settings():
    return {name: matplotlib.rcParams[name] for name in matplotlib.rcParams if name != 'backend'}

  before = settings()
  figure = coherence.figure(make_table())
  figure.savefig(io.BytesIO())
  assert settings() == before
