"""The panel: which instruments are mounted on a run, when they are due, and their shared work."""

import dataclasses
from collections.abc import Callable
from typing import Literal

import jax
import jax.numpy as jnp
from jax import lax

from research import schedules, sharding
from research.gradients import GradientStatistics, gradient_statistics, mean_gradient
from research.instruments.instrument import GradientInstrument, Instrument
from research.types import Batch, Losses, Measure, Metrics, Params


@dataclasses.dataclass(frozen=True, kw_only=True)
class Mounted:
  """An instrument on a run: what it measures, when, and on which sample."""

  instrument: Instrument | GradientInstrument
  steps: frozenset[int]
  on: Literal['probe', 'batch']


def mount(
  instrument: Instrument | GradientInstrument,
  total_steps: int,
  *,
  every: int | None = None,
  per_decade: int | None = None,
  on: Literal['probe', 'batch'] = 'probe',
) -> Mounted:
  """Declares when and on what an instrument measures; always at step 0 and at the last.

  Args:
    instrument: what to mount.
    total_steps: T; there are T updates, and T + 1 points to measure at.
    every: period in steps. At most one of `every` and `per_decade` is given.
    per_decade: measurements in each factor of ten of the step; 10 if neither is given.
    on: the fixed probe set, or the batch of the step (then named `batch/...`), where gradient
      instruments share the backward pass of the update.

  Raises:
    ValueError: both are given, or one is out of range.
  """
  if every is not None and per_decade is not None:
    raise ValueError('every and per_decade exclude each other: set one of them to none')
  if every is not None:
    steps = schedules.every(every, total_steps)
  else:
    steps = schedules.log_spaced(10 if per_decade is None else per_decade, total_steps)
  return Mounted(instrument=instrument, steps=steps, on=on)


def due(panel: dict[str, Mounted], step: int, on: str) -> frozenset[str]:
  """The names of the instruments that measure at this step on this sample."""
  return frozenset(name for name, it in panel.items() if it.on == on and step in it.steps)


def make_measure(
  instruments: list[Instrument | GradientInstrument], losses: Losses, axis: str | None = None
) -> Measure:
  """Merges instruments into one measurement: gradient statistics are computed at most once.

  Args:
    instruments: those that are due together.
    losses: `(params, batch) -> [B]`.
    axis: inside `shard_map`, the mesh axis over which the batch is sharded.
  """
  of_gradients, of_network = _by_kind(instruments)

  def measure(params: Params, batch: Batch) -> Metrics:
    metrics: Metrics = {}
    if of_gradients:
      metrics |= _read(of_gradients, _statistics(of_gradients, losses, axis)(params, batch))
    return metrics | _measure_network(of_network, params, batch, axis)

  return measure


def make_gradient(
  instruments: list[Instrument | GradientInstrument], losses: Losses, axis: str | None = None
) -> Callable[[Params, Batch], tuple[jax.Array, Params, Metrics]]:
  """The gradient of the training step, and what is measured on its batch, by one backward pass.

  Without gradient instruments this is the plain gradient of the mean loss. With them, the mean
  gradient of their statistics is the one that the optimizer gets.

  Returns:
    `(params, batch) -> (mean loss, gradient, metrics)`; metrics are named `batch/...`.
  """
  of_gradients, of_network = _by_kind(instruments)

  def gradient(params: Params, batch: Batch) -> tuple[jax.Array, Params, Metrics]:
    metrics = _measure_network(of_network, params, batch, axis)
    if of_gradients:
      stats = _statistics(of_gradients, losses, axis)(params, batch)
      loss, grads = jnp.mean(stats.losses), stats.mean_grad
      metrics |= _read(of_gradients, stats)
    else:
      loss, grads = mean_gradient(losses, axis=axis)(params, batch)
    return loss, grads, {f'batch/{name}': value for name, value in metrics.items()}

  return gradient


def _by_kind(instruments) -> tuple[list[GradientInstrument], list[Instrument]]:
  return (
    [it for it in instruments if isinstance(it, GradientInstrument)],
    [it for it in instruments if isinstance(it, Instrument)],
  )


def _statistics(instruments: list[GradientInstrument], losses: Losses, axis: str | None):
  return gradient_statistics(
    losses,
    gram=any(it.gram for it in instruments),
    second_moment=any(it.second_moment for it in instruments),
    axis=axis,
  )


def _read(instruments: list[GradientInstrument], stats: GradientStatistics) -> Metrics:
  return {name: value for it in instruments for name, value in it.formula(stats).items()}


def _measure_network(
  instruments: list[Instrument], params: Params, batch: Batch, axis: str | None
) -> Metrics:
  """Instruments that are no formula on gradients see the whole batch, on every shard alike."""
  if instruments and axis is not None:
    batch = jax.tree.map(lambda x: lax.all_gather(x, axis, tiled=True), batch)
  metrics = {name: value for it in instruments for name, value in it.measure(params, batch).items()}
  return metrics if axis is None else {k: _same_on_shards(v, axis) for k, v in metrics.items()}


def _same_on_shards(x: jax.Array, axis: str) -> jax.Array:
  """Marks a value that every shard computed alike as not varying over the axis."""
  return lax.pmean(sharding.vary(x, axis), axis)
