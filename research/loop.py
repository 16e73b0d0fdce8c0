"""The experiment, top to bottom: train R networks, measure them on the way, leave a record."""

import contextlib
import pathlib
import signal
import time
from typing import Any

import jax.numpy as jnp
import numpy as np
import optax
import tqdm

from research import (
  configuration,
  forecast,
  peers,
  schedules,
  settings,
  stopping,
  trees,
  variation,
  workdirs,
)
from research.checkpoints import CheckpointError, Checkpoints
from research.checks import check_chunks, check_sizes
from research.configuration import Config
from research.divergence import Divergence
from research.gradients import make_average
from research.losses import LOSSES, make_losses
from research.models import Model, make_model
from research.objectives import make_objective
from research.optimizers import make_optimizer
from research.population import Population
from research.profiling import Trace
from research.records import Records, last_step
from research.step import NONFINITE_LEAF
from research.tasks import make_task, n_examples


class Interrupted(Exception):
  """Training was asked to stop, and has saved its state; the same command goes on from there."""

  def __init__(self, signal_number: int, step: int):
    super().__init__(f'stopped at step {step}, which is saved; the same command goes on from there')
    self.signal_number = signal_number


def train_and_evaluate(
  config: Config,
  workdir: str | pathlib.Path,
  *,
  tensorboard: bool = False,
  costs: bool = False,
  profile: range | None = None,
) -> bool:
  """Runs the config in the run directory `workdir`; resumes what is there, or finds it done.

  T updates and T + 1 points: the row of step t holds what was measured at theta_t, before update t.
  A run that was killed at any moment, and then resumed, ends with the same bytes in `metrics.jsonl`
  and the same parameters as one that was not. A network that diverges is masked (`Divergence`); where
  all have, the run ends, with its last good checkpoint, and `DONE` says so.

  Args:
    config: resolved, from `configuration.load`.
    workdir: the run directory; made if it does not exist.
    tensorboard: whether to keep a TensorBoard view of the record.
    costs: whether to print, before training, what each program will cost.
    profile: the steps of which to keep a trace, in `profile/`.

  Returns:
    Whether there was anything to do.

  Raises:
    ConfigError: the config cannot be run, or is not the one of the run in `workdir`.
    MissingDataset, WorkdirLocked, OSError: the data or the directory cannot be used.
    CheckpointError: nothing that was saved is intact, or it does not fit; or saving fails.
    Interrupted: SIGINT or SIGTERM came; the state is saved.
  """
  workdir = pathlib.Path(workdir)
  peers.of_first(lambda: check(config, workdir))
  if workdirs.is_done(workdir):
    return False
  population = build(config)
  training = configuration.call(settings.Training, config, 'training')
  evaluation = configuration.call(settings.Evaluation, config, 'evaluation')
  total = training.total_steps
  evaluated = schedules.due_steps(total, evaluation.every, evaluation.per_decade)
  looks = {*range(0, total, training.stop_every), total} if training.stop_loss is not None else ()

  with contextlib.ExitStack() as stack:
    peers.of_first(lambda: stack.enter_context(workdirs.open_workdir(workdir)))
    peers.check_same('config', str(configuration.as_json(config)))
    _check_same_config(config, workdir)  # again: another process may have had the lock until now
    stop = stack.enter_context(_StopSignals())
    checkpoints = stack.enter_context(
      Checkpoints(workdir / 'checkpoints', keep=training.keep_checkpoints)
    )
    restored = checkpoints.restore_latest(population.abstract_state())
    if restored is None:
      _check_nothing_is_lost(workdir, training.checkpoint_every)
    # Not before what was saved has been found to fit: the config on record stays that of the run.
    workdirs.write_json(workdir / 'config.json', configuration.as_json(config))
    workdirs.write_environment(workdir)
    first, state = restored or (0, population.init())
    record = stack.enter_context(Records(workdir, first, tensorboard=tensorboard))
    diverged = Divergence(workdir, population.seeds, population.leaves, first)
    bar = stack.enter_context(_progress_bar(config, first, total))
    trace = stack.enter_context(Trace(workdir, profile))
    if costs and peers.is_first():
      print(forecast.report(forecast.costs_of_run(population, total)), flush=True)
    started = time.perf_counter()

    for step in range(first, total + 1):
      trace.at(step, state)
      if stop.asked(step) or (step % training.checkpoint_every == 0 and step > first):
        if diverged.look_at(step, state) is not None:
          break
        record.flush()
        checkpoints.save(step, state)
        if stop.signal_number:
          checkpoints.wait()
        workdirs.note_progress(workdir, time.perf_counter() - started, checkpoints.newest)
        if stop.signal_number:
          raise Interrupted(stop.signal_number, step)
      if step in looks:
        state = stopping.look(state, population.train_loss(state), training.stop_loss)
        if diverged.or_broken(np.isfinite(stopping.steps(state))).all():
          total = step
      row = population.measure(state, step)
      if step in evaluated or step == total:
        row |= population.evaluate(state)
        if training.stop_loss is not None:
          row['train/stopped_at'] = stopping.steps(state)
      if step < total:
        state, metrics = population.step(state, step)
        diverged.note(step, metrics.pop(NONFINITE_LEAF))
      else:
        metrics = population.measure_batch(state, step)
      if step % training.log_every == 0 or step == total:
        row |= metrics
      else:  # what instruments measured on the batch is due by its own schedule
        row |= {name: value for name, value in metrics.items() if name.startswith('batch/')}
      if row:
        ended = diverged.look()
        if ended is not None and ended < step:
          break
        row = diverged.masked(step, row)
        row['train/epoch'] = variation.epochs(population.tasks, step, training.batch_size)
        record.write(step, row)
        _show(bar, row)
      bar.update(step < total)
      if step == total:
        break

    record.flush()
    ended = diverged.look_at(total, state)
    if ended is None:
      checkpoints.save(total, state)
    checkpoints.wait()
    workdirs.note_progress(workdir, time.perf_counter() - started, checkpoints.newest)
    steps = total if ended is None else ended
    summary = {'steps': steps, 'resumed_at': first, 'diverged': diverged.found}
    workdirs.mark_done(workdir, summary)
    peers.wait_for_all('done')
  return True


