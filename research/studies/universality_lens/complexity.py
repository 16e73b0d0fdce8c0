"""Which functions networks prefer: complexity against weight, by how the network is initialized."""

import itertools
from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import stats

from research import rngs
from research.studies.claim import Verdict, exceeds, falls_below, weakest
from research.studies.universality_lens import networks, regret
from research.studies.universality_lens.networks import FLIP, N_EXAMPLES, N_INPUTS, SEEDS
from research.theory import boolean, weight

MEASURES = {
  'lempel_ziv': boolean.lempel_ziv,
  'algebraic_degree': boolean.algebraic_degree,
  'sensitivity': boolean.average_sensitivity,
  'fourier_entropy': boolean.fourier_entropy,
}
OFTEN = 10  # how often a function must occur in the first half for its weight to be measured
N_RANDOM_TABLES = 10_000
DEPTHS, SCALES = (1, 4), (0.5, 1.0, 2.0, 4.0)
N_OF_SCALE, WIDTH, BIAS, N_DRAWS = 10_000, 32, 0.2, 8


def correlations(seeds: Sequence[int] = SEEDS) -> pd.DataFrame:
  """Rank correlation of complexity with weight: a row for each replicate and measure of complexity.

  Over the functions that occur often in the first half of the replicate's sample; their weights are
  those in the second, so that no function has weight because it was chosen for it.
  """
  rows = []
  for seed in seeds:
    prior, counts = _often(seed)
    for name, measure in MEASURES.items():
      complexity = measure(prior.tables)
      rho, _ = stats.spearmanr(complexity, counts)
      rows.append({'seed': seed, 'measure': name, 'correlation': rho, 'functions': len(counts)})
  return pd.DataFrame(rows)


def envelope(seeds: Sequence[int] = SEEDS) -> pd.DataFrame:
  """The weights of functions by their Lempel-Ziv complexity: a row for each replicate and value.

  `highest` is the logarithm, to base 2, of the largest weight among functions of this complexity;
  `above` how many have more than :math:`2^{-aK + b}`, of `functions`. Here a, in bits per bit, is 64
  over the largest complexity of random tables, and b is that of the heaviest function of the first
  half of the replicate's sample; the other weights are those of the second half.
  """
  rows = []
  drawn = rngs.named_generator(0, 'lens/tables').integers(
    0, 2, (N_RANDOM_TABLES, N_INPUTS), dtype=np.uint8
  )
  slope = N_INPUTS / boolean.lempel_ziv(drawn).max()
  n = networks.N_NETWORKS // 2
  for seed in seeds:
    prior, counts = _often(seed)
    complexity = boolean.lempel_ziv(prior.tables)
    own = np.log2(prior.counts[0] / n)
    line = own - slope * (complexity - complexity[0])
    with np.errstate(divide='ignore'):
      logs = np.log2(counts / n)
    for value in np.unique(complexity):
      here = complexity == value
      row = {'seed': seed, 'complexity': value, 'functions': int(here.sum()), 'slope': slope}
      row |= {'highest': logs[here].max(), 'line': line[here][0]}
      row |= {'weight': counts[here].sum() / n}
      rows.append(row | {'above': int(np.sum(logs[here] > line[here]))})
  return pd.DataFrame(rows)


def initializations(seeds: Sequence[int] = SEEDS) -> pd.DataFrame:
  """Priors of tanh networks by depth and by the scale of their weights: what functions they prefer.

  `collision` is the probability that two networks compute the same function, estimated without bias;
  `regret` is that of the function that copies the first bit.
  """
  rows = []
  copy = boolean.inputs(networks.N_BITS)[:, 0]
  for seed, depth, scale in itertools.product(seeds, DEPTHS, SCALES):
    model = networks.gaussian_mlp((WIDTH,) * depth, 'tanh', scale, BIAS)
    tables = networks.tables(model, seed, N_OF_SCALE)
    prior = weight.prior_of(tables)
    complexity, counts = boolean.lempel_ziv(prior.tables), prior.counts
    tallies = [regret.examples(copy, (N_EXAMPLES,), seed, 1000, i)[0] for i in range(N_DRAWS)]
    constant = np.isin(prior.tables.sum(axis=1), (0, N_INPUTS))
    row = {'seed': seed, 'depth': depth, 'scale': scale, 'functions': len(counts)}
    row['lempel_ziv'] = np.average(complexity, weights=counts)
    row['sensitivity'] = np.average(boolean.average_sensitivity(prior.tables), weights=counts)
    row['constant'] = counts[constant].sum() / len(tables)
    row['collision'] = np.sum(counts * (counts - 1)) / (len(tables) * (len(tables) - 1))
    row['weight'] = networks.weight_of(prior, copy)
    row['regret'] = weight.regret(prior, copy, np.stack(tallies), FLIP).mean()
    rows.append(row)
  return pd.DataFrame(rows)


