"""The measures of the networks of a finished run, computed once and kept beside it."""

import json
import pathlib
from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd

from research import rngs, workdirs
from research.measures import MEASURES, Measure, Trained
from research.population import Population
from research.restored import restored
from research.types import Params

FILE = 'measures.json'


def measured(
  workdir: str | pathlib.Path, measures: Mapping[str, Measure] = MEASURES
) -> pd.DataFrame:
  """What each family of measures says of each network of a finished run: a row per member.

  The first call restores the networks, computes, and keeps the numbers in `measures.json` of the run
  directory, under the name of the family; later calls compute the families that are not there, or
  nothing. They are forgotten when the run itself has been made again. A family that has changed under
  its old name is not noticed: remove the file.

  Guarantees (each is a test): a network's numbers are those of the measure called on it alone; a
  second call computes nothing; members with fewer examples (`vary.n_train`) are measured on these.

  Args:
    workdir: a run directory.
    measures: families by name.

  Returns:
    Index: member. Columns: `<family>/<name>`, float; NaN or infinite where that is what was found.

  Raises:
    FileNotFoundError, CheckpointError, ConfigError: as `restored` does.
  """
  path = pathlib.Path(workdir) / FILE
  environment = workdirs.read_json(path.parent / 'environment.json') or {'attempts': []}
  of = [attempt['started'] for attempt in environment['attempts']]
  kept = workdirs.read_json(path) or {}
  families = kept['families'] if kept.get('of') == of else {}
  missing = {name: measure for name, measure in measures.items() if name not in families}
  if missing:
    families |= _measured(path.parent, missing)
    text = json.dumps({'of': of, 'families': families}, default=_plain)
    workdirs.replace_file(path, text + '\n')
  columns = {
    f'{family}/{name}': np.array(values, float)
    for family in measures
    for name, values in families[family].items()
  }
  return pd.DataFrame(columns).rename_axis('member')


def networks(workdir: str | pathlib.Path) -> tuple[Population, Params, Params]:
  """The population of a finished run, and its parameters [R, ...] before and after training.

  Raises:
    FileNotFoundError, CheckpointError, ConfigError: as `restored` does.
  """
  population, _, state = restored(workdir)
  return population, *jax.device_get((population.init().params, state.params))


def _measured(workdir: pathlib.Path, measures: Mapping[str, Measure]) -> dict:
  """{family: {name: [R]}}; members of one number of examples share a program."""
  population, initial, final = networks(workdir)
  sizes = np.array([len(task.train) for task in population.tasks])
  found = {family: {} for family in measures}
  for n in np.unique(sizes):
    members = np.flatnonzero(sizes == n)
    one = population.tasks[members[0]]
    inputs = jnp.asarray(population.task.normalize(one.train.inputs[:n]))
    labels = [population.tasks[r].train_labels(int(population.seeds[r])) for r in members]
    seeds = population.seeds[members].astype(np.uint32)
    own = jax.tree.map(lambda x, rows=members: x[rows], (initial, final))
    values = _program(population, measures)((*own, np.stack(labels), seeds), inputs)
    for family, numbers in jax.device_get(values).items():
      for name, of_members in numbers.items():
        whole = found[family].setdefault(name, np.full(len(sizes), np.nan))
        whole[members] = of_members
  return found


def _program(population: Population, measures: Mapping[str, Measure]):
  """`(members, inputs) -> {family: {name: [R]}}`, one network after another."""

  @jax.jit
  def of_all(members, inputs):
    def of_one(member):
      initial, final, labels, seed = member
      key = rngs.named_key(seed, 'measures')
      trained = Trained(population.model, initial, final, inputs, labels, key)
      return {family: measure(trained) for family, measure in measures.items()}

    return jax.lax.map(of_one, members)

  return of_all


def _plain(value: np.ndarray) -> list:
  return value.tolist()
