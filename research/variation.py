"""Members of a population that differ in more than their seed, in what leaves every shape alone.

The section `vary` of a config gives values; members are dealt their combinations in turn. One compiled
program trains them all, so that a grid of settings costs what as many seeds do.
"""

import dataclasses
import itertools
from collections.abc import Sequence

import numpy as np

from research.tasks import Task

# What the values of each key of the section stand in for.
KEYS = {
  'learning_rate': 'optimizer.learning_rate',
  'weight_decay': 'optimizer.weight_decay',
  'label_noise': 'task.label_noise',
  'n_train': 'task.n_train',
}
OF_OPTIMIZER = ('learning_rate', 'weight_decay')


@dataclasses.dataclass(frozen=True, kw_only=True)
class Vary:
  """The section `vary`: values that take turns in the place of a key; () leaves the key as it is.

  Member r has combination r mod K of the K combinations, of which the last key here changes fastest.

  Guarantees (each is a test): a member is the network that a run of its settings and its seed alone
  trains, to rounding; but its images are normalized as those of the whole `task.n_train`.

  Attributes:
    learning_rate: in the place of `optimizer.learning_rate`; schedules scale with it.
    weight_decay: in the place of `optimizer.weight_decay`.
    label_noise: in the place of `task.label_noise`.
    n_train: the first so many of the `task.n_train` examples.
  """

  learning_rate: tuple[float, ...] = ()
  weight_decay: tuple[float, ...] = ()
  label_noise: tuple[float, ...] = ()
  n_train: tuple[int, ...] = ()

  def __post_init__(self):
    for name, low, high in (
      ('learning_rate', 1e-30, np.inf),
      ('weight_decay', 0.0, np.inf),
      ('label_noise', 0.0, 1.0),
      ('n_train', 1, np.inf),
    ):
      values = getattr(self, name)
      if any(not low <= value <= high or np.isinf(value) for value in values):
        kind = 'positive' if name == 'learning_rate' else f'at least {low:g}'
        most = f' and at most {high:g}' if np.isfinite(high) else ''
        raise ValueError(f'vary.{name} must be {kind}{most}, not {values}')
      if len({*values}) < len(values):
        raise ValueError(f'vary.{name} must give each value once, not {values}')

  @property
  def names(self) -> list[str]:
    """What varies."""
    return [name for name in KEYS if getattr(self, name)]

  def of_members(self, size: int) -> dict[str, np.ndarray]:
    """The values of each member, `{key: [R]}`.

    Raises:
      ValueError: they do not divide the members evenly.
    """
    combinations = [*itertools.product(*(getattr(self, name) for name in self.names))]
    if size % len(combinations):
      raise ValueError(
        f'population.size must be a multiple of the {len(combinations)} combinations of'
        f' {", ".join(f"vary.{name}" for name in self.names)}, not {size}'
      )
    rows = combinations * (size // len(combinations))
    return {name: np.array([row[i] for row in rows]) for i, name in enumerate(self.names)}

  def tasks(self, task: Task, size: int) -> Sequence[Task]:
    """The task of each member: the whole one, or its first examples with other noise.

    Raises:
      ValueError: the task does not have as many examples, or all members share its batches.
    """
    if not {'label_noise', 'n_train'} & {*self.names}:
      return [task] * size
    n = len(task.train)
    check_sizes(self, n)
    if self.n_train and (task.streamed or task.shared_order):
      raise ValueError('vary.n_train must be left out where batches are streamed or shared')
    values = self.of_members(size)
    noises = values.get('label_noise', [task.label_noise] * size)
    keys = [*zip(noises, values.get('n_train', [n] * size), strict=True)]
    of = {
      (noise, m): dataclasses.replace(
        task, label_noise=float(noise), train=task.train if m == n else task.train.first(int(m))
      )
      for noise, m in {*keys}
    }
    return [of[key] for key in keys]


ALIKE = Vary()  # members differ in their seed alone


def check_sizes(vary: Vary, n_train: int) -> None:
  """Checks that there are as many examples as members are to have.

  Raises:
    ValueError: there are not; the message begins with the key.
  """
  if vary.n_train and max(vary.n_train) > n_train:
    raise ValueError(
      f'vary.n_train must be at most task.n_train={n_train}, not {max(vary.n_train)}'
    )


def targets(
  whole: Task, tasks: Sequence[Task], seeds: Sequence[int] | np.ndarray
) -> dict[str, np.ndarray]:
  """What members train on: 'labels', int32 [R, n]; with noise, 'corrupt', bool [R, n].

  Behind the examples of a member that has fewer than the whole task's n, labels are the whole task's.
  """
  n = len(whole.train)
  pairs = [*zip(tasks, map(int, seeds), strict=True)]
  labels = [
    np.concatenate([t.train_labels(s), whole.train.labels[len(t.train) :]]) for t, s in pairs
  ]
  found = {'labels': np.stack(labels)}
  if any(task.label_noise for task in tasks):
    corrupt = [np.pad(t.is_corrupt(s), (0, n - len(t.train))) for t, s in pairs]
    found['corrupt'] = np.stack(corrupt)
  return found


def epochs(tasks: Sequence[Task], step: int, batch_size: int) -> np.ndarray | float:
  """How many epochs a step is; [R] where members have epochs of different lengths."""
  found = [step / task.steps_per_epoch(batch_size) for task in tasks]
  return found[0] if len({*found}) == 1 else np.array(found)


def groups(tasks: Sequence[Task], corrupt: np.ndarray | None, n: int) -> dict[str, np.ndarray]:
  """Which of the first n training examples each member's metrics are means over, `{group: [R, n]}`."""
  own = np.stack([np.arange(n) < len(task.train) for task in tasks])
  found = {'all': own}
  if corrupt is not None:
    found |= {'corrupt': own & corrupt[:, :n], 'pristine': own & ~corrupt[:, :n]}
  return found
