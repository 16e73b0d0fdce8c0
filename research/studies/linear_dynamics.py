r"""How a linear student generalizes (Advani & Saxe 2017): exact curves, and samples beside them.

Every sample is a teacher, its examples and their noise, and its curves are exact: nothing here takes a
run of the training loop. Errors are in units of the variance of the teacher's weights, times in those
of gradient flow.
"""

import itertools
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from research.figures import linear_dynamics as drawing
from research.studies import plan
from research.studies.claim import Claim, Verdict, exceeds, falls_below, farthest, weakest, within
from research.theory import linear_dynamics as theory

TITLE = 'High-dimensional dynamics of generalization error: a linear student, exactly'

SEEDS = tuple(range(100, 110))
N, SNR, LATE = 300, 5.0, 1000.0
CURVES = (0.5, 1.0, 2.0)  # examples per weight
LOADS = (0.125, 0.25, 0.5, 0.75, 0.9, 1.0, 1.1, 1.25, 1.5, 2.0, 3.0)
TIMES = np.geomspace(0.01, LATE, 31)
STARTS = (0.0, 0.25, 1.0, 4.0)
SNRS = (0.5, 1.0, 5.0, 25.0)


@threadpool_limits.wrap(limits=1)
def curves(seeds: Sequence[int] = SEEDS) -> pd.DataFrame:
  """Errors by time, of samples and of the theory, from zero weights and from random ones."""
  rows = []
  for seed, load, start in itertools.product(seeds, CURVES, (0.0, 1.0)):
    problem = theory.draw(seed, N, round(load * N), SNR, start)
    spectrum = theory.marchenko_pastur(load)
    found = theory.errors(problem, theory.flow(problem, TIMES), SNR)
    expected = (
      f(spectrum, TIMES, SNR, start) for f in (theory.generalization_error, theory.training_error)
    )
    names = ('generalization', 'training', 'generalization_theory', 'training_theory')
    values = zip(*found, *expected, strict=True)
    for time, each in zip(TIMES, values, strict=True):
      row = {'seed': seed, 'load': load, 'start': start, 'time': time}
      rows.append(row | dict(zip(names, map(float, each), strict=True)))
  return pd.DataFrame(rows)


@threadpool_limits.wrap(limits=1)
def loads(seeds: Sequence[int] = SEEDS) -> pd.DataFrame:
  """Errors after long training, at the best time and of the best ridge, by load."""
  rows = []
  expected = {load: _summary(theory.marchenko_pastur(load), 0.0) for load in LOADS}
  for seed, load in itertools.product(seeds, LOADS):
    problem = theory.draw(seed, N, round(load * N), SNR)
    row = {'seed': seed, 'load': load} | _of_sample(problem, SNR) | _of_ridge(problem)
    at_best = theory.flow(problem, np.array([expected[load]['best_time']]))
    row |= {'stopped': float(theory.errors(problem, at_best, SNR)[0][0])}
    rows.append(row | {f'{name}_theory': value for name, value in expected[load].items()})
  return pd.DataFrame(rows)


@threadpool_limits.wrap(limits=1)
def starts(seeds: Sequence[int] = SEEDS) -> pd.DataFrame:
  """Errors after long training and at the best time, by the variance of the first weights."""
  rows = []
  for seed, load, start in itertools.product(seeds, CURVES, STARTS):
    problem = theory.draw(seed, N, round(load * N), SNR, start)
    rows.append({'seed': seed, 'load': load, 'start': start} | _of_sample(problem, SNR))
  return pd.DataFrame(rows)


@threadpool_limits.wrap(limits=1)
def signals(seeds: Sequence[int] = SEEDS) -> pd.DataFrame:
  """The best time by the ratio of signal and noise."""
  rows = []
  for seed, load, snr in itertools.product(seeds, CURVES, SNRS):
    problem = theory.draw(seed, N, round(load * N), snr)
    row = {'seed': seed, 'load': load, 'snr': snr} | _of_sample(problem, snr)
    rows.append(row | {'best_time_theory': theory.best_time(theory.marchenko_pastur(load), snr)[0]})
  return pd.DataFrame(rows)


def curves_match(table: pd.DataFrame) -> Verdict:
  """The error on new examples of a sample with 300 weights follows the theory at every load and start:
  over times, the mean relative difference is below 5 % (share, the largest; bound ours)."""
  return _apart(table, 'generalization')


def mean_curves_match(table: pd.DataFrame) -> Verdict:
  """The theory is of means, and means follow it: the error on new examples over the theory's, averaged
  over times, is within 5 % of 1 in the mean over samples (farthest ratio of all; bound ours)."""
  ratios = table.assign(ratio=table['generalization'] / table['generalization_theory'])
  verdicts = []
  for (load, start), part in ratios.groupby(['load', 'start']):
    values = part.groupby('seed')['ratio'].mean().to_numpy()
    verdicts.append(within(values, 0.95, 1.05, log=True, note=f'load {load:g}, start {start:g}'))
  return farthest(verdicts)


