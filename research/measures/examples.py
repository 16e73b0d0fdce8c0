"""Which training examples a measure looks at, where all would be too many."""

import jax.numpy as jnp
import numpy as np
from jax import lax

from research.measures.measure import Trained
from research.types import Batch

MOST = 512


def examples(trained: Trained, most: int | None = MOST) -> Batch:
  """At most so many training examples, evenly spaced: {'inputs': [m, ...], 'labels': int32 [m]}.

  Rows are those of `spaced`; all, in their order, where n is at most `most`, or that is None. No
  randomness: two networks that were trained on one set are measured on the same examples. Under
  `jit`, inputs that are known while tracing are hidden from the compiler, which would compute with
  them while compiling, slower by far.

  Guarantees (each is a test): no example is there twice; the first and the last are.

  Raises:
    ValueError: most is not positive, or there is not one label for each input.
  """
  if most is not None and most < 1:
    raise ValueError(f'most must be at least 1, not {most}')
  n = len(trained.inputs)
  if n == 0 or trained.labels.shape != (n,):
    raise ValueError(
      f'labels must be one for each of the {n} inputs, at least one, not {trained.labels.shape}'
    )
  inputs, labels = trained.inputs, trained.labels
  if most is not None and n > most:
    rows = spaced(n, most)
    inputs, labels = inputs[rows], labels[rows]
  return {'inputs': lax.optimization_barrier(jnp.asarray(inputs)), 'labels': labels}


def spaced(n: int, most: int) -> np.ndarray:
  """The rows that are taken: `np.linspace(0, n - 1, m)`, rounded, int32 [m], m = min(n, most)."""
  return np.round(np.linspace(0, n - 1, min(n, most))).astype(np.int32)
