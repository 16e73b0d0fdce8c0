import numpy as np
import pytest

from research.figures import bound, style
from research.summaries import generalization_gap

METRICS = [bound.SHARPNESS, bound.NORM, *bound.ACCURACIES]
NOISES = (0.0, 0.5, 1.0)


@pytest.fixture
def table(make_arms):
  return make_arms({str(e): {'task.label_noise': e} for e in NOISES}, METRICS)


def test_lines_are_means_over_members(table):
  axes = bound.figure(table).axes
  table['gap'] = generalization_gap(table)
  for panel, metric in zip(axes, (bound.SHARPNESS, bound.NORM, 'gap'), strict=True):
    log = metric != 'gap'
    assert panel.get_yscale() == ('log' if log else 'linear')
    for e, line in zip(NOISES, panel.lines, strict=True):
      rows = table[table['task.label_noise'] == e]
      means = (np.log(rows[metric]) if log else rows[metric]).groupby(rows['step']).mean()
      np.testing.assert_allclose(line.get_ydata(), np.exp(means) if log else means)
      assert line.get_color() == style.noise_color(e)
      low, high = panel.get_ylim()
      assert low < min(line.get_ydata())
      assert max(line.get_ydata()) < high


def test_titles_and_names(table):
  axes = bound.figure(table).axes
  titles = [panel.get_title(loc='left') for panel in axes]
  assert titles == [
    r'Sharpness, $\lambda_{\max}$',
    'Largest gradient norm',
    'Generalization gap',
  ]
  names = {text.get_text() for text in axes[2].texts}
  assert names == {'real labels', '50 % random', 'random labels'}


def test_bounds_are_named_beside_the_gap(table):
  texts = bound.figure(table, {0.0: 26.2, 0.5: 41.0, 1.0: 77.0}).axes[2].texts
  assert 'real labels\nbound $10^{26}$' in {text.get_text() for text in texts}


@pytest.mark.parametrize('metric', [*METRICS, 'task.label_noise'])
def test_a_missing_metric_is_named(table, metric):
  with pytest.raises(ValueError, match=f"no '{metric}'"):
    bound.figure(table.drop(columns=metric))
