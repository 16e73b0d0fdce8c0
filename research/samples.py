"""Samples that are gone through a chunk at a time, because they do not fit on the devices."""

from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding

from research.evaluate import means
from research.instruments import Network, make_measure_by_chunks
from research.members import EXAMPLE, MEMBER, MEMBER_EXAMPLE, over_members
from research.sharding import EXAMPLES, put
from research.streams import Stream
from research.types import Metrics, Params

CHUNK = (MEMBER, EXAMPLE, MEMBER_EXAMPLE, MEMBER_EXAMPLE)  # parameters, and what a chunk holds
Rows = dict[str, np.ndarray]  # of each member and example, [R, n]


class Sample:
  """Iterating gives `(inputs [c, ...], targets {name: [R, c]}, groups {name: [R, c]})` on the mesh.

  The last chunk is filled up with examples from the beginning, whose groups are zero: they weigh
  nothing. Each iteration reads the sample anew, ahead of time where it is on disk.

  Memory: on the devices two chunks at most, if their user waits as `_fold` does.
  """

  def __init__(self, inputs: Any, chunk_size: int, targets: Rows, groups: Rows, mesh: Mesh):
    """Reads nothing yet.

    Args:
      inputs: [N, ...], in memory or `StoredImages`; the sample is the first n of them.
      chunk_size: c, examples of a chunk, a multiple of the mesh's shards of examples.
      targets: what belongs to the examples, [R, n].
      groups: weights, likewise; possibly none.
      mesh: where chunks are placed.
    """
    self._inputs, self._chunk_size, self._mesh = inputs, chunk_size, mesh
    self._targets, self._groups = targets, groups
    self.n = next(iter(targets.values())).shape[1]
    self.n_chunks = -(-self.n // chunk_size)

  def __iter__(self) -> Iterator[tuple[jax.Array, Any, Any]]:
    stream = None
    if not isinstance(self._inputs, np.ndarray):
      place = NamedSharding(self._mesh, EXAMPLE)
      stream = Stream(self._inputs, self._rows, place, n_steps=self.n_chunks)
    try:
      for chunk in range(self.n_chunks):
        rows = self._rows(chunk)
        real = np.arange(len(rows)) + chunk * self._chunk_size < self.n
        yield (
          stream(chunk) if stream else self._put(self._inputs[rows], EXAMPLE),
          self._put({k: x[:, rows] for k, x in self._targets.items()}, MEMBER_EXAMPLE),
          self._put({k: x[:, rows] * real for k, x in self._groups.items()}, MEMBER_EXAMPLE),
        )
    finally:
      if stream:
        stream.close()

  def _rows(self, chunk: int) -> np.ndarray:
    return (np.arange(self._chunk_size) + chunk * self._chunk_size) % self.n

  def _put(self, tree: Any, spec: Any) -> Any:
    return put(tree, self._mesh, *spec)


def measured_by_chunks(
  instruments: list, network: Network, normalize: Callable, mesh: Mesh
) -> Callable[[Params, Sample], Metrics]:
  """`(params, sample) -> metrics`: formulas on gradients, to rounding what `make_measure` gives.

  The chunks of the sample are of equal size.

  Args:
    instruments: those that are due together; gradient instruments that do without the Gram matrix.
    network: what they measure.
    normalize: what the network sees of the inputs as stored.
    mesh: where the members lie.
  """
  of_chunk, of_all = make_measure_by_chunks(instruments, network, EXAMPLES)

  def chunk_of_member(params, inputs, targets, _):
    return of_chunk(params, {'inputs': normalize(inputs), **targets})

  program = over_members(chunk_of_member, mesh, CHUNK, 'scan')
  finish = over_members(of_all, mesh, (MEMBER, MEMBER), 'scan')
  return lambda params, sample: finish(*_fold(program, params, sample))


def evaluated_by_chunks(sums: Callable, mesh: Mesh) -> Callable[[Params, Sample], Metrics]:
  """`(params, sample) -> metrics` by the sums of `research.evaluate` over its chunks."""

  def chunk_of_member(params, inputs, targets, groups):
    return sums(params, {'inputs': inputs, **targets}, groups), ()

  program = over_members(chunk_of_member, mesh, CHUNK, 'scan')
  return lambda params, sample: means(_fold(program, params, sample)[0])


def _fold(program: Callable, params: Any, sample: Sample) -> tuple[Any, Any]:
  """Applies `(params, *chunk) -> (sums, rows [R, c, ...])` to all chunks: sums added, rows in order.

  The next chunk is read and placed while one is computed, and not a third.
  """
  total, sums, rows = None, None, []
  for chunk in sample:
    jax.block_until_ready(sums)
    sums, of_chunk = program(params, *chunk)
    total = sums if total is None else _add(total, sums)
    rows.append(of_chunk)
  return total, jax.tree.map(lambda *parts: jnp.concatenate(parts, axis=1), *rows)


def _sum(total: Any, more: Any) -> Any:
  return jax.tree.map(jnp.add, total, more)


_add = jax.jit(_sum, donate_argnums=0)
