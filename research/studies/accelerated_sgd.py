r"""What acceleration does to the risk of SGD (Li et al. 2024): bias and variance by eigenvalue.

Linear regression with Gaussian examples of eigenvalues :math:`i^{-2}`, one fresh example a step. Bias
and variance are exact; simulated runs stand beside them. Risks are in units of half a squared label,
sums over the eigenvalues of a band.
"""

import itertools
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from research import rngs
from research.figures import accelerated_sgd as drawing
from research.studies import plan
from research.studies.claim import Claim, Verdict, exceeds, falls_below, farthest, weakest, within
from research.theory import accelerated_sgd as theory

TITLE = 'Risk bounds of accelerated SGD: what momentum does by eigenvalue'

SEEDS = tuple(range(100, 105))
DIM, N_BANDS, NOISE, RUNS = 60, 6, 0.01, 400
BURN_IN, AVERAGED = 750, 750
VALUES = 1.0 / np.arange(1, DIM + 1) ** 2
EDGES = np.geomspace(1, VALUES[-1], N_BANDS + 1)
METHODS = {'sgd': theory.Method(0.3), 'asgd': theory.Method(0.3, 2.4, 0.02)}
GRID = np.geomspace(1, 0.001, 61)
CONFINED = {'small': VALUES < 0.01, 'large': VALUES > 0.1}
BETAS = (0.01, 0.02, 0.05, 0.1, 0.3)


def rates() -> pd.DataFrame:
  """By what factor a step shrinks the mean error at last: by eigenvalue and method."""
  return pd.DataFrame(
    {'method': name, 'eigenvalue': value, 'rate': rate}
    for name, method in METHODS.items()
    for value, rate in zip(GRID, theory.bias_rates(GRID, method), strict=True)
  )


def bands(seeds: Sequence[int] = SEEDS) -> pd.DataFrame:
  """Bias and variance of each band, exactly, and the risk of simulated runs: a random start a seed."""
  rows = []
  for seed, (name, method) in itertools.product(seeds, METHODS.items()):
    start = rngs.named_generator(seed, 'accelerated_sgd/start').normal(size=DIM)
    bias, variance = _risk(method, start**2, 0.0), _risk(method, 0.0, NOISE)
    risks = {'bias': bias.averaged, 'bias_last': bias.last, 'variance': variance.averaged}
    risks['simulated'] = simulate(seed, method, start)
    for band in range(N_BANDS):
      inside = _band_of(VALUES) == band
      row = {'seed': seed, 'method': name, 'band': band}
      row['eigenvalue'] = float(np.exp(np.log(VALUES[inside]).mean()))
      rows.append(row | {key: float(value[inside].sum()) for key, value in risks.items()})
  return pd.DataFrame(rows)


def confined(seeds: Sequence[int] = SEEDS) -> pd.DataFrame:
  """The whole risk from starts that err in large or in small eigenvalues alone, equally in length."""
  rows = []
  for seed, (where, inside), (name, method) in itertools.product(
    seeds, CONFINED.items(), METHODS.items()
  ):
    drawn = rngs.named_generator(seed, 'accelerated_sgd/start').normal(size=DIM) * inside
    start = drawn**2 / np.sum(drawn**2)
    whole, bias = (_risk(method, start, noise).averaged.sum() for noise in (NOISE, 0.0))
    row = {'seed': seed, 'where': where, 'method': name}
    rows.append(row | {'averaged': float(whole), 'bias': float(bias)})
  return pd.DataFrame(rows)


def stability() -> pd.DataFrame:
  """The largest stable delta of SGD, and of acceleration with gamma 8 times delta, by beta."""
  rows = []
  for beta in (0.0, *BETAS):
    low, high = 0.0, 2.0
    for _ in range(40):
      middle = (low + high) / 2
      method = theory.Method(middle, 8 * middle if beta else 0.0, beta)
      low, high = (middle, high) if theory.noise_gain(VALUES, method) < 1 else (low, middle)
    rows.append({'beta': beta, 'largest_delta': low})
  return pd.DataFrame(rows)


