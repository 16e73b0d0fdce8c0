import functools

import numpy as np
import pytest
from combinations import SEEDS
from combinations import table as any_table

from research.figures import difficulty

NAMES = ('published', 'sweeps', 'measured', 'samples', 'estimators')


table = functools.partial(any_table, low=5, high=30)


@pytest.fixture
def made():
  tasks = ('MNIST', 'CIFAR-10', 'Hopper')
  measured = table({'dataset': difficulty.OURS, 'seed': SEEDS}, ['log10_bits'])
  measured['log10_bits_low'] = measured['log10_bits'] - 1
  measured['log10_bits_high'] = measured['log10_bits'] + 3
  sweeps = table(
    {'task': difficulty.SWEPT, 'swept': ('m', 'n'), 'value': (4.0, 8.0, 16.0, 999.0)},
    ['log10_bits'],
  )
  return {
    'published': table({'task': tasks}, ['log10_bits', 'read_log10_bits']),
    'sweeps': sweeps.assign(factor=sweeps['value'] / 8),
    'measured': measured,
    'samples': table(
      {'dataset': ('mnist', 'fashion_mnist'), 'seed': SEEDS, 'n': (10, 100)}, ['log10_bits']
    ),
    'estimators': table(
      {'seed': SEEDS, 'm': (2, 20), 'n': (200, 2000), 'noise': (0.0, 0.1)}, ['pooled']
    ).query('n == 2000 or noise == 0'),
  }


def test_tasks_stand_in_the_order_of_their_difficulty_with_ours_beside(made):
  axes = difficulty.figure(**made).axes[0]
  names = [label.get_text() for label in axes.get_yticklabels()]
  places = dict(zip(names, axes.get_yticks(), strict=True))
  published = made['published'].set_index('task')
  assert {*names} == {*published.index, 'Fashion-MNIST', 'digits 8 × 8'}
  by_height = sorted(published.index, key=places.__getitem__)
  assert [*published['log10_bits'][by_height]] == sorted(published['log10_bits'])
  read, inputs = axes.lines[:2]
  np.testing.assert_allclose(np.sort(inputs.get_xdata()), np.sort(published['log10_bits']))
  np.testing.assert_allclose(
    {y: x for x, y in read.get_xydata()}[places['Hopper']], published['read_log10_bits']['Hopper']
  )
  means = made['measured'].groupby('dataset')['log10_bits'].mean()
  drawn = {}
  for container in axes.containers:
    x, y = np.asarray(container.lines[0].get_xydata(), float)[0]
    (bar,) = container.lines[2]
    drawn[y] = x
    np.testing.assert_allclose(bar.get_segments()[0][:, 0], [x - 1, x + 3])
  beside = {'mnist': 'MNIST', 'cifar10_partial': 'CIFAR-10', 'digits': 'digits 8 × 8'}
  for name, row in beside.items():
    assert drawn[places[row]] == pytest.approx(means[name])
  assert len(axes.get_legend().get_texts()) == 3


def test_dimensions_are_those_swept_and_the_papers_is_marked(made):
  axes = difficulty.figure(**made).axes[1]
  rows = made['sweeps'].query('task == "MNIST" and swept == "m" and value < 300')
  line, mark = axes.lines[:2]
  np.testing.assert_allclose(line.get_xydata(), rows[['value', 'log10_bits']])
  np.testing.assert_allclose(mark.get_xydata(), rows.query('factor == 1')[['value', 'log10_bits']])
  assert {text.get_text() for text in axes.texts} == {*difficulty.SWEPT}


def test_what_takes_no_bits_is_not_drawn(made):
  made['sweeps'].loc[made['sweeps']['value'] == 4, 'log10_bits'] = -np.inf
  axes = difficulty.figure(**made).axes[1]
  assert [*axes.lines[0].get_xdata()] == [8, 16]
  assert axes.get_ylim()[0] == 0


def test_estimates_and_samples_are_means_over_seeds(made):
  _, _, estimates, samples = difficulty.figure(**made).axes
  means = made['estimators'].groupby(['noise', 'n', 'm'])['pooled'].mean()
  for container, key in zip(
    estimates.containers, ((0.0, 200), (0.0, 2000), (0.1, 2000)), strict=True
  ):
    expected = means.loc[key]
    np.testing.assert_allclose(np.asarray(container.lines[0].get_ydata(), float), expected)
  names = {text.get_text() for text in estimates.texts}
  assert names == {'n = 200', 'n = 2,000', 'with noise of 0.1'}
  means = made['samples'].groupby(['dataset', 'n'])['log10_bits'].mean()
  for container, name in zip(samples.containers, ('mnist', 'fashion_mnist'), strict=True):
    np.testing.assert_allclose(np.asarray(container.lines[0].get_ydata(), float), means[name])


@pytest.mark.parametrize('name', NAMES)
def test_a_missing_column_is_named(made, name):
  column = made[name].columns[-1]
  made[name] = made[name].drop(columns=column)
  with pytest.raises(ValueError, match=f"^{name} must have a column '{column}'"):
    difficulty.figure(**made)