def training_curves_match(table: pd.DataFrame) -> Verdict:
  """The training error follows its theory: over times until a hundredth of the labels' variance is
  left, the mean relative difference is below 5 % (share, the largest; bound ours)."""
  return _apart(table[table['training_theory'] > 0.01 * (1 + 1 / SNR)], 'training')


def overtraining_peaks_at_one(table: pd.DataFrame) -> Verdict:
  """Trained for long, a student errs most where it has as many examples as weights: its error at load 1
  is above that at every other load (smallest ratio, above 1)."""
  return _peak(table, 'late', [load for load in LOADS if load != 1])


def stopping_removes_the_peak(table: pd.DataFrame) -> Verdict:
  """Stopped at the best time, a student has no such peak: every step up in load lowers its error
  (largest ratio of neighbours, below 1)."""
  best = table.pivot(index='seed', columns='load', values='best')
  pairs = itertools.pairwise(best.columns)
  return weakest(
    [
      falls_below((best[b] / best[a]).to_numpy(), 1.0, log=True, note=f'load {a:g} to {b:g}')
      for a, b in pairs
    ],
    highest=True,
  )


def unseen_directions_are_frozen(table: pd.DataFrame) -> Verdict:
  """With fewer examples than weights, a share 1 - load of the teacher is never learned: up to load 3/4
  the error off the examples' span, over 1 - load, is within 5 % of 1 (farthest ratio; bound ours)."""
  table = table[table['load'] < 0.8]
  shares = table.assign(ratio=table['frozen'] / (1 - table['load']))
  verdicts = [
    within(part['ratio'].to_numpy(), 0.95, 1.05, log=True, note=f'load {load:g}')
    for load, part in shares.groupby('load')
  ]
  return farthest(verdicts)


def large_starts_hurt(table: pd.DataFrame) -> Verdict:
  """Large first weights hurt where some are never corrected: at load 0.5 the error at the best time is
  more than doubled by a start of four times the teacher's variance (ratio; factor ours)."""
  return exceeds(_of_start(table, 0.5, 'best', 4.0), 2.0, log=True)


def large_starts_hurt_in_the_end(table: pd.DataFrame) -> Verdict:
  """And for ever: the same ratio after long training exceeds 2 (ratio; factor ours)."""
  return exceeds(_of_start(table, 0.5, 'late', 4.0), 2.0, log=True)


def starts_are_forgotten_above_load_one(table: pd.DataFrame) -> Verdict:
  """With more examples than weights the start is forgotten: at load 2 the error after long training is
  that from zero, to 1 % (ratio; bound ours)."""
  return within(_of_start(table, 2.0, 'late', 4.0), 0.99, 1.01, log=True)


def starts_cost_even_when_stopped_in_time(table: pd.DataFrame) -> Verdict:
  """Where the start would be forgotten, stopping early can keep it: at load 2 the best error is higher
  by more than 5 % from a start of four times the teacher's variance (ratio; bound ours)."""
  return exceeds(_of_start(table, 2.0, 'best', 4.0), 1.05, log=True)


def stopping_is_nearly_ridge(table: pd.DataFrame) -> Verdict:
  """Stopping at the theory's best time is nearly the best ridge: in excess of noise and of what is
  never learned, a sample's error is below 1.2147 times that of ridge (largest ratio)."""
  return weakest(_over_ridge(table, falls_below, 1.2147), highest=True)


def ridge_is_better(table: pd.DataFrame) -> Verdict:
  """But the best ridge is better at every load: the same ratio exceeds 1 (smallest ratio)."""
  return weakest(_over_ridge(table, exceeds, 1.0))


def clean_labels_want_long_training(table: pd.DataFrame) -> Verdict:
  """The better the labels, the later the best time: at every load, each step up of signal to noise
  makes it later (smallest ratio of neighbours, above 1)."""
  verdicts = []
  for load, part in table.groupby('load'):
    best = part.pivot(index='seed', columns='snr', values='best_time')
    verdicts += [
      exceeds((best[b] / best[a]).to_numpy(), 1.0, log=True, note=f'load {load:g}, {a:g} to {b:g}')
      for a, b in itertools.pairwise(best.columns)
    ]
  return weakest(verdicts)


PAPER = 'Advani & Saxe 2017'
RIDGE = 'Ali, Kolter & Tibshirani 2019'


def _claim(judge, paper: str, reads: str, source: str = PAPER) -> Claim:
  return Claim(judge=judge, reads=(reads,), source=source, paper=paper)


