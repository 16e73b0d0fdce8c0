"""A claim of a paper as a predicate on the tidy table of runs, and the verdict on it."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd
from scipy import stats


@dataclasses.dataclass(frozen=True, kw_only=True)
class Verdict:
  """What the runs say of a claim.

  Attributes:
    holds: True if the runs show it, False if they do not; None where this scale cannot tell, for the
      reason in `note`.
    ours: the quantity that the claim is about; its unit is in the claim.
    stderr: its standard error over n networks.
    n: how many networks, or pairs of networks, it was measured on.
    note: what a reader should know besides.
  """

  holds: bool | None
  ours: float = float('nan')
  stderr: float = float('nan')
  n: int = 0
  note: str = ''


@dataclasses.dataclass(frozen=True, kw_only=True)
class Claim:
  """A predicate, whose docstring is the claim, and where the claim comes from.

  Attributes:
    judge: the predicate on the tables that it reads.
    reads: the experiments of the study whose tables these are, in the order of its arguments.
    source: paper, and the figure or equation in it.
    paper: the paper's number or direction.
  """

  judge: Callable[..., Verdict]
  reads: tuple[str, ...]
  source: str
  paper: str

  def verdict(self, tables: Mapping[str, pd.DataFrame]) -> Verdict:
    """What the tables of the experiments say."""
    return self.judge(*(tables[name] for name in self.reads))

  @property
  def name(self) -> str:
    return self.judge.__name__

  @property
  def text(self) -> str:
    return ' '.join((self.judge.__doc__ or '').split())


def exceeds(values: np.ndarray, bound: float, *, log: bool = False, note: str = '') -> Verdict:
  """Whether the mean of a sample exceeds a bound, beyond its 95 % confidence interval.

  Holds if the whole interval (Student's t over the sample) lies above the bound. The burden of proof
  is the claim's: it fails if the interval lies below the bound, and also if the bound lies inside; the
  note tells a claim that is contradicted from one that is not shown. Networks that could not be
  measured are not a random part of the sample: if there are any, the claim cannot hold.

  Args:
    values: one per network, or per pair of networks; not finite where not measured.
    bound: what the mean must exceed.
    log: whether to average logarithms and report the geometric mean: for ratios, which are positive.
    note: put before the interval.
  """
  return _beyond(np.asarray(values, np.float64), bound, 1, log, note)


def falls_below(values: np.ndarray, bound: float, *, log: bool = False, note: str = '') -> Verdict:
  """Whether the mean of a sample is less than a bound; `exceeds`, the other way round."""
  return _beyond(np.asarray(values, np.float64), bound, -1, log, note)


def within(
  values: np.ndarray, low: float, high: float, *, log: bool = False, note: str = ''
) -> Verdict:
  """Whether the mean of a sample lies between two bounds, beyond its 95 % confidence interval."""
  return weakest(
    [exceeds(values, low, log=log, note=note), falls_below(values, high, log=log, note=note)]
  )


def weakest(verdicts: Sequence[Verdict], *, highest: bool = False) -> Verdict:
  """The verdict on all of several claims at once: of one that fails, else of one that is not known.

  Among equals it is one without a value, else the one with the lowest value (or the highest). That
  every one of them holds at its own level is enough for all to hold at that level: there is no
  correction for their number.
  """
  return min(verdicts, key=lambda it: _rank(it, -it.ours if highest else it.ours))


def farthest(verdicts: Sequence[Verdict], *, log: bool = True) -> Verdict:
  """Likewise, of claims that ratios are 1 (without `log`, that differences are 0): among equals the one
  farthest from it, up or down."""
  return min(verdicts, key=lambda it: _rank(it, -abs(np.log(it.ours) if log else it.ours)))


def _rank(verdict: Verdict, value: float) -> tuple[int, float]:
  """The smaller, the more a verdict weighs among several."""
  return (False, None, True).index(verdict.holds), -np.inf if np.isnan(value) else value


def _beyond(values: np.ndarray, bound: float, sign: int, log: bool, note: str) -> Verdict:
  sample = values[np.isfinite(values)]
  n, missing = len(sample), len(values) - len(sample)
  notes = [note] * bool(note)
  if missing:
    notes.append(f'{missing} of {len(values)} networks could not be measured')
  if n < 2:
    notes.append('needs at least two networks in each arm')
    return Verdict(holds=None, n=n, note='; '.join(notes))
  if log and sample.min() <= 0:
    notes.append(f'not shown: {np.sum(sample <= 0)} of {n} ratios are not positive')
    return Verdict(holds=False, n=n, note='; '.join(notes))
  sample = np.log(sample) if log else sample
  mean, stderr = sample.mean(), sample.std(ddof=1) / np.sqrt(n)
  reach = stats.t.ppf(0.975, n - 1) * stderr
  low, high = mean - reach, mean + reach
  if log:
    mean, low, high = np.exp([mean, low, high])
    stderr *= mean  # to first order
  shown, contradicted = (low > bound, high < bound) if sign > 0 else (high < bound, low > bound)
  notes.append(f'95 % interval {low:.3g} to {high:.3g}')
  if not shown:
    notes[-1] += f' {"excludes" if contradicted else "includes"} {bound:g}:'
    notes[-1] += ' contradicted' if contradicted else ' not shown'
  return Verdict(
    holds=None if shown and missing else bool(shown),
    ours=float(mean),
    stderr=float(stderr),
    n=n,
    note='; '.join(notes),
  )
