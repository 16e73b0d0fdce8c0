"""Members that stop when their training loss is at a level, while the others of their program go on."""

import dataclasses
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from research.sharding import everywhere
from research.step import TrainState

RUNNING = -1


class Stoppable(NamedTuple):
  """The state of an optimizer that may have stopped."""

  stopped_at: jax.Array  # int32 [], the step whose parameters were final; RUNNING before that
  inner: Any


def stoppable(tx: optax.GradientTransformation) -> optax.GradientTransformation:
  """The transformation, whose updates are zero and whose state stays as it is once it has stopped.

  Guarantees (each is a test): until then it is the transformation itself, to the bit, and from then on
  parameters keep every bit, also where gradients are not finite.
  """

  def init(params):
    return Stoppable(jnp.full((), RUNNING, jnp.int32), tx.init(params))

  def update(updates, state, params=None):
    running = state.stopped_at == RUNNING
    moved, inner = tx.update(updates, state.inner, params)
    moved = jax.tree.map(lambda x: jnp.where(running, x, jnp.zeros_like(x)), moved)
    inner = jax.tree.map(lambda new, old: jnp.where(running, new, old), inner, state.inner)
    return moved, Stoppable(state.stopped_at, inner)

  return optax.GradientTransformation(init, update)


def look(state: TrainState, loss: jax.Array, level: float | None) -> TrainState:
  """The state of R members after a look at their training losses [R], in nats."""
  return dataclasses.replace(state, opt_state=_look(state.opt_state, state.step, loss, level))


def steps(state: TrainState) -> np.ndarray:
  """The step at which each member stopped, [R]; NaN for those that go on."""
  assert isinstance(state.opt_state, Stoppable)
  at = np.asarray(jax.device_get(everywhere(state.opt_state.stopped_at)), float)
  return np.where(at == RUNNING, np.nan, at)


@jax.jit
def _look(state: Stoppable, step: jax.Array, loss: jax.Array, level: float) -> Stoppable:
  now = (state.stopped_at == RUNNING) & (loss <= level)
  return state._replace(stopped_at=jnp.where(now, step, state.stopped_at))
