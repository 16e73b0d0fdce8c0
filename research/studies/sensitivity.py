r"""Which interpolating fits are robust (Bombari et al. 2023): random and tangent features, by width.

Inputs and labels are standard Gaussian, and so are the inputs at which sensitivity is measured: a root
mean square over these, in labels. The universal law's :math:`\sqrt{n d / p}` is for p parameters.
"""

import itertools
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from research import rngs
from research.figures import sensitivity as drawing
from research.studies import plan
from research.studies.claim import Claim, Verdict, exceeds, falls_below, weakest, within
from research.theory import sensitivity as theory

TITLE = 'Beyond the universal law of robustness: sensitivity of random and tangent features'

SEEDS = tuple(range(100, 105))
DIM, N, POINTS = 200, 200, 50
ACTIVATIONS = ('tanh', 'square')
WIDTHS: dict[theory.Features, tuple[int, ...]] = {
  'random_features': (1000, 2000, 4000, 8000, 16000),
  'tangent': (20, 40, 80, 160, 320),
}
EXAMPLES = (50, 100, 150, 200, 250, 300, 400)
WIDTH = 4000  # of the random features by examples


@threadpool_limits.wrap(limits=1)
def widths(seeds: Sequence[int] = SEEDS) -> pd.DataFrame:
  """Sensitivity by features, activation and width; widths of a seed share their first units."""
  rows = []
  for seed, features, activation in itertools.product(seeds, WIDTHS, ACTIVATIONS):
    for width in WIDTHS[features]:
      parameters = width * (DIM if features == 'tangent' else 1)
      row = {'seed': seed, 'features': features, 'activation': activation, 'width': width}
      row['law'] = float(np.sqrt(N * DIM / parameters))
      rows.append(row | {'sensitivity': _measure(seed, N, width, features, activation)})
  return pd.DataFrame(rows)


@threadpool_limits.wrap(limits=1)
def examples(seeds: Sequence[int] = SEEDS) -> pd.DataFrame:
  """Sensitivity of random features of tanh, by the number of examples."""
  return pd.DataFrame(
    {'seed': seed, 'n': n, 'sensitivity': _measure(seed, n, WIDTH, 'random_features', 'tanh')}
    for seed, n in itertools.product(seeds, EXAMPLES)
  )


def random_features_stay_sensitive(table: pd.DataFrame) -> Verdict:
  """Random features of tanh are as sensitive at 16 times the width: the ratio exceeds 0.8 (bound
  ours)."""
  return exceeds(_narrowed(table, 'random_features', 'tanh'), 0.8, log=True)


def even_random_features_become_robust(table: pd.DataFrame) -> Verdict:
  """It is the odd part of the activation that keeps them so: of the square, which has none, the same
  ratio is below 0.5 (bound ours)."""
  return falls_below(_narrowed(table, 'random_features', 'square'), 0.5, log=True)


def even_tangent_features_become_robust(table: pd.DataFrame) -> Verdict:
  """Tangent features of an even activation, the square, are less sensitive at 16 times the width: the
  ratio is below 0.5 (bound ours)."""
  return falls_below(_narrowed(table, 'tangent', 'square'), 0.5, log=True)


def even_tangent_features_follow_the_law(table: pd.DataFrame) -> Verdict:
  """They are as robust as the universal law lets them be: sensitivity falls with the width to the power
  -1/2, up to 0.1 (power, of a straight line on logarithms; bound ours)."""
  part = table[(table['features'] == 'tangent') & (table['activation'] == 'square')]
  slopes = [
    np.polyfit(np.log(rows['width']), np.log(rows['sensitivity']), 1)[0]
    for _, rows in part.groupby('seed')
  ]
  return within(np.array(slopes), -0.6, -0.4)


def odd_tangent_features_stay_sensitive(table: pd.DataFrame) -> Verdict:
  """Tangent features of an odd activation, tanh, are as sensitive at 16 times the width: the ratio
  exceeds 0.8 (bound ours)."""
  return exceeds(_narrowed(table, 'tangent', 'tanh'), 0.8, log=True)


