"""Two images, one above the other, each of which tells the class.

Class j shows an image of the j-th class of one dataset above one of the j-th class of another.
Either half is a feature; which of them a network relies on shows when one is exchanged. With MNIST
above CIFAR-10 (automobile, truck) this is the MNIST-CIFAR of the paper.

References: `Shah et al. (2020) <https://arxiv.org/abs/2006.07710>`_, section 4.
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from research.rngs import named_generator
from research.tasks import digits, tfds
from research.tasks.arguments import check_sizes, completed
from research.tasks.blocks import Blocks
from research.tasks.selection import Rows, select, take
from research.tasks.split import Split
from research.tasks.task import Task

DIGITS_PEAK = 16  # the largest value of scikit-learn's digits


@dataclass(frozen=True)
class Half:
  """One of the two datasets, as its metadata describe it."""

  where: str  # 'top' or 'bottom'
  name: str
  classes: tuple[int, ...]
  shape: tuple[int, ...]  # of one image, [height, width, C]
  rows: dict[str, tuple[str, Rows]]  # {'train', 'test': the split, and which of its examples}


def make(
  *,
  top: str = 'mnist',
  bottom: str = 'fashion_mnist',
  top_classes: tuple[int, ...] = (0, 1),
  bottom_classes: tuple[int, ...] = (0, 1),
  n_train: int = 10_000,
  n_test: int = 1_000,
  top_train_split: str = 'train',
  top_test_split: str = 'test',
  bottom_train_split: str = 'train',
  bottom_test_split: str = 'test',
  randomized: Literal['top', 'bottom'] | None = None,
  data_seed: int = 0,
  data_dir: str | None = None,
) -> Task:
  """Pairs of images, uint8 [n, 2 H, W, C], with blocks `top` and `bottom`.

  H, W and C are the larger height, width and number of channels of the two datasets; the smaller
  image is centred on black, and a grey one repeated in all channels. The network sees values from 0
  to 1, not normalized. Classes are balanced, up to one example; in each, images of either dataset
  are drawn without replacement and paired at random, so that none occurs twice. Cost: that of
  reading the two datasets, and 0.2 seconds.

  Guarantees (each is a test): either half shows an image of the example's class; no image occurs
  twice in its half; the same arguments give the same bytes; a smaller set is part of a larger one;
  with `randomized`, a train set has the same labels, the same other half, and the same images in
  that half, dealt out at random.

  Args:
    top: a dataset, 'digits' or one of TFDS with uint8 images.
    bottom: likewise; it may be the same.
    top_classes: its classes, the j-th for class j of the task.
    bottom_classes: likewise, as many.
    n_train: how many train examples.
    n_test: how many test examples.
    top_train_split: a split, or part of one, as in 'train[:50000]'.
    top_test_split: likewise; it shares no example with the former.
    bottom_train_split: likewise.
    bottom_test_split: likewise.
    randomized: the half that says nothing of the label in the train set. To see what a network
      makes of the other half when it must use that.
    data_seed: the seed of the choice of images and of their order.
    data_dir: the folder of the TFDS datasets; None for the environment's (see `tfds.find`).

  Raises:
    ValueError: an argument is out of range (the message begins with its name), or a class holds
      fewer images than are asked for: none is used twice.
    MissingDataset: a dataset is not prepared.
  """
  halves = _check(
    top=top,
    bottom=bottom,
    top_classes=top_classes,
    bottom_classes=bottom_classes,
    n_train=n_train,
    n_test=n_test,
    top_train_split=top_train_split,
    top_test_split=top_test_split,
    bottom_train_split=bottom_train_split,
    bottom_test_split=bottom_test_split,
    data_seed=data_seed,
    data_dir=data_dir,
  )
  shape = tuple(np.max([half.shape for half in halves], axis=0))  # H, W, C
  splits = []
  for which, n in (('train', n_train), ('test', n_test)):
    generator = named_generator(data_seed, f'dominoes_{which}_labels')
    labels = generator.permutation(np.arange(n, dtype=np.int32) % len(top_classes))
    images = []
    for half in halves:
      shown = labels
      if which == 'train' and half.where == randomized:
        shown = named_generator(data_seed, 'dominoes_randomized').permutation(labels)
      generator = named_generator(data_seed, f'dominoes_{which}_{half.where}')
      images.append(_padded(_drawn(half, which, shown, generator, data_dir), shape))
    splits.append(Split(np.concatenate(images, axis=1), labels))
  height, width, channels = shape
  is_top = np.broadcast_to(
    np.arange(2 * height)[:, None, None] < height, (2 * height, width, channels)
  )
  mean, std = np.zeros(channels, np.float32), np.full(channels, 255, np.float32)
  blocks = Blocks({'top': is_top, 'bottom': ~is_top})
  train, test = splits
  return Task('dominoes', train, test, len(top_classes), mean, std, blocks=blocks)


def sizes(**section: Any) -> dict[str, int]:
  """How many train and test examples `make` of the same arguments gives, from metadata alone.

  Raises:
    ValueError, MissingDataset: as `make` does, unless a class holds too few images, which only the
      images tell.
  """
  arguments = completed(make, section)
  _check(**{key: value for key, value in arguments.items() if key != 'randomized'})
  return {'train': arguments['n_train'], 'test': arguments['n_test']}


def _check(
  *, n_train: int, n_test: int, data_seed: int, data_dir: str | None, **of_halves: Any
) -> tuple[Half, Half]:
  """The two datasets, once all that metadata tell is checked."""
  check_sizes(n_train, n_test, data_seed)
  n_classes, n_below = len(of_halves['top_classes']), len(of_halves['bottom_classes'])
  if n_classes < 2:
    raise ValueError(f'top_classes must be two or more, not {of_halves["top_classes"]}')
  if n_below != n_classes:
    raise ValueError(f'bottom_classes must be {n_classes}, as many as top_classes, not {n_below}')
  top, bottom = (
    _half(
      where,
      of_halves[where],
      of_halves[f'{where}_classes'],
      {which: of_halves[f'{where}_{which}_split'] for which in ('train', 'test')},
      data_dir,
    )
    for where in ('top', 'bottom')
  )
  for half, other in ((top, bottom), (bottom, top)):
    if half.shape[2] not in (1, other.shape[2]) and other.shape[2] != 1:
      raise ValueError(
        f'{half.where} must have 1 channel or {other.shape[2]}, as {other.name}, '
        f'not {half.shape[2]}'
      )
  return top, bottom


def _half(
  where: str, name: str, classes: tuple[int, ...], splits: dict[str, str], data_dir: str | None
) -> Half:
  if name == 'digits':
    sizes, n_classes, shape, dtype = digits.SPLITS, digits.N_CLASSES, (8, 8, 1), 'uint8'
  else:
    try:
      found = tfds.find(name, data_dir)
    except ValueError as error:
      raise ValueError(f'{where}{str(error).removeprefix("name")}') from error
    sizes, n_classes, shape, dtype = found.splits, found.n_classes, found.shape, found.dtype
  if dtype != 'uint8':
    raise ValueError(f'{where} must have images of uint8; those of {name} are {dtype}')
  if len(set(classes)) < len(classes) or min(classes) < 0 or max(classes) >= n_classes:
    raise ValueError(
      f'{where}_classes must be different ones from 0 to {n_classes - 1}, the classes of {name}, '
      f'not {classes}'
    )
  try:
    rows = select(sizes, train_split=splits['train'], test_split=splits['test'])
  except ValueError as error:  # it begins with train_split or test_split
    raise ValueError(f'{where}_{error}') from error
  (train, of_train), (test, of_test) = rows['train'], rows['test']
  if train == test and set(of_train) & set(of_test):
    raise ValueError(
      f'{where}_test_split must share no example with {splits["train"]}, which is trained on, '
      f'not {splits["test"]!r}'
    )
  return Half(where, name, classes, shape, rows)


def _drawn(
  half: Half, which: str, shown: np.ndarray, generator: np.random.Generator, data_dir: str | None
) -> np.ndarray:
  """An image for each number of a class [n] in `shown`, all different, uint8 [n, h, w, c]."""
  split, rows = half.rows[which]
  of_digits = half.name == 'digits'
  whole = digits.load(split) if of_digits else tfds.load(half.name, split, data_dir)[0]
  inputs, labels = take(whole.inputs, rows), take(whole.labels, rows)
  found = [np.flatnonzero(labels == label) for label in half.classes]
  limit = min(len(own) * len(found) + j for j, own in enumerate(found))
  if len(shown) > limit:
    counts = ', '.join(
      f'{len(own)} of class {c}' for c, own in zip(half.classes, found, strict=True)
    )
    raise ValueError(
      f'n_{which} must lie in [1, {limit}], not {len(shown)}: no image is used twice, and '
      f'{split} of {half.name} has {counts}'
    )
  chosen = np.empty(len(shown), int)
  for j, own in enumerate(found):
    places = np.flatnonzero(shown == j)
    chosen[places] = generator.permutation(own)[: len(places)]
  images = inputs[chosen]
  return np.rint(images * (255 / DIGITS_PEAK)).astype(np.uint8) if of_digits else images


def _padded(images: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
  """Images [n, h, w, c] in the middle of black ones of a shape [H, W, C]; c is 1 or C."""
  n, h, w, _ = images.shape
  padded = np.zeros((n, *shape), np.uint8)
  y, x = (shape[0] - h) // 2, (shape[1] - w) // 2
  padded[:, y : y + h, x : x + w] = images
  return padded
