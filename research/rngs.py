"""One seed, named streams: the stream `(seed, name)` does not change when another is added."""

import zlib

import jax
import numpy as np


def named_key(seed: int | jax.Array, name: str) -> jax.Array:
  """A JAX key for one use of a seed; `seed` may be traced (a member of a vmapped population)."""
  return of_name(jax.random.key(seed), name)


def of_name(key: jax.Array, name: str) -> jax.Array:
  """A JAX key for one use of another."""
  return jax.random.fold_in(key, zlib.crc32(name.encode()))


def keys_of_rows(seed: jax.Array, name: str, step: jax.Array, rows: jax.Array) -> jax.Array:
  """Raw keys, uint32 [B, 2], of the rows [B] of a dataset at one step: a use of a seed."""
  key = jax.random.fold_in(named_key(seed, name), step)
  return jax.vmap(lambda row: jax.random.key_data(jax.random.fold_in(key, row)))(rows)


def named_generator(seed: int, name: str, *counters: int) -> np.random.Generator:
  """A NumPy generator for one use of a seed, and one position (an epoch, say) within it.

  A name takes the same number of counters at every call: to NumPy, (3,) and (3, 0) are one position.
  """
  entropy = [seed, zlib.crc32(name.encode()), *counters]
  return np.random.Generator(np.random.Philox(np.random.SeedSequence(entropy)))
