"""What is learned: examples, and batches of them that are a pure function of (seed, step)."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np

from research.rngs import named_generator
from research.tasks.blocks import Blocks
from research.tasks.corruptions import random_labels
from research.tasks.split import Split
from research.tasks.stored import StoredImages
from research.types import Batch

CACHE_BYTES = 2**28  # for the batch orders of recent epochs, and as much for noisy labels


@dataclass(frozen=True, eq=False)
class Task:
  """A classification task.

  Raises:
    ValueError: the test inputs or the statistics do not fit the train inputs, or a label is not
      one of the classes.
  """

  name: str
  train: Split
  test: Split
  n_classes: int
  mean: np.ndarray  # [C] float32, of each channel of the train inputs, in their units
  std: np.ndarray  # [C] float32, likewise
  label_noise: float = 0.0  # the fraction of train labels that are redrawn; test labels are clean
  shared_noise: bool = False  # whether all seeds have the same noise
  noise_seed: int = 0  # of shared noise
  shared_order: bool = False  # whether all seeds have the same batches
  order_seed: int = 0  # of a shared order
  blocks: Blocks | None = None  # the features that were planted, if any were

  def __post_init__(self):
    shape, n_channels = self.train.inputs.shape[1:], self.train.inputs.shape[-1:]
    if self.test.inputs.shape[1:] != shape:
      raise ValueError(
        f'the test inputs of {self.name} are {list(self.test.inputs.shape[1:])}, '
        f'the train inputs {list(shape)}'
      )
    if self.mean.shape != n_channels or self.std.shape != n_channels:
      raise ValueError(f'mean and std must be {list(n_channels)}, one for each channel')
    for part, split in (('train', self.train), ('test', self.test)):
      least, most = split.labels.min(), split.labels.max()
      if least < 0 or most >= self.n_classes:
        raise ValueError(
          f'the {part} labels of {self.name} must lie in [0, {self.n_classes - 1}], '
          f'not from {least} to {most}'
        )

  def normalize(self, inputs: Any) -> Any:
    """What the network sees of inputs [B, ..., C] of any type: float32, in standard deviations from
    the train mean, and rotated, if the task says so.

    For arrays of NumPy or JAX. Meant to run inside jit after the gather of a batch, so that what
    stays in memory is uint8.
    """
    shape = (1,) * (inputs.ndim - 1) + self.mean.shape  # explicit: rank promotion is an error
    seen = (inputs.astype(np.float32) - self.mean.reshape(shape)) / self.std.reshape(shape)
    return seen if self.blocks is None else self.blocks.rotated(seen)

  @property
  def streamed(self) -> bool:
    """Whether the inputs stay on disk, and are decoded as they are read."""
    return isinstance(self.train.inputs, StoredImages)

  @property
  def n_environments(self) -> int:
    """From how many environments the train examples are; 1 if they are not told apart."""
    environment = self.train.environment
    return 1 if environment is None else int(environment.max()) + 1

  def train_labels(self, seed: int) -> np.ndarray:
    """The labels that the member of a population with this seed trains on, int32 [n]."""
    return self._noisy_labels(seed)[0] if self.label_noise else self.train.labels

  def is_corrupt(self, seed: int) -> np.ndarray:
    """Which of those labels were redrawn, whether or not they changed, bool [n]."""
    return self._noisy_labels(seed)[1]

  def steps_per_epoch(self, batch_size: int) -> int:
    """How many whole batches an epoch holds.

    Raises:
      ValueError: it holds none, or batch_size is not positive.
    """
    n = len(self.train)
    if not 1 <= batch_size <= n:
      raise ValueError(
        f'batch_size must lie in [1, {n}], the number of training examples, not {batch_size}'
      )
    return n // batch_size

  def batch_indices(self, seed: int, step: int, batch_size: int) -> np.ndarray:
    """The training examples of a step, int32 [B]: a pure function of its arguments.

    An epoch takes the examples in an order of its own, each at most once. What is left over after
    its whole batches is dropped, another remainder each epoch. With a shared order, the seed makes no
    difference.

    Raises:
      ValueError: as in steps_per_epoch.
    """
    seed = self.order_seed if self.shared_order else seed
    epoch, position = divmod(step, self.steps_per_epoch(batch_size))
    return self._order(seed, epoch)[position * batch_size : (position + 1) * batch_size]

  def batch(self, seed: int, step: int, batch_size: int) -> Batch:
    """The batch of a step: normalized inputs, float32 [B, ...], and train labels, int32 [B]."""
    indices = self.batch_indices(seed, step, batch_size)
    inputs, labels = self.train.inputs[indices], self.train_labels(seed)[indices]
    return {'inputs': jnp.asarray(self.normalize(inputs)), 'labels': jnp.asarray(labels)}

  @functools.cached_property
  def _order(self) -> Callable[[int, int], np.ndarray]:
    n = len(self.train)

    @functools.lru_cache(max(1, CACHE_BYTES // (4 * n)))
    def order(seed, epoch):
      return _read_only(named_generator(seed, 'batch_order', epoch).permutation(n).astype(np.int32))

    return order

  @functools.cached_property
  def _noisy_labels(self) -> Callable[[int], tuple[np.ndarray, np.ndarray]]:
    @functools.lru_cache(max(1, CACHE_BYTES // (5 * len(self.train))))
    def noisy_labels(seed):
      name = 'shared_label_noise' if self.shared_noise else 'label_noise'
      generator = named_generator(self.noise_seed if self.shared_noise else seed, name)
      noisy = random_labels(self.train.labels, self.label_noise, self.n_classes, generator)
      return _read_only(noisy[0]), _read_only(noisy[1])

    return noisy_labels


def _read_only(array: np.ndarray) -> np.ndarray:
  array.flags.writeable = False
  return array