def check(config: Config, workdir: str | pathlib.Path) -> None:
  """All that can be known to be wrong with a run before anything is read or computed.

  Raises:
    ConfigError: a value is out of range, or the run in `workdir` has another config.
    MissingDataset: the dataset is not prepared.
    WorkdirLocked, OSError: the directory cannot be used.
  """
  _check_same_config(config, pathlib.Path(workdir))
  if not workdirs.is_done(workdir):
    workdirs.check_usable(workdir)
    _parts(config)


def build(config: Config) -> Population:
  """Everything that a config describes; cheap checks come before data are read."""
  tx, sections = _parts(config)
  task = configuration.call(make_task, config, 'task')
  model = configuration.call(make_model, config, 'model', task.n_classes)
  losses = configuration.call(make_losses, config, 'loss', model.apply)
  network, loss = (task, model, losses, tx), LOSSES[config.loss.name]
  sections['objective'] = configuration.call(
    make_objective, config, 'objective', model, loss, task.n_environments
  )
  return configuration.checked(Population, config, *network, seed=config.seed, **sections)


def _parts(config: Config) -> tuple[optax.GradientTransformation, dict[str, Any]]:
  """What takes no data: the optimizer, and the sections of a population, its panel among them."""
  call = configuration.call
  training = call(settings.Training, config, 'training')
  vary = call(variation.Vary, config, 'vary')
  own = [name for name in variation.OF_OPTIMIZER if name in vary.names]
  tx = call(make_optimizer, config, 'optimizer', training.total_steps, own)
  if training.stop_loss is not None:
    tx = stopping.stoppable(tx)
  sections = {
    'panel': configuration.mount_instruments(config, training.total_steps),
    'batch_size': training.batch_size,
    'members': call(settings.Population, config, 'population'),
    'probe': call(settings.Probe, config, 'probe'),
    'evaluation': call(settings.Evaluation, config, 'evaluation'),
    'average': call(make_average, config, 'average'),
    'vary': vary,
  }
  configuration.checked(vary.of_members, config, sections['members'].size)
  any_model = Model(init=jnp.zeros, apply=jnp.matmul, capture=lambda *_: {})
  call(make_objective, config, 'objective', any_model, jnp.subtract, 2)  # checks its keys
  configuration.checked(check_chunks, config, sections['probe'], sections['panel'])
  sizes = call(n_examples, config, 'task')
  if vary.n_train:
    configuration.checked(variation.check_sizes, config, vary, sizes['train'])
    sizes['train'] = min(vary.n_train)
  configuration.checked(
    check_sizes, config, training.batch_size, sections['probe'], sizes['train'], sizes['test']
  )
  return tx, sections


