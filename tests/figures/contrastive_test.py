import functools

import numpy as np
import pytest
from combinations import SEEDS
from combinations import table as any_table

from research.figures import contrastive

NAMES = ('learned', 'suppression', 'temperature', 'shared_bits')
ALWAYS = {'seed': SEEDS}


table = functools.partial(any_table, low=0.2, high=0.9)


@pytest.fixture
def made():
  temperatures = {**ALWAYS, 'temperature': (0.1, 0.3, 1.0)}
  return {
    'learned': table({**ALWAYS, 'majority': (0.5, 0.75), 'step': (0, 1, 10)}, ['subclass_d']),
    'suppression': table(
      {**ALWAYS, 'arm': contrastive.COMPETITORS, 'width': (1, 8, 9)}, ['class_accuracy']
    ),
    'temperature': table(temperatures, ['uniformity', 'tolerance', 'probe_accuracy']),
    'shared_bits': table(
      {**ALWAYS, 'encoder': contrastive.ENCODERS, 'n_bits': (0, 4)}, ['probe_accuracy']
    ),
  }


def means(table, by, against, metric):
  return table.pivot_table(index=against, columns=by, values=metric)


def test_lines_are_means_over_seeds(made):
  collapse, compete, _, probe, bits = contrastive.figure(**made).axes
  logs = made['learned'].assign(log=np.log(made['learned']['subclass_d']))
  expected = np.exp(means(logs, 'majority', 'step', 'log'))
  for line, majority in zip(collapse.lines, (0.5, 0.75), strict=False):
    np.testing.assert_allclose(line.get_ydata(), expected[majority])
  for axes, name, by, against, metric, looks in (
    (compete, 'suppression', 'arm', 'width', 'class_accuracy', contrastive.COMPETITORS),
    (bits, 'shared_bits', 'encoder', 'n_bits', 'probe_accuracy', contrastive.ENCODERS),
  ):
    expected = means(made[name], by, against, metric)
    names = [text.get_text() for text in axes.get_legend().get_texts()]
    assert names == [label for label, _, _ in looks.values()]
    for container, (arm, (_, color, _)) in zip(axes.containers, looks.items(), strict=True):
      line = container.lines[0]
      np.testing.assert_allclose(np.asarray(line.get_ydata(), float), expected[arm])
      assert line.get_color() == color
  by_tau = made['temperature'].groupby('temperature')['probe_accuracy'].mean()
  line = probe.containers[0].lines[0]
  np.testing.assert_allclose(np.asarray(line.get_xdata(), float), by_tau.index)
  np.testing.assert_allclose(np.asarray(line.get_ydata(), float), by_tau)


def test_temperatures_stand_beside_their_points(made):
  trade = contrastive.figure(**made).axes[2]
  expected = made['temperature'].groupby('temperature')[['tolerance', 'uniformity']].mean()
  np.testing.assert_allclose(trade.lines[0].get_xydata(), expected)
  for text, (tau, point) in zip(trade.texts, expected.iterrows(), strict=True):
    assert text.get_text() == f'{tau:g}'
    np.testing.assert_allclose(text.xy, point)


def test_an_arm_that_is_not_there_is_not_drawn(made):
  made['shared_bits'] = made['shared_bits'].query('encoder != "wide"')
  bits = contrastive.figure(**made).axes[-1]
  assert [text.get_text() for text in bits.get_legend().get_texts()] == ['usual', 'warm']


@pytest.mark.parametrize('name', NAMES)
def test_a_missing_column_is_named(made, name):
  column = made[name].columns[-1]
  made[name] = made[name].drop(columns=column)
  with pytest.raises(ValueError, match=f"^{name} must have a column '{column}'"):
    contrastive.figure(**made)
