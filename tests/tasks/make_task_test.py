import inspect
import re

import numpy as np
import pytest

from research.tasks import MissingDataset, images, make_task, tfds


def test_the_default_is_digits():
  task = make_task()
  assert task.name == 'digits'
  assert (len(task.train), len(task.test), task.n_classes) == (1437, 360, 10)
  images = task.train.inputs
  np.testing.assert_allclose(task.mean, [images.mean()], rtol=1e-6)
  np.testing.assert_allclose(task.std, [images.std()], rtol=1e-6)


def test_noise_reaches_the_task():
  task = make_task(label_noise=0.5, shared_noise=True)
  np.testing.assert_array_equal(task.is_corrupt(0), task.is_corrupt(1))
  assert task.is_corrupt(0).sum() == round(0.5 * 1437)


def test_n_train_and_n_test_take_the_first_examples_and_their_statistics():
  whole, part = make_task(), make_task(n_train=100, n_test=7)
  np.testing.assert_array_equal(part.train.inputs, whole.train.inputs[:100])
  np.testing.assert_array_equal(part.train.labels, whole.train.labels[:100])
  np.testing.assert_array_equal(part.test.inputs, whole.test.inputs[:7])
  np.testing.assert_allclose(part.mean, [whole.train.inputs[:100].mean()], rtol=1e-6)


def test_a_part_of_a_split_is_held_out():
  whole = make_task()
  task = make_task(train_split='train[:1000]', test_split='train[1000:]', n_test=5)
  np.testing.assert_array_equal(task.train.inputs, whole.train.inputs[:1000])
  np.testing.assert_array_equal(task.test.inputs, whole.train.inputs[1000:1005])


def test_a_tfds_dataset_is_a_task(data_dir, toy_images):
  images, labels = toy_images
  task = make_task('toy', data_dir=str(data_dir), n_train=30)
  np.testing.assert_array_equal(task.train.inputs, images[:30])
  np.testing.assert_array_equal(task.test.labels, labels[40:])
  assert task.mean.shape == task.std.shape == (3,)
  assert task.n_classes == 3


def test_cifar10_partial_is_a_task(real_data):
  task = make_task('cifar10_partial', train_split='test1k', test_split='test1k', data_dir=real_data)
  assert task.train.inputs.shape == (1000, 32, 32, 3)
  assert task.batch(0, 0, 16)['inputs'].shape == (16, 32, 32, 3)


def test_a_missing_dataset_is_named():
  with pytest.raises(MissingDataset, match=r'^imagenet is not prepared in /nowhere '):
    make_task('imagenet', data_dir='/nowhere')


SPLITS = "must be one of train, test, or part of one as in 'train[:100]', not "


@pytest.mark.parametrize(
  ('arguments', 'message'),
  [
    ({'label_noise': 1.5}, 'label_noise must lie in [0, 1], not 1.5'),
    ({'label_noise': -0.1}, 'label_noise must lie in [0, 1], not -0.1'),
    ({'label_noise': float('nan')}, 'label_noise must lie in [0, 1], not nan'),
    ({'n_train': 41}, 'n_train must lie in [1, 40], the size of train, not 41'),
    ({'n_train': 0}, 'n_train must lie in [1, 40], the size of train, not 0'),
    ({'n_test': -1}, 'n_test must lie in [1, 10], the size of test, not -1'),
    (
      {'train_split': 'train[30:]', 'n_train': 11},
      'n_train must lie in [1, 10], the size of train[30:], not 11',
    ),
    ({'train_split': 'dev'}, f"train_split {SPLITS}'dev'"),
    ({'test_split': 'test[:50%]'}, f"test_split {SPLITS}'test[:50%]'"),
    ({'test_split': ''}, f"test_split {SPLITS}''"),
    (
      {'train_split': 'train[:41]'},
      "train_split must hold some of its 40 examples, not 'train[:41]'",
    ),
    (
      {'test_split': 'test[5:5]'},
      "test_split must hold some of its 10 examples, not 'test[5:5]'",
    ),
    ({'test_split': 'test[:0]'}, "test_split must hold some of its 10 examples, not 'test[:0]'"),
  ],
)
def test_an_argument_out_of_range_is_named_before_anything_is_decoded(
  data_dir, monkeypatch, arguments, message
):
  monkeypatch.setattr(tfds, '_decode', lambda dataset, split: pytest.fail(f'decoded {split}'))
  with pytest.raises(ValueError, match=f'^{re.escape(message)}$'):
    make_task('toy', data_dir=str(data_dir), **arguments)


def test_an_empty_split_is_an_error(data_dir, rewrite_metadata):
  rewrite_metadata(sizes={'train': 40, 'test': 0})
  with pytest.raises(
    ValueError, match=r"^test_split must hold some of its 0 examples, not 'test'$"
  ):
    make_task('toy', data_dir=str(data_dir))


def test_every_keyword_is_annotated_exactly():
  functions = (make_task, images.make)
  parameters = [p for f in functions for p in inspect.signature(f).parameters.values()]
  assert {p.name: p.annotation for p in parameters if p.kind is not p.VAR_KEYWORD} == {
    'name': str,
    'label_noise': float,
    'shared_noise': bool,
    'noise_seed': int,
    'n_train': int | None,
    'n_test': int | None,
    'train_split': str,
    'test_split': str,
    'rows': str | None,
    'shuffle_pixels': bool,
    'shared_order': bool,
    'order_seed': int,
    'image_size': int | None,
    'crop': float,
    'streamed': bool | None,
    'data_dir': str | None,
  }
