import numpy as np
import pytest

from research.figures import starvation
from research.theory.starvation import toy

METRICS = [f'starvation/response/{j}' for j in starvation.RESPONSES]


@pytest.fixture
def features(make_arms):
  table = make_arms({run: {} for run in starvation.COLORS}, METRICS)
  table[METRICS[1]] *= -1
  return table


def test_the_toy_is_drawn_from_its_fixed_points(features):
  ridge, decoupled = starvation.figure(features).axes[0].lines
  for line, penalty in ((ridge, 'ridge'), (decoupled, 'decoupled')):
    for at in (0, 17, 40):
      strength, z2 = np.asarray(line.get_xydata())[at]
      assert z2 == pytest.approx(getattr(toy(strength), penalty).response[1])


def test_lines_are_means_of_magnitudes(features):
  _, *panels = starvation.figure(features).axes
  for axes, metric in zip(panels, METRICS, strict=True):
    for line, (run, color) in zip(axes.lines, starvation.COLORS.items(), strict=True):
      rows = features[features['run'] == run]
      expected = rows[metric].abs().groupby(rows['step']).mean()
      np.testing.assert_allclose(line.get_ydata(), expected)
      assert line.get_color() == color
    assert axes.get_ylim()[0] == 0


def test_arms_are_named(features):
  names = {text.get_text() for text in starvation.figure(features).axes[-1].texts}
  assert names == {*starvation.NAMES.values()}


def test_what_it_cannot_show_is_refused(features):
  with pytest.raises(ValueError, match=f"no '{METRICS[0]}'"):
    starvation.figure(features.drop(columns=METRICS[0]))
  with pytest.raises(ValueError, match='not other'):
    starvation.figure(features.assign(run='other'))
