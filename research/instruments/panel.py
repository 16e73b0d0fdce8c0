"""The panel: which instruments are mounted on a run, when they are due, and their shared work."""

import dataclasses
from collections.abc import Callable, Iterable
from typing import Any, Literal

import jax
import jax.numpy as jnp
from jax import lax

from research import schedules, sharding
from research.gradients import Average, GradientStatistics, gradient_statistics, mean_gradient
from research.instruments.instrument import GradientInstrument, Instrument, Network
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
  steps = schedules.due_steps(total_steps, every, per_decade)
  return Mounted(instrument=instrument, steps=steps, on=on)


def due(panel: dict[str, Mounted], step: int, on: str) -> frozenset[str]:
  """The names of the instruments that measure at this step on this sample."""
  return frozenset(name for name, it in panel.items() if it.on == on and step in it.steps)


def make_measure(
  instruments: list[Instrument | GradientInstrument], network: Network, axis: str | None = None
) -> Measure:
  """Merges instruments into one measurement: gradient statistics are computed at most once.

  Args:
    instruments: those that are due together.
    network: what they measure.
    axis: inside `shard_map`, the mesh axis over which the batch is sharded.
  """
  of_gradients, of_network = _by_kind(instruments)

  def measure(params: Params, batch: Batch) -> Metrics:
    metrics: Metrics = {}
    if of_gradients:
      stats = _statistics(of_gradients, network.losses, axis)(params, batch)
      metrics |= _read(of_gradients, stats, batch, axis)
    return metrics | _measure_network(of_network, network, params, batch, axis)

  return measure


def make_measure_by_chunks(
  instruments: list[GradientInstrument], network: Network, axis: str | None = None
) -> tuple[Callable[[Params, Batch], tuple[Any, Any]], Callable[[Any, Any], Metrics]]:
  """The same measurement of a sample that comes a chunk at a time, chunks of equal size.

  Means of the whole are means of those of the chunks, so nothing is approximated. What is held besides
  one chunk is one gradient, or two with second moments, and the rows.

  Args:
    instruments: those that are due together; none reads the Gram matrix, which has pairs of chunks.
    network, axis: as in `make_measure`.

  Returns:
    `(params, chunk) -> (sums, rows [c])`, and `(sums of all chunks, rows [m]) -> metrics`.
  """

  def of_chunk(params: Params, chunk: Batch) -> tuple[Any, Any]:
    stats = _statistics(instruments, network.losses, axis)(params, chunk)
    one = jnp.ones((), jnp.float32)  # counts the chunks
    sums = {'n': one, 'mean_grad': stats.mean_grad, 'second_moment': stats.second_moment}
    rows = {name: getattr(stats, name) for name in ('losses', 'sq_norms', 'total_sq_norms')}
    return sums, {'statistics': rows, 'seen': _seen(chunk, axis)}

  def of_all(sums: Any, rows: Any) -> Metrics:
    means = {k: jax.tree.map(lambda x: x / sums['n'], sums[k]) for k in sums if k != 'n'}
    stats = GradientStatistics(**means, **rows['statistics'])
    return _merged(it.formula(stats, rows['seen']) for it in instruments)

  return of_chunk, of_all


def make_gradient(
  instruments: list[Instrument | GradientInstrument],
  network: Network,
  axis: str | None = None,
  average: Average = mean_gradient,
  objective: Losses | None = None,
) -> Callable[[Params, Batch], tuple[jax.Array, Params, Metrics]]:
  """The gradient of the training step, and what is measured on its batch, by one backward pass.

  Without gradient instruments this is the plain gradient of the mean loss. With them, the mean
  gradient of their statistics is the one that the optimizer gets. Another `average` than the mean has
  a backward pass of its own.

  Args:
    instruments: those that are due on this batch.
    network: what they measure.
    axis: inside `shard_map`, the mesh axis over which the batch is sharded.
    average: what the optimizer gets of the examples' gradients.
    objective: whose gradients these are; None for the network's losses.

  Returns:
    `(params, batch) -> (mean loss, gradient, metrics)`; metrics are named `batch/...`.
  """
  of_gradients, of_network = _by_kind(instruments)
  losses = network.losses if objective is None else objective

  def gradient(params: Params, batch: Batch) -> tuple[jax.Array, Params, Metrics]:
    metrics = _measure_network(of_network, network, params, batch, axis)
    if of_gradients:
      stats = _statistics(of_gradients, losses, axis)(params, batch)
      metrics |= _read(of_gradients, stats, batch, axis)
    if of_gradients and average is mean_gradient:
      loss, grads = jnp.mean(stats.losses), stats.mean_grad
    else:
      loss, grads = average(losses, axis=axis)(params, batch)
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


def _read(
  instruments: list[GradientInstrument], stats: GradientStatistics, batch: Batch, axis: str | None
) -> Metrics:
  seen = _seen(batch, axis)
  return _merged(it.formula(stats, seen) for it in instruments)


def _seen(batch: Batch, axis: str | None) -> Batch:
  """What formulas see: the whole batch but its inputs, on every shard alike."""
  seen = {name: rows for name, rows in batch.items() if name != 'inputs'}
  return seen if axis is None else lax.all_gather(seen, axis, tiled=True, to='invarying')


def _merged(measured: Iterable[Metrics]) -> Metrics:
  merged: Metrics = {}
  for metrics in measured:
    if twice := merged.keys() & metrics.keys():
      raise ValueError(f'two instruments measure {", ".join(sorted(twice))}: rename one')
    merged |= metrics
  return merged


def _measure_network(
  instruments: list[Instrument], network: Network, params: Params, batch: Batch, axis: str | None
) -> Metrics:
  """Instruments that are no formula on gradients see the whole batch, on every shard alike."""
  if instruments and axis is not None:
    params = sharding.vary(params, axis)  # or a gradient that is taken inside is summed over shards
    batch = jax.tree.map(lambda x: lax.all_gather(x, axis, tiled=True), batch)
  metrics = _merged(it.measure(network, params, batch) for it in instruments)
  return metrics if axis is None else {k: _same_on_shards(v, axis) for k, v in metrics.items()}


def _same_on_shards(x: jax.Array, axis: str) -> jax.Array:
  """Marks a value that every shard computed alike as not varying over the axis."""
  return lax.pmean(sharding.vary(x, axis), axis)