def _check_same_config(config: Config, workdir: pathlib.Path) -> None:
  saved = workdirs.read_json(workdir / 'config.json')
  if saved is None:
    return
  # A key that is newer than the run has its default, which is what the run did.
  then = configuration.as_json(configuration.saved(workdir))
  here, there = (trees.flat(it) for it in (configuration.as_json(config), then))
  differ = [k for k in {**there, **here} if k != 'source' and here.get(k) != there.get(k)]
  if differ:
    shown = ', '.join(f'{k}={there.get(k)!r}, not {here.get(k)!r}' for k in differ[:3])
    more = f' and {len(differ) - 3} more' if len(differ) > 3 else ''
    raise configuration.ConfigError(
      f'{workdir} holds a run with {shown}{more}; choose another --workdir, or remove this one'
    )


def _check_nothing_is_lost(workdir: pathlib.Path, checkpoint_every: int) -> None:
  """Where nothing is saved, a run starts at step 0: but not one whose checkpoints have gone."""
  attempts = (workdirs.read_json(workdir / 'environment.json') or {'attempts': []})['attempts']
  saved, reached = any(it.get('saved') is not None for it in attempts), last_step(workdir)
  if saved or reached >= 2 * checkpoint_every:  # by then, the first save has been waited for
    raise CheckpointError(
      f'{workdir} has no checkpoints, but a record up to step {reached}: they have been removed; remove'
      ' the whole directory to start again from step 0'
    )


class _StopSignals(contextlib.AbstractContextManager):
  """Turns the first SIGINT or SIGTERM into a flag that the loop reads; a second SIGINT kills.

  Of several processes, SIGTERM to any stops all at the same step; SIGINT ends them, unsaved.
  """

  def __init__(self):
    self.signal_number = 0
    self._several = peers.several()

  def __enter__(self):
    noted = () if self._several else (signal.SIGINT, signal.SIGTERM)
    self._previous = {s: signal.signal(s, self._note) for s in noted}
    return self

  def asked(self, step: int) -> int:
    """The signal that asks to stop at this step; 0 if none does."""
    if self._several and not self.signal_number:
      self.signal_number = peers.asked_to_stop(step)
    return self.signal_number

  def __exit__(self, *_):
    for number, handler in self._previous.items():
      signal.signal(number, handler)

  def _note(self, number, frame):
    self.signal_number = number
    signal.signal(signal.SIGINT, signal.default_int_handler)


def _progress_bar(config: Config, first: int, total: int) -> tqdm.tqdm:
  """Nothing where stderr is no terminal."""
  return tqdm.tqdm(
    desc=f'{config.task.name}, noise {config.task.label_noise:g}',
    initial=first,
    total=total,
    mininterval=0.5,
    disable=None if peers.is_first() else True,
    dynamic_ncols=True,
    bar_format='{desc} |{bar:20}| {n_fmt}/{total_fmt}, {remaining} left{postfix}',
  )


def _show(bar: tqdm.tqdm, row: dict) -> None:
  if not bar.disable and 'train/batch_loss' in row:
    bar.set_postfix_str(f'loss {np.mean(row["train/batch_loss"]):.3g}', refresh=False)
