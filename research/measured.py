"""The measures of the networks of a finished run, computed once and kept beside it."""

import functools
import json
import pathlib
from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd

from research import rngs, workdirs
from research.measures import MEASURES, Measure, Trained
from research.models import make_model
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
    Index: member. Columns: the names that families give, float; NaN or infinite where that was found.

  Raises:
    ValueError: two families give the same name.
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
  columns: dict[str, np.ndarray] = {}
  for family in measures:
    if twice := families[family].keys() & columns.keys():
      raise ValueError(f'measures must have names of their own; {min(twice)} is there twice')
    columns |= {name: np.array(values, float) for name, values in families[family].items()}
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
  section = json.dumps(workdirs.read_json(workdir / 'config.json')['model'])
  sizes = np.array([len(task.train) for task in population.tasks])
  found = {family: {} for family in measures}
  for n in np.unique(sizes):
    members = np.flatnonzero(sizes == n)
    one = population.tasks[int(members[0])]
    inputs = jnp.asarray(population.task.normalize(one.train.inputs[:n]))
    labels = [population.tasks[int(r)].train_labels(int(population.seeds[r])) for r in members]
    seeds = population.seeds[members].astype(np.uint32)
    own = (
      *jax.tree.map(lambda x, rows=members: x[rows], (initial, final)),
      np.stack(labels),
      seeds,
    )
    for family, measure in measures.items():
      program = _program(section, population.task.n_classes, measure)
      for name, of_members in jax.device_get(program(own, inputs)).items():
        whole = found[family].setdefault(name, np.full(len(sizes), np.nan))
        whole[members] = of_members
  return found


@functools.cache
def _program(section: str, n_classes: int, measure: Measure) -> Callable:
  """`(members, inputs) -> {name: [R]}`, one network after another; runs of one model share it."""
  model = make_model(n_classes, **json.loads(section))

  @jax.jit
  def of_all(members, inputs):
    def of_one(member):
      initial, final, labels, seed = member
      return measure(
        Trained(model, initial, final, inputs, labels, rngs.named_key(seed, 'measures'))
      )

    return jax.lax.map(of_one, members)

  return of_all


def _plain(value: np.ndarray) -> list:
  return value.tolist()
