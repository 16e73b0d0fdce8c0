"""Inputs whose features are known: classes with subclasses, and images with random bits."""

import dataclasses

import numpy as np

from research.rngs import named_generator

CLASS, SUBCLASSES, IRRELEVANT = 0, (1, 2), 3  # coordinates; irrelevant features from the last on


@dataclasses.dataclass(frozen=True, eq=False)
class Subclasses:
  """Examples in several views.

  Attributes:
    views: the inputs, float64 [n, V, d].
    labels: the class, 0 or 1, int32 [n].
    subclasses: the subclass within the class, 0 or 1, int32 [n].
    irrelevant: the irrelevant features of the example before augmentation, -1 or 1, int32 [n, K].
  """

  views: np.ndarray
  labels: np.ndarray
  subclasses: np.ndarray
  irrelevant: np.ndarray


def subclasses(
  seed: int,
  n: int,
  *,
  dim: int,
  n_views: int = 2,
  class_strength: float = 1.0,
  subclass_strength: float = 1.0,
  majority: float = 0.5,
  n_irrelevant: int = 0,
  irrelevant_strength: float = 2.0,
  resample: float = 0.0,
  noise: float = 0.1,
  split: str = 'train',
) -> Subclasses:
  r"""Examples with a class, a subclass and irrelevant features, each along an axis of its own.

  .. math:: x = \phi\, y\, e_1 + \phi_{sub}\, y_{sub}\, e_{sub(y)} + \sum_k s\, z_k\, e_{3+k} + \xi,
     \qquad \xi \sim N(0, \sigma^2 I)

  with signs y, :math:`y_{sub}` and :math:`z_k`. A subclass direction belongs to each class
  (coordinates 1 and 2; the class is coordinate 0, and irrelevant features follow from 3). The views of
  an example share its class and subclass. Each redraws each irrelevant feature with probability
  `resample`, so that the feature's correlation between two views is :math:`(1 - p)^2`, and has a noise
  of its own.

  Guarantees (each is a test): the same seed gives the same arrays, and other strengths or augmentations
  of it the same labels; the frequencies and correlations are as stated.

  Args:
    seed: of all that is drawn.
    n: examples, of either class with probability one half.
    dim: d, at least 3 + n_irrelevant.
    n_views: V.
    class_strength: phi.
    subclass_strength: phi_sub.
    majority: the probability of subclass 1.
    n_irrelevant: K.
    irrelevant_strength: s.
    resample: p.
    noise: sigma, per coordinate.
    split: names the draw: examples of different splits are independent.

  Raises:
    ValueError: dim leaves no room for the features, or a probability lies outside [0, 1].

  References: `Xue et al. (2023) <https://arxiv.org/abs/2305.16536>`_, simplified.
  """
  if dim < IRRELEVANT + n_irrelevant:
    raise ValueError(f'dim must be at least {IRRELEVANT + n_irrelevant}, not {dim}')
  for name, probability in (('majority', majority), ('resample', resample)):
    if not 0 <= probability <= 1:
      raise ValueError(f'{name} must lie in [0, 1], not {probability}')

  def draw(what: str) -> np.random.Generator:
    return named_generator(seed, f'subclasses/{split}/{what}')

  labels = draw('labels').integers(2, size=n)
  of_class = (draw('subclasses').random(n) < majority).astype(np.int32)
  irrelevant = 2 * draw('irrelevant').integers(2, size=(n, n_irrelevant)) - 1
  augment, shape = draw('augmentations'), (n, n_views, n_irrelevant)
  redrawn, fresh = augment.random(shape) < resample, 2 * augment.integers(2, size=shape) - 1
  views = noise * draw('noise').normal(size=(n, n_views, dim))
  views[:, :, CLASS] += class_strength * (2 * labels - 1)[:, None]
  rows = np.arange(n)
  for view in range(n_views):
    views[rows, view, np.take(SUBCLASSES, labels)] += subclass_strength * (2 * of_class - 1)
  features = np.where(redrawn, fresh, irrelevant[:, None])
  views[:, :, IRRELEVANT : IRRELEVANT + n_irrelevant] += irrelevant_strength * features
  return Subclasses(views, labels.astype(np.int32), of_class, irrelevant.astype(np.int32))


def random_bits(
  images: np.ndarray, n_bits: int, generator: np.random.Generator, *, high: float = 1
) -> tuple[np.ndarray, np.ndarray]:
  """Images with a random number beside them, in binary, each bit a constant channel of its own.

  The bits of an image are the same wherever it is shown: with a view axis after the first, all views of
  it share them, and only they tell images apart that look alike.

  Guarantees (each is a test): the images are left as they are; bits are fair, and independent of each
  other; and they are nested: from generators in the same state, those of fewer bits are the first ones
  of more.

  Args:
    images: [n, ..., C].
    n_bits: of each image.
    generator: supplies all the randomness.
    high: the value of a bit that is 1; of one that is 0 it is 0.

  Returns:
    Images [n, ..., C + n_bits] of the same type, and the bits, int32 [n, n_bits].

  Raises:
    ValueError: n_bits is negative.

  References: `Chen, Luo & Li (2021) <https://arxiv.org/abs/2011.02803>`_, there called RandBit.
  """
  if n_bits < 0:
    raise ValueError(f'n_bits must be at least 0, not {n_bits}')
  bits = generator.integers(2, size=(n_bits, len(images))).T.astype(np.int32)
  between = (1,) * (images.ndim - 2)
  planes = np.broadcast_to(
    (high * bits).reshape(len(images), *between, n_bits), (*images.shape[:-1], n_bits)
  )
  return np.concatenate([images, planes.astype(images.dtype)], axis=-1), bits
