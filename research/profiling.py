"""A trace of some steps of a run, for Perfetto or XProf."""

import pathlib
from typing import Any

import jax


class Trace:
  """Records steps `first` to `stop - 1` in `profile/` of a run directory; with neither, nothing.

  Use as a context, and call `at` at the top of every step. What the devices still compute at either end
  is waited for, so that the trace holds whole steps.
  """

  def __init__(self, workdir: str | pathlib.Path, steps: range | None):
    self._folder, self._steps, self._running = pathlib.Path(workdir) / 'profile', steps, False

  def at(self, step: int, state: Any) -> None:
    """Begins or ends the recording if this is the step for it; `state` is what to wait for."""
    if self._steps is None or (step in self._steps) == self._running:
      return
    jax.block_until_ready(state)
    if self._running:
      jax.profiler.stop_trace()
    else:
      jax.profiler.start_trace(str(self._folder), create_perfetto_trace=True)
    self._running = not self._running

  def __enter__(self) -> 'Trace':
    return self

  def __exit__(self, *exception) -> None:
    if self._running:
      jax.profiler.stop_trace()
      self._running = False


def steps(text: str) -> range:
  """`'100:110'`: steps 100 to 109; `'5'`: the first five after two that compile.

  Raises:
    ValueError: it is neither.
  """
  first, _, stop = text.rpartition(':')
  if not stop.isdecimal() or not (first.isdecimal() or text == stop):
    raise ValueError(f'must be FIRST:STOP or a number of steps, not {text!r}')
  found = range(int(first), int(stop)) if first else range(2, 2 + int(stop))
  if not len(found):
    raise ValueError(f'must be at least one step, not {text!r}')
  return found
