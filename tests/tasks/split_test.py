import re

import numpy as np
import pytest

from research.tasks.split import Split, channel_statistics


def labels(n):
  return np.zeros(n, np.int32)


def test_length_is_the_number_of_examples():
  assert len(Split(np.zeros((7, 2), np.float32), labels(7))) == 7


@pytest.mark.parametrize('dtype', [np.uint8, np.float32])
@pytest.mark.parametrize('n', [1, 100, 4096, 9000])
def test_statistics_are_those_of_each_channel(n, dtype):
  inputs = np.random.default_rng(n).integers(256, size=(n, 2, 3, 4)).astype(dtype)
  mean, std = channel_statistics(inputs)
  assert mean.dtype == std.dtype == np.float32
  np.testing.assert_allclose(mean, inputs.mean((0, 1, 2), dtype=np.float64), rtol=1e-6)
  np.testing.assert_allclose(std, inputs.std((0, 1, 2), dtype=np.float64), rtol=1e-6)


def test_statistics_are_exact_far_from_zero():
  inputs = np.float32([[1e7], [1e7], [1e7 + 1]] * 3000)
  np.testing.assert_allclose(channel_statistics(inputs), [[1e7], [np.sqrt(2) / 3]], rtol=1e-6)


def test_the_std_of_a_constant_channel_is_one():
  inputs = np.uint8([[3, 0], [3, 2]])
  np.testing.assert_array_equal(channel_statistics(inputs), [[3, 1], [1, 1]])


@pytest.mark.parametrize(
  ('inputs', 'given', 'message'),
  [
    (
      np.zeros(4, np.uint8),
      labels(4),
      'inputs must be uint8 or float32 [n, ..., C], not uint8 [4]',
    ),
    (
      np.zeros((4, 2)),
      labels(4),
      'inputs must be uint8 or float32 [n, ..., C], not float64 [4, 2]',
    ),
    (
      np.zeros((4, 2), np.uint8),
      labels(3),
      'labels must be int32 [4], one for each of the inputs, not int32 [3]',
    ),
    (
      np.zeros((4, 2), np.uint8),
      np.zeros(4, np.int64),
      'labels must be int32 [4], one for each of the inputs, not int64 [4]',
    ),
    (np.zeros((0, 2), np.uint8), labels(0), 'a split must hold at least one example'),
  ],
)
def test_misshapen_data_is_an_error(inputs, given, message):
  with pytest.raises(ValueError, match=f'^{re.escape(message)}$'):
    Split(inputs, given)


@pytest.mark.parametrize('value', [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize('row', [0, 4096, 4999])
def test_inputs_that_are_not_finite_are_named(row, value):
  inputs = np.zeros((5000, 2, 3), np.float32)
  Split(inputs, np.zeros(5000, np.int32))
  inputs[row, 1, 0] = value
  with pytest.raises(ValueError, match=f'^inputs must be finite; those of example {row} are not$'):
    Split(inputs, np.zeros(5000, np.int32))
