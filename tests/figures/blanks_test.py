import numpy as np
import pytest

from research.figures import blanks

CELLS = [f'{shape}/{color}' for shape in ('digit', 'blank') for color in ('gray', 'colored')]
METRICS = [f'{what}/{cell}' for what in ('accuracy', 'entropy') for cell in CELLS]


@pytest.fixture
def table(make_arms):
  table = make_arms({run: {} for run in blanks.NAMES}, METRICS, steps=(0,))
  table[METRICS] /= 10
  return table


def panels(table):
  """Those of accuracy and those of entropy, by arm; colour bars come after all of them."""
  runs = table['run'].nunique()
  axes = blanks.figure(table).axes
  return axes[:runs], axes[runs : 2 * runs]


def test_cells_say_the_mean_and_its_standard_error(table):
  for row, what, scale, digits in zip(
    panels(table), ('accuracy', 'entropy'), (100, 1), (1, 3), strict=True
  ):
    for axes, run in zip(row, blanks.NAMES, strict=True):
      own = scale * table.loc[table['run'] == run, [f'{what}/{cell}' for cell in CELLS]]
      for (i, j), (mean, error), cell in zip(
        np.ndindex(2, 2),
        zip(axes.texts[::2], axes.texts[1::2], strict=True),
        own,
        strict=True,
      ):
        assert (round(mean.get_position()[0]), round(mean.get_position()[1])) == (j, i)
        assert float(mean.get_text()) == pytest.approx(own[cell].mean(), abs=0.51 * 10**-digits)
        stderr = own[cell].std() / np.sqrt(len(own))
        assert float(error.get_text()[1:]) == pytest.approx(stderr, abs=0.51 * 10**-digits)


def test_shades_are_those_of_the_bars(table):
  """And the darkest cells have white text."""
  table[METRICS] = np.tile([0.0, 0.5, 1.0, 0.25, 0.0, np.log(2), 0.1, 0.3], (len(table), 1))
  figure = blanks.figure(table)
  bars = figure.axes[-2:]
  assert [bar.get_ylabel() for bar in bars] == ['accuracy, %', 'entropy, nats']
  np.testing.assert_allclose([bar.get_ylim()[1] for bar in bars], [100, np.log(2)])
  accuracy, entropy = figure.axes[0], figure.axes[len(blanks.NAMES)]
  shades = accuracy.images[0].get_array()
  np.testing.assert_allclose(shades[0, 1, :3], 0.968, atol=0.01)  # chance is white
  assert shades[0, 0, 0] > shades[0, 0, 2]  # what misleads is orange
  assert [text.get_color() for text in entropy.texts[:4:2]] == ['white', 'black']


def test_arms_and_cells_are_named(table):
  accuracy, entropy = panels(table)
  assert [axes.get_title(loc='left') for axes in accuracy] == [*blanks.NAMES.values()]
  assert [text.get_text() for text in accuracy[0].get_yticklabels()] == ['digit', 'blank']
  assert [text.get_text() for text in entropy[-1].get_xticklabels()] == ['gray', 'in colour']


def test_some_arms_will_do(table):
  accuracy, _ = panels(table[table['run'].isin(['irm', 'erm'])])
  assert [axes.get_title(loc='left') for axes in accuracy] == ['plain', 'IRM']


def test_what_it_cannot_show_is_refused(table):
  with pytest.raises(ValueError, match="no 'entropy/blank/gray'"):
    blanks.figure(table.drop(columns='entropy/blank/gray'))
  with pytest.raises(ValueError, match='not other'):
    blanks.figure(table.assign(run='other'))
