"""What the mixture over sampled networks pays for targets of all weights, under label noise."""

import functools
import itertools
from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import stats

from research import rngs
from research.studies.claim import Verdict, exceeds, falls_below, weakest, within
from research.studies.universality_lens import networks
from research.studies.universality_lens.networks import FLIP, N_EXAMPLES, N_INPUTS, SEEDS
from research.theory import weight

LEVELS = (1e-1, 1e-3, 10**-3.5, 1e-4, 10**-4.5, 1e-5)  # shares of networks: of the targets
N_EACH, N_RANDOM, N_DRAWS = 2, 3, 8
TIMES = (12, 25, 50, 100, 200, N_EXAMPLES, 800)
ROUNDING = 1e-9  # nats
WIDTHS, N_OF_WIDTH, LIGHTEST = (16, 64, 256), 100_000, 1e-4


@functools.cache
def targets() -> list[dict]:
  """Two functions near each share of a sample that is used for nothing else, and random tables."""
  prior = networks.usual_prior(networks.SELECTION)
  share, found = prior.counts / prior.counts.sum(), []
  taken = np.zeros(len(share), bool)
  for level in LEVELS:
    for _ in range(N_EACH):
      far = np.abs(np.log(share / level)) + np.where(taken, np.inf, 0.0)
      # Many share the smallest counts: of those, any.
      nearest = np.flatnonzero(np.isclose(far, far.min()))
      row = nearest[rngs.named_generator(len(found), 'lens/targets').integers(len(nearest))]
      taken[row] = True
      found.append({'kind': 'network', 'level': level, 'table': prior.tables[row]})
  for i in range(N_RANDOM):
    drawn = rngs.named_generator(i, 'lens/random').integers(0, 2, N_INPUTS, dtype=np.uint8)
    found.append({'kind': 'random', 'level': 2.0**-N_INPUTS, 'table': drawn})
  return found


def examples(table: np.ndarray, times: Sequence[int], *counters: int) -> np.ndarray:
  """Tallies [T, 64, 2] of the first so many of noisy examples of a table."""
  generator = rngs.named_generator(counters[0], 'lens/examples', *counters[1:])
  x = generator.integers(0, N_INPUTS, max(times))
  y = table[x] ^ (generator.uniform(size=len(x)) < FLIP)
  return np.stack([weight.tally(x[:n], y[:n], N_INPUTS) for n in times])


def regrets(seeds: Sequence[int] = SEEDS, n_draws: int = N_DRAWS) -> pd.DataFrame:
  """Regret and bounds: a row for each replicate, target, draw of the data, and number of examples.

  A replicate has a prior and data of its own. The weight of a target in all other replicates together
  is `mass`: it owes nothing to the sample that it is compared with, nor to the selection.
  """
  rows, own = [], {}
  for seed, (i, target) in itertools.product(seeds, enumerate(targets())):
    prior, table = networks.usual_prior(seed), target['table']
    own[seed, i] = networks.weight_of(prior, table)
    row = {'seed': seed, 'target': i, 'kind': target['kind'], 'level': target['level']}
    row |= {'weight': own[seed, i], 'functions': len(prior.counts)}
    bounds = [_bounds(prior, table, n) for n in TIMES]
    tallies = np.stack([examples(table, TIMES, seed, i, draw) for draw in range(n_draws)])
    regret = weight.regret(prior, table, tallies, FLIP)
    of_table = weight.table_regret(table, tallies, FLIP)
    union = weight.union_regret(regret, of_table)
    for draw, (t, n) in itertools.product(range(n_draws), enumerate(TIMES)):
      found = {'draw': draw, 'n': n, 'regret': regret[draw, t], 'union': union[draw, t]}
      radius = int(bounds[t]['radius'])
      of_ball = weight.sample_bound(prior, table, tallies[draw, t], FLIP, radius)
      found |= {'table_code': of_table[draw, t], 'sample_bound': of_ball}
      rows.append(row | found | bounds[t])
  others = {
    (seed, i): np.mean([own[s, i] for s in seeds if s != seed] or [np.nan]) for seed, i in own
  }
  return pd.DataFrame({**row, 'mass': others[row['seed'], row['target']]} for row in rows)


def widths(seeds: Sequence[int] = SEEDS, n_draws: int = N_DRAWS) -> pd.DataFrame:
  """Regrets at one number of examples where the network is narrower or wider: the same data for all."""
  rows = []
  for seed, width in itertools.product(seeds, WIDTHS):
    prior = networks.prior(seed, N_OF_WIDTH, width)
    parameters = width * (networks.N_BITS + 2) + 1
    for i, target in enumerate(targets()):
      table = target['table']
      tallies = [examples(table, (N_EXAMPLES,), seed, i, draw)[0] for draw in range(n_draws)]
      found = weight.regret(prior, table, np.stack(tallies), FLIP)
      row = {'seed': seed, 'width': width, 'parameters': parameters, 'target': i}
      row |= {'kind': target['kind'], 'level': target['level'], 'functions': len(prior.counts)}
      row |= {'weight': networks.weight_of(prior, table), 'regret': found.mean()}
      rows.append(row | _bounds(prior, table, N_EXAMPLES))
  return pd.DataFrame(rows)


