"""Times of calls side by side, on a machine that others may use too."""

import os
import time
from collections.abc import Callable

import numpy as np

SLOW = 2.0  # seconds; such a call is timed in three rounds only, and not warmed up


def busy_elsewhere() -> float:
  """The CPU seconds that other processes have taken so far; 0 where the system does not say."""
  try:
    with open('/proc/stat') as file:
      user, nice, system, _, _, *interrupts = map(int, file.readline().split()[1:9])
  except OSError:
    return 0.0
  own = os.times()
  ticks = user + nice + system + sum(interrupts)
  return ticks / os.sysconf('SC_CLK_TCK') - own.user - own.system


def medians(calls: dict[str, Callable], rounds: int, patience: float) -> tuple[dict, float]:
  """Milliseconds of each call, interleaved, and the share of timings that others disturbed.

  A call follows on itself, as in training. A timing during which other processes took more than a
  tenth of a core is repeated, until `patience` seconds have gone into that.
  """
  disturbed = timed = 0

  def seconds(call):
    started = time.perf_counter()
    call()
    return time.perf_counter() - started

  def calm():
    nonlocal patience
    while patience > 0:
      others = busy_elsewhere()
      time.sleep(0.3)
      if busy_elsewhere() - others < 0.03:
        return
      patience -= 0.3

  def timings(call, first):
    nonlocal patience, disturbed, timed
    while True:
      calm()
      if first < SLOW:
        call()
      others = busy_elsewhere()
      times = [seconds(call) for _ in range(1 + int(0.1 / first))]
      alone = busy_elsewhere() - others < 0.02 + 0.1 * sum(times)
      if alone or patience <= 0:
        timed, disturbed = timed + 1, disturbed + (not alone)
        return times
      patience -= sum(times)

  first = {title: min(seconds(call) for _ in range(2)) for title, call in calls.items()}
  times = {title: [] for title in calls}
  for number in range(rounds):
    for title, call in calls.items():
      if number < 3 or first[title] < SLOW:
        times[title] += timings(call, first[title])
  return {
    title: 1e3 * float(np.median(values)) for title, values in times.items()
  }, disturbed / timed
