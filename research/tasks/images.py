"""Image classification datasets as tasks: scikit-learn's digits, and those of TFDS."""

from typing import Any

from research.tasks import digits, tfds
from research.tasks.corruptions import shuffled
from research.tasks.selection import Rows, select, take
from research.tasks.split import Split, channel_statistics
from research.tasks.task import Task

SELECTION = ('n_train', 'n_test', 'train_split', 'test_split', 'rows')


def make(
  name: str,
  *,
  n_train: int | None = None,
  n_test: int | None = None,
  train_split: str = 'train',
  test_split: str = 'test',
  rows: str | None = None,
  shuffle_pixels: bool = False,
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
    data_dir: the folder of the TFDS datasets; None for the environment's (see `tfds.find`).

  Raises:
    ValueError: an argument is out of range (the message begins with its name), or the dataset
      is not fit for classification.
    MissingDataset: the dataset is not prepared.
  """
  dataset = None if name == 'digits' else tfds.find(name, data_dir)
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

  def load(split: str, rows: Rows) -> Split:
    whole = tfds.load(name, split, data_dir)[0] if dataset else digits.load(split)
    inputs = take(whole.inputs, rows)
    return Split(shuffled(inputs) if shuffle_pixels else inputs, take(whole.labels, rows))

  train, test = load(*selected['train']), load(*selected['test'])
  mean, std = channel_statistics(train.inputs)
  return Task(name, train, test, n_classes, mean, std)


def sizes(name: str, **section: Any) -> dict[str, int]:
  """How many train and test examples `make` of the same arguments gives, from metadata alone.

  Raises:
    ValueError, MissingDataset: as `make` does.
  """
  splits = digits.SPLITS
  if name != 'digits':
    splits = tfds.find(name, section.get('data_dir')).splits
  asked = {key: section[key] for key in SELECTION if key in section}
  return {which: len(rows) for which, (_, rows) in select(splits, **asked).items()}
