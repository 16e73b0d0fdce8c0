"""What can be known to be wrong with a population before any work is done."""

import functools
import math
from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np

from research import settings
from research.gradients import (
  COUPLED,
  Average,
  BatchCoupledError,
  check_independence,
  mean_gradient,
)
from research.instruments import GradientInstrument, Instrument, Mounted, Network
from research.models import Model
from research.objectives import Objective
from research.tasks import Task

PROBE = 4 * 2**30  # bytes that the probe of a streamed task may take on the devices
ROWS = {'step': ((), np.int32), 'key': ((2,), np.uint32), 'environment': ((), np.int32)}


def check_sizes(batch_size: int, probe: settings.Probe, n_train: int, n_test: int) -> None:
  """Checks that a batch and the probe fit in their sets.

  Raises:
    ValueError: one does not; the message begins with the config key.
  """
  n_probed = n_train if probe.split == 'train' else n_test
  if batch_size > n_train:
    raise ValueError(f'training.batch_size={batch_size} exceeds the {n_train} train examples')
  if probe.size > n_probed:
    raise ValueError(f'probe.size={probe.size} exceeds the {n_probed} {probe.split} examples')


def check_chunks(probe: settings.Probe, panel: Mapping[str, Mounted]) -> None:
  """Checks that every instrument on a probe that comes in chunks can do with chunks.

  Raises:
    ValueError: one cannot; the message begins with the config key.
  """
  for name, it in panel.items():
    by_chunks = isinstance(it.instrument, GradientInstrument) and not it.instrument.gram
    if probe.chunk_size is not None and it.on == 'probe' and not by_chunks:
      raise ValueError(
        f'probe.chunk_size must be none for instruments.{name}, which sees all {probe.size} examples of'
        ' the probe at once: take a probe.size that fits on the devices'
      )


def check_streamed(task: Task, probe: settings.Probe, panel: Mapping[str, Mounted]) -> None:
  """Checks that nothing asks for more of a streamed task than fits in memory.

  Raises:
    ValueError: something does; the message begins with the config key.
  """
  if not task.streamed:
    return
  taken = 4 * probe.size * math.prod(task.train.inputs.shape[1:])  # float32, as networks see them
  if probe.chunk_size is None and taken > PROBE:
    raise ValueError(
      f'probe.chunk_size must be given: the {probe.size} examples of the probe take '
      f'{taken / 2**30:.1f} GiB, more than the {PROBE / 2**30:g} that are left for them'
    )
  for name, it in panel.items():
    if getattr(it.instrument, 'references', ()):
      raise ValueError(
        f'instruments.{name} compares with classifiers fitted to the whole training set, '
        'which is streamed'
      )


def check_references(panel: Mapping[str, Mounted], own: Mapping[str, object]) -> None:
  """Checks that what is fitted to the training labels is fitted to those of every member.

  Raises:
    ValueError: it would not be; the message begins with the config key.
  """
  for name, it in panel.items():
    if {'label_noise', 'n_train'} & {*own} and getattr(it.instrument, 'references', ()):
      raise ValueError(
        f'instruments.{name} compares with classifiers fitted to the training labels, which members'
        ' share: not with vary.label_noise or vary.n_train'
      )


def check_objective(objective: Objective, average: Average, panel: Mapping[str, Mounted]) -> None:
  """Checks that nothing asks for gradients of single examples that the objective does not have.

  Raises:
    ValueError: the average does; the message begins with the config key.
    BatchCoupledError: a gradient instrument on the batch does.
  """
  if objective.coupled and average is not mean_gradient:
    raise ValueError('average.name must be mean: this objective has no gradient of one example')
  on_batch = [it.instrument for it in panel.values() if it.on == 'batch']
  if objective.coupled and any(isinstance(it, GradientInstrument) for it in on_batch):
    raise BatchCoupledError(COUPLED)


def check_examples_are_independent(
  model: Model, network: Network, panel: Mapping[str, Mounted], task: Task, key: jax.Array
) -> None:
  """Checks, where gradients of examples are measured, that each example has one of its own.

  Raises:
    BatchCoupledError: they depend on each other.
  """
  if any(isinstance(it.instrument, GradientInstrument) for it in panel.values()):
    if not model.per_example:
      raise BatchCoupledError(COUPLED)
    inputs, labels = jnp.asarray(task.train.inputs[:8]), jnp.asarray(task.train.labels[:8])
    seen = task.normalize(inputs)
    params = jax.jit(model.init)(key, seen[:1])
    check_independence(network.losses, params, {'inputs': seen, 'labels': labels})


def check_samples_suit(
  model: Model,
  network: Network,
  objective: Objective,
  average: Average,
  panel: Mapping[str, Mounted],
  one: jax.Array,
  sizes: Mapping[str, int],
) -> None:
  """Traces what may refuse its sample: the objective, the average, and what is no formula.

  Args:
    model, network, objective, average, panel: of the population.
    one: an input, [1, ...].
    sizes: how many examples the sample 'probe' and the 'batch' have.

  Raises:
    ValueError: a sample does not suit; the message begins with the config key.
  """
  params = jax.eval_shape(model.init, jax.random.key(0), one)

  def sample(m, names=()):
    rows = {name: jax.ShapeDtypeStruct((m, *ROWS[name][0]), ROWS[name][1]) for name in names}
    inputs = jax.ShapeDtypeStruct((m, *one.shape[1:]), one.dtype)
    return {'inputs': inputs, 'labels': jax.ShapeDtypeStruct((m,), np.int32), **rows}

  training = sample(sizes['batch'], objective.reads)
  jax.eval_shape(objective.losses, params, training)
  if average is not mean_gradient:
    jax.eval_shape(average(objective.losses), params, training)
  for name, mounted in panel.items():
    it, m = mounted.instrument, sizes[mounted.on]
    if isinstance(it, Instrument):
      if it.references and mounted.on != 'probe':
        raise ValueError(f'instruments.{name}.on must be probe, where there are references')
      batch = sample(m) | {
        f'reference/{reference}': jax.ShapeDtypeStruct((m,), np.int32)
        for reference in it.references
      }
      jax.eval_shape(functools.partial(it.measure, network), params, batch)
