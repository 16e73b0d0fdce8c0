r"""Synthetic features of graded simplicity, each a coordinate of its own.

All coordinates are independent of each other once the label y, 0 or 1, is known; labels are
independent fair coins, as in the paper's code. With :math:`\gamma` the margin and U uniform on
[0, 1], a coordinate is one of

============ ====================================================================================
linear       :math:`(2y - 1)(\gamma + (1 - \gamma) U)`: a threshold tells the classes apart
noisy_linear linear, but in a fraction of all examples uniform on :math:`[-\gamma, \gamma]`
slab3, 5, 7  k slabs of width :math:`(2 - 2 (k - 1) \gamma) / k` that fill [-1, 1] but for gaps of
             :math:`2 \gamma`; the classes alternate, 0 in the centre: k - 1 thresholds are needed
noise        standard normal, whatever the label
============ ====================================================================================

How often each slab occurs is symmetric, so that the label is uncorrelated with the coordinate; and
for 5 and 7 slabs it is so chosen that both classes have the same second moment too.

References: `Shah et al. (2020) <https://arxiv.org/abs/2006.07710>`_, section 4.
"""

from typing import Any

import numpy as np

from research.rngs import named_generator
from research.tasks.arguments import check_fraction, check_sizes, completed
from research.tasks.blocks import Blocks
from research.tasks.split import Split
from research.tasks.task import Task

FEATURES = ('linear', 'noisy_linear', 'slab3', 'slab5', 'slab7', 'noise')

# {k: P(one of the two slabs at distance j | the class that lives there), from the centre outwards}
_OUTWARDS = {3: (1, 1), 5: (3 / 4, 1, 1 / 4), 7: (1 / 2, 7 / 8, 1 / 2, 1 / 8)}


def make(
  *,
  features: tuple[str, ...] = ('linear', 'slab5'),
  counts: tuple[int, ...] = (1, 49),
  noise: float = 0.1,
  margin: float = 0.1,
  rotate: bool = True,
  n_train: int = 100_000,
  n_test: int = 10_000,
  data_seed: int = 0,
) -> Task:
  """Vectors of such features, float32 [n, d] with d = sum(counts), one block for each feature.

  The inputs are stored as they are drawn; what the network sees of them is rotated, and not
  normalized. Cost: about a second and 0.2 GB for the default.

  Guarantees (each is a test): the marginals are those above; given the label, coordinates are
  independent; the test set is the same whatever `n_train` is, and independent of the train set; the
  same arguments give the same bytes; with `rotate`, the data before rotation are the same.

  Args:
    features: different names from `FEATURES`.
    counts: how many coordinates have each feature.
    noise: the fraction of examples, exact up to rounding in either split, whose `noisy_linear` says
      nothing of the label; every such coordinate has its own.
    margin: gamma; slabs exist while it is below 1 / (k - 1).
    rotate: whether the network sees u Q, with an orthogonal Q drawn uniformly, instead of u.
    n_train: how many train examples.
    n_test: how many test examples.
    data_seed: the seed of the examples and of Q.

  Raises:
    ValueError: an argument is out of range (the message begins with its name).
  """
  _check(features, counts, noise, margin, n_train, n_test, data_seed)
  train, test = (
    _draw(features, counts, noise, margin, n, named_generator(data_seed, f'slabs_{which}'))
    for which, n in (('train', n_train), ('test', n_test))
  )
  d = sum(counts)
  feature_of = np.repeat(np.arange(len(features)), counts)  # [d]
  masks = {name: feature_of == i for i, name in enumerate(features)}
  q = random_rotation(d, named_generator(data_seed, 'slabs_rotation')) if rotate else None
  mean, std = np.zeros(d, np.float32), np.ones(d, np.float32)
  return Task('slabs', train, test, 2, mean, std, blocks=Blocks(masks, q))


def sizes(**section: Any) -> dict[str, int]:
  """How many train and test examples `make` of the same arguments gives.

  Raises:
    ValueError: as `make` does.
  """
  arguments = completed(make, section)
  del arguments['rotate']
  _check(**arguments)
  return {'train': arguments['n_train'], 'test': arguments['n_test']}


