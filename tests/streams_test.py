"""Examples read ahead: those of the step that is asked for, whoever reads them and when."""

import threading
import time
import tracemalloc
import weakref

import jax
import numpy as np
import pytest
from jax.sharding import NamedSharding

from research import sharding
from research.members import EXAMPLE, MEMBER_EXAMPLE
from research.streams import PART, Stream

R, B = 4, 16


class Numbers:
  """Images that hold their own row number; counts which were read, and how many still exist."""

  shape = (1000, 4, 3)
  dtype = np.dtype(np.int32)

  def __init__(self, delay=0.0, broken=()):
    self.delay, self.broken, self.lock = delay, broken, threading.Lock()
    self.rows, self.alive = [], 0

  def read(self, row):
    if row in self.broken:
      raise OSError(f'row {row} is broken')
    time.sleep(self.delay * (row % 3))
    example = np.full(self.shape[1:], row, np.int32)
    with self.lock:
      self.rows.append(row)
      self.alive += 1
    weakref.finalize(example, self.let_go)
    return example

  def let_go(self):
    with self.lock:
      self.alive -= 1


def rows(step):
  return np.random.default_rng(step).permutation(1000)[: R * B].reshape(R, B)


def place(spec=MEMBER_EXAMPLE, n_devices=8, members=R):
  mesh = sharding.make_mesh(members, B, jax.devices()[:n_devices])
  return NamedSharding(mesh, spec)


def numbers(examples):
  examples = np.asarray(examples)
  np.testing.assert_array_equal(examples, examples[..., :1, :1] + np.zeros((4, 3), np.int32))
  return examples[..., 0, 0]


@pytest.mark.parametrize('n_devices', [1, 2, 8])
def test_the_examples_of_a_step_are_those_of_its_rows(n_devices):
  stream = Stream(Numbers(), rows, place(n_devices=n_devices))
  for step in range(3):
    examples = stream(step)
    assert examples.shape == (R, B, 4, 3)
    assert examples.sharding == place(n_devices=n_devices)
    np.testing.assert_array_equal(numbers(examples), rows(step))
  stream.close()


def test_any_step_may_be_asked_for_at_any_time():
  stream = Stream(Numbers(), rows, place())
  for step in (5, 6, 6, 0, 1000_000, 1000_001, 7):
    np.testing.assert_array_equal(numbers(stream(step)), rows(step))
  stream.close()


def test_an_order_that_all_members_share_is_read_once():
  images = Numbers()
  stream = Stream(images, lambda step: rows(step)[0], place(EXAMPLE), ahead=0)
  np.testing.assert_array_equal(numbers(stream(2)), rows(2)[0])
  stream.close()
  assert set(rows(2)[0]) <= set(images.rows)
  assert len(images.rows) <= B + PART


@pytest.mark.parametrize('n_threads', [1, 2, 20])
def test_how_many_threads_read_makes_no_difference(n_threads):
  stream = Stream(Numbers(delay=2e-3), rows, place(), n_threads=n_threads)
  for step in range(3):
    np.testing.assert_array_equal(numbers(stream(step)), rows(step))
  stream.close()


@pytest.mark.parametrize('members', [1, 2, 4])
@pytest.mark.parametrize('n_processes', [1, 2, 4])
def test_processes_read_their_own_part_of_the_batch_and_together_all_of_it(n_processes, members):
  whole, devices = np.full((R, B), -1), np.array(jax.devices()).reshape(n_processes, -1)
  n_read = 0
  for own in devices:
    images = Numbers()
    stream = Stream(images, rows, place(members=members), n_steps=4, devices=[*own])
    for block, examples in stream.blocks(3).items():  # a later one: it has resumed there
      part = tuple(slice(*ends) for ends in block)
      assert (whole[part] == -1).all()
      whole[part] = numbers(examples)
    stream.close()
    n_read += len(images.rows)
  np.testing.assert_array_equal(whole, rows(3))
  assert n_read == R * B


@pytest.mark.parametrize('ahead', [1, 3])
def test_no_more_examples_wait_than_is_said(ahead):
  images = Numbers()
  stream = Stream(images, rows, place(n_devices=1), ahead=ahead, n_threads=4)
  for step in range(4):
    stream.blocks(step)
    time.sleep(0.3)  # time enough for the threads to read as far ahead as they may
    assert len(images.rows) == (step + 1 + ahead) * R * B
  stream.close()


@pytest.mark.parametrize('ahead', [1, 3])
def test_what_was_handed_out_is_let_go_of(ahead):
  images = Numbers()
  images.shape = (1000, 64, 64, 3)
  of_a_step = R * B * 4 * 64 * 64 * 3  # bytes
  stream = Stream(images, rows, place(n_devices=1), ahead=ahead, n_threads=2)
  tracemalloc.start()
  for step in range(15):
    stream.blocks(step)
  _, most = tracemalloc.get_traced_memory()
  tracemalloc.stop()
  stream.close()
  in_threads = 2 * PART * of_a_step / (R * B)  # examples that are being stacked
  assert most < (ahead + 1) * of_a_step + 2 * in_threads
  assert images.alive <= 2 * PART


def test_the_next_step_is_read_while_this_one_is_computed():
  images = Numbers()
  stream = Stream(images, rows, place(n_devices=1), ahead=1)
  stream(0)
  deadline = time.monotonic() + 20
  while not set(rows(1).ravel()) <= set(images.rows):
    assert time.monotonic() < deadline, 'the next step is not read until it is asked for'
    time.sleep(0.01)
  stream.close()


def test_the_last_step_is_the_last_that_is_read():
  images = Numbers()
  stream = Stream(images, rows, place(), n_steps=2)
  assert [int(numbers(stream(step))[0, 0]) for step in (0, 1)] == [rows(0)[0, 0], rows(1)[0, 0]]
  assert len(images.rows) == 2 * R * B


def test_an_error_is_that_of_its_step_alone():
  broken = rows(2)[1, 3]
  free = next(step for step in range(3, 50) if broken not in rows(step))
  stream = Stream(Numbers(broken=[broken]), rows, place())
  np.testing.assert_array_equal(numbers(stream(1)), rows(1))
  for _ in range(2):
    with pytest.raises(OSError, match=f'^row {broken} is broken$'):
      stream(2)
  np.testing.assert_array_equal(numbers(stream(free)), rows(free))
  stream.close()
