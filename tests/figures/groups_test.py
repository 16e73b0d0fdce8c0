import numpy as np
import pytest

from research.figures import groups, style

METRICS = [groups.SHARE, groups.PRISTINE, groups.CORRUPT]
NOISES = (0.25, 0.5, 0.75)


@pytest.fixture
def noise(make_arms):
  """Shares that are the noise, nearly, and accuracies below 1; one group alone at both ends."""
  runs = {str(e): {'task.label_noise': e} for e in (0.0, *NOISES, 1.0)}
  table = make_arms(runs, METRICS)
  table[METRICS] /= 10
  table.loc[table['task.label_noise'] == 0, groups.CORRUPT] = np.nan
  return table


def test_lines_are_means_over_members(noise):
  share, accuracy = groups.figure(noise).axes
  drawn = [*share.lines[:3], *accuracy.lines]
  names = [(metric, e) for metric in METRICS for e in NOISES]
  for line, (metric, e) in zip(drawn, names, strict=True):
    rows = noise[noise['task.label_noise'] == e]
    np.testing.assert_allclose(line.get_ydata(), rows.groupby('step')[metric].mean())
    assert line.get_color() == style.noise_color(e)
    assert line.get_linestyle() == ('--' if metric == groups.CORRUPT else '-')


def test_fractions_of_corrupt_examples_are_dashed(noise):
  share, _ = groups.figure(noise).axes
  for e, line in zip(NOISES, share.lines[3:], strict=True):
    assert list(line.get_ydata()) == [e, e]
    assert (line.get_color(), line.get_linestyle()) == (style.noise_color(e), '--')


def test_names(noise):
  share, accuracy = groups.figure(noise).axes
  names = {text.get_text() for text in share.texts}
  assert names == {'25 % random', '50 % random', '75 % random'}
  texts = accuracy.get_legend().get_texts()
  assert [text.get_text() for text in texts] == ['pristine examples', 'corrupt examples']


def test_a_share_that_explodes_does_not_flatten_the_others(noise):
  noise.loc[noise['step'] == 100, groups.SHARE] = 40.0
  assert groups.figure(noise).axes[0].get_ylim()[1] <= 1.5


@pytest.mark.parametrize('metric', [*METRICS, 'task.label_noise'])
def test_a_missing_metric_is_named(noise, metric):
  with pytest.raises(ValueError, match=f"no '{metric}'"):
    groups.figure(noise.drop(columns=metric))
