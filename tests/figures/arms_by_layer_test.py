import numpy as np
import pandas as pd
import pytest

from research.figures import arms_by_layer

RUNS = ('convolutional', 'shuffled_pixels', 'locally_connected')
PLACES = ('Conv_0', 'Conv_1', 'Dense_0')


def layers_of(run):
  return [
    name.replace('Conv', 'LocallyConnected') if run == 'locally_connected' else name
    for name in PLACES
  ]


@pytest.fixture
def layers(make_arms):
  parts = [
    make_arms({run: {}}, [arms_by_layer.PREFIX + name for name in layers_of(run)], seed=k)
    for k, run in enumerate(RUNS)
  ]
  return pd.concat(parts, ignore_index=True)


def test_lines_are_the_geometric_means_of_the_layer_in_that_place(layers):
  figure = arms_by_layer.figure(layers)
  assert [axes.get_title(loc='left') for axes in figure.axes] == [*PLACES]
  for k, axes in enumerate(figure.axes):
    orthogonal, *lines = axes.lines
    np.testing.assert_allclose(orthogonal.get_ydata(), 1 / 64)
    for run, line in zip(RUNS, lines, strict=True):
      rows = layers[layers['run'] == run]
      values = np.log(rows[arms_by_layer.PREFIX + layers_of(run)[k]])
      np.testing.assert_allclose(line.get_ydata(), np.exp(values.groupby(rows['step']).mean()))
      assert line.get_color() == arms_by_layer.COLORS[run]


def test_panels_share_limits_and_the_last_names_the_networks(layers):
  figure = arms_by_layer.figure(layers)
  assert len({axes.get_ylim() for axes in figure.axes}) == 1
  names = {text.get_text() for text in figure.axes[-1].texts}
  assert names == {'convolutional', 'shuffled pixels', 'locally connected'}
  assert not any(axes.texts for axes in figure.axes[:-1])


@pytest.mark.parametrize('run', RUNS)
def test_some_of_the_runs_are_enough(layers, run):
  for axes in arms_by_layer.figure(layers[layers['run'] == run].dropna(axis='columns')).axes:
    assert len(axes.lines) == 2


def test_what_it_cannot_show_is_named(layers):
  with pytest.raises(ValueError, match='not residual'):
    arms_by_layer.figure(layers.assign(run='residual'))
  with pytest.raises(ValueError, match="no 'coherence/alpha/<layer>'"):
    arms_by_layer.figure(layers[['run', 'step', 'coherence/alpha', 'coherence/m_coherence']])
  with pytest.raises(ValueError, match="no 'coherence/m_coherence'"):
    arms_by_layer.figure(layers.drop(columns='coherence/m_coherence'))
