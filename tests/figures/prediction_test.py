import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import PathCollection
from matplotlib.colors import to_hex

from research.figures import prediction, style

EPOCHS = (0, 0.5, 1, 2, 4, 8)


def table_of(coherence, noise, gap, n_members=2, epochs=EPOCHS):
  """Runs of these early coherences and final gaps, and an early loss that is minus the coherence.

  Before epoch 1, and after epoch 4, both are something else.
  """
  rows = []
  for run, (c, e, g) in enumerate(zip(coherence, noise, gap, strict=True)):
    for epoch in epochs:
      for member in range(n_members):
        early = 1 if 1 <= epoch <= 4 else 7
        value = early * (c + (member - 0.5) * 0.001 * (n_members > 1))
        row = {'run': f'r{run}', 'step': int(10 * epoch), 'seed': member, 'member': member}
        row |= {'train/epoch': epoch, 'task.label_noise': e, 'train/loss': -value}
        row |= {prediction.COHERENCE: value, 'train/accuracy': 1.0}
        row['test/accuracy'] = (1 - g - e / 10) / (1 - e)
        rows.append(row)
  return pd.DataFrame(rows)


NOISE = (0.0, 0.0, 0.0, 0.5, 0.5, 0.5)
COHERENCE, GAP = (0.06, 0.05, 0.04, 0.01, 0.02, 0.03), (0.1, 0.2, 0.3, 0.6, 0.5, 0.4)


def points(axes):
  return [it for it in axes.collections if isinstance(it, PathCollection)]


def test_a_point_for_each_run_in_the_colour_of_its_noise():
  for axes, sign in zip(
    prediction.figure(table_of(COHERENCE, NOISE, GAP)).axes, (1, -1), strict=True
  ):
    real, half = points(axes)
    expected = np.stack([sign * np.array(COHERENCE), GAP], axis=1)
    np.testing.assert_allclose(real.get_offsets(), expected[:3])
    np.testing.assert_allclose(half.get_offsets(), expected[3:])
    for it, noise in ((real, 0.0), (half, 0.5)):
      color = style.noise_color(noise)
      assert to_hex(it.get_facecolor()[0]) == color


def test_rank_correlations_over_all_runs_and_within_each_noise():
  left, right = prediction.figure(table_of(COHERENCE, NOISE, GAP)).axes
  texts = [text.get_text() for text in left.texts]
  assert texts == ["Spearman's ρ", '−1.00  all', '−1.00  real labels', '−1.00  50 % random']
  assert [text.get_text() for text in right.texts][1] == '+1.00  all'


def test_where_there_is_no_rank_there_is_a_dash():
  left, _ = prediction.figure(table_of((0.1, 0.2), (0.0, 0.5), (0.1, 0.1))).axes
  assert [text.get_text() for text in left.texts][1:] == [
    '–  all',
    '–  real labels',
    '–  50 % random',
  ]


def test_the_mean_is_over_time():
  table = table_of((0.1,), (0.0,), (0.1,), n_members=1)
  table[prediction.COHERENCE] = table['train/epoch'].astype(
    float
  )  # 1, 2, 4: between, not over, points
  (only,) = points(prediction.figure(table).axes[0])
  np.testing.assert_allclose(only.get_offsets()[0, 0], 2.5)


@pytest.mark.parametrize(('coherence', 'scale'), [((0.1, 0.2), 'log'), ((0.0, -0.02), 'symlog')])
def test_coherence_may_be_negative(coherence, scale, tmp_path):
  figure = prediction.figure(table_of(coherence, (0.0, 0.0), (0.1, 0.2)))
  assert figure.axes[0].get_xscale() == scale
  style.save(figure, tmp_path / 'figure')


def test_nothing_early_is_an_error():
  with pytest.raises(ValueError, match='from epoch 1 to 4'):
    prediction.figure(table_of((0.1,), (0.0,), (0.1,), epochs=(0, 8)))


@pytest.mark.parametrize('metric', prediction.METRICS)
def test_a_missing_metric_is_named(metric):
  with pytest.raises(ValueError, match=f"no '{metric}'"):
    prediction.figure(table_of(COHERENCE, NOISE, GAP).drop(columns=metric))
