"""Which training examples a measure looks at, where all would be too many, and how many at once."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from research.measures.measure import Trained
from research.models import Model
from research.types import Batch, Params

MOST = 512
CHUNK = 512  # examples that a network is applied to at once


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


def apply_in_chunks(model: Model) -> Callable[[Params, jax.Array], jax.Array]:
  """`model.apply` in the memory of a chunk of examples: `(params, inputs [n, ...]) -> logits [n, C]`.

  It goes through the examples 512 at a time; a gradient computes each chunk's forward pass twice. A
  model whose examples depend on each other sees all at once.

  Guarantees (each is a test): logits and their gradients are those of the whole, also where the last
  chunk is not full; the memory of a gradient does not grow with n but by inputs and logits.
  """

  def apply(params: Params, inputs: jax.Array) -> jax.Array:
    n = len(inputs)
    if n <= CHUNK or not model.per_example:
      return model.apply(params, inputs)
    rows = jnp.arange(-(-n // CHUNK) * CHUNK).clip(max=n - 1).reshape(-1, CHUNK)
    of_rows = jax.checkpoint(lambda params, rows: model.apply(params, inputs[rows]))
    logits = lax.map(lambda rows: of_rows(params, rows), rows)
    return logits.reshape(-1, *logits.shape[2:])[:n]

  return apply


def spaced(n: int, most: int) -> np.ndarray:
  """The rows that are taken: `np.linspace(0, n - 1, m)`, rounded, int32 [m], m = min(n, most)."""
  return np.round(np.linspace(0, n - 1, min(n, most))).astype(np.int32)