CLAIMS = (
  _claim(curves_match, 'theory and simulation agree', 'curves'),
  _claim(mean_curves_match, 'theory and simulation agree', 'curves'),
  _claim(training_curves_match, 'theory and simulation agree', 'curves'),
  _claim(overtraining_peaks_at_one, 'direction only: worst at P = N', 'loads'),
  _claim(stopping_removes_the_peak, 'direction only: no peak', 'loads'),
  _claim(unseen_directions_are_frozen, '1 - load of the weights do not move', 'loads'),
  _claim(large_starts_hurt, 'direction only: small weights generalize', 'starts'),
  _claim(large_starts_hurt_in_the_end, 'direction only: small weights generalize', 'starts'),
  _claim(starts_are_forgotten_above_load_one, 'from the solution: ratio 1', 'starts'),
  _claim(starts_cost_even_when_stopped_in_time, 'none', 'starts', 'a question of ours'),
  _claim(stopping_is_nearly_ridge, 'at most 1.2147', 'loads', RIDGE),
  _claim(ridge_is_better, 'at least 1', 'loads', RIDGE),
  _claim(clean_labels_want_long_training, 'direction only: later with higher SNR', 'signals'),
)
EXPERIMENTS = {}
CALCULATIONS = {'curves': curves, 'loads': loads, 'starts': starts, 'signals': signals}
MEASUREMENTS = {}
FIGURES = {'linear_dynamics': (drawing.figure, 'curves', 'loads', 'starts')}


def summary(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
  """One row for each calculation, for the terminal."""
  return plan.sizes_of(CALCULATIONS, tables)


def reading(tables: Mapping[str, pd.DataFrame]) -> str:
  """What samples and theory say at three loads, in one paragraph."""
  if 'loads' not in tables:
    return ''
  means = tables['loads'].groupby('load').mean()
  parts = [
    f'at load {load:g} {means["late"][load]:.3g} ({means["late_theory"][load]:.3g}) after long '
    f'training and {means["best"][load]:.3g} ({means["best_theory"][load]:.3g}) at the best time'
    for load in CURVES
  ]
  return (
    f'Errors on new examples of samples with {N} weights, means over seeds, and in parentheses the '
    f'theory of many: {"; ".join(parts)}.'
  )


def _summary(spectrum: theory.Spectrum, start: float) -> dict[str, float]:
  time, error = theory.best_time(spectrum, SNR, start)
  late = theory.generalization_error(spectrum, np.array([LATE]), SNR, start)
  ridge = theory.ridge_error(spectrum, 1 / SNR, SNR)
  return {'late': float(late[0]), 'best': error, 'best_time': time, 'ridge': ridge}


def _of_sample(problem: theory.Problem, snr: float) -> dict[str, float]:
  """Of one teacher: the error after long training, and the least that its own curve has."""
  times = np.concatenate([np.geomspace(0.05, 50, 120), [LATE]])
  new, _ = theory.errors(problem, theory.flow(problem, times), snr)
  k = int(np.argmin(new))
  return {'late': float(new[-1]), 'best': float(new[k]), 'best_time': float(times[k])}


def _of_ridge(problem: theory.Problem) -> dict[str, float]:
  """Of one teacher: the error of the best ridge, and of the teacher's part off the examples' span."""
  x = problem.inputs
  weights = np.linalg.solve(x.T @ x + np.eye(N) / SNR, x.T @ problem.labels)
  frozen = 0.0
  if len(x) < N:
    basis, _ = np.linalg.qr(x.T)
    frozen = float(np.sum((problem.teacher - basis @ (basis.T @ problem.teacher)) ** 2)) / N
  return {'ridge': float(theory.errors(problem, weights[None], SNR)[0][0]), 'frozen': frozen}


def _apart(table: pd.DataFrame, name: str) -> Verdict:
  differences = (table[name] / table[f'{name}_theory'] - 1).abs()
  verdicts = []
  for (load, start), part in table.assign(apart=differences).groupby(['load', 'start']):
    values = part.groupby('seed')['apart'].mean().to_numpy()
    verdicts.append(falls_below(values, 0.05, note=f'load {load:g}, start {start:g}'))
  return weakest(verdicts, highest=True)


def _peak(table: pd.DataFrame, name: str, others: Sequence[float]) -> Verdict:
  errors = table.pivot(index='seed', columns='load', values=name)
  return weakest(
    [
      exceeds((errors[1.0] / errors[load]).to_numpy(), 1.0, log=True, note=f'load {load:g}')
      for load in others
    ]
  )


def _of_start(table: pd.DataFrame, load: float, name: str, start: float) -> np.ndarray:
  errors = table[table['load'] == load].pivot(index='seed', columns='start', values=name)
  return (errors[start] / errors[0.0]).to_numpy()


def _over_ridge(table: pd.DataFrame, judge, bound: float) -> list[Verdict]:
  verdicts = []
  for load, part in table.groupby('load'):
    floor = part['frozen'] + 1 / SNR
    ratios = (part['stopped'] - floor) / (part['ridge'] - floor)
    verdicts.append(judge(ratios.to_numpy(), bound, log=True, note=f'load {load:g}'))
  return verdicts