def none_beats_the_law(table: pd.DataFrame) -> Verdict:
  """No fit is less sensitive than the universal law's sqrt(n d / p), with a constant of 1: at every
  width the ratio exceeds 1 (smallest ratio; the constant is ours)."""
  return weakest(
    [
      exceeds(
        (part['sensitivity'] / part['law']).to_numpy(), 1.0, log=True, note=' '.join(map(str, key))
      )
      for key, part in table.groupby(['features', 'activation', 'width'])
    ]
  )


def random_features_peak_at_the_dimension(table: pd.DataFrame) -> Verdict:
  """Random features of tanh are most sensitive with as many examples as inputs have entries: more than
  with half and with twice as many (smaller ratio, above 1)."""
  of = table.pivot(index='seed', columns='n', values='sensitivity')
  return weakest(
    [
      exceeds((of[DIM] / of[n]).to_numpy(), 1.0, log=True, note=f'against n = {n}')
      for n in (DIM // 2, 2 * DIM)
    ]
  )


PAPER = 'Bombari, Kiyani & Mondelli 2023'
PILOT = 'a question of ours, from a pilot'


def _claim(judge, paper: str, reads: str, source: str = PAPER) -> Claim:
  return Claim(judge=judge, reads=(reads,), source=source, paper=paper)


CLAIMS = (
  _claim(random_features_stay_sensitive, 'direction only: at any width', 'widths'),
  _claim(even_random_features_become_robust, 'none', 'widths', PILOT),
  _claim(even_tangent_features_become_robust, 'direction only: falls', 'widths'),
  _claim(even_tangent_features_follow_the_law, 'the law is saturated, up to logarithms', 'widths'),
  _claim(odd_tangent_features_stay_sensitive, 'none', 'widths', PILOT),
  _claim(none_beats_the_law, 'a lower bound, up to constants', 'widths', 'Bubeck & Sellke 2021'),
  _claim(random_features_peak_at_the_dimension, 'none', 'examples', PILOT),
)
EXPERIMENTS = {}
CALCULATIONS = {'widths': widths, 'examples': examples}
MEASUREMENTS = {}
FIGURES = {'sensitivity': (drawing.figure, 'widths', 'examples')}


def summary(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
  """One row for each calculation, for the terminal."""
  return plan.sizes_of(CALCULATIONS, tables)


def reading(tables: Mapping[str, pd.DataFrame]) -> str:
  """Sensitivities at the least and the largest width, in one paragraph."""
  if 'widths' not in tables:
    return ''
  parts = []
  for (features, activation), part in tables['widths'].groupby(['features', 'activation']):
    means = part.groupby('width')['sensitivity'].mean()
    first, last = means.index[0], means.index[-1]
    parts.append(
      f'{means[first]:.3g} to {means[last]:.3g} for {str(features).replace("_", " ")} of {activation} '
      f'({first} to {last} units)'
    )
  return f'Sensitivity by width, means over seeds, in labels: {"; ".join(parts)}.'


def _measure(seed: int, n: int, width: int, features: theory.Features, activation: str) -> float:
  normal = {
    name: rngs.named_generator(seed, f'sensitivity/{name}').normal
    for name in ('inputs', 'labels', 'weights', 'points')
  }
  weights = normal['weights'](size=(width, DIM)) / np.sqrt(DIM)
  found = theory.fit(
    normal['inputs'](size=(n, DIM)),
    normal['labels'](size=n),
    weights,
    features=features,
    activation=activation,
  )
  points = normal['points'](size=(POINTS, DIM))
  return float(np.sqrt(np.mean(theory.sensitivity(found, points) ** 2)))


def _narrowed(table: pd.DataFrame, features: str, activation: str) -> np.ndarray:
  """The sensitivity at the largest width over that at the least, of each seed."""
  part = table[(table['features'] == features) & (table['activation'] == activation)]
  of = part.pivot(index='seed', columns='width', values='sensitivity')
  return (of[of.columns.max()] / of[of.columns.min()]).to_numpy()