def simulate(seed: int, method: theory.Method, start: np.ndarray) -> np.ndarray:
  """The excess risk [d] of averaged runs, a mean over RUNS of them."""
  rng = rngs.named_generator(seed, 'accelerated_sgd/examples')
  x = v = np.tile(start, (RUNS, 1))
  total, a = np.zeros_like(x), method.a
  for t in range(BURN_IN + AVERAGED):
    if t:
      y = a * x + (1 - a) * v
      examples = rng.normal(size=(RUNS, DIM)) * np.sqrt(VALUES)
      residual = np.sum(examples * y, axis=1) - np.sqrt(NOISE) * rng.normal(size=RUNS)
      gradient = residual[:, None] * examples
      x = y - method.delta * gradient
      v = method.beta * y + (1 - method.beta) * v - method.gamma * gradient
    if t >= BURN_IN:
      total += x
  return VALUES / 2 * np.mean((total / AVERAGED) ** 2, axis=0)


def runs_follow_the_theory(table: pd.DataFrame) -> Verdict:
  """Simulated runs have the risk that the recursion gives, in each band and for both methods, to 10 %
  (ratio, farthest from 1; bound ours)."""
  verdicts = []
  for key, part in table.groupby(['method', 'band']):
    ratios = part['simulated'] / (part['bias'] + part['variance'])
    method, band = map(str, key)
    note = f'{method}, band {int(band) + 1}'
    verdicts.append(within(ratios.to_numpy(), 0.9, 1.1, log=True, note=note))
  return farthest(verdicts)


def sgd_forgets_faster_in_large_eigenvalues(table: pd.DataFrame) -> Verdict:
  """The bias of SGD decays faster in large eigenvalues, from 0.5 on (smallest ratio of the logarithms
  of the rates, SGD to accelerated, above 1; exact)."""
  return _faster(table[table['eigenvalue'] >= 0.5], 'sgd', 'asgd')


def acceleration_forgets_faster_in_small_eigenvalues(table: pd.DataFrame) -> Verdict:
  """That of accelerated SGD decays faster in small ones, up to 0.1 (smallest ratio of the logarithms
  of the rates, accelerated to SGD, above 1; exact)."""
  return _faster(table[table['eigenvalue'] <= 0.1], 'asgd', 'sgd')


def acceleration_has_more_variance(table: pd.DataFrame) -> Verdict:
  """The variance of accelerated SGD is larger in every band (smallest ratio, above 1; exact, and the
  same from every start)."""
  return weakest(_ratios(table, 'variance', range(N_BANDS), exceeds))


def acceleration_has_less_bias_in_small_eigenvalues(table: pd.DataFrame) -> Verdict:
  """The bias of accelerated SGD, averaged over the tail, is smaller in the three bands of the smallest
  eigenvalues (largest ratio, below 1)."""
  verdicts = _ratios(table, 'bias', range(N_BANDS - 3, N_BANDS), falls_below)
  return weakest(verdicts, highest=True)


def acceleration_has_more_bias_in_large_eigenvalues(table: pd.DataFrame) -> Verdict:
  """That in the band of the largest eigenvalues is larger (ratio, above 1)."""
  return weakest(_ratios(table, 'bias', (0,), exceeds))


def the_last_iterate_has_more_bias_in_large_eigenvalues(table: pd.DataFrame) -> Verdict:
  """So it is without the average: the last iterate's bias in that band is larger (ratio, above 1)."""
  return weakest(_ratios(table, 'bias_last', (0,), exceeds))


def acceleration_wins_from_small_eigenvalues(table: pd.DataFrame) -> Verdict:
  """Where the start errs in eigenvalues below 0.01 alone, accelerated SGD has the smaller risk (ratio
  of the whole risk of tail averages, below 1)."""
  return falls_below(_of_start(table, 'small'), 1.0, log=True)


def acceleration_loses_from_large_eigenvalues(table: pd.DataFrame) -> Verdict:
  """Where it errs in those above 0.1 alone, accelerated SGD has the larger risk (the same, above 1)."""
  return exceeds(_of_start(table, 'large'), 1.0, log=True)


def without_noise_acceleration_wins(table: pd.DataFrame) -> Verdict:
  """From the same starts in eigenvalues below 0.01, with exact labels, accelerated SGD has the smaller
  risk (ratio of the bias of tail averages, below 1)."""
  return falls_below(_of_start(table, 'small', 'bias'), 1.0, log=True)