def simple_functions_weigh_more(table: pd.DataFrame) -> Verdict:
  """Of the functions that networks compute often, simpler ones have more weight: rank correlation of
  Lempel-Ziv complexity with weight in a second sample (below 0)."""
  return falls_below(_correlation(table, 'lempel_ziv'), 0.0)


def polynomials_of_low_degree_weigh_more(table: pd.DataFrame) -> Verdict:
  """So have those of lower degree as polynomials over the field of two elements: rank correlation of
  degree with weight in a second sample (below 0)."""
  return falls_below(_correlation(table, 'algebraic_degree'), 0.0)


def smooth_functions_weigh_more(table: pd.DataFrame) -> Verdict:
  """So have less sensitive ones, and those of lower Fourier entropy: rank correlation with weight in
  another sample (below 0 for both; the higher one)."""
  return weakest(
    [
      falls_below(_correlation(table, name), 0.0, note=name.replace('_', ' '))
      for name in ('sensitivity', 'fourier_entropy')
    ],
    highest=True,
  )


def largest_weight_falls_with_complexity(table: pd.DataFrame) -> Verdict:
  """The largest weight of the functions of one Lempel-Ziv complexity falls with it: rank correlation
  over complexities (below 0)."""
  found = [
    stats.spearmanr(rows['complexity'], rows['highest'])[0] for _, rows in table.groupby('seed')
  ]
  return falls_below(np.array(found), 0.0)


def weight_is_bounded_by_complexity(table: pd.DataFrame) -> Verdict:
  """No more than one in twenty of the functions that networks compute often has more weight than
  2^(-aK + b), with K its Lempel-Ziv complexity, a = 64 bits over the largest K of random tables, and b
  that of the heaviest function (share of functions above, below 0.05; threshold ours)."""
  sums = table.groupby('seed')[['above', 'functions']].sum()
  excess = (table['highest'] - table['line']).groupby(table['seed']).max()
  note = f'the largest weight is 2^{excess.mean():.1f} times the bound'
  return falls_below((sums['above'] / sums['functions']).to_numpy(), 0.05, note=note)


def chaos_makes_functions_complex(table: pd.DataFrame) -> Verdict:
  """Deep tanh networks with weights of scale 4, in the chaotic phase, compute more complex functions
  than with scale 1, at its border: Lempel-Ziv complexity of a network's function, the difference
  (bits, above 0)."""
  return exceeds(_cell(table, 4, 4.0, 'lempel_ziv') - _cell(table, 4, 1.0, 'lempel_ziv'), 0.0)


def depth_acts_both_ways(table: pd.DataFrame) -> Verdict:
  """Depth makes functions simpler in the ordered phase and more complex in the chaotic one: Lempel-Ziv
  complexity of four hidden layers minus one, its negative at scale 0.5 and itself at scale 4 (bits,
  the smaller one; above 0)."""
  change = {
    scale: _cell(table, 4, scale, 'lempel_ziv') - _cell(table, 1, scale, 'lempel_ziv')
    for scale in (0.5, 4.0)
  }
  return weakest(
    [
      exceeds(-change[0.5], 0.0, note='scale 0.5'),
      exceeds(change[4.0], 0.0, note='scale 4'),
    ]
  )


def chaos_makes_a_simple_target_dear(table: pd.DataFrame) -> Verdict:
  """A prior of deep chaotic networks makes the copy of a bit cost more than one at the border: regret
  at 400 examples, scale 4 minus scale 1 at four hidden layers (nats, above 0)."""
  return exceeds(_cell(table, 4, 4.0, 'regret') - _cell(table, 4, 1.0, 'regret'), 0.0)


def _often(seed: int) -> tuple[weight.Prior, np.ndarray]:
  """The functions that occur often in the first half of a replicate; their counts in the second."""
  prior, other = networks.halves(seed)
  often = prior.counts >= OFTEN
  kept = weight.Prior(prior.tables[often], prior.counts[often])
  words = boolean.packed(other.tables)[:, 0]
  order = np.argsort(words)
  mine = boolean.packed(kept.tables)[:, 0]
  at = order[np.minimum(np.searchsorted(words, mine, sorter=order), len(order) - 1)]
  return kept, np.where(words[at] == mine, other.counts[at], 0)


def _correlation(table: pd.DataFrame, measure: str) -> np.ndarray:
  return table[table['measure'] == measure].sort_values('seed')['correlation'].to_numpy()


def _cell(table: pd.DataFrame, depth: int, scale: float, column: str) -> np.ndarray:
  rows = table[(table['depth'] == depth) & (table['scale'] == scale)]
  return rows.sort_values('seed')[column].to_numpy()
