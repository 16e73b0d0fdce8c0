"""Colours and labels: how often they are flipped, and the images without one or the other."""

import functools
import re

import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from research.tasks import MissingDataset, digits, make_task, n_examples, tfds
from research.tasks.colored_mnist import blank, gray

DIGITS = {'images': 'digits', 'train_split': 'train', 'test_split': 'test'}
LEVEL = 1e-4  # of each of about 20 checks


def colors(inputs):
  """The channel that is not black, of inputs [n, H, W, 2]; nothing is in the other."""
  is_used = inputs.any((1, 2))
  np.testing.assert_array_equal(is_used.sum(1), 1)
  return is_used.argmax(1)


@functools.cache
def many():
  """Tasks of several seeds: their train colours, labels, environments, and test colours, labels."""
  found = []
  for seed in range(12):
    task = make_task('colored_mnist', **DIGITS, data_seed=seed)
    train, test = task.train, task.test
    found.append(
      (colors(train.inputs), train.labels, train.environment, colors(test.inputs), test.labels)
    )
  return [np.concatenate(arrays) for arrays in zip(*found, strict=True)]


def assert_rate(outcomes, rate):
  assert stats.binomtest(int(np.sum(outcomes)), len(outcomes), rate).pvalue > LEVEL


def test_colours_are_flipped_as_often_as_the_environment_says():
  train_colors, labels, environment, test_colors, test_labels = many()
  for e, flip in enumerate((0.2, 0.1)):
    own = environment == e
    assert_rate(train_colors[own] != labels[own], flip)
  assert_rate(test_colors != test_labels, 0.9)


def by_row(task, split):
  """The row of the dataset of each of the first images, found by shape; ambiguous ones are left out."""
  whole = digits.load(split)
  shapes = whole.inputs[:, ::2, ::2, 0]
  same = np.all(task.inputs.sum(3)[:, None] == shapes[None], axis=(2, 3))
  return np.where(same.sum(1) == 1, same.argmax(1), -1), whole.labels


@pytest.mark.parametrize('part', ['train', 'test'])
def test_labels_tell_the_lower_classes_but_for_flips(part):
  task = make_task('colored_mnist', **DIGITS, label_flip=0.0)
  rows, classes = by_row(getattr(task, part), part)
  known = rows >= 0
  assert known.mean() > 0.9
  np.testing.assert_array_equal(getattr(task, part).labels[known], classes[rows[known]] < 5)
  flipped = make_task('colored_mnist', **DIGITS)
  rows, classes = by_row(getattr(flipped, part), part)
  known = rows >= 0
  is_flipped = getattr(flipped, part).labels[known] != (classes[rows[known]] < 5)
  assert_rate(is_flipped, 0.25)


def test_colour_follows_the_flipped_label_whatever_the_shape():
  task = make_task('colored_mnist', **DIGITS, label_flip=0.4)
  rows, classes = by_row(task.train, 'train')
  known = rows >= 0
  is_low = classes[rows[known]] < 5
  labels, seen = task.train.labels[known], colors(task.train.inputs)[known]
  for label in (0, 1):
    own = labels == label
    table = stats.contingency.crosstab(is_low[own], seen[own]).count
    assert stats.chi2_contingency(table).pvalue > LEVEL


def test_environments_take_turns_and_test_examples_are_of_none():
  task = make_task('colored_mnist', **DIGITS, color_flips=(0.0, 0.5, 1.0), n_train=10)
  assert task.train.environment.dtype == np.int32
  assert task.train.environment.tolist() == [0, 1, 2] * 3 + [0]
  assert task.test.environment is None
  seen, labels = colors(task.train.inputs), task.train.labels
  np.testing.assert_array_equal(seen[::3], labels[::3])
  np.testing.assert_array_equal(seen[2::3], 1 - labels[2::3])


def test_images_are_every_other_pixel_in_the_channel_of_the_colour():
  task = make_task('colored_mnist', **DIGITS, n_test=30, test_color_flip=0.0)
  shapes, labels = digits.load('test').inputs[:30, ::2, ::2, 0], task.test.labels
  assert task.test.inputs.dtype == np.uint8
  assert task.test.inputs.shape == (30, 4, 4, 2)
  np.testing.assert_array_equal(task.test.inputs[np.arange(30), :, :, labels], shapes)
  assert not task.test.inputs[np.arange(30), :, :, 1 - labels].any()
  seen = task.normalize(task.test.inputs)
  np.testing.assert_allclose(seen.sum(3), shapes / 16, rtol=1e-6)


