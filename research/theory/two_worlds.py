r"""Two worlds in which the same sample and the same network come with opposite test errors.

Inputs are uniform in :math:`\mathbb F_q^d`, q prime. In the *linear* world labels are :math:`y = w^*
\cdot x`, with :math:`w^*` uniform; in the *random* world they are uniform. The learner returns a
linear map w that fits the sample. Given that the matrix X of n = d inputs is invertible, labels are
uniform and independent of X in both worlds, and :math:`w = X^{-1} y`: the sample and the network
together have one law. But the test error is 0 in one world, and 1 - 1/q in the other: whatever is
computed from sample and network is off by half of that, (1 - 1/q) / 2, in one of them.

Everything is exact, in integers mod q. The pool of linear maps is that of the source; the elimination,
the choice of free coordinates and the closed forms are ours.

References: `Gastpar, Nachum, Shafer & Weinberger (2023) <https://arxiv.org/abs/2309.13658>`_.
"""

from typing import NamedTuple

import numpy as np

WORLDS = ('linear', 'random')


class Draw(NamedTuple):
  """A sample, and the linear map that was fitted to it.

  Attributes:
    inputs: int [n, d], from 0 to q - 1.
    labels: int [n], likewise.
    weights: int [d], of the fitted map.
    rank: of the inputs mod q.
    train_error: the share of the sample that the map does not fit.
    test_error: the probability that the map errs on a new example; exact.
  """

  inputs: np.ndarray
  labels: np.ndarray
  weights: np.ndarray
  rank: int
  train_error: float
  test_error: float


def draw(
  generator: np.random.Generator,
  world: str,
  n: int = 20,
  d: int = 20,
  q: int = 11,
  invertible: bool = False,
) -> Draw:
  """One sample of one world, and a map that fits as much of it as elimination can.

  With `invertible`, inputs are drawn until their matrix has rank d, which takes n >= d.

  Guarantees (each is a test): the map fits the sample wherever a linear map can; free coordinates are
  uniform; ranks and test errors have the laws of `rank_law` and `expected_error`, and test errors those
  of new examples.

  Raises:
    ValueError: an unknown world; n, d are not positive; q is not prime; invertible with n < d.
  """
  _check(n, d, q)
  if world not in WORLDS:
    raise ValueError(f'world must be one of {", ".join(WORLDS)}, not {world}')
  if invertible and n < d:
    raise ValueError(f'invertible must be False where n < d: {n} inputs have no rank {d}')
  truth = generator.integers(q, size=d)
  while True:
    inputs = generator.integers(q, size=(n, d))
    random = generator.integers(q, size=n)
    labels = inputs @ truth % q if world == 'linear' else random
    weights, rank = fit(inputs, labels, generator.integers(q, size=d), q)
    if not invertible or rank == d:
      break
  same = world == 'linear' and np.array_equal(weights, truth)
  return Draw(
    inputs=inputs,
    labels=labels,
    weights=weights,
    rank=rank,
    train_error=float(np.mean(inputs @ weights % q != labels)),
    test_error=0.0 if same else 1 - 1 / q,
  )


def fit(inputs: np.ndarray, labels: np.ndarray, free: np.ndarray, q: int) -> tuple[np.ndarray, int]:
  """A solution w of `inputs @ w = labels` mod q, by Gaussian elimination, and the rank of inputs.

  Of equations that contradict earlier ones, none is solved on purpose. Coordinates that the equations
  leave open are those of `free`: uniform ones make w uniform among the solutions.

  Cost: n d rank operations.

  Args:
    inputs: int [n, d]; labels: int [n]; free: int [d].
    q: a prime.
  """
  rows = np.concatenate([inputs, labels[:, None]], axis=1) % q
  pivots: list[int] = []
  for column in range(inputs.shape[1]):
    rank = len(pivots)
    candidates = np.flatnonzero(rows[rank:, column])
    if not len(candidates):
      continue
    rows[[rank, rank + candidates[0]]] = rows[[rank + candidates[0], rank]]
    rows[rank] = rows[rank] * pow(int(rows[rank, column]), -1, q) % q
    others = rows[:, column].copy()
    others[rank] = 0
    rows = (rows - others[:, None] * rows[rank]) % q
    pivots.append(column)
    if len(pivots) == len(inputs):
      break
  rank, weights = len(pivots), free % q
  weights[pivots] = 0
  weights[pivots] = (rows[:rank, -1] - rows[:rank, :-1] @ weights) % q
  return weights, rank


def rank_law(n: int, d: int, q: int) -> np.ndarray:
  r"""The probability of each rank r from 0 to min(n, d) of a uniform matrix [n, d] mod q.

  .. math:: P(r) = q^{-nd} \prod_{i<r} \frac{(q^n - q^i)(q^d - q^i)}{q^r - q^i}

  For n = d = r it is :math:`\prod_{k \le d} (1 - q^{-k})`.

  Guarantees (each is a test): adds up to 1; by enumeration of all matrices 2 x 2 mod 3.

  Raises:
    ValueError: n or d is not positive, or q is not prime.
  """
  _check(n, d, q)
  probabilities = []
  for r in range(min(n, d) + 1):
    above = below = 1
    for i in range(r):
      above *= (q**n - q**i) * (q**d - q**i)
      below *= q**r - q**i
    probabilities.append((above // below) / q ** (n * d))
  return np.array(probabilities)


def expected_error(world: str, n: int, d: int, q: int) -> float:
  r"""The mean test error: in the random world 1 - 1/q, and in the linear world

  .. math:: (1 - 1/q)\,\big(1 - \mathbb E\, q^{-(d - r)}\big),

  as w is the truth with probability :math:`q^{-(d-r)}`, and any other map errs at :math:`1 - 1/q`.

  Raises:
    ValueError: as in `draw`.
  """
  law = rank_law(n, d, q)
  if world not in WORLDS:
    raise ValueError(f'world must be one of {", ".join(WORLDS)}, not {world}')
  found = float(law @ float(q) ** (np.arange(len(law)) - d)) if world == 'linear' else 0.0
  return (1 - 1 / q) * (1 - found)


def expected_fit(world: str, n: int, d: int, q: int) -> float:
  r"""The mean share of the sample that is fitted: 1, or in the random world :math:`(r + (n - r)/q)/n`.

  An equation that depends on those solved holds with probability 1/q, averaged over the rank r.

  Raises:
    ValueError: as in `draw`.
  """
  law = rank_law(n, d, q)
  if world not in WORLDS:
    raise ValueError(f'world must be one of {", ".join(WORLDS)}, not {world}')
  ranks = np.arange(len(law))
  return float(law @ (ranks + (n - ranks) / q)) / n if world == 'random' else 1.0


def _check(n: int, d: int, q: int) -> None:
  for name, value in (('n', n), ('d', d)):
    if value < 1:
      raise ValueError(f'{name} must be at least 1, not {value}')
  if q < 2 or any(q % k == 0 for k in range(2, int(q**0.5) + 1)):
    raise ValueError(f'q must be prime, not {q}')
