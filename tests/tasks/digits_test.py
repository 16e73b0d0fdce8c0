import numpy as np
import pytest
from sklearn.datasets import load_digits

from research.tasks import digits


def test_splits_have_their_sizes_and_types():
  for split, n in digits.SPLITS.items():
    examples = digits.load(split)
    assert examples.inputs.shape == (n, 8, 8, 1)
    assert examples.inputs.dtype == np.uint8
    assert examples.labels.dtype == np.int32
  assert digits.SPLITS == {'train': 1437, 'test': 360}


def test_splits_hold_each_image_of_scikit_learn_once_with_its_label():
  splits = [digits.load(split) for split in digits.SPLITS]
  images = np.concatenate([s.inputs for s in splits]).reshape(-1, 64)
  labels = np.concatenate([s.labels for s in splits])
  ours = sorted(map(tuple, np.column_stack([images, labels]).tolist()))
  assert ours == sorted(map(tuple, np.column_stack(load_digits(return_X_y=True)).tolist()))


def test_the_order_is_fixed_and_never_changes():
  assert digits.load('train').labels[:10].tolist() == FIRST_TRAIN
  assert digits.load('test').labels[:10].tolist() == FIRST_TEST


def test_every_class_is_among_the_first_hundred():
  for split in digits.SPLITS:
    assert set(digits.load(split).labels[:100]) == set(range(10))


def test_an_unknown_split_is_an_error():
  with pytest.raises(ValueError, match=r"^split must be one of train, test, not 'dev'$"):
    digits.load('dev')


# Golden. If this changes on purpose, every run on digits changes with it: say so in LOG.md.
FIRST_TRAIN = [2, 6, 8, 3, 6, 2, 1, 6, 5, 5]
FIRST_TEST = [2, 4, 3, 2, 7, 1, 3, 3, 7, 6]
