"""Half circles, the authors' recipe by another route, and what is guaranteed of the margin."""

import re

import numpy as np
import pytest
from scipy import stats
from sklearn.datasets import make_moons

from research.rngs import named_generator
from research.tasks import make_task, n_examples
from research.tasks.moons import apart, half_circles, with_margin


def recipe(x, y, margin):
  """The recipe of the paper's code on moons [n, 2], step by step, centred by their own mean."""
  sign = 2.0 * y - 1.0
  x = x - np.array([0.5, 0.0])
  x[:, 1] -= 0.3 * sign
  x[:, 1] -= x[:, 1].mean()
  x[:, 1] *= np.sign(-x[:, 1] * sign)
  x[:, 1] -= sign * margin
  return x[:, ::-1]


@pytest.mark.parametrize('margin', [-0.1, 0.0, 0.1])
def test_agrees_with_the_recipe_on_the_moons_of_sklearn(margin):
  x, y = make_moons(300, noise=0.1, random_state=0)
  moved = apart(x, y)
  here = with_margin(moved, y, moved[:, 1].mean(), margin)
  np.testing.assert_allclose(here, recipe(x, y, margin), atol=1e-12)


@pytest.mark.parametrize('n', [2, 3, 9, 300])
def test_half_circles_without_noise_are_those_of_sklearn(n):
  x, y = half_circles(n, 0.0, named_generator(0, 'moons'))
  there, labels = make_moons(n, shuffle=False)
  rows = np.lexsort(np.column_stack([x, y]).T.round(9))
  others = np.lexsort(np.column_stack([there, labels]).T.round(9))
  np.testing.assert_allclose(x[rows], there[others], atol=1e-12)
  np.testing.assert_array_equal(y[rows], labels[others])


def test_noise_is_normal_and_the_order_random():
  clean, y = half_circles(4000, 0.0, named_generator(0, 'moons'))
  noisy, labels = half_circles(4000, 0.3, named_generator(0, 'moons'))
  np.testing.assert_array_equal(labels, y)
  for column in (noisy - clean).T:
    assert stats.kstest(column, 'norm', (0, 0.3)).pvalue > 1e-3
  assert stats.binomtest(int(y[:2000].sum()), 2000).pvalue > 1e-3


def test_a_task_is_the_recipe_on_its_half_circles():
  task = make_task('moons', data_seed=5)
  x, y = half_circles(300, 0.1, named_generator(5, 'moons_train'))
  np.testing.assert_allclose(task.train.inputs, recipe(x, y, 0.1), atol=1e-6)
  np.testing.assert_array_equal(task.train.labels, y)
  height = apart(x, y)[:, 1].mean()  # the train split's, for the test split too
  x, y = half_circles(1000, 0.1, named_generator(5, 'moons_test'))
  np.testing.assert_allclose(task.test.inputs, with_margin(apart(x, y), y, height, 0.1), atol=1e-6)


@pytest.mark.parametrize('margin', [0.0, 0.1, 0.5])
def test_a_line_tells_the_classes_apart_with_the_margin(margin):
  task = make_task('moons', margin=margin)
  for split in (task.train, task.test):
    linear = split.inputs[:, task.blocks.masks['linear']][:, 0]
    assert np.min(linear * (1 - 2 * split.labels)) >= margin - 1e-6
  assert np.min(np.abs(linear)) < margin + 0.05  # and not much more


def test_a_negative_margin_makes_the_classes_overlap():
  split = make_task('moons', margin=-0.1).train
  one = split.labels == 1
  assert split.inputs[one, 0].max() > split.inputs[~one, 0].min()


def test_a_margin_moves_the_linear_coordinate_alone():
  without, task = make_task('moons', margin=0.0), make_task('moons', margin=0.3)
  moved = task.train.inputs - without.train.inputs
  np.testing.assert_allclose(moved[:, 0], 0.3 * (1 - 2 * task.train.labels), atol=1e-6)
  np.testing.assert_array_equal(moved[:, 1], 0)


def test_a_rotation_turns_what_the_network_sees_alone():
  plain, turned = make_task('moons'), make_task('moons', rotation=30.0)
  np.testing.assert_array_equal(turned.train.inputs, plain.train.inputs)
  u = plain.test.inputs.astype(float) @ [1, 1j]
  seen = np.asarray(turned.normalize(turned.test.inputs), float) @ [1, 1j]
  np.testing.assert_allclose(seen, u * np.exp(-1j * np.pi / 6), atol=1e-5)
  np.testing.assert_array_equal(plain.normalize(plain.test.inputs), plain.test.inputs)


def test_classes_are_balanced_and_the_same_arguments_give_the_same_bytes():
  first, again, other = (make_task('moons', n_train=301, data_seed=s) for s in (0, 0, 1))
  assert np.bincount(first.train.labels).tolist() == [150, 151]
  assert np.bincount(first.test.labels).tolist() == [500, 500]
  assert first.train.inputs.tobytes() == again.train.inputs.tobytes()
  assert first.train.inputs.tobytes() != other.train.inputs.tobytes()
  assert not np.isin(first.test.inputs[:, 1], first.train.inputs[:, 1]).any()


@pytest.mark.parametrize(
  ('arguments', 'message'),
  [
    ({'n_train': 1}, 'n_train must be 2 or more, one for each moon, not 1'),
    ({'n_test': 0}, 'n_test must be positive, not 0'),
    ({'noise': -0.1}, 'noise must not be negative, not -0.1'),
    ({'data_seed': -2}, 'data_seed must not be negative, not -2'),
  ],
)
def test_an_argument_out_of_range_is_named(arguments, message):
  for function in (make_task, n_examples):
    with pytest.raises(ValueError, match=f'^{re.escape(message)}$'):
      function('moons', **arguments)


def test_sizes_are_those_of_the_task():
  assert n_examples('moons') == {'train': 300, 'test': 1000}
  assert n_examples('moons', n_train=10, n_test=4) == {'train': 10, 'test': 4}
