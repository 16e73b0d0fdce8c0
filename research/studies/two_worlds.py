"""Can any quantity of sample and network estimate the test error (Gastpar et al. 2023)?

Two worlds in which the same sample and the same network come with opposite test errors
(`research.theory.two_worlds`), and all measures of the house on both (`research.measures.guard`). The
paper has theorems and no experiments; every number here is ours. Linear maps over F_11^20; a seed is a
set of trials of its own.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from research import rngs
from research.figures import two_worlds as two_worlds_figure
from research.measures import MEASURES, guard
from research.studies import plan
from research.studies.claim import Claim, Verdict, exceeds, falls_below, weakest, within
from research.theory import two_worlds

TITLE = 'Two worlds: fantastic generalization measures are nowhere to be found'

SEEDS = range(100, 105)
SIZES = (5, 10, 15, 18, 19, 20, 21, 25, 30)
D, Q, TRIALS = 20, 11, 100  # trials of each seed, world and size
PEEK = 'test error (a leak)'


def errors(seeds: Sequence[int] = SEEDS, trials: int = TRIALS) -> pd.DataFrame:
  """The share of the sample that is fitted, and the test error, by world and number of examples."""
  rows = []
  for seed in seeds:
    for n in SIZES:
      for world in two_worlds.WORLDS:
        generator = rngs.named_generator(seed, f'two_worlds/errors/{world}', n)
        draws = [two_worlds.draw(generator, world, n, D, Q) for _ in range(trials)]
        rows.append(
          {
            'seed': seed,
            'n': n,
            'world': world,
            'train_fit': np.mean([1 - drawn.train_error for drawn in draws]),
            'test_error': np.mean([drawn.test_error for drawn in draws]),
            'full_rank': np.mean([drawn.rank == D for drawn in draws]),
            'expected_fit': two_worlds.expected_fit(world, n, D, Q),
            'expected_error': two_worlds.expected_error(world, n, D, Q),
            'expected_full_rank': two_worlds.rank_law(n, D, Q)[D] if n >= D else 0.0,
          }
        )
  return pd.DataFrame(rows)


def measures(seeds: Sequence[int] = SEEDS, trials: int = TRIALS) -> pd.DataFrame:
  """How well each measure tells the worlds apart, at n = 20 with invertible inputs and at n = 30.

  `p` is that of a Kolmogorov-Smirnov test over all trials of all seeds; `gap` how far apart the two
  distribution functions are at most. At n = 20 the test error itself is among the measures.
  """
  rows = []
  for n, invertible in ((20, True), (30, False)):
    drawn = guard.joined([guard.worlds(seed, trials, n, D, Q, invertible) for seed in seeds])
    found: dict[str, dict[str, np.ndarray]] = {world: {} for world in two_worlds.WORLDS}
    for family in MEASURES.values():
      for world, values in guard.values(family, drawn).items():
        found[world] |= values
    for world, values in found.items():
      values[PEEK] = drawn.test_errors[world]
    first, second = (found[world] for world in two_worlds.WORLDS)
    for name in first:
      p, gap = guard.difference(first[name], second[name])
      rows.append({'n': n, 'measure': name, 'p': p, 'gap': gap, 'trials': len(first[name])})
  return pd.DataFrame(rows)


def both_worlds_are_fitted(table: pd.DataFrame) -> Verdict:
  """With n = d = 20 examples a linear map fits the sample in both worlds (share that is fitted, above
  0.99)."""
  return weakest([exceeds(_at(table, 20, w, 'train_fit'), 0.99, note=w) for w in two_worlds.WORLDS])


def the_linear_world_is_learned(table: pd.DataFrame) -> Verdict:
  """With n = 20 the test error is small in the linear world (below 0.1)."""
  return falls_below(_at(table, 20, 'linear', 'test_error'), 0.1)


def the_random_world_is_not(table: pd.DataFrame) -> Verdict:
  """With n = 20 the test error is 1 - 1/q = 0.909 in the random world (above 0.9)."""
  return exceeds(_at(table, 20, 'random', 'test_error'), 0.9, note='exact: no spread')


def every_estimate_is_far_off(table: pd.DataFrame) -> Verdict:
  """Whatever is computed from sample and network is off by 0.4 or more in one world at n = 20 (half of
  the difference between the worlds' test errors, above 0.4)."""
  apart = _at(table, 20, 'random', 'test_error') - _at(table, 20, 'linear', 'test_error')
  return exceeds(apart / 2, 0.4, note='in the mean over inputs; given invertible ones, 0.455')


def ten_examples_teach_nothing(table: pd.DataFrame) -> Verdict:
  """With n = 10 both test errors are 0.909 (the smaller one, above 0.9)."""
  found = [exceeds(_at(table, 10, w, 'test_error'), 0.9, note=w) for w in two_worlds.WORLDS]
  return weakest(found)


def thirty_examples_tell(table: pd.DataFrame) -> Verdict:
  """With n = 30 the linear world is fitted, and the random world no longer (share that is fitted there,
  from 0.65 to 0.75)."""
  fits = exceeds(_at(table, 30, 'linear', 'train_fit'), 0.99, note='linear world')
  return weakest([fits, within(_at(table, 30, 'random', 'train_fit'), 0.65, 0.75)])


def closed_forms_hold(table: pd.DataFrame) -> Verdict:
  """Fit, test error and the share of invertible inputs are those of closed forms at every n (largest
  distance of a mean over all trials, below 0.03, two standard errors of the least certain; bound
  ours)."""
  means = table.groupby(['n', 'world']).mean()
  pairs = {'train_fit': 'expected_fit', 'test_error': 'expected_error'}
  pairs['full_rank'] = 'expected_full_rank'
  farthest = max(float((means[a] - means[b]).abs().max()) for a, b in pairs.items())
  return Verdict(holds=farthest < 0.03, ours=farthest, n=table['seed'].nunique())


def no_measure_tells(table: pd.DataFrame) -> Verdict:
  """No measure of the house tells the worlds apart at n = 20 (the least p times the number of measures,
  above 0.01)."""
  rows = table[(table['n'] == 20) & (table['measure'] != PEEK)]
  least = rows.sort_values('p').iloc[0]
  p = min(1.0, float(least['p']) * len(rows))
  note = f'{len(rows)} measures; least p: {least["measure"]}'
  return Verdict(holds=p > 0.01, ours=p, n=int(rows['trials'].min()), note=note)


def a_leak_is_caught(table: pd.DataFrame) -> Verdict:
  """The test error itself, as a measure, tells the worlds apart at n = 20 (p below 1e-10)."""
  row = table[(table['n'] == 20) & (table['measure'] == PEEK)].iloc[0]
  return Verdict(holds=bool(row['p'] < 1e-10), ours=float(row['p']), n=int(row['trials']))


def margins_tell_where_they_may(table: pd.DataFrame) -> Verdict:
  """At n = 30, where the sample itself differs, the margin tells the worlds apart (p below 1e-10)."""
  row = table[(table['n'] == 30) & (table['measure'] == 'margins/minus_margin')].iloc[0]
  return Verdict(holds=bool(row['p'] < 1e-10), ours=float(row['p']), n=int(row['trials']))


def _at(table: pd.DataFrame, n: int, world: str, column: str) -> np.ndarray:
  rows = table[(table['n'] == n) & (table['world'] == world)]
  return rows.sort_values('seed')[column].to_numpy()


EXPERIMENTS = {}
CALCULATIONS = {'errors': errors, 'measures': measures}
MEASUREMENTS = {}
FIGURES = {'two_worlds': (two_worlds_figure.figure, 'errors', 'measures')}

PAPER = 'Gastpar et al. 2023'
CONTROL = f'a control of ours for {PAPER}'


def _claim(judge, reads: str, paper: str, source: str = PAPER) -> Claim:
  return Claim(judge=judge, reads=(reads,), source=source, paper=paper)


CLAIMS = (
  _claim(both_worlds_are_fitted, 'errors', 'theorem; bound ours'),
  _claim(the_linear_world_is_learned, 'errors', 'theorem; bound ours'),
  _claim(the_random_world_is_not, 'errors', 'theorem; bound ours'),
  _claim(every_estimate_is_far_off, 'errors', 'theorem; bound ours'),
  _claim(ten_examples_teach_nothing, 'errors', 'none', CONTROL),
  _claim(thirty_examples_tell, 'errors', 'none', CONTROL),
  _claim(closed_forms_hold, 'errors', 'none', CONTROL),
  _claim(no_measure_tells, 'measures', 'theorem: none can'),
  _claim(a_leak_is_caught, 'measures', 'none', CONTROL),
  _claim(margins_tell_where_they_may, 'measures', 'none', CONTROL),
)


def summary(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
  """One row for each calculation, for the terminal."""
  return plan.sizes_of(CALCULATIONS, tables)


def reading(tables: Mapping[str, pd.DataFrame]) -> str:
  """The two test errors, and how many measures cannot see which it is."""
  if not {'errors', 'measures'} <= {*tables}:
    return ''
  means = [_at(tables['errors'], 20, w, 'test_error').mean() for w in two_worlds.WORLDS]
  blind = tables['measures'].query('n == 20 and measure != @PEEK', local_dict={'PEEK': PEEK})
  return (
    f'Networks that fit 20 examples err on {means[0]:.3f} of new ones in one world and on '
    f'{means[1]:.3f} in the other (means over all inputs); given invertible inputs, none of '
    f'{len(blind)} measures of sample and network can know in which world they are, and the largest '
    f'gap between their distributions is {blind["gap"].max():.2f}.'
  )
