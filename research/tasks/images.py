"""Image classification datasets as tasks: scikit-learn's digits, and those of TFDS.

Images that do not fit in memory stay on disk, and are decoded for each batch.
"""

import math
from typing import Any

from research.tasks import digits, stored, tfds
from research.tasks.arguments import completed
from research.tasks.corruptions import shuffled
from research.tasks.selection import Rows, select, take
from research.tasks.split import Split, channel_statistics
from research.tasks.task import Task

SELECTION = ('n_train', 'n_test', 'train_split', 'test_split', 'rows')
IN_MEMORY = 8 * 2**30  # bytes; larger sets are streamed, unless the config says otherwise
SAMPLE = 2048  # train images that statistics are of, where images are scaled


def make(
  name: str,
  *,
  n_train: int | None = None,
  n_test: int | None = None,
  train_split: str = 'train',
  test_split: str = 'test',
  rows: str | None = None,
  shuffle_pixels: bool = False,
  image_size: int | None = None,
  crop: float = 1.0,
  streamed: bool | None = None,
  data_dir: str | None = None,
) -> Task:
  """A dataset as a task.

  Args:
    name: 'digits', or a TFDS dataset prepared as array_record: 'mnist', 'name/config'.
    n_train: how many train examples, the first of the split; None for all.
    n_test: how many test examples, likewise.
    train_split: a split, or part of one, as in 'train[:50000]'.
    test_split: likewise; 'train[50000:]' for selection that leaves the test set alone.
    rows: an .npz file of row numbers, `train` and `test`, both into `train_split`: a part of the
      training examples to learn from, and another part of them to test on.
    shuffle_pixels: whether the pixels of every image are in one other, random order: the same for
      all, so that nothing is lost but who is whose neighbour.
    image_size: the side, in pixels, of the square that images are scaled to; needed where their sizes
      differ. None for their own size.
    crop: the middle of each image that is taken, in shorter sides, in (0, 1]; see `stored.decoded`.
    streamed: whether images stay on disk, and are decoded for each batch by threads; None: if all of
      them would take more than `IN_MEMORY`, 8 GiB. Batches are the same either way, bit by bit.
    data_dir: the folder of the TFDS datasets; None for the environment's (see `tfds.find`).

  The inputs are normalized by the mean and standard deviation of the train images; where these are
  scaled, of the first 2,048.

  Raises:
    ValueError: an argument is out of range (the message begins with its name), or the dataset
      is not fit for classification.
    MissingDataset: the dataset is not prepared.
    BrokenRecord: a record of it cannot be read, decoded or classified.
  """
  dataset = None if name == 'digits' else tfds.find(name, data_dir, any_size=True)
  size = _size(name, dataset, image_size, crop)
  sizes = dataset.splits if dataset else digits.SPLITS
  n_classes = dataset.n_classes if dataset else digits.N_CLASSES
  selected = select(
    sizes,
    n_train=n_train,
    n_test=n_test,
    train_split=train_split,
    test_split=test_split,
    rows=rows,
  )
  if streamed is None and dataset and _stored_as_bytes(dataset):
    pixels = math.prod((*(size or dataset.shape[:2]), dataset.shape[2]))
    streamed = pixels * sum(len(rows) for _, rows in selected.values()) > IN_MEMORY
  if streamed and not _stored_as_bytes(dataset):
    raise ValueError(f'streamed must not be true for {name}, which is not stored as uint8 images')
  if streamed and shuffle_pixels:
    raise ValueError('shuffle_pixels must be false where images are streamed')

  def load(split: str, rows: Rows) -> Split:
    if dataset and (size or streamed):
      own_size = (dataset.shape[0], dataset.shape[1])
      images, labels = tfds.stored(dataset, split, rows, size or own_size, crop)
      inputs: Any = images if streamed else images[:]
    else:
      whole = tfds.load(name, split, data_dir)[0] if dataset else digits.load(split)
      inputs, labels = take(whole.inputs, rows), take(whole.labels, rows)
    return Split(shuffled(inputs) if shuffle_pixels else inputs, labels)

  train, test = load(*selected['train']), load(*selected['test'])
  mean, std = channel_statistics(train.inputs[:SAMPLE] if size else train.inputs)
  return Task(name, train, test, n_classes, mean, std)


def _size(
  name: str, dataset: tfds.Prepared | None, image_size: int | None, crop: float
) -> tuple[int, int] | None:
  """The (height, width) that images are scaled to; None if they are left as they are."""
  if not 0 < crop <= 1:
    raise ValueError(f'crop must lie in (0, 1], not {crop}')
  if image_size is not None and image_size < 1:
    raise ValueError(f'image_size must be positive, not {image_size}')
  if dataset and image_size is None and dataset.shape[0] < 1:
    raise ValueError(f'image_size must be given for {name}, whose images differ in size')
  if image_size is None and crop == 1:
    return None
  if not _stored_as_bytes(dataset):
    key = 'crop' if image_size is None else 'image_size'
    raise ValueError(f'{key} must be left out for {name}, which is not stored as uint8 images')
  assert dataset
  return (image_size, image_size) if image_size else (dataset.shape[0], dataset.shape[1])


def _stored_as_bytes(dataset: tfds.Prepared | None) -> bool:
  return dataset is not None and dataset.dtype == 'uint8' and dataset.shape[2] in stored.MODES


def sizes(name: str, **section: Any) -> dict[str, int]:
  """How many train and test examples `make` of the same arguments gives, from metadata alone.

  Raises:
    ValueError, MissingDataset: as `make` does.
  """
  splits = digits.SPLITS
  if name != 'digits':
    dataset = tfds.find(name, section.get('data_dir'), any_size=True)
    given = completed(make, {'name': name, **section})
    _size(name, dataset, given['image_size'], given['crop'])
    splits = dataset.splits
  asked = {key: section[key] for key in SELECTION if key in section}
  return {which: len(rows) for which, (_, rows) in select(splits, **asked).items()}
