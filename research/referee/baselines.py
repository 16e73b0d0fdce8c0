r"""What every ranking is to be read against: measures that know the gap, and one that knows nothing.

- `baseline/oracle`: the gap and Gaussian noise of standard deviation 0.02. What a measure scores that
  misses the gap by two points. Where gaps hardly differ, that is not much.
- `baseline/remeasured`: the gap on another test set of as many examples. To first order, what a
  measure scores that knows the true gap, for the measured one is as far from it; no measure is
  expected to do better.
- `baseline/random`: Gaussian noise. What a measure scores that knows nothing; of a maximum over
  environments, or a conditional information, it is not obvious.
"""

import numpy as np
import pandas as pd

from research.referee.contest import contest
from research.rngs import named_generator

ORACLE, REMEASURED, RANDOM = NAMES = tuple(
  f'baseline/{name}' for name in ('oracle', 'remeasured', 'random')
)
ORACLE_NOISE = 0.02


def with_baselines(
  networks: pd.DataFrame, hyperparameters: tuple[str, ...] | list[str], seed: int = 0
) -> pd.DataFrame:
  r"""The table with a column for each of NAMES.

  The gap is measured again as :math:`g + (1 - \epsilon)(B/n - e)`, with e the test error, B binomial of
  n = `n_test` and e, and epsilon the share of labels that are drawn at random: test labels are clean,
  and of new ones that are as noisy only the others tell a good network. They are the columns
  `test_error`, without which e is the gap, as for networks that fit their sample, and `label_noise`,
  without which it is 0.

  Guarantees (each is a test): the mean of the columns over draws is the gap, the gap and 0, and their
  variance 0.02^2, (1 - epsilon)^2 e (1 - e) / n and 1; the order of the rows does not change what a
  network gets.

  Args:
    networks: the table.
    hyperparameters: names of columns.
    seed: of the three draws.

  Raises:
    ValueError: as `contest.contest`; one of the columns is there already; or `test_error` or
      `label_noise` is not a number in [0, 1] everywhere.
  """
  table = contest(networks, (), hyperparameters)
  if taken := [name for name in NAMES if name in networks]:
    raise ValueError(
      f'networks must not have a column {taken[0]!r}: it is a baseline of the ranking'
    )
  error = np.clip(_optional(networks, 'test_error', table.gap), 0, 1)
  moves = 1 - _optional(networks, 'label_noise', np.zeros(len(networks)))
  order = np.lexsort((table.gap, np.asarray(networks['seed']), table.settings))
  n = len(order)
  oracle, random = (
    _put(order, named_generator(seed, f'referee/{name}').normal(size=n)) for name in NAMES[::2]
  )
  n_test = table.n_test.astype(np.int64)
  draw = named_generator(seed, f'referee/{REMEASURED}').binomial(n_test[order], error[order])
  columns = {
    ORACLE: table.gap + ORACLE_NOISE * oracle,
    REMEASURED: table.gap + moves * (_put(order, draw) / n_test - error),
    RANDOM: random,
  }
  return networks.assign(**columns)


def _optional(networks: pd.DataFrame, name: str, default: np.ndarray) -> np.ndarray:
  """A column of shares, if the table has it."""
  if name not in networks:
    return default
  values = np.asarray(networks[name], np.float64)
  if not np.all((values >= 0) & (values <= 1)):
    raise ValueError(f'{name} must be a number in [0, 1] for every network')
  return values


def _put(order: np.ndarray, values: np.ndarray) -> np.ndarray:
  placed = np.empty_like(values)
  placed[order] = values
  return placed
