"""One seed, named streams: the stream `(seed, name)` does not change when another is added."""

import zlib

import jax
import numpy as np


def named_key(seed: int | jax.Array, name: str) -> jax.Array:
  """A JAX key for one use of a seed; `seed` may be traced (a member of a vmapped population)."""
  return jax.random.fold_in(jax.random.key(seed), zlib.crc32(name.encode()))


def named_generator(seed: int, name: str, *counters: int) -> np.random.Generator:
  """A NumPy generator for one use of a seed, and one position (an epoch, say) within it.

  A name takes the same number of counters at every call: to NumPy, (3,) and (3, 0) are one position.
  """
  entropy = [seed, zlib.crc32(name.encode()), *counters]
  return np.random.Generator(np.random.Philox(np.random.SeedSequence(entropy)))
