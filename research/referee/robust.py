r"""How often a measure is wrong about the sign of a change, and where it is wrong most.

An environment is one change of one hyperparameter. In it are pairs of networks a, b that differ in no
other; the measure errs on a pair if it moves the other way than the gap,

.. math:: \ell = \tfrac12 \big(1 - \mathrm{sgn}(\mu_b - \mu_a)\,\mathrm{sgn}(g_b - g_a)\big),

and errs by one half where it is tied. The sign error of an environment is the mean of this loss,
weighted by how sure it is that the gaps differ. A theory that explains generalization has a small one
in each: what counts is the largest over environments, beside their mean and their 90th percentile.

**Weights.** Of test errors that are off by less than d/2 each, where d is the difference of the two
measured gaps, the order is right. By Hoeffding's inequality, a test error from n examples is farther
off with probability at most :math:`\varphi = 2 e^{-2 n (d/2)^2}`, and neither of two from independent
test sets is with probability at least

.. math:: w = \max(0, 1 - 2 e^{-2 n_a (d/2)^2}) \max(0, 1 - 2 e^{-2 n_b (d/2)^2}).

If both networks are tested on the same n examples, independence fails, and the two events together
only allow 1 - 2 phi. But Hoeffding's inequality for the n differences, which lie in [-1, 1], says that
a true difference of at most 0 shows as d with probability at most :math:`e^{-n d^2/2} = \varphi/2`;
and :math:`1 - \varphi/2 \ge (1 - \varphi)^2`. So w is a lower bound either way, and not a tight one.
It is a confidence, with the measured d in the place of a threshold: not a probability that the order
is right. Training errors are exact: the gap is that of the sample. A pair counts :math:`(w - 1/2)_+`.

**Effective sample.** An environment is judged if :math:`(\sum w)^2 / \sum w^2 \ge 12`.

**Which pairs share an environment.** With `within='settings'` those of the same two settings, as in
the authors' code: it takes at least four seeds each to have twelve pairs. With `within='changes'`,
which is ours, those of the same two values, whatever the values of all others: one seed is enough, and
an error that only some settings make is averaged away. A change and its reverse are one environment.

References: `Dziugaite et al. (2020) <https://arxiv.org/abs/2010.11924>`_, sections 2 to 5, and
  their code, github.com/nitarshan/robust-generalization-measures, for the weight with n_a = n_b and for
  the number 12. That the weight holds for shared test sets is ours.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from research.referee.contest import Contest, contest
from research.referee.couples import Couples, couples, signs, totals

EFFECTIVE = 12.0  # pairs that an environment needs
WITHIN = ('changes', 'settings')


def pair_weight(difference: np.ndarray, n_first: np.ndarray, n_second: np.ndarray) -> np.ndarray:
  """What a pair counts, in [0, 1/2]: (w - 1/2)_+ of the equation above.

  Guarantees (each is a test): two networks whose true errors are equal, or in the other order, get
  w > p with probability at most 1 - p, on test sets that are the same or independent, by summing over
  all outcomes; it is even in the difference, 0 for none, and never falls with difference or n.

  Args:
    difference: of the two gaps.
    n_first, n_second: examples in the test set of each.
  """
  within = [1 - 2 * np.exp(-0.5 * n * np.square(difference)) for n in (n_first, n_second)]
  return np.maximum(np.maximum(within[0], 0) * np.maximum(within[1], 0) - 0.5, 0)


def sign_errors(
  networks: pd.DataFrame,
  measures: Sequence[str],
  hyperparameters: Sequence[str],
  within: str = 'changes',
  effective: float = EFFECTIVE,
) -> pd.DataFrame:
  """The sign error of each measure in each environment.

  Guarantees (each is a test): they are those of a loop over all pairs; 0 for the gap itself, 1 for its
  negative, 1/2 for a constant; no increasing function of a measure, and no order of the rows, changes
  them; a measure that is wrong about one axis alone has 1 there and 0 elsewhere.

  Returns:
    Columns measure; axis; environment, in words; sign_error, in [0, 1], NaN where the environment is
    not judged; pairs, that have the measure; effective, their effective number.

  Raises:
    ValueError: as `contest.contest`; `within` is neither of the two; or `effective` is not positive.
  """
  table = contest(networks, measures, hyperparameters)
  pairs = couples(table)
  ids, names = environments(table, pairs, within)
  weight = weights(table, pairs)
  once, found = np.ones((len(ids), 1)), []
  for name, column in zip(table.measures, table.columns, strict=True):
    error, size = errors(column, table.gap, pairs, ids, weight, once, effective)
    count = totals((~np.isnan(signs(column, pairs))).astype(float), ids, once)
    found.append(
      names.assign(measure=name, sign_error=error[:, 0], pairs=count[:, 0], effective=size[:, 0])
    )
  columns = ['measure', 'axis', 'environment', 'sign_error', 'pairs', 'effective']
  if not found:
    return pd.DataFrame(columns=columns)
  return pd.concat(found, ignore_index=True)[columns].astype({'pairs': int})


def environments(table: Contest, pairs: Couples, within: str) -> tuple[np.ndarray, pd.DataFrame]:
  """The environment of each pair, int [P], and of each environment its axis and its name.

  Raises:
    ValueError: `within` is not one of WITHIN.
  """
  if within not in WITHIN:
    raise ValueError(f'within must be one of {WITHIN}, not {within!r}')
  ids = pairs.change if within == 'changes' else pairs.exact
  names = []
  for place in np.unique(ids, return_index=True)[1]:
    axis, first, second = (part[place] for part in (pairs.axis, pairs.first, pairs.second))
    before, after = (table.values[axis][table.codes[row, axis]] for row in (first, second))
    text = f'{table.hyperparameters[axis]}: {before} to {after}'
    if within == 'settings':
      rest = [
        f'{name}={values[code]}'
        for k, (name, values, code) in enumerate(
          zip(table.hyperparameters, table.values, table.codes[first], strict=True)
        )
        if k != axis and len(values) > 1
      ]
      text += f' ({", ".join(rest)})' if rest else ''
    names.append((table.hyperparameters[axis], text))
  return ids, pd.DataFrame(names, columns=['axis', 'environment'])


def weights(table: Contest, pairs: Couples) -> np.ndarray:
  """What each pair counts, [P]."""
  difference = table.gap[pairs.second] - table.gap[pairs.first]
  return pair_weight(difference, table.n_test[pairs.first], table.n_test[pairs.second])


def errors(
  column: np.ndarray,
  gap: np.ndarray,
  pairs: Couples,
  ids: np.ndarray,
  weight: np.ndarray,
  multiplicity: np.ndarray,
  effective: float = EFFECTIVE,
) -> tuple[np.ndarray, np.ndarray]:
  """Sign errors [E, R] of a measure [n], NaN where not judged, and effective samples [E, R].

  Args:
    column, gap: of the networks.
    pairs, ids, weight: the pairs, their environments, and what each counts.
    multiplicity: [P, R], how many times each is there.
    effective: the sample that an environment needs.

  Raises:
    ValueError: `effective` is not positive.
  """
  if not effective > 0:
    raise ValueError(f'effective must be a positive number of pairs, not {effective}')
  of_measure = signs(column, pairs)
  weight = np.where(np.isnan(of_measure), 0, weight)
  loss = 0.5 * (1 - np.where(np.isnan(of_measure), 0, of_measure) * signs(gap, pairs))
  wrong, total, squares = (
    totals(part, ids, multiplicity) for part in (weight * loss, weight, weight**2)
  )
  size = np.divide(total**2, squares, out=np.zeros_like(total), where=squares > 0)
  judged = size >= effective * (1 - 1e-9)
  return np.divide(wrong, total, out=np.full_like(total, np.nan), where=judged), size


def summary(found: np.ndarray) -> dict[str, float]:
  """Mean, 90th percentile and maximum of sign errors [E] over the environments that are judged."""
  judged = found[~np.isnan(found)]
  if not len(judged):
    return {name: np.nan for name in ('mean', 'percentile_90', 'max')}
  high = float(np.percentile(judged, 90))
  return {'mean': float(judged.mean()), 'percentile_90': high, 'max': float(judged.max())}
