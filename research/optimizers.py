"""Optimizers, as optax chains built from one config section."""

import collections
import math
from collections.abc import Collection
from typing import Literal

import jax
import jax.numpy as jnp
import optax

from research.medians import median_of_three, rolling_median_of_three

MEDIANS = {'m3': median_of_three, 'rm3': rolling_median_of_three}


def make_optimizer(
  total_steps: int,
  of_members: Collection[str] = (),
  /,
  *,
  name: Literal['sgd', 'adam', 'adamw'] = 'sgd',
  learning_rate: float = 0.1,
  momentum: float = 0.0,
  nesterov: bool = False,
  b1: float = 0.9,
  b2: float = 0.999,
  eps: float = 1e-8,
  weight_decay: float = 0.0,
  clip_norm: float | None = None,
  schedule: Literal['constant', 'linear', 'cosine', 'step'] = 'constant',
  warmup_steps: int = 0,
  drop_at: tuple[float, ...] = (0.5, 0.75),
  drop_by: float = 0.1,
  median: Literal['m3', 'rm3'] | None = None,
  reset_at: int | None = None,
) -> optax.GradientTransformation:
  r"""The chain: clip the gradient, decay the weights, precondition, scale by the learning rate.

  SGD with momentum is :math:`v \leftarrow \mu v + g,\ \theta \leftarrow \theta - \eta v`. Weight decay
  adds :math:`\lambda\theta` to the gradient before the momentum or the preconditioner (an L2 penalty
  :math:`\frac\lambda2\|\theta\|^2`), except for AdamW, where it is decoupled: added after.

  Args:
    total_steps: T, the length of the warm-up and the schedule together, in steps.
    of_members: which of `learning_rate` and `weight_decay` each member of a population has its own
      of: they are in the state, as `hyperparams` of optax's `inject_hyperparams`, to be set there.
    name: `sgd` (with `momentum`, `nesterov`), `adam` or `adamw` (with `b1`, `b2`, `eps`).
    learning_rate: the peak learning rate.
    momentum: of SGD, in [0, 1).
    nesterov: whether SGD looks ahead.
    b1, b2, eps: of Adam and AdamW.
    weight_decay: lambda above.
    clip_norm: the largest global norm of a gradient; None clips nothing.
    schedule: constant, linear or cosine to zero at T, or `step`: times `drop_by` at each fraction in
      `drop_at` of the steps after the warm-up.
    warmup_steps: steps of linear warm-up from zero before the schedule, which they shorten.
    drop_at, drop_by: of the `step` schedule.
    median: `m3` or `rm3` put the median of three minibatch gradients (clipped, and with the L2 penalty)
      in the place of each (`research.medians`): `m3` on every third minibatch, between which nothing
      moves, `rm3` on every one from the third on. A step of the schedule is a minibatch, so that
      training has the same length; an update by `m3` has the rate of its third one. Both need
      momentum (b1, of Adam) to be zero: those of `rm3` are stale already, and to neither do
      their authors, whose code refuses it too, give any.
    reset_at: the step before whose update the state of the optimizer starts anew (momentum, Adam's
      moments and its bias correction; not the schedule of the rate); None for never.

  Raises:
    ValueError: an argument is out of range; the message begins with its name.
  """
  for key, value, low, high in (
    ('momentum', momentum, 0.0, 1.0),
    ('b1', b1, 0.0, 1.0),
    ('b2', b2, 0.0, 1.0),
  ):
    if not low <= value < high:
      raise ValueError(f'{key} must lie in [{low:g}, {high:g}), not {value}')
  for key, value in (('learning_rate', learning_rate), ('eps', eps), ('drop_by', drop_by)):
    if not 0 < value < math.inf:
      raise ValueError(f'{key} must be positive and finite, not {value}')
  if not 0 <= weight_decay < math.inf:
    raise ValueError(f'weight_decay must be at least 0 and finite, not {weight_decay}')
  if clip_norm is not None and not clip_norm > 0:
    raise ValueError(f'clip_norm must be positive or None, not {clip_norm}')
  if not 0 <= warmup_steps < max(total_steps, 1):
    raise ValueError(f'warmup_steps must lie in [0, {total_steps}), not {warmup_steps}')
  if any(not 0 < fraction < 1 for fraction in drop_at):
    raise ValueError(f'drop_at must be fractions of training in (0, 1), not {drop_at}')
  if reset_at is not None and not 0 < reset_at < total_steps:
    raise ValueError(f'reset_at must lie in (0, {total_steps}), not {reset_at}')
  for key, value in (('momentum', momentum), ('nesterov', nesterov)):
    if value and name != 'sgd':
      raise ValueError(f'{key} is for sgd; {name} has b1')
  if nesterov and not momentum:
    raise ValueError('nesterov needs momentum above 0')
  inertia, value = ('momentum', momentum) if name == 'sgd' else ('b1', b1)
  if median and value:
    raise ValueError(
      f'{inertia} must be 0 with median={median!r}, not {value}: '
      + ('its gradients are stale already' if median == 'rm3' else 'it is defined without any')
    )

  if name == 'sgd':
    direction = optax.trace(momentum, nesterov) if momentum else None
  else:
    direction = optax.scale_by_adam(b1, b2, eps)
  clip = optax.clip_by_global_norm(clip_norm) if clip_norm else None

  def chain(learning_rate, weight_decay):
    rate = _schedule(total_steps, learning_rate, schedule, warmup_steps, drop_at, drop_by)
    decays = 'weight_decay' in of_members or weight_decay
    decay = optax.add_decayed_weights(weight_decay) if decays else None
    before, after = (
      ([clip], [direction, decay]) if name == 'adamw' else ([clip, decay], [direction])
    )
    if median:
      after = [MEDIANS[median](optax.chain(optax.identity(), *filter(None, after)))]
    parts = [*filter(None, before + after)]
    if reset_at is not None:
      parts = [resetting(optax.chain(optax.identity(), *parts), reset_at)]
    return optax.chain(*parts, optax.scale_by_learning_rate(rate))

  if not of_members:
    return chain(learning_rate, weight_decay)
  same_for_all = {'learning_rate', 'weight_decay'} - {*of_members}
  return optax.inject_hyperparams(chain, static_args=same_for_all)(learning_rate, weight_decay)


def resetting(tx: optax.GradientTransformation, step: int) -> optax.GradientTransformation:
  """The transformation, with its state at update number `step` as it was before the first."""

  def init(params):
    return jnp.zeros((), jnp.int32), tx.init(params)

  def update(updates, state, params=None):
    count, inner = state
    fresh = tx.init(updates)
    inner = jax.tree.map(lambda new, old: jnp.where(count == step, new, old), fresh, inner)
    updates, inner = tx.update(updates, inner, params)
    return updates, (count + 1, inner)

  return optax.GradientTransformation(init, update)


def _schedule(total_steps, learning_rate, schedule, warmup_steps, drop_at, drop_by):
  steps = total_steps - warmup_steps
  if schedule == 'constant':
    main = optax.constant_schedule(learning_rate)
  elif schedule == 'linear':
    main = optax.linear_schedule(learning_rate, 0.0, steps)
  elif schedule == 'cosine':
    main = optax.cosine_decay_schedule(learning_rate, max(steps, 1))
  else:
    drops = collections.Counter(round(fraction * steps) for fraction in drop_at)
    main = optax.piecewise_constant_schedule(
      learning_rate, {step: drop_by**n for step, n in drops.items()}
    )
  if not warmup_steps:
    return main
  warmup = optax.linear_schedule(0.0, learning_rate, warmup_steps)
  return optax.join_schedules([warmup, main], [warmup_steps])
