"""Networks whose training has broken down: which, at which step, in which leaf; in `diverged.json`.

A network diverges at step t when the squared norm of its gradient at :math:`\\theta_t` is not finite
in some leaf (in float32, so beyond 1e19 too), or when update t leaves a leaf of its state that is not.
From step t + 1 on it is masked: its metrics are NaN, so null in the record, whatever its broken
parameters might still give. Members never communicate, so the others go on unharmed.
"""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from absl import logging

from research.peers import is_first
from research.sharding import everywhere
from research.trees import named_leaves
from research.types import Metrics
from research.workdirs import read_json, replace_file

FILE = 'diverged.json'
MOST_PENDING = 100  # steps between two looks: each waits for the devices


class Divergence:
  """Watches a population: `note` every step, `look` before anything of it is recorded or saved.

  Noting costs nothing; looking waits for the devices. What is found is written to `diverged.json` of
  the run directory, `{seed: {'step': t, 'leaf': name}}`, which is there only if a network has diverged.
  A run that is resumed at step `first` forgets what it will find again.
  """

  def __init__(self, workdir: str | Path, seeds: Iterable[int], leaves: Sequence[str], first: int):
    """`seeds` are those of the members, `leaves` the names of their parameters in order."""
    self._path, self._seeds, self._leaves = Path(workdir) / FILE, [*map(int, seeds)], [*leaves]
    before = read_json(self._path) or {}
    self.found = {seed: it for seed, it in before.items() if it['step'] < first}
    if self.found != before:
      self._write()
    self._pending: list[tuple[int, Any]] = []

  def note(self, step: int, codes: Any) -> None:
    """Takes what `first_nonfinite` said of the gradients of a step, [R], without waiting for it."""
    self._pending.append((step, codes))
    if len(self._pending) >= MOST_PENDING:
      self.look()

  def look(self) -> int | None:
    """The step at which the last of the networks diverged; None while one or more go on."""
    pending, self._pending = self._pending, []
    for step, codes in jax.device_get(pending):
      of = {member: self._leaves[code - 1] for member, code in enumerate(codes) if code}
      self._add(step, {member: f'the gradient of {leaf}' for member, leaf in of.items()})
    return self._end()

  def look_at(self, step: int, state: Any) -> int | None:
    """Likewise, of the state [R, ...] at this step too, which is about to be saved."""
    self.look()
    names = [*_of_floats(state)]
    codes = jax.device_get(everywhere(_first_nonfinite_of_each(state)))
    self._add(step - 1, {member: names[code - 1] for member, code in enumerate(codes) if code})
    return self._end()

  def masked(self, step: int, row: Metrics) -> Metrics:
    """The row of a step with NaN in the place of networks that had diverged before it."""
    mask = np.array([self.found.get(str(s), {'step': step})['step'] < step for s in self._seeds])
    if not mask.any():
      return row
    arrays = {name: np.asarray(value) for name, value in row.items()}
    return {name: np.where(mask, np.nan, x) if x.ndim else x for name, x in arrays.items()}

  def or_broken(self, done: np.ndarray) -> np.ndarray:
    """Which members are done, or will never be: bool [R]."""
    self.look()
    return done | np.array([str(seed) in self.found for seed in self._seeds])

  def _end(self) -> int | None:
    alive = len(self.found) < len(self._seeds)
    return None if alive else max(it['step'] for it in self.found.values())

  def _add(self, step: int, broken: dict[int, str]) -> None:
    new = {
      str(self._seeds[member]): {'step': step, 'leaf': leaf} for member, leaf in broken.items()
    }
    new = {seed: it for seed, it in new.items() if seed not in self.found}
    if not new:
      return
    self.found |= new
    self._write()
    for seed, it in new.items():
      logging.warning(
        '%s: the network of seed %s has diverged: at step %d, %s is not finite; masked from there on',
        self._path.parent,
        seed,
        step,
        it['leaf'],
      )

  def _write(self) -> None:
    if not is_first():
      return
    if self.found:
      replace_file(self._path, json.dumps(self.found, indent=2) + '\n')
    else:
      self._path.unlink(missing_ok=True)


def first_nonfinite(values: Sequence[jax.Array]) -> jax.Array:
  """The place of the first scalar that is not finite, counted from 1; 0 where all are: int32 []."""
  broken = ~jnp.isfinite(jnp.stack([*values]))
  return jnp.where(broken.any(), jnp.argmax(broken) + 1, 0).astype(jnp.int32)


@jax.jit
def _first_nonfinite_of_each(state: Any) -> jax.Array:
  """The same of the leaves [R, ...] of a state, for each member: int32 [R]."""
  axes = lambda x: tuple(range(1, x.ndim))  # noqa: E731
  whole = [jnp.isfinite(x).all(axes(x)) for x in _of_floats(state).values()]
  broken = ~jnp.stack(whole)  # [leaves, R]
  return jnp.where(broken.any(0), jnp.argmax(broken, axis=0) + 1, 0).astype(jnp.int32)


def _of_floats(state: Any) -> dict[str, Any]:
  leaves = named_leaves(state).items()
  return {name: x for name, x in leaves if jnp.issubdtype(x.dtype, jnp.inexact)}
