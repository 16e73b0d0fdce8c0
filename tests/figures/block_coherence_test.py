import numpy as np
import pytest

from research.figures import arms, block_coherence, reliance

PAIRS = {'linear_slab5': ('linear', 'slab5'), 'mnist_cifar': ('top', 'bottom')}
NAMES = sorted({name for pair in PAIRS.values() for name in pair})
COHERENCE = [block_coherence.PREFIX + name for name in NAMES]
AUC = [f'{reliance.PREFIX}{name}/auc' for name in NAMES]


@pytest.fixture
def table(make_arms):
  whole = [reliance.STANDARD, 'block_coherence/m_coherence']
  table = make_arms({run: {} for run in PAIRS}, whole + COHERENCE + AUC)
  for run, pair in PAIRS.items():
    absent = [name for name in COHERENCE + AUC if not {*name.split('/')} & {*pair}]
    table.loc[table['run'] == run, absent] = np.nan
  return table


def test_lines_are_those_of_the_blocks_the_simpler_first(table):
  panels = np.reshape(block_coherence.figure(table).axes, (2, 2))
  for (above, below), (run, pair) in zip(panels.T, PAIRS.items(), strict=True):
    rows = table[table['run'] == run].groupby('step')
    for axes, of_block, lines in (
      (above, lambda name: block_coherence.PREFIX + name, above.lines[1:]),
      (below, lambda name: f'{reliance.PREFIX}{name}/auc', below.lines[2:]),
    ):
      means = (lambda x: np.exp(np.log(x).mean())) if axes is above else (lambda x: x.mean())
      for line, name, color in zip(lines, pair, (arms.BLUE, arms.ORANGE), strict=True):
        np.testing.assert_allclose(line.get_ydata(), rows[of_block(name)].apply(means))
        assert line.get_color() == color
    np.testing.assert_allclose(below.lines[1].get_ydata(), rows[reliance.STANDARD].mean())


def test_all_pairs_have_one_scale_with_orthogonal_gradients_dashed(table):
  panels = np.reshape(block_coherence.figure(table).axes, (2, 2))
  assert len({axes.get_ylim() for axes in panels[0]}) == 1
  assert [axes.get_yscale() for axes in panels[0]] == ['log', 'log']
  assert all(set(axes.lines[0].get_ydata()) == {1} for axes in panels[0])


@pytest.mark.parametrize('metric', [reliance.STANDARD, 'block_coherence/m_coherence'])
def test_a_missing_metric_is_named(table, metric):
  with pytest.raises(ValueError, match=f"no '{metric}'"):
    block_coherence.figure(table.drop(columns=metric))
