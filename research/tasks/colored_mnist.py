r"""Digits whose colour predicts the label, until it does not.

An image shows a digit in one of two colours. The label tells whether the digit is below 5, but is
flipped for a quarter of the images; the colour is the label, flipped for a fraction of the images
that depends on where they come from: two training environments and the test set, where the colour
misleads. Thus shape predicts at best 75 % of the labels everywhere, and colour 85 % of those trained
on, but 10 % of those tested on.

References: `Arjovsky et al. (2019) <https://arxiv.org/abs/1907.02893>`_, section 5.2, for the
protocol; `Pezeshki et al. (2021) <https://arxiv.org/abs/2011.09468>`_, table 1 and figure 4.
"""

from typing import Any

import numpy as np

from research.rngs import named_generator
from research.tasks import digits, tfds
from research.tasks.arguments import check_fraction, completed
from research.tasks.selection import select, take
from research.tasks.split import Split
from research.tasks.task import Task


def make(
  *,
  images: str = 'mnist',
  n_train: int | None = None,
  n_test: int | None = None,
  train_split: str = 'train[:50000]',
  test_split: str = 'train[50000:]',
  label_flip: float = 0.25,
  color_flips: tuple[float, ...] = (0.2, 0.1),
  test_color_flip: float = 0.9,
  data_seed: int = 0,
  data_dir: str | None = None,
) -> Task:
  """Coloured digits, uint8 [n, H / 2, W / 2, 2], label 1 for the lower half of the classes.

  Every other row and column of an image is kept, 14 x 14 pixels of MNIST; they are in the channel of
  the colour, and the other is 0. The network sees values from 0 to 1, not normalized. Train examples
  are of the environments in turn (`Split.environment`); which images are in which, and all flips,
  are those of `data_seed`. No blocks: colour and shape share their pixels. See `gray` and `blank`
  instead.

  Guarantees (each is a test): the fractions of flips, to within sampling; colour and shape are
  independent given the label; the other channel is 0; the same arguments give the same bytes.

  Args:
    images: 'mnist', or another dataset of grey images, 'digits' or one of TFDS.
    n_train: how many train examples; None for all of the split.
    n_test: how many test examples, the first of the split; None for all.
    train_split: a split, or part of one; for MNIST, 50,000 of the train images. They are the first in
      the order of TFDS, which is not that of MNIST.
    test_split: likewise; for MNIST, the 10,000 others.
    label_flip: the probability that a label is flipped, in both sets.
    color_flips: the probability that a colour is not the label, for each environment.
    test_color_flip: the same for the test set.
    data_seed: the seed of the flips and of the order.
    data_dir: the folder of the TFDS datasets; None for the environment's (see `tfds.find`).

  Raises:
    ValueError: an argument is out of range (the message begins with its name).
    MissingDataset: the dataset is not prepared.
  """
  sizes, n_classes = _check(images, label_flip, color_flips, test_color_flip, data_seed, data_dir)
  selected = select(
    sizes, n_train=n_train, n_test=n_test, train_split=train_split, test_split=test_split
  )
  (train, of_train), (test, of_test) = selected['train'], selected['test']
  if train == test and {*of_train} & {*of_test}:
    raise ValueError(
      f'test_split must share no example with {train_split}, which is trained on, not {test_split!r}'
    )
  train_flips, peak, splits = np.array(color_flips), 255, {}
  for which, (split, rows) in selected.items():
    generator = named_generator(data_seed, f'colored_mnist_{which}')
    if images == 'digits':
      whole, peak = digits.load(split), 16
    else:
      whole = tfds.load(images, split, data_dir)[0]
    inputs, classes = take(whole.inputs, rows), take(whole.labels, rows)
    n = len(classes)
    environment = np.arange(n, dtype=np.int32) % len(train_flips) if which == 'train' else None
    if which == 'train':
      order = generator.permutation(n)
      inputs, classes = inputs[order], classes[order]
    color_flip = test_color_flip if environment is None else train_flips[environment]  # [n]
    labels = (classes < n_classes / 2) ^ (generator.random(n) < label_flip)
    colors = labels ^ (generator.random(n) < color_flip)
    in_color = colors[:, None] == np.arange(2)[None]  # [n, 2]
    colored = inputs[:, ::2, ::2] * in_color[:, None, None]
    splits[which] = Split(colored, labels.astype(np.int32), environment)
  mean, std = np.zeros(2, np.float32), np.full(2, peak, np.float32)
  return Task('colored_mnist', splits['train'], splits['test'], 2, mean, std)


def sizes(**section: Any) -> dict[str, int]:
  """How many train and test examples `make` of the same arguments gives, from metadata alone.

  Raises:
    ValueError, MissingDataset: as `make` does.
  """
  arguments = completed(make, section)
  asked = {key: arguments.pop(key) for key in ('n_train', 'n_test', 'train_split', 'test_split')}
  found, _ = _check(**arguments)
  return {which: len(rows) for which, (_, rows) in select(found, **asked).items()}


def gray(inputs: Any) -> Any:
  """Inputs [B, H, W, 2] without colour: half the intensity in either channel."""
  return _intensity(inputs) * np.full((1, 1, 1, 2), 0.5, np.float32)


def blank(inputs: Any) -> Any:
  """Inputs [B, H, W, 2] without shape: evenly of the mean intensity of all, in their own colours.

  The mean is over all inputs given, so that they must be many. Where they are grey, so is this:
  `gray(blank(inputs))` is `blank(gray(inputs))`, figure 4's image without shape or colour. An
  input that is 0 everywhere stays so.
  """
  inputs = inputs.astype(np.float32)
  of_channels = inputs.sum((1, 2), keepdims=True)  # [B, 1, 1, 2]
  total = of_channels.sum(3, keepdims=True)
  shares = of_channels / (total + (total == 0))
  return (0 * inputs + shares) * _intensity(inputs).mean()


def _intensity(inputs: Any) -> Any:
  """Of the pixels in either colour, float32 [B, H, W, 1]."""
  return inputs.astype(np.float32).sum(3, keepdims=True)


def _check(
  images: str,
  label_flip: float,
  color_flips: tuple[float, ...],
  test_color_flip: float,
  data_seed: int,
  data_dir: str | None,
) -> tuple[dict[str, int], int]:
  """The sizes of the splits of the images, and the number of their classes."""
  if not color_flips:
    raise ValueError('color_flips must hold a probability for each of one or more environments')
  check_fraction('label_flip', label_flip)
  check_fraction('test_color_flip', test_color_flip)
  for flip in color_flips:
    check_fraction('color_flips', flip)
  if data_seed < 0:
    raise ValueError(f'data_seed must not be negative, not {data_seed}')
  if images == 'digits':
    return digits.SPLITS, digits.N_CLASSES
  try:
    dataset = tfds.find(images, data_dir)
  except ValueError as error:
    raise ValueError(f'images{str(error).removeprefix("name")}') from error
  if dataset.shape[2] != 1 or dataset.dtype != 'uint8':
    raise ValueError(
      f'images must be grey and uint8; those of {images} are {dataset.dtype} {list(dataset.shape)}'
    )
  return dataset.splits, dataset.n_classes
