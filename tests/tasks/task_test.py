import dataclasses
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from research.tasks import task as task_module
from research.tasks.split import Split, channel_statistics
from research.tasks.task import Task


def make(n=60, *, label_noise=0.0, shared_noise=False):
  """A task whose train inputs [n, 2, 3] hold the number of the example (up to 255)."""
  train = Split(
    np.broadcast_to(np.arange(n, dtype=np.uint8)[:, None, None], (n, 2, 3)).copy(),
    np.arange(n, dtype=np.int32) % 5,
  )
  test = Split(train.inputs[:5], train.labels[:5])
  mean, std = channel_statistics(train.inputs)
  return Task('numbers', train, test, 5, mean, std, label_noise, shared_noise)


def epoch(task, seed, number, batch_size):
  steps = task.steps_per_epoch(batch_size)
  batches = [
    task.batch_indices(seed, step, batch_size)
    for step in range(number * steps, (number + 1) * steps)
  ]
  return np.concatenate(batches)


def test_a_batch_is_a_pure_function_of_seed_and_step():
  asked_last = make(label_noise=0.5)
  for step in range(57):
    asked_last.batch(3, step, 8)
  asked_first = make(label_noise=0.5).batch(3, 57, 8)
  jax.tree.map(np.testing.assert_array_equal, asked_last.batch(3, 57, 8), asked_first)


def test_forgetting_orders_changes_nothing(monkeypatch):
  remembered = make(label_noise=0.5)
  monkeypatch.setattr(task_module, 'CACHE_BYTES', 0)  # holds the last one only
  forgetful = make(label_noise=0.5)
  for step in (0, 9, 3, 0, 40):
    for seed in (5, 0, 5, 2):
      jax.tree.map(
        np.testing.assert_array_equal,
        forgetful.batch(seed, step, 7),
        remembered.batch(seed, step, 7),
      )
  assert forgetful._order.cache_info().currsize == 1


def test_hundreds_of_seeds_are_remembered():
  task = make(n=200)
  for step in range(3):
    for seed in range(500):
      task.batch_indices(seed, step, 10)
  assert task._order.cache_info().misses == 500


@pytest.mark.parametrize('batch_size', [1, 12, 60])
def test_every_example_comes_once_in_an_epoch(batch_size):
  for number in (0, 1, 5):
    indices = epoch(make(), 0, number, batch_size)
    np.testing.assert_array_equal(np.sort(indices), np.arange(60))
    assert indices.dtype == np.int32


def test_the_remainder_is_dropped_and_differs_between_epochs():
  task = make()
  assert task.steps_per_epoch(7) == 8
  dropped = [set(range(60)) - set(epoch(task, 0, number, 7).tolist()) for number in range(4)]
  assert [len(d) for d in dropped] == [4] * 4
  assert len(set(map(frozenset, dropped))) > 1


def test_epochs_and_seeds_differ():
  task = make()
  orders = [epoch(task, seed, number, 10) for seed in range(3) for number in range(3)]
  assert len({tuple(order.tolist()) for order in orders}) == 9


def test_batches_hold_normalized_inputs_beside_their_labels():
  task = make()
  batch = task.batch(0, 3, 8)
  assert batch['inputs'].shape == (8, 2, 3)
  assert batch['inputs'].dtype == jnp.float32
  assert batch['labels'].dtype == jnp.int32
  indices = task.batch_indices(0, 3, 8)
  numbers = np.asarray(batch['inputs'])[:, 0, 0] * task.std[0] + task.mean[0]
  np.testing.assert_allclose(numbers, indices, atol=1e-4)
  np.testing.assert_array_equal(batch['labels'], indices % 5)


def test_train_inputs_normalize_to_mean_zero_and_variance_one():
  generator = np.random.default_rng(0)
  inputs = generator.normal([3, -2], [0.1, 40], size=(500, 4, 2)).astype(np.float32)
  split = Split(inputs, np.zeros(500, np.int32))
  task = Task('normal', split, split, 1, *channel_statistics(inputs), 0.0, False)
  normalized = task.normalize(inputs)
  np.testing.assert_allclose(normalized.mean((0, 1)), 0, atol=1e-4)
  np.testing.assert_allclose(normalized.std((0, 1)), 1, atol=1e-4)


