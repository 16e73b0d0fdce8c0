"""One image above the other: which images, where, and how often."""

import re

import numpy as np
import pytest

from research.tasks import MissingDataset, digits, dominoes, make_task, n_examples, tfds

DIGITS = {
  'top': 'digits',
  'bottom': 'digits',
  'top_classes': (0, 1),
  'bottom_classes': (3, 8),
  'n_train': 101,
  'n_test': 20,
}


def halves(task, part='train', size=8):
  """The top and the bottom images [n, size, size] of a task of digits."""
  inputs = getattr(task, part).inputs[..., 0]
  return inputs[:, :size], inputs[:, size:]


def classes_of(images, split):
  """The class of each of these digits [n, 8, 8], by looking it up in the dataset, and its row."""
  whole = digits.load(split)
  peaks = np.rint(whole.inputs[..., 0] * (255 / 16))
  same = np.all(images[:, None] == peaks[None], axis=(2, 3))  # [n, N]
  assert (same.sum(1) == 1).all()
  rows = same.argmax(1)
  return whole.labels[rows], rows


@pytest.mark.parametrize('part', ['train', 'test'])
def test_either_half_shows_an_image_of_the_class_and_none_twice(part):
  task = make_task('dominoes', **DIGITS)
  labels = getattr(task, part).labels
  for images, classes in zip(halves(task, part), ((0, 1), (3, 8)), strict=True):
    shown, rows = classes_of(images, part)
    np.testing.assert_array_equal(shown, np.array(classes)[labels])
    assert len(set(rows)) == len(labels)


def test_classes_are_balanced_in_a_random_order():
  task = make_task('dominoes', **DIGITS)
  assert np.bincount(task.train.labels).tolist() == [51, 50]
  assert np.bincount(task.test.labels).tolist() == [10, 10]
  changes = np.count_nonzero(np.diff(task.train.labels))
  assert 30 < changes < 70  # of 100, as coins do; 100 in turn, 1 in blocks
  assert task.n_classes == 2


def test_more_than_two_classes():
  changes = {'top_classes': (4, 5, 6), 'bottom_classes': (9, 1, 0)}
  task = make_task('dominoes', **DIGITS | changes)
  shown, _ = classes_of(halves(task)[1], 'train')
  np.testing.assert_array_equal(shown, np.array([9, 1, 0])[task.train.labels])
  assert np.bincount(task.train.labels).tolist() == [34, 34, 33]
  assert task.n_classes == 3


@pytest.mark.parametrize('where', ['top', 'bottom'])
def test_a_randomized_half_shows_the_same_images_whatever_the_label(where):
  changes = {'n_train': 200, 'data_seed': 2}
  task, control = (make_task('dominoes', **DIGITS | changes, randomized=r) for r in (None, where))
  np.testing.assert_array_equal(control.train.labels, task.train.labels)
  random, kept = (0, 1) if where == 'top' else (1, 0)
  np.testing.assert_array_equal(halves(control)[kept], halves(task)[kept])
  classes = ((0, 1), (3, 8))[random]
  shown, rows = classes_of(halves(control)[random], 'train')
  assert set(rows) == set(classes_of(halves(task)[random], 'train')[1])
  agreement = np.mean(shown == np.array(classes)[control.train.labels])
  assert abs(agreement - 0.5) < 4 * 0.5 / np.sqrt(200)
  np.testing.assert_array_equal(control.test.inputs, task.test.inputs)


def test_blocks_are_the_halves_and_the_network_sees_zero_to_one():
  task = make_task('dominoes', **DIGITS)
  top, bottom = (task.blocks.masks[where] for where in ('top', 'bottom'))
  assert top.shape == bottom.shape == (16, 8, 1)
  assert top[:8].all()
  assert not top[8:].any()
  np.testing.assert_array_equal(bottom, ~top)
  seen = task.normalize(task.train.inputs)
  assert (seen.min(), seen.max()) == (0, 1)
  np.testing.assert_allclose(seen[:, 8:], halves(task)[1][..., None] / 255, rtol=1e-6)


def test_a_smaller_image_is_centred_and_grey_is_repeated(data_dir, toy_images):
  """A digit [8, 8, 1] above a toy image [6, 5, 3]: both become [8, 8, 3]."""
  images, labels = toy_images
  sizes = {'n_train': 12, 'n_test': 2, 'top_classes': (0, 1), 'bottom_classes': (2, 0)}
  task = make_task('dominoes', top='digits', bottom='toy', **sizes, data_dir=str(data_dir))
  assert task.train.inputs.shape == (12, 16, 8, 3)
  for channel in range(3):
    shown, _ = classes_of(task.train.inputs[:, :8, :, channel], 'train')
    np.testing.assert_array_equal(shown, task.train.labels)
  bottom = task.train.inputs[:, 8:].astype(int)
  inner = bottom[:, 1:7, 1:6]
  assert bottom.sum() == inner.sum()
  same = np.all(inner[:, None] == images[None, :40], axis=(2, 3, 4))
  assert (same.sum(1) == 1).all()
  np.testing.assert_array_equal(labels[same.argmax(1)], np.array([2, 0])[task.train.labels])
  assert task.mean.shape == task.std.shape == (3,)


def test_parts_of_a_split_are_held_out():
  changes = {'top_train_split': 'train[:900]', 'top_test_split': 'train[900:]'}
  task = make_task('dominoes', **DIGITS | changes)
  assert classes_of(halves(task)[0], 'train')[1].max() < 900
  assert classes_of(halves(task, 'test')[0], 'train')[1].min() >= 900
  classes_of(halves(task, 'test')[1], 'test')