def slab_masses(k: int) -> np.ndarray:
  """P(slab | label), float64 [2, k], slabs from left to right; k is 3, 5 or 7."""
  from_centre = np.abs(np.arange(k) - k // 2)  # [k]
  both_sides = np.asarray(_OUTWARDS[k])[from_centre]
  mass = np.where(from_centre == 0, both_sides, both_sides / 2)
  return np.stack([np.where(from_centre % 2 == label, mass, 0.0) for label in (0, 1)])


def slab_centres(k: int, margin: float) -> tuple[np.ndarray, float]:
  """The centres of k slabs, float64 [k] from left to right, and the width of each."""
  width = (2 - 2 * (k - 1) * margin) / k
  return (np.arange(k) - k // 2) * (width + 2 * margin), width


def bayes_accuracy(feature: str, noise: float = 0.0) -> float:
  """The best accuracy of any rule that sees one coordinate; `noise` is that of `make`."""
  return {'noisy_linear': 1 - noise / 2, 'noise': 0.5}.get(feature, 1.0)


def linear_accuracy(feature: str, noise: float = 0.0) -> float:
  r"""The best accuracy of a threshold on one coordinate.

  It is 1, and :math:`1 - p / 2` for a fraction p of noise; 3/4, 11/16 and 5/8 for 3, 5 and 7 slabs,
  where the best threshold lies beside the centre.
  """
  if not feature.startswith('slab'):
    return bayes_accuracy(feature, noise)
  left = np.cumsum(slab_masses(int(feature.removeprefix('slab'))), axis=1)  # [2, k] of a threshold
  accuracies = (left[0] + 1 - left[1]) / 2  # of answering 1 to the right of it
  return float(np.maximum(accuracies, 1 - accuracies).max())


def random_rotation(d: int, generator: np.random.Generator) -> np.ndarray:
  """An orthogonal matrix, float32 [d, d], drawn from the Haar measure.

  The QR decomposition of a Gaussian matrix is unique, and Q has that law, once the diagonal of R is
  positive.
  """
  q, r = np.linalg.qr(generator.normal(size=(d, d)))
  return (q * np.sign(np.diag(r))).astype(np.float32)


def _draw(
  features: tuple[str, ...],
  counts: tuple[int, ...],
  noise: float,
  margin: float,
  n: int,
  generator: np.random.Generator,
) -> Split:
  labels = generator.integers(2, size=n)
  columns = [
    _coordinates(feature, labels, count, noise, margin, generator)
    for feature, count in zip(features, counts, strict=True)
  ]
  return Split(np.concatenate(columns, axis=1), labels.astype(np.int32))


def _coordinates(
  feature: str,
  labels: np.ndarray,
  count: int,
  noise: float,
  margin: float,
  generator: np.random.Generator,
) -> np.ndarray:
  """So many coordinates of one feature, float32 [n, count]."""
  n = len(labels)
  if feature == 'noise':
    return generator.standard_normal((n, count), np.float32)
  u, is_one = generator.random((n, count)), labels[:, None] == 1
  if feature.startswith('slab'):
    k = int(feature.removeprefix('slab'))
    centres, width = slab_centres(k, margin)
    cumulated, which = np.cumsum(slab_masses(k), axis=1), generator.random((n, count))
    zero, one = (np.searchsorted(masses, which, 'right') for masses in cumulated)
    slab = np.where(is_one, one, zero)
    return (centres[slab] + width * (u - 0.5)).astype(np.float32)
  x = np.where(is_one, 1, -1) * (margin + (1 - margin) * u)
  if feature == 'noisy_linear':
    n_noisy = round(noise * n)
    for column in range(count):
      rows = generator.permutation(n)[:n_noisy]
      x[rows, column] = generator.uniform(-margin, margin, n_noisy)
  return x.astype(np.float32)


def _check(
  features: tuple[str, ...],
  counts: tuple[int, ...],
  noise: float,
  margin: float,
  n_train: int,
  n_test: int,
  data_seed: int,
):
  check_sizes(n_train, n_test, data_seed)
  check_fraction('noise', noise)
  if not features or len(set(features)) < len(features) or set(features) - set(FEATURES):
    raise ValueError(f'features must be different ones of {", ".join(FEATURES)}, not {features}')
  if len(counts) != len(features) or min(counts) < 1:
    raise ValueError(
      f'counts must be {len(features)} positive numbers, one for each of the features, not {counts}'
    )
  most = min(1 / (int(name[4:]) - 1) if name.startswith('slab') else 1.0 for name in features)
  if not 0 <= margin < most:
    raise ValueError(f'margin must lie in [0, {most:.4g}) for {", ".join(features)}, not {margin}')