def test_normalize_is_the_same_on_numpy_jax_and_traced_arrays():
  task = make()
  inputs = task.train.inputs[:7]
  expected = (inputs.astype(np.float32) - task.mean) / task.std
  for normalized in (
    task.normalize(inputs),
    task.normalize(jnp.asarray(inputs)),
    jax.jit(task.normalize)(inputs),
    task.normalize(inputs.astype(np.int64)),
    jax.vmap(task.normalize)(inputs),
    task.normalize(inputs[None])[0],
  ):
    assert normalized.dtype == np.float32
    np.testing.assert_allclose(normalized, expected, rtol=1e-6)
  assert isinstance(task.normalize(inputs), np.ndarray)


def test_uint8_stays_uint8_in_memory():
  task = make()
  task.batch(0, 0, 8)
  assert task.train.inputs.dtype == task.test.inputs.dtype == np.uint8


def test_clean_labels_are_the_labels():
  task = make()
  np.testing.assert_array_equal(task.train_labels(4), task.train.labels)
  assert not task.is_corrupt(4).any()


def test_noise_redraws_its_fraction_of_train_labels_and_no_test_label():
  task = make(label_noise=0.25)
  labels, is_corrupt = task.train_labels(1), task.is_corrupt(1)
  assert is_corrupt.sum() == 15
  assert labels.dtype == np.int32
  np.testing.assert_array_equal(labels[~is_corrupt], task.train.labels[~is_corrupt])
  assert np.any(labels != task.train.labels)
  np.testing.assert_array_equal(task.test.labels, make().test.labels)


def test_batches_hold_the_noisy_labels():
  task = make(label_noise=1.0)
  indices = task.batch_indices(2, 0, 60)
  np.testing.assert_array_equal(task.batch(2, 0, 60)['labels'], task.train_labels(2)[indices])


def test_each_member_has_its_own_noise():
  task = make(label_noise=0.5)
  assert np.any(task.is_corrupt(0) != task.is_corrupt(1))
  assert np.any(task.train_labels(0) != task.train_labels(1))


def test_shared_noise_is_that_of_all_members():
  task = make(label_noise=0.5, shared_noise=True)
  for seed in (1, 7):
    np.testing.assert_array_equal(task.train_labels(seed), task.train_labels(0))
    np.testing.assert_array_equal(task.is_corrupt(seed), task.is_corrupt(0))
  assert np.any(task.batch_indices(0, 0, 60) != task.batch_indices(1, 0, 60))


def test_noise_does_not_change_the_order_of_batches():
  np.testing.assert_array_equal(
    make(label_noise=0.5).batch_indices(1, 9, 8), make().batch_indices(1, 9, 8)
  )


def test_what_is_remembered_cannot_be_changed():
  task = make(label_noise=0.5)
  for array in (task.batch_indices(0, 0, 8), task.train_labels(0), task.is_corrupt(0)):
    with pytest.raises(ValueError, match='read-only'):
      array[0] = 1


@pytest.mark.parametrize('batch_size', [61, 0, -1])
def test_a_batch_that_no_epoch_holds_is_an_error(batch_size):
  message = f'batch_size must lie in [1, 60], the number of training examples, not {batch_size}'
  for method in (make().batch_indices, make().batch):
    with pytest.raises(ValueError, match=f'^{re.escape(message)}$'):
      method(0, 0, batch_size)


@pytest.mark.parametrize(
  ('changes', 'message'),
  [
    (
      {'n_classes': 4},
      'the train labels of numbers must lie in [0, 3], not from 0 to 4',
    ),
    (
      {'test': Split(np.zeros((2, 2, 3), np.uint8), np.int32([-1, 0]))},
      'the test labels of numbers must lie in [0, 4], not from -1 to 0',
    ),
    (
      {'test': Split(np.zeros((2, 5, 3), np.uint8), np.int32([0, 0]))},
      'the test inputs of numbers are [5, 3], the train inputs [2, 3]',
    ),
    ({'mean': np.zeros(2, np.float32)}, 'mean and std must be [3], one for each channel'),
    ({'std': np.ones((), np.float32)}, 'mean and std must be [3], one for each channel'),
  ],
)
def test_parts_that_do_not_fit_are_an_error(changes, message):
  with pytest.raises(ValueError, match=f'^{re.escape(message)}$'):
    dataclasses.replace(make(), **changes)
