"""Several processes at one run: the first alone writes, and all of them stop at the same step.

With a single process every function here is trivial, and free: it does not even look for devices.
"""

import signal
from collections.abc import Callable

import numpy as np


class PeerRefused(Exception):
  """The first process could not begin, and has said why."""


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
  if not several():
    work()
    return
  from jax.experimental import multihost_utils

  done = False
  try:
    if is_first():
      work()
    done = True
  finally:
    heard = multihost_utils.broadcast_one_to_all(np.array(done))
  if not heard:
    raise PeerRefused('the first process of this run could not begin; it says why')


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