def regret_is_below_the_bound(table: pd.DataFrame) -> Verdict:
  """The regret of the mixture over 3e5 sampled networks is at most -log w(B) plus what the ball B loses
  on the same data, whose mean is at most nD: for targets from a tenth of all networks to random tables,
  at 12 to 800 examples, B being the best ball (regret minus that, nats, the largest of all data; at
  most 0)."""
  excess = (table['regret'] - table['sample_bound']).groupby(table['seed']).max()
  means = table.groupby(['target', 'n'])[['regret', 'bound']].mean()
  most = (means['regret'] - means['bound']).max()
  return Verdict(
    holds=bool(excess.max() <= ROUNDING),
    ours=float(excess.max()),
    n=len(excess),
    note=f'of {len(table)}; mean regrets are below -log w(B) + nD by {-most:.2g} nats or more',
  )


def regret_grows_with_rarity(table: pd.DataFrame) -> Verdict:
  """The rarer a target among networks, the larger its regret at 400 examples: rank correlation of
  regret with -log P over targets, P from other samples (above 0.9; bound ours)."""
  found = []
  for _, rows in _of_networks(table).groupby('seed'):
    means = rows.groupby('target')[['regret', 'mass']].mean()
    found.append(stats.spearmanr(means['regret'], -means['mass'])[0])
  return exceeds(np.array(found), 0.9)


def regret_is_the_log_weight(table: pd.DataFrame) -> Verdict:
  """At 400 examples a target that the sample holds costs its own log-weight, to a tenth: regret over
  -log w, the mean over targets (between 0.9 and 1; lower bound ours)."""
  rows = _of_networks(table)
  rows = rows[rows['weight'] > 0]
  ratios = (rows['regret'] / -np.log(rows['weight'])).groupby(rows['seed']).mean()
  return within(ratios.to_numpy(), 0.9, 1.0 + 1e-9)


def random_tables_cost_more_than_a_table_code(table: pd.DataFrame) -> Verdict:
  """Random truth tables cost the mixture over sampled networks more than a code that learns each of the
  64 inputs by itself: difference of regrets at 400 examples (nats, above 0)."""
  rows = table[(table['kind'] == 'random') & (table['n'] == N_EXAMPLES)]
  means = rows.groupby('seed')[['regret', 'table_code']].mean()
  note = f'{means["regret"].mean():.1f} against {means["table_code"].mean():.1f} nats'
  return exceeds((means['regret'] - means['table_code']).to_numpy(), 0.0, note=note)


def all_tables_cost_little_more(table: pd.DataFrame) -> Verdict:
  """A class of all 2^64 functions in the place of the sampled ones, half of the weight on what is
  added, costs the targets at most log 2 (nats at 400 examples, the largest mean over targets; below
  0.7)."""
  rows = _of_networks(table)
  rise = rows['union'] - rows['regret']
  verdicts = [
    falls_below(of.groupby(rows['seed']).mean().to_numpy(), 0.7, note=f'target {i}')
    for i, of in rise.groupby(rows['target'])
  ]
  return weakest(verdicts, highest=True)


def equal_weights_cost_more(table: pd.DataFrame) -> Verdict:
  """The same class of all 2^64 functions with equal weights costs every target of networks more: table
  code minus union, at 400 examples (nats, the smallest; above 0)."""
  rows = _of_networks(table)
  rise = rows['table_code'] - rows['union']
  verdicts = [
    exceeds(of.groupby(rows['seed']).mean().to_numpy(), 0.0, note=f'target {i}')
    for i, of in rise.groupby(rows['target'])
  ]
  return weakest(verdicts)


def width_changes_little(table: pd.DataFrame) -> Verdict:
  """Sixteen times as many hidden units change the regret of targets that one in 1e4 networks or more
  compute by less than 1 nat at 400 examples: width 256 minus 16, mean over targets (nats; within 1;
  bound ours)."""
  kept = table[(table['kind'] == 'network') & (table['level'] >= LIGHTEST)]
  regret = kept.pivot_table(index='seed', columns='width', values='regret')
  change = regret[max(WIDTHS)] - regret[min(WIDTHS)]
  return within(change.to_numpy(), -1.0, 1.0)


def regret_follows_the_weight_across_widths(table: pd.DataFrame) -> Verdict:
  """Over widths and targets, the regret at 400 examples follows the bound of the ball, which knows
  weights alone: share of the variance explained by the bound as it is (above 0.95; bound ours)."""
  found = []
  for _, rows in table[table['kind'] == 'network'].groupby('seed'):
    left = np.mean(np.square(rows['regret'] - rows['bound']))
    found.append(1 - left / np.var(rows['regret']))
  return exceeds(np.array(found), 0.95)


def _bounds(prior: weight.Prior, table: np.ndarray, n: int) -> dict[str, float]:
  hard = weight.bound(prior, table, n, FLIP)
  soft = weight.soft_bound(prior, table, n, FLIP)
  return {'bound': hard.value, 'radius': hard.radius, 'soft_bound': soft}


def _of_networks(table: pd.DataFrame) -> pd.DataFrame:
  return table[(table['kind'] == 'network') & (table['n'] == N_EXAMPLES)]
