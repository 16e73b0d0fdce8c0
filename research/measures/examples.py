"""Which training examples a measure looks at, where all would be too many."""

import jax
import jax.numpy as jnp
import numpy as np

from research.measures.measure import Trained
from research.types import Batch

MOST = 512


def examples(trained: Trained, most: int = MOST) -> Batch:
  """At most so many training examples, evenly spaced: {'inputs': [m, ...], 'labels': int32 [m]}.

  Rows are those of `np.linspace(0, n - 1, m)`, rounded; all, in their order, where n is at most
  `most`. No randomness: two networks that were trained on one set are measured on the same examples.

  Guarantees (each is a test): no example is there twice; the first and the last are.

  Raises:
    ValueError: most is not positive, or there is not one label for each input.
  """
  if most < 1:
    raise ValueError(f'most must be at least 1, not {most}')
  n = len(trained.inputs)
  if n == 0 or trained.labels.shape != (n,):
    raise ValueError(
      f'labels must be one for each of the {n} inputs, at least one, not {trained.labels.shape}'
    )
  if n <= most:
    return {'inputs': trained.inputs, 'labels': trained.labels}
  rows = np.round(np.linspace(0, n - 1, most)).astype(np.int32)
  return {'inputs': trained.inputs[rows], 'labels': trained.labels[rows]}


def sq_norm(tree) -> jax.Array:
  """The sum of the squares of all entries of a tree of arrays."""
  return sum((jnp.sum(jnp.square(x)) for x in jax.tree.leaves(tree)), jnp.zeros(()))
