import numpy as np
import pandas as pd
import pytest

from research.figures import cells, style

CELLS = [('cifar10_partial', 'cnn', 512), ('fashion_mnist', 'mlp', 1000), ('mnist', 'gru', 64)]


@pytest.fixture
def labels(make_arms):
  """Three cells, of different sample sizes and depths."""
  parts = []
  for k, (task, model, m) in enumerate(CELLS):
    runs = {
      f'{task}-{model},{noise}': {
        'task.name': task,
        'model.name': model,
        'task.label_noise': noise,
        'model.depth': None if k == 0 else k,
      }
      for noise in (0.0, 1.0)
    }
    parts.append(make_arms(runs, ['train/accuracy'], m=m, seed=k))
  return pd.concat(parts)


def test_a_panel_for_each_cell_with_its_own_sample_size(labels):
  axes = cells.figure(labels).axes
  assert [it.get_title(loc='left') for it in axes[::2]] == [
    'CIFAR-10, CNN, $m$ = 512',
    'Fashion-MNIST, MLP, $m$ = 1000',
    'MNIST, gru, $m$ = 64',
  ]
  assert len({it.get_ylim() for it in axes[::2]}) == 1
  assert {it.get_yscale() for it in axes[::2]} == {'log'}


def test_lines_are_means_over_the_members_of_the_cell(labels):
  axes = cells.figure(labels).axes
  for k, (task, _, _) in enumerate(CELLS):
    orthogonal, *coherence = axes[2 * k].lines
    np.testing.assert_allclose(orthogonal.get_ydata(), 1)
    accuracy = axes[2 * k + 1].lines
    for noise, *lines in zip((0.0, 1.0), coherence, accuracy, strict=True):
      rows = labels[(labels['task.name'] == task) & (labels['task.label_noise'] == noise)]
      groups = rows.groupby('step')
      geometric = np.exp(np.log(rows['coherence/m_coherence']).groupby(rows['step']).mean())
      np.testing.assert_allclose(lines[0].get_ydata(), geometric)
      np.testing.assert_allclose(lines[1].get_ydata(), groups['train/accuracy'].mean())
      assert {line.get_color() for line in lines} == {style.noise_color(noise)}


@pytest.mark.parametrize(('n', 'grid'), [(1, (2, 1)), (3, (2, 3)), (4, (4, 2)), (5, (4, 3))])
def test_at_most_three_columns_and_names_at_the_right_of_each_full_row(labels, n, grid):
  cell = labels[labels['task.name'] == 'mnist']
  axes = cells.figure(pd.concat([cell.assign(**{'task.name': f't{k}'}) for k in range(n)])).axes
  spec = axes[0].get_subplotspec().get_gridspec()
  assert (spec.nrows, spec.ncols) == grid
  named = [k for k, it in enumerate(axes[::2]) if it.texts]
  assert named == [k for k in range(n) if k % grid[1] == grid[1] - 1]
  assert [text.get_text() for text in axes[2 * named[0]].texts] == ['real labels', 'random labels']


def test_titles_do_not_overlap(labels):
  figure = cells.figure(labels)
  figure.draw_without_rendering()
  boxes = [axes._left_title.get_window_extent() for axes in figure.axes[::2]]
  assert boxes[0].x1 < boxes[1].x0
  assert boxes[1].x1 < boxes[2].x0


def test_runs_of_one_cell_must_be_alike(labels):
  mixed = labels.assign(**{'model.width': range(len(labels))})
  with pytest.raises(ValueError, match=r'differ in model\.width'):
    cells.figure(mixed)


@pytest.mark.parametrize('metric', cells.METRICS)
def test_a_missing_metric_is_named(labels, metric):
  with pytest.raises(ValueError, match=f"no '{metric}'"):
    cells.figure(labels.drop(columns=metric))
