import numpy as np
import pytest

from research.figures import colored_mnist


@pytest.fixture
def table(make_arms):
  table = make_arms({run: {} for run in colored_mnist.COLORS}, [*colored_mnist.PANELS])
  table[[*colored_mnist.PANELS]] /= 10
  return table


def test_lines_are_means_over_members(table):
  panels = colored_mnist.figure(table).axes
  for axes, metric in zip(panels, colored_mnist.PANELS, strict=True):
    drawn = axes.lines[-len(colored_mnist.COLORS) :]
    for line, (run, color) in zip(drawn, colored_mnist.COLORS.items(), strict=True):
      rows = table[table['run'] == run]
      np.testing.assert_allclose(line.get_ydata(), rows.groupby('step')[metric].mean())
      assert line.get_color() == color


def test_chance_and_what_the_color_gives_are_marked(table):
  train, test = colored_mnist.figure(table).axes
  heights = [{line.get_ydata()[0] for line in axes.lines[:-5]} for axes in (train, test)]
  assert heights == [{0.5}, {0.5, 0.1}]


def test_arms_are_named(table):
  names = {text.get_text() for text in colored_mnist.figure(table).axes[-1].texts}
  assert names == {*colored_mnist.NAMES.values()}


def test_some_arms_will_do(table):
  assert colored_mnist.figure(table[table['run'].isin(['erm', 'official'])])


def test_what_it_cannot_show_is_refused(table):
  with pytest.raises(ValueError, match="no 'test/accuracy'"):
    colored_mnist.figure(table.drop(columns='test/accuracy'))
  with pytest.raises(ValueError, match='not other'):
    colored_mnist.figure(table.assign(run='other'))
