"""What is learned.

task.py         Task: arrays, normalization, batches as a function of (seed, step)
split.py        labelled examples
stored.py       images that stay on disk, and are decoded as they are read
blocks.py       named parts of the input, each a feature
corruptions.py  label noise, shuffled pixels

Where examples come from; a module with `make(...) -> Task` and `sizes(...)`:

images.py         datasets: scikit-learn's digits, the default; those of TFDS
slabs.py          synthetic: one simple feature and many complex ones
dominoes.py       two datasets, one image above the other
colored_mnist.py  digits whose colour predicts the label, until it does not
moons.py          two interleaving half circles, and a margin

digits.py, tfds.py and cache.py read the datasets, selection.py says which of their examples,
arguments.py checks what generated tasks are asked for; subclasses.py has pairs of views.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

from research.tasks import colored_mnist, dominoes, images, moons, slabs
from research.tasks.blocks import Blocks
from research.tasks.split import Split
from research.tasks.stored import BrokenRecord, StoredImages
from research.tasks.task import Task
from research.tasks.tfds import MissingDataset

GENERATED = {
  'slabs': slabs,
  'dominoes': dominoes,
  'colored_mnist': colored_mnist,
  'moons': moons,
}

__all__ = [
  'GENERATED',
  'Blocks',
  'BrokenRecord',
  'MissingDataset',
  'Split',
  'StoredImages',
  'Task',
  'make_task',
  'n_examples',
  'source',
]


def make_task(
  name: str = 'digits',
  *,
  label_noise: float = 0.0,
  shared_noise: bool = False,
  noise_seed: int = 0,
  shared_order: bool = False,
  order_seed: int = 0,
  **source: Any,
) -> Task:
  """A task, in memory or, if its images are too large for that, streamed from disk.

  Args:
    name: one of `GENERATED`, or a dataset (`images.make`).
    label_noise: the fraction of train labels redrawn from all classes, in [0, 1].
    shared_noise: whether all seeds have the same noise, or each its own.
    noise_seed: the seed of shared noise.
    shared_order: whether all seeds have the same batches, or each its own; a streamed population then
      decodes each batch once for all members.
    order_seed: the seed of a shared order.
    source: arguments of the `make` of the examples' source.

  Raises:
    ValueError: an argument is out of range (the message begins with its name), or the dataset
      is not fit for classification.
    MissingDataset: a dataset is not prepared.
    BrokenRecord: a record of it cannot be read, decoded or classified.
  """
  if not 0 <= label_noise <= 1:
    raise ValueError(f'label_noise must lie in [0, 1], not {label_noise}')
  if noise_seed < 0:
    raise ValueError(f'noise_seed must not be negative, not {noise_seed}')
  if order_seed < 0:
    raise ValueError(f'order_seed must not be negative, not {order_seed}')
  task = GENERATED[name].make(**source) if name in GENERATED else images.make(name, **source)
  noise = {'label_noise': label_noise, 'shared_noise': shared_noise, 'noise_seed': noise_seed}
  order = {'shared_order': shared_order, 'order_seed': order_seed}
  return dataclasses.replace(task, **noise, **order)


def n_examples(
  name: str = 'digits',
  *,
  label_noise: float = 0.0,
  shared_noise: bool = False,
  noise_seed: int = 0,
  shared_order: bool = False,
  order_seed: int = 0,
  **source: Any,
) -> dict[str, int]:
  """How many train and test examples `make_task` of the same arguments has, before any is made.

  Raises:
    ValueError, MissingDataset: as `make_task` does.
  """
  return GENERATED[name].sizes(**source) if name in GENERATED else images.sizes(name, **source)


def source(name: Any) -> Callable[..., Task]:
  """The function whose keyword arguments, besides those of `make_task`, a task of this name takes."""
  return GENERATED[name].make if isinstance(name, str) and name in GENERATED else images.make
