"""Easy and hard examples: those that networks have learned after two epochs, and the others."""

import pathlib
from typing import Any

import jax
import numpy as np
import pandas as pd

from research import configuration, loop
from research.checkpoints import Checkpoints
from research.configuration import ConfigError
from research.studies.claim import Verdict, exceeds
from research.summaries import in_epochs, last, time_average
from research.workdirs import is_done

EARLY_EPOCHS = 5.0
REFERENCE, ROWS = 'reference/two_epochs', 'reference/{side}.npz'


def easy_and_hard(root: pathlib.Path) -> dict[str, dict[str, Any]]:
  """Splits the training examples of the reference runs, and says which file has which side.

  Easy is what most of the reference networks classify right at the end. Of each side the first in the
  order of the dataset are kept, four fifths to train on and one fifth to test on; the sides are cut to
  the size of the smaller one. The files are written once: a run that goes on has the same examples.

  Raises:
    ConfigError: the reference runs are not done, or leave a side with hardly any example.
  """
  files = {side: (root / ROWS.format(side=side)).absolute() for side in ('easy', 'hard')}
  if not all(path.exists() for path in files.values()):
    right = _right(root / REFERENCE)
    sides = {'easy': np.flatnonzero(right), 'hard': np.flatnonzero(~right)}
    n = min(map(len, sides.values()))
    if n < 10:
      raise ConfigError(
        f'{root / REFERENCE} leaves {n} examples on one side; train it less, or more'
      )
    for side, rows in sides.items():
      partial = files[side].with_name(f'partial_{side}.npz')
      np.savez(partial, train=rows[: n * 4 // 5], test=rows[n * 4 // 5 : n])
      partial.replace(files[side])
  return {side: {'task.rows': str(path)} for side, path in files.items()}


def easy_examples_generalize_better(easy_and_hard: pd.DataFrame) -> Verdict:
  """Trained from scratch on equally many examples, networks generalize better among easy examples than
  among hard ones (difference of test accuracies, each within its own side)."""
  easy, hard = (last(_arm(easy_and_hard, side))['test/accuracy'] for side in ('easy', 'hard'))
  return exceeds((easy - hard).to_numpy(), 0.0, note=f'{easy.mean():.3f} and {hard.mean():.3f}')


def easy_examples_are_more_coherent(easy_and_hard: pd.DataFrame) -> Verdict:
  """In early training, gradients of easy examples are more coherent than those of hard ones, each
  among themselves (ratio of m-coherences over the first five epochs; equal m)."""
  easy, hard = (
    time_average(in_epochs(_arm(easy_and_hard, side), 0.0, EARLY_EPOCHS), 'coherence/m_coherence')
    for side in ('easy', 'hard')
  )
  return exceeds((easy / hard).to_numpy(), 1.0, log=True)


def _right(workdir: pathlib.Path) -> np.ndarray:
  """Which training examples most networks of a finished run classify right, bool [n]."""
  if not is_done(workdir):
    raise ConfigError(f'{workdir} is not done, and says what is easy; run the experiment reference')
  config = configuration.saved(workdir)
  population = loop.build(config)
  with Checkpoints(workdir / 'checkpoints', keep=config.training.keep_checkpoints) as checkpoints:
    found = checkpoints.restore_latest(population.abstract_state())
  if found is None:
    raise FileNotFoundError(f'{workdir} holds no checkpoint; remove it, and run it again')
  params_of_all = jax.device_get(found[1].params)  # off the mesh
  task, apply = population.task, jax.jit(population.model.apply)
  votes = np.zeros(len(task.train), int)
  for member in range(len(population.seeds)):
    params = jax.tree.map(lambda x, member=member: x[member], params_of_all)
    for start in range(0, len(votes), 1000):
      rows = slice(start, start + 1000)
      logits = apply(params, task.normalize(task.train.inputs[rows]))
      votes[rows] += np.argmax(logits, axis=-1) == task.train.labels[rows]
  return 2 * votes > len(population.seeds)


def _arm(table: pd.DataFrame, run: str) -> pd.DataFrame:
  return table[table['run'] == run]