def acceleration_is_less_stable(table: pd.DataFrame) -> Verdict:
  """Acceleration with gamma 8 times delta needs a smaller delta to be stable, at every beta (largest
  ratio of the largest stable deltas to that of SGD, below 1; exact)."""
  deltas = table.set_index('beta')['largest_delta']
  ratios = deltas[deltas.index > 0] / deltas[0.0]
  note = f'SGD is stable up to {deltas[0.0]:.3g}; largest ratio at beta {ratios.idxmax():g}'
  return Verdict(holds=bool(ratios.max() < 1), ours=float(ratios.max()), n=len(ratios), note=note)


PAPER = 'Li et al. 2024'
OURS = 'a question of ours'


def _claim(judge, paper: str, reads: str, source: str = PAPER) -> Claim:
  return Claim(judge=judge, reads=(reads,), source=source, paper=paper)


CLAIMS = (
  _claim(runs_follow_the_theory, 'ratio 1', 'bands', 'a control of ours'),
  _claim(sgd_forgets_faster_in_large_eigenvalues, 'direction only: slower than SGD', 'rates'),
  _claim(acceleration_forgets_faster_in_small_eigenvalues, 'direction only: faster', 'rates'),
  _claim(acceleration_has_more_variance, 'direction only: always larger', 'bands'),
  _claim(acceleration_has_less_bias_in_small_eigenvalues, 'direction only: less', 'bands'),
  _claim(acceleration_has_more_bias_in_large_eigenvalues, 'direction only: more', 'bands'),
  _claim(the_last_iterate_has_more_bias_in_large_eigenvalues, 'none', 'bands', OURS),
  _claim(acceleration_wins_from_small_eigenvalues, 'direction only: better', 'confined'),
  _claim(acceleration_loses_from_large_eigenvalues, 'none', 'confined', OURS),
  _claim(without_noise_acceleration_wins, 'none', 'confined', OURS),
  _claim(acceleration_is_less_stable, 'none', 'stability', OURS),
)
EXPERIMENTS = {}
CALCULATIONS = {'rates': rates, 'bands': bands, 'confined': confined, 'stability': stability}
MEASUREMENTS = {}
FIGURES = {'accelerated_sgd': (drawing.figure, 'rates', 'bands')}


def summary(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
  """One row for each calculation, for the terminal."""
  return plan.sizes_of(CALCULATIONS, tables)


def reading(tables: Mapping[str, pd.DataFrame]) -> str:
  """The rates at the ends, in one paragraph."""
  if 'rates' not in tables:
    return ''
  found = tables['rates'].pivot(index='eigenvalue', columns='method', values='rate')
  largest, least = found.loc[found.index.max()], found.loc[found.index.min()]
  return (
    f'A step shrinks the mean error at eigenvalue {found.index.max():g} by {largest["sgd"]:.4g} with '
    f'SGD and {largest["asgd"]:.4g} accelerated, at {found.index.min():g} by {least["sgd"]:.5g} and '
    f'{least["asgd"]:.5g}.'
  )


def _risk(method: theory.Method, start, noise: float) -> theory.Risk:
  return theory.risk(VALUES, method, start=start, noise=noise, burn_in=BURN_IN, n_averaged=AVERAGED)


def _band_of(values: np.ndarray) -> np.ndarray:
  """The band of each eigenvalue, 0 for the largest: of equal width in the logarithm."""
  return np.clip(np.digitize(-np.log(values), -np.log(EDGES)) - 1, 0, N_BANDS - 1)


def _faster(table: pd.DataFrame, first: str, second: str) -> Verdict:
  logs = table.assign(log=np.log(table['rate'])).pivot(
    index='eigenvalue', columns='method', values='log'
  )
  ratios = logs[first] / logs[second]
  note = f'the smallest at eigenvalue {ratios.idxmin():.3g}'
  return Verdict(holds=bool(ratios.min() > 1), ours=float(ratios.min()), n=len(ratios), note=note)


def _ratios(table: pd.DataFrame, name: str, wanted: Sequence[int], judge) -> list[Verdict]:
  verdicts = []
  for band in wanted:
    part = table[table['band'] == band].pivot(index='seed', columns='method', values=name)
    note = f'band {band + 1} of {N_BANDS}'
    verdicts.append(judge((part['asgd'] / part['sgd']).to_numpy(), 1.0, log=True, note=note))
  return verdicts


def _of_start(table: pd.DataFrame, where: str, name: str = 'averaged') -> np.ndarray:
  part = table[table['where'] == where].pivot(index='seed', columns='method', values=name)
  return (part['asgd'] / part['sgd']).to_numpy()
