"""Labelled examples in memory."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Split:
  """Labelled examples; the last axis of `inputs` is the channel.

  Raises:
    ValueError: there are no examples, or inputs that are not finite, or the arrays are not of these
      shapes and types.
  """

  inputs: np.ndarray  # [n, ..., C] uint8 or float32
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


def channel_statistics(inputs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
  """The mean and standard deviation of each channel of inputs [n, ..., C]: float32 [C], twice.

  The standard deviation of a constant channel is given as 1, so that normalizing it gives zeros.
  Works through 4,096 examples at a time in float64, never through a float copy of all.
  """
  axes = tuple(range(inputs.ndim - 1))
  blocks = [inputs[i : i + 4096] for i in range(0, len(inputs), 4096)]
  n = inputs.size // inputs.shape[-1]
  mean = sum(block.sum(axes, dtype=np.float64) for block in blocks) / n
  variance = sum(np.square(block - mean).sum(axes) for block in blocks) / n
  std = np.where(variance > 0, np.sqrt(variance), 1.0)
  return np.asarray(mean, np.float32), np.asarray(std, np.float32)
