"""What is taken away from a dataset: labels, replaced by a draw; the neighbourhood of pixels."""

import numpy as np

from research.rngs import named_generator


def random_labels(
  labels: np.ndarray, fraction: float, n_classes: int, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
  r"""Redraws the labels of a fraction of the examples, uniformly from all classes.

  The right label is among those drawn, so about one in C = `n_classes` of the redrawn examples
  keeps its label, and a network that learns only the clean rule fits
  :math:`1 - \epsilon + \epsilon / C` of the labels (the 'proper accuracy' of Chatterjee), where
  :math:`\epsilon` is the fraction.

  Guarantees (each is a test): exactly round(fraction * n) examples are redrawn, whichever they
  are; the others keep their labels; and noise is nested: from generators in the same state, the
  examples redrawn at one fraction are redrawn, to the same labels, at every larger one.

  Args:
    labels: int [n], from 0 to n_classes - 1; left as they are.
    fraction: of the examples, in [0, 1].
    n_classes: C.
    generator: supplies all the randomness, the same amount of it at every fraction.

  Returns:
    The labels, int32 [n], and which of them were redrawn, changed or not, bool [n].

  Raises:
    ValueError: the fraction lies outside [0, 1].

  References: `Zhang et al. (2017) <https://arxiv.org/abs/1611.03530>`_ and
  `Chatterjee (2020) <https://arxiv.org/abs/2002.10657>`_.
  """
  if not 0 <= fraction <= 1:
    raise ValueError(f'fraction must lie in [0, 1], not {fraction}')
  n = len(labels)
  order, drawn = generator.permutation(n), generator.integers(n_classes, size=n)
  is_corrupt = np.zeros(n, bool)
  is_corrupt[order[: round(fraction * n)]] = True
  return np.where(is_corrupt, drawn, labels).astype(np.int32), is_corrupt


def shuffled(inputs: np.ndarray) -> np.ndarray:
  """Images [n, H, W, C] with their pixels in another order, one and the same for all images.

  What any network sees that treats pixels alike is left as it was; what is lost is which pixels are
  neighbours, which convolutions rely on. The order depends on H and W alone.
  """
  n, height, width, channels = inputs.shape
  order = named_generator(0, 'shuffled_pixels').permutation(height * width)
  return inputs.reshape(n, -1, channels)[:, order].reshape(inputs.shape)
