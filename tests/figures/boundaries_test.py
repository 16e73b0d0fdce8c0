import numpy as np
import pytest

from research.figures import boundaries

AXIS = np.linspace(-2, 2, 21)
FIRST, SECOND = np.meshgrid(AXIS, AXIS, indexing='ij')
INPUTS, LABELS = np.array([[1.0, 0.5], [-1.0, -0.5], [-1.5, 0.2]]), np.array([0, 1, 1])


def lines_of(axes):
  """Every contour line that is drawn, as points, by its width."""
  found = {}
  for contours in axes.collections:
    width = float(np.ravel(contours.get_linewidths())[0])
    found.setdefault(width, []).append(
      np.concatenate([path.vertices for path in contours.get_paths()])
    )
  return found


def test_the_thick_line_is_where_the_mean_changes_its_sign():
  """Upwards is the first coordinate: two networks with boundaries at 0.5 and -0.1 in it."""
  logits = np.stack([FIRST - 0.5, FIRST + 0.1])
  (axes,) = boundaries.figure(AXIS, {'erm': logits}, INPUTS, LABELS).axes
  found = lines_of(axes)
  (mean,) = found[1.3]
  np.testing.assert_allclose(mean[:, 1], 0.2, atol=1e-6)
  heights = [points[0, 1] for points in found[0.4]]
  np.testing.assert_allclose(heights, [0.5, -0.1], atol=1e-6)


def test_examples_are_drawn_by_class_with_the_first_coordinate_upwards():
  (axes,) = boundaries.figure(AXIS, {'erm': FIRST[None]}, INPUTS, LABELS).axes
  for label, line in enumerate(axes.lines):
    np.testing.assert_array_equal(line.get_xydata(), INPUTS[label == LABELS][:, ::-1])


def test_a_panel_for_each_run_and_no_more():
  runs = {f'run_{i}': FIRST[None] for i in range(7)}
  panels = boundaries.figure(AXIS, runs, INPUTS, LABELS).axes
  assert [axes.get_title(loc='left') or axes.get_title() for axes in panels] == [
    f'run {i}' for i in range(7)
  ]


def test_a_run_without_a_boundary_is_drawn_without_one():
  (axes,) = boundaries.figure(AXIS, {'erm': np.ones((1, 21, 21))}, INPUTS, LABELS).axes
  assert not any(len(points) for points in lines_of(axes).get(1.3, []))


def test_logits_that_do_not_fit_are_refused():
  with pytest.raises(ValueError, match=r'logits of erm must be \[R, 21, 21\]'):
    boundaries.figure(AXIS, {'erm': FIRST}, INPUTS, LABELS)
