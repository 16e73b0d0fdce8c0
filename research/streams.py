"""Examples that are read ahead of the steps that want them, by threads, and placed on the mesh.

What a step reads is a function of its number. So a stream has no position that a checkpoint would have
to hold: it begins at whatever step is asked for, and goes on from there. A process reads only what lies
on its own devices; which processes there are changes who reads an example, not which step it is in.
"""

import functools
import itertools
import math
import os
from collections.abc import Callable
from typing import Any, Protocol

import jax
import numpy as np
from jax.sharding import NamedSharding

PART = 8  # examples that a thread reads at a time, at most: what is awaited costs 0.1 milliseconds
Block = tuple[tuple[int, int], ...]  # the (start, stop) of each axis of the rows


class Images(Protocol):
  """What can be read row by row, by many threads at once: `research.tasks.StoredImages`."""

  shape: tuple[int, ...]  # (n, ...)
  dtype: np.dtype

  def read(self, row: int) -> np.ndarray: ...


class Stream:
  """Calling it with a step gives the examples of that step, on the mesh.

  Guarantees (each is a test): the examples of a step are those of its rows, whatever was asked for
  before and however many threads read; what the devices of all processes hold, put together, is what a
  single process has, and each reads no example that lies on none of its devices.

  Memory, on the host (a test): `ahead` steps of examples, the one that is being put together, and of
  each thread two parts.
  """

  def __init__(
    self,
    images: Images,
    rows: Callable[[int], np.ndarray],
    sharding: NamedSharding,
    *,
    n_steps: int | None = None,
    ahead: int = 2,
    n_threads: int | None = None,
    devices: list[Any] | None = None,
  ):
    """Reads nothing yet.

    Args:
      images: what is read.
      rows: step -> the rows of its examples, int [...], always of the same shape; pure.
      sharding: of the examples of a step, of which no axis of an example is sharded.
      n_steps: how many steps there are; None for no end.
      ahead: steps that are read before they are asked for.
      n_threads: that read; None for as many as there are cores.
      devices: those of this process; None for `jax.local_devices()`.
    """
    self._images, self._n_steps, self._ahead = images, n_steps, ahead
    self._n_threads = n_threads or os.cpu_count() or 1
    self._lead = rows(0).shape
    self._shape, self._sharding = (*self._lead, *images.shape[1:]), sharding
    here = set(jax.local_devices() if devices is None else devices)
    places = sharding.devices_indices_map(self._shape).items()
    blocks = [self._block(index) for device, index in places if device in here]
    # Where devices hold the same examples, they are read once.
    self._sizes = {block: tuple(b - a for a, b in block) for block in dict.fromkeys(blocks)}
    self._n_here = sum(map(math.prod, self._sizes.values()))

    @functools.lru_cache(ahead + 2)  # threads are in so many steps at once
    def rows_here(step):
      of_step = rows(step)
      parts = [of_step[tuple(slice(*ends) for ends in block)] for block in self._sizes]
      return np.concatenate([part.ravel() for part in parts])

    self._rows_here = rows_here
    self._part = min(PART, -(-self._n_here // self._n_threads))
    self._parts, self._next_step = None, 0

  def __call__(self, step: int) -> jax.Array:
    """The examples of a step, [..., *shape]; at once, if it follows on the last and they are read.

    Raises:
      Exception: what `images.read` raised of one of them.
    """
    blocks = self.blocks(step)
    return jax.make_array_from_callback(
      self._shape, self._sharding, lambda index: blocks[self._block(index)]
    )

  def blocks(self, step: int) -> dict[Block, np.ndarray]:
    """What of a step lies on the devices of this process, by its place among the rows."""
    if self._parts is None or step != self._next_step:
      self.close()
      self._parts = self._read_from(step)
    examples = np.empty((self._n_here, *self._images.shape[1:]), self._images.dtype)
    try:
      for start in range(0, self._n_here, self._part):
        part = next(self._parts)
        if isinstance(part, Exception):
          raise part
        examples[start : start + self._part] = part
    except BaseException:  # it is between two steps now
      self.close()
      raise
    self._next_step = step + 1
    ends = itertools.accumulate(map(math.prod, self._sizes.values()))
    return {
      block: examples[end - math.prod(sizes) : end].reshape(*sizes, *examples.shape[1:])
      for end, (block, sizes) in zip(ends, self._sizes.items(), strict=True)
    }

  def close(self) -> None:
    """Lets go of what was read ahead; another call begins anew."""
    if self._parts is not None:
      self._parts.close()
      self._parts = None

  def _read_from(self, first: int):
    """The examples of this process from a step on, step by step, in parts."""
    import grain  # takes two seconds, which what lies in memory need not pay

    n_parts = -(-self._n_here // self._part)  # of a step

    def part(number):
      step, place = divmod(number, n_parts)
      rows = self._rows_here(step)[place * self._part : (place + 1) * self._part]
      try:
        return np.stack([self._images.read(int(row)) for row in rows])
      except Exception as error:  # raised where its step is asked for, without remarks of grain's
        return error

    end = 2**62 if self._n_steps is None else self._n_steps * n_parts
    numbers = grain.MapDataset.range(first * n_parts, end)
    options = grain.ReadOptions(
      num_threads=self._n_threads, prefetch_buffer_size=max(1, self._ahead * n_parts)
    )
    return iter(numbers.map(part).to_iter_dataset(options))

  def _block(self, index: Any) -> Block:
    """The part of the rows that an index into the examples, slices, takes."""
    own = zip(index, self._lead, strict=False)
    return tuple((part.indices(n)[0], part.indices(n)[1]) for part, n in own)