def test_the_same_arguments_give_the_same_bytes_and_a_smaller_set_is_part_of_it():
  first, again, other = (make_task('dominoes', **DIGITS, data_seed=seed) for seed in (1, 1, 2))
  assert first.train.inputs.tobytes() == again.train.inputs.tobytes()
  assert first.train.inputs.tobytes() != other.train.inputs.tobytes()
  small = make_task('dominoes', **DIGITS | {'n_train': 31}, data_seed=1)
  pairs = {image.tobytes() for image in first.train.inputs}
  assert {image.tobytes() for image in small.train.inputs} < pairs


def test_images_are_never_used_twice():
  counts = [np.count_nonzero(digits.load('test').labels == c) for c in (3, 8)]
  limit = min(2 * counts[0], 2 * counts[1] + 1)
  changes = {'top_classes': (3, 8), 'n_test': limit}
  assert len(make_task('dominoes', **DIGITS | changes).test) == limit
  message = (
    f'n_test must lie in [1, {limit}], not {limit + 1}: no image is used twice, and test of '
    f'digits has {counts[0]} of class 3, {counts[1]} of class 8'
  )
  with pytest.raises(ValueError, match=f'^{re.escape(message)}$'):
    make_task('dominoes', **DIGITS | changes | {'n_test': limit + 1})


@pytest.mark.parametrize(
  ('arguments', 'message'),
  [
    ({'n_train': 0}, 'n_train must be positive, not 0'),
    ({'data_seed': -1}, 'data_seed must not be negative, not -1'),
    ({'top_classes': (0,)}, 'top_classes must be two or more, not (0,)'),
    ({'bottom_classes': (0, 1, 2)}, 'bottom_classes must be 2, as many as top_classes, not 3'),
    (
      {'bottom_classes': (0, 10)},
      'bottom_classes must be different ones from 0 to 9, the classes of digits, not (0, 10)',
    ),
    ({'top_classes': (-1, 1)}, 'top_classes must be different ones from 0 to 9, '),
    ({'top_classes': (1, 1)}, 'top_classes must be different ones from 0 to 9, '),
    ({'top_test_split': 'dev'}, 'top_test_split must be one of train, test, or part of one '),
    ({'bottom_train_split': 'train[7:7]'}, 'bottom_train_split must hold some of its 1437 '),
    (
      {'bottom_train_split': 'train[:500]', 'bottom_test_split': 'train[499:]'},
      'bottom_test_split must share no example with train[:500], which is trained on, '
      "not 'train[499:]'",
    ),
  ],
)
def test_an_argument_out_of_range_is_named_before_anything_is_loaded(
  arguments, message, monkeypatch
):
  monkeypatch.setattr(digits, 'load', lambda split: pytest.fail(f'loaded {split}'))
  for function in (make_task, n_examples):
    with pytest.raises(ValueError, match=f'^{re.escape(message)}'):
      function('dominoes', **DIGITS | arguments)


def test_datasets_that_do_not_fit_are_named(data_dir, rewrite_metadata, monkeypatch):
  arguments = DIGITS | {'bottom': 'toy', 'bottom_classes': (0, 1), 'data_dir': str(data_dir)}
  rewrite_metadata(dimensions=(0, 5, 3))
  with pytest.raises(ValueError, match=r'^bottom must be that of a dataset whose feature'):
    n_examples('dominoes', **arguments)
  rewrite_metadata(dimensions=(6, 5, 4))
  found = tfds.find('toy', str(data_dir))
  assert n_examples('dominoes', **arguments) == {'train': 101, 'test': 20}  # digits are grey
  three = dominoes.Half('top', 'other', (0, 1), (6, 5, 3), {})
  monkeypatch.setattr(dominoes, '_half', lambda where, *_: three if where == 'top' else four)
  four = dominoes.Half('bottom', 'toy', (0, 1), found.shape, {})
  with pytest.raises(ValueError, match=r'^top must have 1 channel or 4, as toy, not 3$'):
    n_examples('dominoes', **arguments)


def test_a_missing_dataset_is_named_before_anything_is_loaded(data_dir):
  for function in (make_task, n_examples):
    with pytest.raises(MissingDataset, match=r'^mnist is not prepared in '):
      function('dominoes', data_dir=str(data_dir))


def test_zeros_and_ones_above_shirts_and_trousers(real_data):
  parts = {f'{where}_train_split': 'test[:5000]' for where in ('top', 'bottom')}
  parts |= {f'{where}_test_split': 'test[5000:]' for where in ('top', 'bottom')}
  task = make_task('dominoes', n_train=200, n_test=50, **parts, data_dir=real_data)
  assert task.train.inputs.shape == (200, 56, 28, 1)
  for name, images in zip(
    ('mnist', 'fashion_mnist'), np.split(task.train.inputs, 2, axis=1), strict=True
  ):
    whole, _ = tfds.load(name, 'test', real_data)
    label_of = {
      image.tobytes(): label for image, label in zip(whole.inputs, whole.labels, strict=True)
    }
    shown = [label_of[image.tobytes()] for image in images]
    np.testing.assert_array_equal(shown, task.train.labels)


def test_the_mnist_cifar_of_the_paper_has_its_shape(real_data):
  task = make_task(
    'dominoes',
    bottom='cifar10_partial',
    bottom_classes=(1, 9),
    top_train_split='test[:5000]',
    top_test_split='test[5000:]',
    bottom_train_split='test1k[:800]',
    bottom_test_split='test1k[800:]',
    n_train=100,
    n_test=20,
    data_dir=real_data,
  )
  assert task.train.inputs.shape == (100, 64, 32, 3)
  top = task.train.inputs[:, :32]
  assert (top == top[..., :1]).all()
  assert not top[:, :2].any()
  assert not top[:, :, 30:].any()
