"""Scikit-learn's handwritten digits: real images that come with the package, no download."""

import numpy as np

from research.rngs import named_generator
from research.tasks.split import Split

SPLITS = {'train': 1437, 'test': 360}  # how many examples each holds
N_CLASSES = 10


def load(split: str) -> Split:
  """One of the splits: 1,437 train and 360 test images, uint8 [n, 8, 8, 1] from 0 to 16.

  Scikit-learn lists the images by writer; here they are in a fixed random order, so that both
  splits, and the first examples of either, hold all writers.

  Raises:
    ValueError: there is no such split.
  """
  if split not in SPLITS:
    raise ValueError(f'split must be one of {", ".join(SPLITS)}, not {split!r}')
  from sklearn.datasets import load_digits  # takes a second, which other tasks need not pay

  images, labels = map(np.asarray, load_digits(return_X_y=True))
  order = named_generator(0, 'digits').permutation(len(labels))
  rows = order[:1437] if split == 'train' else order[1437:]
  return Split(images[rows].reshape(-1, 8, 8, 1).astype(np.uint8), labels[rows].astype(np.int32))
