"""A population: R networks of equal shapes, each of its programs compiled once for all."""

from collections.abc import Callable
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import NamedSharding

from research import checks, rngs, settings, sharding, trees
from research.evaluate import make_sums, means
from research.gradients import Average, mean_gradient
from research.instruments import Mounted, Network, due, make_gradient, make_measure
from research.members import EXAMPLE, MEMBER, MEMBER_EXAMPLE, SHARED, fastest_advance, over_members
from research.models import Model
from research.objectives import Objective
from research.references import classes_by_references
from research.samples import Sample, evaluated_by_chunks, measured_by_chunks
from research.step import TrainState, init_state, make_train_step
from research.streams import Stream
from research.tasks import Task
from research.types import Losses, Metrics
from research.variation import ALIKE, OF_OPTIMIZER, Vary, groups, targets


class Population:
  """The compiled programs that initialize, advance, measure and evaluate R networks.

  Methods are pure functions of their arguments: what is kept are the data, on the devices, and the
  programs, one for each set of instruments that is due together. Metrics are arrays [R]. Of a streamed
  task the labels alone are kept: images come from the disk, of training batches ahead of their step.
  """

  def __init__(
    self,
    task: Task,
    model: Model,
    losses: Losses,
    tx: optax.GradientTransformation,
    panel: dict[str, Mounted],
    *,
    seed: int,
    batch_size: int,
    members: settings.Population,
    probe: settings.Probe,
    evaluation: settings.Evaluation,
    average: Average = mean_gradient,
    objective: Objective | None = None,
    vary: Vary = ALIKE,
    devices: list[Any] | None = None,
  ):
    """Places the data on the devices, or the labels if the task is streamed.

    Args:
      task, model, losses, tx, panel: what is learned, by what, how, and what is measured.
      seed: of member 0; member r has `seed + r`.
      batch_size: examples of one step of one member.
      members, probe, evaluation: sections of the config.
      average: what the optimizer gets of the gradients of a batch.
      objective: what it minimizes; None for the mean of `losses`.
      vary: what members differ in besides their seed.
      devices: to use; None: all.

    Raises:
      ValueError: the batch or the probe exceeds its set, or does not suit an instrument; the message
        begins with the config key.
      BatchCoupledError: a gradient instrument is mounted, and the model couples its examples.
    """
    self.task, self.model, self.losses, self.tx, self.panel = task, model, losses, tx, panel
    self.network = Network(losses, model.apply, task.blocks)
    self.objective = objective or Objective(losses)
    self.batch_size, self.average = batch_size, average
    self.seeds = np.arange(seed, seed + members.size)
    probed = task.train if probe.split == 'train' else task.test
    self.tasks, self._own = vary.tasks(task, members.size), vary.of_members(members.size)
    fewest = min(len(of_member.train) for of_member in self.tasks)
    checks.check_sizes(batch_size, probe, fewest, len(task.test.labels))
    checks.check_references(panel, self._own)
    checks.check_chunks(probe, panel)
    checks.check_streamed(task, probe, panel)
    checks.check_objective(self.objective, average, panel)
    one, first = self._one_input(), rngs.named_key(seed, 'init')
    checks.check_examples_are_independent(model, self.network, panel, task, first)
    sizes = {'probe': probe.size, 'batch': batch_size}
    checks.check_samples_suit(model, self.network, self.objective, average, panel, one, sizes)

    at_once = np.gcd(batch_size, probe.chunk_size or probe.size)
    n_shardable = 1 if self.objective.coupled else int(at_once)
    self.mesh = sharding.make_mesh(members.size, n_shardable, devices, members.devices_per_member)
    self._advance: Literal['vmap', 'scan'] = (
      fastest_advance(model, one) if members.advance == 'auto' else members.advance
    )
    trained_on = targets(task, self.tasks, self.seeds)
    if 'environment' in self.objective.reads:
      trained_on['environment'] = self._for_all(np.asarray(task.train.environment))
    self._seeds = self._put(self.seeds.astype(np.uint32), MEMBER)
    of_optimizer = {name: np.float32(x) for name, x in self._own.items() if name in OF_OPTIMIZER}
    self._hyperparams = self._put(of_optimizer, MEMBER)
    self._targets = self._put(trained_on, MEMBER)
    self._last: Metrics = {}  # of the step before
    if task.streamed:
      self._batches = Stream(task.train.inputs, self._rows, self._sharding(self._batch_spec))
    else:
      self._inputs = self._put(task.train.inputs, SHARED)
    of_probed = trained_on if probe.split == 'train' else {'labels': self._for_all(probed.labels)}
    of_probe = {name: x[:, : probe.size] for name, x in of_probed.items()}
    if probe.chunk_size:
      self._probe = (Sample(probed.inputs, probe.chunk_size, of_probe, {}, self.mesh),)
    else:
      inputs = probed.inputs[: probe.size]
      of_probe |= classes_by_references(panel, task, self.seeds, inputs)
      self._probe = (self._put(inputs, EXAMPLE), self._put(of_probe, MEMBER_EXAMPLE))
    self._examples, self._evaluate = self._prepare_evaluation(trained_on, evaluation)
    self._steps: dict[frozenset[str], Callable] = {}
    self._measures: dict[frozenset[str], tuple[Callable, tuple]] = {}
    specs = (MEMBER, MEMBER)
    self._init = over_members(self._init_member, self.mesh, specs, 'scan')  # compiles faster

  def init(self) -> TrainState:
    """The state at step 0; every leaf is [R, ...]."""
    return self._init(self._seeds, self._hyperparams)

  def abstract_state(self) -> TrainState:
    """Shapes, types and shardings of the state: the target of a restored checkpoint."""
    shapes = jax.eval_shape(self._init, self._seeds, self._hyperparams)
    own = self._sharding(MEMBER)
    return jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=own), shapes)

  @property
  def leaves(self) -> list[str]:
    """The names of the parameters, in their order."""
    return [*trees.named_leaves(self.abstract_state().params)]

  def step(self, state: TrainState, step: int) -> tuple[TrainState, Metrics]:
    """Update number `step` of every member. Donates the state."""
    names = due(self.panel, step, 'batch')
    if names not in self._steps:
      self._steps[names] = self.update_program(names)
    if self.task.streamed:  # or the batches of many steps would wait on the devices
      jax.block_until_ready(self._last)
    state, metrics = self._steps[names](state, *self.inputs_of(step))
    self._last = sharding.everywhere(metrics)
    return state, self._last

  def inputs_of(self, step: int) -> tuple:
    """What the program of an update takes besides the state."""
    inputs = self._batches(step) if self.task.streamed else self._inputs
    return (self._seeds, self._targets, self._put(self._indices(step), MEMBER_EXAMPLE), inputs)

  def measure(self, state: TrainState, step: int) -> Metrics:
    """What the instruments that are due on the probe set at this step measure."""
    names = due(self.panel, step, 'probe')
    if not names:
      return {}
    if names not in self._measures:
      self._measures[names] = self.measure_program(names)
    measure, sample = self._measures[names]
    return sharding.everywhere(measure(state.params, *sample))

  def measure_batch(self, state: TrainState, step: int) -> Metrics:
    """What is due on the batch of this step, without the update: for the point after the last."""
    if not due(self.panel, step, 'batch'):
      return {}
    # The program of the step itself, on a copy: the state that comes out is dropped.
    _, metrics = self.step(jax.tree.map(jnp.copy, state), step)
    return {name: value for name, value in metrics.items() if name.startswith('batch/')}

  def evaluate(self, state: TrainState) -> Metrics:
    """Loss (nats) and accuracy on the training examples, with the labels trained on, and the test set.

    With label noise, `train/accuracy_corrupt` and `train/accuracy_pristine` are the accuracies on
    the examples whose labels were and were not drawn at random.
    """
    return {
      f'{split}/{name}': value
      for split, examples in self._examples.items()
      for name, value in sharding.everywhere(self._evaluate(state.params, *examples)).items()
    }

  def train_loss(self, state: TrainState) -> jax.Array:
    """The mean loss on the training examples that `evaluate` takes, in nats, [R]."""
    return self._evaluate(state.params, *self._examples['train'])['loss']

  def _one_input(self) -> jax.Array:
    return jnp.asarray(self.task.normalize(self.task.train.inputs[:1]))

  def _init_member(self, seed: jax.Array, hyperparams: dict[str, jax.Array]) -> TrainState:
    params = self.model.init(rngs.named_key(seed, 'init'), self._one_input())
    return init_state(params, self.tx, hyperparams)

  def update_program(self, names: frozenset[str]) -> Callable:
    """An update with these instruments, `(state, *inputs_of(step)) -> state, metrics`."""
    measured = [self.panel[name].instrument for name in sorted(names)]
    axis = sharding.EXAMPLES
    gradient = make_gradient(measured, self.network, axis, self.average, self.objective.losses)
    train_step = make_train_step(gradient, self.tx)
    reads = self.objective.reads

    def step_of_member(state, seed, targets, indices, inputs):
      batch = {name: x[indices] for name, x in targets.items()}
      batch['inputs'] = self.task.normalize(inputs if self.task.streamed else inputs[indices])
      if 'step' in reads:
        batch['step'] = jnp.broadcast_to(state.step, indices.shape)
      if 'key' in reads:
        batch['key'] = rngs.keys_of_rows(seed, 'training', state.step, indices)
      return train_step(state, batch)

    specs = (MEMBER, MEMBER, MEMBER, MEMBER_EXAMPLE, self._batch_spec)
    return over_members(step_of_member, self.mesh, specs, self._advance, donate=(0,))

  def measure_program(self, names: frozenset[str]) -> tuple[Callable, tuple]:
    """What measures the probe set, `(params, *sample) -> metrics`, and that sample."""
    measured = [self.panel[name].instrument for name in sorted(names)]
    normalize = self.task.normalize
    if isinstance(self._probe[0], Sample):
      return measured_by_chunks(measured, self.network, normalize, self.mesh), self._probe
    measure = make_measure(measured, self.network, sharding.EXAMPLES)

    def measure_member(params, inputs, targets):
      return measure(params, {'inputs': normalize(inputs), **targets})

    # One member after another: memory is that of one, and a probe set fills the device by itself.
    specs = (MEMBER, EXAMPLE, MEMBER_EXAMPLE)
    return over_members(measure_member, self.mesh, specs, 'scan'), self._probe

  def _prepare_evaluation(self, trained_on: dict[str, np.ndarray], evaluation: settings.Evaluation):
    """Examples padded to whole chunks on every shard, with the weights of their groups."""
    n_shards = self.mesh.shape[sharding.EXAMPLES]
    n_train = min(evaluation.max_train_examples, len(self.task.train.labels))
    n_most = max(n_train, len(self.task.test.labels))
    chunk = min(evaluation.chunk_size, -(-n_most // n_shards))

    def place(inputs, labels, groups):
      n = labels.shape[1]  # the first of the inputs
      if self.task.streamed:
        return (Sample(inputs, chunk * n_shards, {'labels': labels}, groups, self.mesh),)
      padding = -n % (chunk * n_shards)

      def pad(x, axis, mode):
        return np.pad(x, [(0, padding * (k == axis)) for k in range(x.ndim)], mode)

      # Padding repeats examples, which weigh nothing: black images might overflow, or shift a norm.
      return (
        self._put(pad(inputs[:n], 0, 'wrap'), EXAMPLE),
        self._put({'labels': pad(labels, 1, 'wrap')}, MEMBER_EXAMPLE),
        self._put(
          {name: pad(rows.astype(np.float32), 1, 'constant') for name, rows in groups.items()},
          MEMBER_EXAMPLE,
        ),
      )

    of_train = groups(self.tasks, trained_on.get('corrupt'), n_train)
    test_labels = self._for_all(self.task.test.labels)
    examples = {
      'train': place(self.task.train.inputs, trained_on['labels'][:, :n_train], of_train),
      'test': place(self.task.test.inputs, test_labels, {'all': np.ones(test_labels.shape)}),
    }
    sums = make_sums(
      self.model.apply,
      self.losses,
      normalize=self.task.normalize,
      chunk_size=chunk,
      axis=sharding.EXAMPLES,
    )

    if self.task.streamed:
      return examples, evaluated_by_chunks(sums, self.mesh)

    def evaluate_member(params, inputs, targets, groups):
      return means(sums(params, {'inputs': inputs, **targets}, groups))

    specs = (MEMBER, EXAMPLE, MEMBER_EXAMPLE, MEMBER_EXAMPLE)
    return examples, over_members(evaluate_member, self.mesh, specs, 'scan')

  def _rows(self, step: int) -> np.ndarray:
    """What is read for a step: [R, B], or [B] where all members have the same batches."""
    indices = self._indices(step)
    return indices[0] if self.task.shared_order else indices

  def _indices(self, step: int) -> np.ndarray:
    pairs = zip(self.tasks, self.seeds, strict=True)
    return np.stack([task.batch_indices(int(s), step, self.batch_size) for task, s in pairs])

  @property
  def _batch_spec(self):
    """How the inputs lie of which a step takes its batch, or of a streamed task, which are it."""
    if not self.task.streamed:
      return SHARED
    return EXAMPLE if self.task.shared_order else MEMBER_EXAMPLE

  def _for_all(self, labels: np.ndarray) -> np.ndarray:
    return np.broadcast_to(labels, (len(self.seeds), len(labels)))

  def _sharding(self, spec):
    return NamedSharding(self.mesh, spec)

  def _put(self, tree: Any, spec) -> Any:
    return sharding.put(tree, self.mesh, *spec)
