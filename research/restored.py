"""The networks of a run directory, as they were when last saved."""

import pathlib
from collections.abc import Callable
from typing import Any

import jax

from research import configuration, loop
from research.checkpoints import Checkpoints
from research.population import Population
from research.step import TrainState
from research.types import Params


def restored(workdir: str | pathlib.Path) -> tuple[Population, int, TrainState]:
  """The population of a run, the step of its newest checkpoint that is intact, and the state there.

  The state is what `Population.init` and `Population.step` return: every leaf is [R, ...], on the
  population's devices. No instruments are mounted, so nothing that they compare with is fitted again.
  Nothing is written.

  Guarantees (each is a test): of a finished run, evaluating the state gives the last row of its
  record; of one that was stopped, training it on ends as the run would.

  Args:
    workdir: a run directory, finished or not.

  Raises:
    FileNotFoundError: there is no run, or it has saved nothing yet.
    CheckpointError: no checkpoint is intact.
    ConfigError, MissingDataset: as `loop.build` does.
  """
  workdir = pathlib.Path(workdir)
  if not (workdir / 'config.json').exists():
    raise FileNotFoundError(f'{workdir} holds no run: there is no config.json')
  config = configuration.saved(workdir)
  with config.unlocked():
    config.instruments = {}
  population = loop.build(config)
  found = _latest(workdir, config, population)
  if found is None:
    raise FileNotFoundError(f'{workdir} holds no checkpoint; run it again')
  return population, *found


def of_each(measure: Callable[..., Any], params: Params, *args: Any) -> Any:
  """`measure(params, *args)` of each network, one after another in one program: leaves [R, ...], NumPy.

  Guarantees (a test): what the function says of each network alone.

  Args:
    measure: of the parameters of one network.
    params: of R networks, every leaf [R, ...], as in the state of a run.
    args: the same for all.
  """

  @jax.jit
  def of_all(params, args):
    return jax.lax.map(lambda one: measure(one, *args), params)

  return jax.device_get(of_all(*jax.device_get((params, args))))


def _latest(workdir: pathlib.Path, config: Any, population: Population):
  keep = config.training.keep_checkpoints
  with Checkpoints(workdir / 'checkpoints', keep=keep) as checkpoints:
    return checkpoints.restore_latest(population.abstract_state())
