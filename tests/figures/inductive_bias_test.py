import itertools

import numpy as np
import pandas as pd
import pytest

from research.figures import inductive_bias


@pytest.fixture
def kernels():
  rows = itertools.product(
    range(4),
    inductive_bias.DATASETS,
    (100, 1000),
    ('rbf', 'nngp'),
    ('unit', 'fitted'),
    (0.02, 0.05),
  )
  names = ['seed', 'dataset', 'n', 'kernel', 'amplitude', 'target']
  table = pd.DataFrame(rows, columns=names)
  return table.assign(bits=np.random.default_rng(0).uniform(50, 500, len(table)))


@pytest.fixture
def fit():
  rows = itertools.product(range(4), (100, 1000), (5.0, 10.0))
  table = pd.DataFrame(rows, columns=['seed', 'n', 'length']).assign(exact=500.0)
  return table.assign(
    cumulants=450.0, likelihood=400.0, sankaran=np.arange(300.0, 300 + len(table))
  )


@pytest.fixture
def curves():
  rows = []
  for i, run in enumerate(['mnist', 'digits_cnn', 'sgd']):
    for target, bits in ((0.01, np.inf), (0.02, 20.0), (0.03, 2.0)):
      rows.append(
        {'run': run, 'target': target, 'value': bits + i, 'low': bits - 1 if bits < 9e9 else 9.0}
        | {'high': None if target == 0.01 else bits + 2, 'extrapolated': bits > 6}
      )
    rows += [
      {'run': run, 'spread': spread, 'ambiguity': 0.3 + spread, 'discrepancy': 0.1 + spread}
      for spread in (0.0, 0.05)
    ]
  return pd.DataFrame(rows)


def test_kernels_are_means_over_seeds_and_fits_every_draw(kernels, fit):
  left, right = inductive_bias.of_kernels(kernels, fit).axes
  own = kernels[(kernels['kernel'] == 'rbf') & (kernels['target'] == 0.05)]
  means = own.groupby(['dataset', 'amplitude', 'n'])['bits'].mean()
  lines = [
    line for line in left.lines if line.get_linestyle() != 'None' and len(line.get_xdata()) == 2
  ]
  shown = sorted(float(y) for line in lines for y in line.get_ydata())
  np.testing.assert_allclose(shown, sorted(means))
  points = [y for line in right.lines if line.get_marker() == 'D' for y in line.get_ydata()]
  np.testing.assert_allclose(sorted(points), sorted(fit['sankaran'] / 500))


def test_bands_are_open_where_intervals_are(curves):
  left, right = inductive_bias.of_networks(curves).axes
  assert len(left.collections) == 2  # of the runs that are shown
  band = np.concatenate([path.vertices for path in left.collections[0].get_paths()])
  assert band[:, 0].min() == 0.02  # not where the interval is open
  assert left.get_ylim()[1] < 100
  _, counted, opened = left.lines[:3]
  np.testing.assert_allclose(counted.get_xydata(), [[0.03, 2.0]])
  np.testing.assert_allclose(opened.get_xydata(), [[0.01, 9.0]])
  np.testing.assert_allclose(right.lines[0].get_ydata(), [0.3, 0.35])


def test_settings_are_points(curves):
  table = pd.DataFrame(
    {
      'task.label_noise': [0.0, 0.0, 0.3, 0.3],
      'coherence/alpha_unbiased': [0.1, 0.2, 0.05, 0.01],
      'bits': [5.0, 3.0, np.inf, np.nan],
      'low': [4.0, 2.0, 30.0, np.nan],
      'high': [6.0, np.inf, np.inf, np.nan],
    }
  )
  (axes,) = inductive_bias.joined(table).axes
  assert [text.get_text() for text in axes.get_legend().get_texts()] == [
    'real labels',
    '30 % random',
  ]
  np.testing.assert_allclose(axes.lines[0].get_ydata(), [5.0, 3.0])
