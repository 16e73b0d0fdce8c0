"""Labelled examples: the labels in memory, the inputs too or on disk."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

BLOCK = 2**26  # numbers that are summed at a time


@dataclass(frozen=True, eq=False)
class Split:
  """Labelled examples; the last axis of `inputs` is the channel.

  Raises:
    ValueError: there are no examples, or inputs that are not finite, or the arrays are not of these
      shapes and types.
  """

  inputs: Any  # [n, ..., C] uint8 or float32: a NumPy array, or StoredImages, which read like one
  labels: np.ndarray  # [n] int32
  environment: np.ndarray | None = None  # [n] int32: where each example comes from, if told apart

  def __post_init__(self):
    inputs, labels = self.inputs, self.labels
    if inputs.ndim < 2 or inputs.dtype not in (np.uint8, np.float32):
      raise ValueError(
        f'inputs must be uint8 or float32 [n, ..., C], not {inputs.dtype} {list(inputs.shape)}'
      )
    if labels.shape != inputs.shape[:1] or labels.dtype != np.int32:
      raise ValueError(
        f'labels must be int32 [{len(inputs)}], one for each of the inputs, '
        f'not {labels.dtype} {list(labels.shape)}'
      )
    if self.environment is not None and self.environment.shape != labels.shape:
      raise ValueError(f'environment must be [{len(inputs)}], not {list(self.environment.shape)}')
    if not len(labels):
      raise ValueError('a split must hold at least one example')
    for start in range(0, len(inputs) if inputs.dtype == np.float32 else 0, 4096):
      broken = ~np.isfinite(inputs[start : start + 4096]).all(tuple(range(1, inputs.ndim)))
      if broken.any():
        raise ValueError(
          f'inputs must be finite; those of example {start + broken.argmax()} are not'
        )

  def __len__(self) -> int:
    return len(self.labels)

  def first(self, n: int) -> 'Split':
    """The first n examples."""
    environment = None if self.environment is None else self.environment[:n]
    return Split(self.inputs[:n], self.labels[:n], environment)


def channel_statistics(inputs: Any) -> tuple[np.ndarray, np.ndarray]:
  """The mean and standard deviation of each channel of inputs [n, ..., C]: float32 [C], twice.

  The standard deviation of a constant channel is given as 1, so that normalizing it gives zeros.
  Works through 4,096 examples at a time in float64, fewer if they are large, never through a float
  copy of all. Images on disk are decoded twice.
  """
  axes = tuple(range(inputs.ndim - 1))
  size = max(1, min(4096, BLOCK // max(1, math.prod(inputs.shape[1:]))))
  n = math.prod(inputs.shape[:-1])

  def blocks():
    return (inputs[i : i + size] for i in range(0, len(inputs), size))

  mean = sum(block.sum(axes, dtype=np.float64) for block in blocks()) / n
  variance = sum(np.square(block - mean).sum(axes) for block in blocks()) / n
  std = np.where(variance > 0, np.sqrt(variance), 1.0)
  return np.asarray(mean, np.float32), np.asarray(std, np.float32)