def test_train_images_are_in_another_order_each_once():
  """Sums over a whole split do not depend on the order; the first image does."""
  first, other = (make_task('colored_mnist', **DIGITS, data_seed=seed) for seed in (0, 1))
  shapes = digits.load('train').inputs[:, ::2, ::2, 0]
  for task in (first, other):
    there = sorted(image.tobytes() for image in task.train.inputs.sum(3).astype(np.uint8))
    assert there == sorted(image.tobytes() for image in shapes)
  assert np.any(first.train.inputs.sum(3) != other.train.inputs.sum(3))


def test_the_same_arguments_give_the_same_bytes():
  first, again, other = (make_task('colored_mnist', **DIGITS, data_seed=s) for s in (3, 3, 4))
  for of in (lambda t: t.train.inputs, lambda t: t.train.labels, lambda t: t.test.inputs):
    assert of(first).tobytes() == of(again).tobytes()
    assert of(first).tobytes() != of(other).tobytes()


def inputs(n=40):
  task = make_task('colored_mnist', **DIGITS, n_test=n)
  return task.normalize(task.test.inputs)


@pytest.mark.parametrize('module', [np, jnp])
def test_gray_is_half_the_intensity_in_either_channel(module):
  x = inputs()
  here = gray(module.asarray(x))
  half = (x[..., 0] + x[..., 1]) / 2
  np.testing.assert_allclose(here, np.stack([half, half], axis=3), rtol=1e-6)
  np.testing.assert_allclose(gray(here), here, rtol=1e-6)


@pytest.mark.parametrize('module', [np, jnp])
def test_blank_is_even_and_in_the_colour_of_the_image(module):
  x = inputs()
  here = np.asarray(blank(module.asarray(x)))
  assert here.shape == x.shape
  np.testing.assert_array_equal(colors(here), colors(x))
  np.testing.assert_allclose(here.max(3), np.full(here.shape[:3], x.sum(3).mean()), rtol=1e-5)
  np.testing.assert_allclose(gray(here), blank(gray(x)), rtol=1e-5)
  assert not blank(0 * x).any()


@pytest.mark.parametrize(
  ('arguments', 'message'),
  [
    ({'label_flip': 1.5}, 'label_flip must lie in [0, 1], not 1.5'),
    ({'test_color_flip': -0.5}, 'test_color_flip must lie in [0, 1], not -0.5'),
    ({'color_flips': (0.1, 2.0)}, 'color_flips must lie in [0, 1], not 2.0'),
    ({'color_flips': ()}, 'color_flips must hold a probability for each of one or more '),
    ({'data_seed': -1}, 'data_seed must not be negative, not -1'),
    ({'n_train': 1438}, 'n_train must lie in [1, 1437], the size of train, not 1438'),
    ({'test_split': 'dev'}, 'test_split must be one of train, test, or part of one '),
  ],
)
def test_an_argument_out_of_range_is_named(arguments, message):
  for function in (make_task, n_examples):
    with pytest.raises(ValueError, match=f'^{re.escape(message)}'):
      function('colored_mnist', **DIGITS | arguments)


def test_images_that_do_not_fit_or_are_missing_are_named(data_dir, rewrite_metadata):
  toy = {'images': 'toy', 'data_dir': str(data_dir)}
  with pytest.raises(ValueError, match=r'^images must be grey and uint8; those of toy are '):
    n_examples('colored_mnist', **toy)
  rewrite_metadata(dimensions=(0, 5, 3))
  with pytest.raises(ValueError, match=r'^images must be that of a dataset whose feature'):
    n_examples('colored_mnist', **toy)
  for function in (make_task, n_examples):
    with pytest.raises(MissingDataset, match=r'^mnist is not prepared in '):
      function('colored_mnist', data_dir=str(data_dir))


def test_sizes_are_those_of_the_task():
  assert n_examples('colored_mnist', **DIGITS) == {'train': 1437, 'test': 360}
  assert n_examples('colored_mnist', **DIGITS, n_train=7) == {'train': 7, 'test': 360}
  task = make_task('colored_mnist', **DIGITS, n_train=7)
  assert (len(task.train), len(task.test), task.blocks) == (7, 360, None)


def test_mnist_is_halved_in_size_and_split_as_in_the_protocol(real_data):
  assert n_examples('colored_mnist', data_dir=real_data) == {'train': 50_000, 'test': 10_000}
  parts = {'train_split': 'test[:9000]', 'test_split': 'test[9000:]'}
  task = make_task('colored_mnist', **parts, label_flip=0.0, data_dir=real_data)
  assert task.train.inputs.shape == (9000, 14, 14, 2)
  whole, _ = tfds.load('mnist', 'test', real_data)
  np.testing.assert_array_equal(task.test.inputs.sum(3), whole.inputs[9000:, ::2, ::2, 0])
  np.testing.assert_array_equal(task.test.labels, whole.labels[9000:] < 5)
  assert_rate(colors(task.train.inputs) != task.train.labels, 0.15)
  assert task.normalize(task.train.inputs[:99]).max() == 1
