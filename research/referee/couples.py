"""Pairs of networks that differ in one hyperparameter alone, and sums over groups of them."""

from typing import NamedTuple

import numpy as np
from scipy import sparse

from research.referee.contest import Contest


class Couples(NamedTuple):
  """P pairs of networks; the first has the value that comes first in `Contest.values`.

  Two networks of one setting and different seeds are no pair. Networks of two settings are paired
  whatever their seeds: with s seeds each, s^2 pairs.

  Attributes:
    first: int [P], rows.
    second: int [P], rows.
    axis: int [P], the place of the hyperparameter in which they differ.
    group: int [P]; of equal number are pairs that differ in the same hyperparameter, and share the
      values of all others.
    change: int [P]; of equal number are pairs that differ in the same two values of a hyperparameter.
    exact: int [P]; of equal number are pairs of the same two settings.
  """

  first: np.ndarray
  second: np.ndarray
  axis: np.ndarray
  group: np.ndarray
  change: np.ndarray
  exact: np.ndarray


def couples(contest: Contest) -> Couples:
  """All pairs that differ in one hyperparameter alone.

  Guarantees (each is a test): they are those that a loop over all pairs finds; their order does not
  change any of the sums over them.

  Cost: the number of pairs, about n s H (v - 1) / 2 of n networks with s seeds and H hyperparameters
  of v values.
  """
  codes, found = contest.codes, []
  for axis in range(codes.shape[1]):
    others = np.delete(codes, axis, axis=1)
    group = np.unique(others, axis=0, return_inverse=True)[1].ravel()
    order = np.lexsort((codes[:, axis], group))
    for rows in np.split(order, np.flatnonzero(np.diff(group[order])) + 1):
      i, j = np.triu_indices(len(rows), 1)
      first, second = rows[i], rows[j]
      apart = codes[first, axis] != codes[second, axis]
      first, second = first[apart], second[apart]
      found.append((first, second, np.full(len(first), axis), group[first]))
  first, second, axis, group = (
    np.concatenate(part).astype(int) for part in zip(*found, strict=True)
  )
  before, after = codes[first, axis], codes[second, axis]
  return Couples(
    first=first,
    second=second,
    axis=axis,
    group=_numbered(axis, group),
    change=_numbered(axis, before, after),
    exact=_numbered(axis, group, before, after),
  )


def _numbered(*parts: np.ndarray) -> np.ndarray:
  """The same number for equal tuples, counted in the order of the tuples."""
  return np.unique(np.stack(parts, axis=1), axis=0, return_inverse=True)[1].ravel()


def totals(values: np.ndarray, groups: np.ndarray, multiplicity: np.ndarray) -> np.ndarray:
  """Sums of values [P] over the pairs of each group, with `multiplicity` [P, R]: [G, R]."""
  shape = (int(groups.max()) + 1 if len(groups) else 0, len(groups))
  return sparse.csr_array((values, (groups, np.arange(len(groups)))), shape=shape) @ multiplicity


def signs(column: np.ndarray, pairs: Couples) -> np.ndarray:
  """The sign of second minus first, [P]: 1, 0 or -1; NaN where a network has no value."""
  first, second = column[pairs.first], column[pairs.second]
  known = ~np.isnan(first) & ~np.isnan(second)
  return np.where(known, 1.0 * (second > first) - (second < first), np.nan)
