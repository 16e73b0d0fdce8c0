"""Several processes at one run: the first alone writes, and all of them stop at the same step.

With a single process every function here is trivial, and free: it does not even look for devices.
"""

import signal
import zlib
from collections.abc import Callable

import numpy as np

REFUSED = -2


class PeerRefused(Exception):
  """The first process could not begin, and has said why; or processes do not agree."""


def several() -> bool:
  """Whether this run has several processes, which have joined."""
  import jax  # late: what only reads run directories needs none of it

  return jax.distributed.is_initialized() and jax.process_count() > 1


def is_first() -> bool:
  """Whether this process is the one that writes."""
  import jax

  return not several() or jax.process_index() == 0


def of_first(work: Callable[[], object]) -> None:
  """Does some work in the first process alone; returns in all of them once it is done.

  Raises:
    PeerRefused: in the others, where the work raises in the first, which raises that.
  """

  def done() -> int:
    work()
    return 0

  number_of_first(done)


def number_of_first(work: Callable[[], int]) -> int:
  """What some work gives in the first process, which alone does it, at least -1; the same in all.

  Raises:
    PeerRefused: as `of_first`.
  """
  if not several():
    return work()
  from jax.experimental import multihost_utils

  found = REFUSED
  try:
    if is_first():
      found = work()
  finally:
    heard = int(multihost_utils.broadcast_one_to_all(np.array(found, np.int32)))
  if heard == REFUSED:
    raise PeerRefused('the first process of this run could not begin; it says why')
  return heard


def check_same(what: str, text: str) -> None:
  """Checks that all processes have the same text.

  Raises:
    PeerRefused: in all, where one has another than the first.
  """
  if not several():
    return
  from jax.experimental import multihost_utils

  found = np.asarray(
    multihost_utils.process_allgather(np.array(zlib.crc32(text.encode()), np.uint32))
  )
  if (found != found[0]).any():
    other = int(np.argmax(found != found[0]))
    raise PeerRefused(
      f'process {other} of this run has another {what} than the first; start all alike'
    )


def wait_for_all(what: str) -> None:
  """Returns when all processes have come to the same call."""
  if several():
    from jax.experimental import multihost_utils

    multihost_utils.sync_global_devices(what)


def asked_to_stop(step: int) -> int:
  """SIGTERM from the step on, the same in all, at which they know that one of them got it; else 0.

  All processes call this at every step. JAX has its own handler of SIGTERM where processes are several,
  and agrees on a step that none of them has passed.
  """
  from jax.experimental import multihost_utils

  return signal.SIGTERM if multihost_utils.reached_preemption_sync_point(step) else 0
