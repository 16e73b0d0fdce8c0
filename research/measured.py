"""The measures of the networks of a finished run, computed once and kept beside it."""

import functools
import json
import pathlib
from collections.abc import Callable, Iterable, Mapping

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
Families = dict[str, dict[str, np.ndarray]]


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
  workdir = pathlib.Path(workdir)
  families = kept(
    workdir, measures, lambda names: _measured(workdir, {name: measures[name] for name in names})
  )
  columns: dict[str, np.ndarray] = {}
  for of_family in families.values():
    if twice := of_family.keys() & columns.keys():
      raise ValueError(f'measures must have names of their own; {min(twice)} is there twice')
    columns |= of_family
  return pd.DataFrame(columns).rename_axis('member')


def kept(
  workdir: str | pathlib.Path, families: Iterable[str], compute: Callable[[list[str]], Families]
) -> Families:
  """These families of numbers [R] of a finished run, from its file, or computed and put there.

  Args:
    workdir: a run directory.
    families: their names.
    compute: gives those that are asked of it; called once if any are missing.
  """
  path, families = pathlib.Path(workdir) / FILE, [*families]
  if names := missing(workdir, families):
    of, there = _read(path)
    there |= compute(names)
    text = json.dumps({'of': of, 'families': there}, default=_plain)
    workdirs.replace_file(path, text + '\n')
  _, there = _read(path)
  return {
    family: {name: np.array(values, float) for name, values in there[family].items()}
    for family in families
  }


def missing(workdir: str | pathlib.Path, families: Iterable[str]) -> list[str]:
  """Which of these families of a run are still to be computed."""
  _, there = _read(pathlib.Path(workdir) / FILE)
  return [name for name in families if name not in there]


def _read(path: pathlib.Path) -> tuple[list[str], dict]:
  """When the run was started, and what is kept of the run that was made then."""
  environment = workdirs.read_json(path.parent / 'environment.json') or {'attempts': []}
  of = [attempt['started'] for attempt in environment['attempts']]
  found = workdirs.read_json(path) or {}
  return of, found['families'] if found.get('of') == of else {}


def networks(workdir: str | pathlib.Path) -> tuple[Population, Params, Params]:
  """The population of a finished run, and its parameters [R, ...] before and after training.

  Raises:
    FileNotFoundError, CheckpointError, ConfigError: as `restored` does.
  """
  population, _, state = restored(workdir)
  return population, *jax.device_get((population.init().params, state.params))


def _measured(workdir: pathlib.Path, measures: Mapping[str, Measure]) -> Families:
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
