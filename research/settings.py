"""Settings of a run that no library function takes: each class is one section of a config.

Out-of-range values raise a ValueError whose message begins with the name of the key.
"""

import dataclasses
from typing import Literal

from research import schedules


@dataclasses.dataclass(frozen=True, kw_only=True)
class Training:
  """The section `training`.

  Attributes:
    total_steps: T, updates of the parameters.
    batch_size: B, examples in each update of each member.
    log_every: period, in steps, of the loss of the batch in the record.
    checkpoint_every: period, in steps, of checkpoints; the last step is always saved.
    keep_checkpoints: how many of the newest checkpoints stay.
    stop_loss: the mean training loss, in nats, at which a member stops: it keeps its parameters while
      the others go on, and the run ends when all have stopped, or at T. None for never.
    stop_every: period, in steps, of the looks at that loss; each costs an evaluation of the training
      set.
  """

  total_steps: int
  batch_size: int
  log_every: int = 100
  checkpoint_every: int = 1000
  keep_checkpoints: int = 2
  stop_loss: float | None = None
  stop_every: int = 100

  def __post_init__(self):
    counts = ('total_steps', 'batch_size', 'log_every', 'checkpoint_every', 'keep_checkpoints')
    _at_least(self, 1, *counts, 'stop_every')
    if self.stop_loss is not None and not self.stop_loss > 0:
      raise ValueError(f'stop_loss must be positive or none, not {self.stop_loss}')


@dataclasses.dataclass(frozen=True, kw_only=True)
class Population:
  """The section `population`: R networks that differ in their seed, and in what `vary` says.

  Attributes:
    size: R. Member r has the seed `config.seed + r`: its initialization, order of examples and label
      noise are those of a run of one network with that seed.
    advance: `vmap` advances the members of a device together, `scan` one after another inside the same
      program, `auto` as was measured to be faster; see `research.members.fastest_advance`.
    devices_per_member: over how many devices the examples of a member are spread; None: members come
      first, and those devices that they leave share the examples.
  """

  size: int = 8
  advance: Literal['auto', 'vmap', 'scan'] = 'auto'
  devices_per_member: int | None = None

  def __post_init__(self):
    _at_least(self, 1, 'size')
    if self.devices_per_member is not None:
      _at_least(self, 1, 'devices_per_member')


@dataclasses.dataclass(frozen=True, kw_only=True)
class Probe:
  """The section `probe`: the fixed sample that instruments measure on.

  Attributes:
    size: m, examples: the first of the split.
    split: `train`, with each member's own labels, or `test`.
    chunk_size: examples that lie on the devices at a time, a divisor of `size`, where not all of them
      fit; for instruments that are formulas on gradients, without the Gram matrix. None for all.
  """

  size: int = 512
  split: Literal['train', 'test'] = 'train'
  chunk_size: int | None = None

  def __post_init__(self):
    _at_least(self, 1, 'size')
    if self.chunk_size is not None and (self.chunk_size < 1 or self.size % self.chunk_size):
      raise ValueError(f'chunk_size must divide size={self.size}, not be {self.chunk_size}')


@dataclasses.dataclass(frozen=True, kw_only=True)
class Evaluation:
  """The section `evaluation`: loss and accuracy on the training and the test set.

  Attributes:
    every: period in steps. At most one of `every` and `per_decade` is given.
    per_decade: evaluations in each factor of ten of the step; 10 if neither is given.
    max_train_examples: of the training set, the first so many; the test set is always whole.
    chunk_size: examples of one forward pass.
  """

  every: int | None = None
  per_decade: int | None = None
  max_train_examples: int = 10_000
  chunk_size: int = 500

  def __post_init__(self):
    _at_least(self, 1, 'max_train_examples', 'chunk_size')
    schedules.due_steps(1, self.every, self.per_decade)


def _at_least(settings, low: int, *names: str) -> None:
  for name in names:
    if getattr(settings, name) < low:
      raise ValueError(f'{name} must be at least {low}, not {getattr(settings, name)}')
