"""The weight of labels under a prior over networks: bits per label of digits, by how many are redrawn.

Networks, prior and images are those of `images`; weights are found by thermodynamic integration, and
controlled by independent chains and by two sizes of quadrature.
"""

import itertools
from collections.abc import Sequence

import jax
import numpy as np
import pandas as pd

from research import rngs
from research.studies.claim import Verdict, exceeds, falls_below, farthest, weakest, within
from research.studies.universality_lens.images import N_CHAINS, examples, losses, starts
from research.studies.universality_lens.networks import SEEDS
from research.tasks import digits
from research.thermodynamic_integration import integral, temperatures, thermodynamic_integration

N_LABELS, SHARES = 100, (0.0, 0.5, 1.0)  # labels that are weighed, and how many of them are redrawn
N_BETAS, POWER = 13, 4.0  # temperatures
WEIGHING = {'burn_in': 100, 'n_samples': 30, 'keep_every': 10}  # at each of them


def weights(seeds: Sequence[int] = SEEDS) -> pd.DataFrame:
  """Bits per label, -log2 of the weight of all: a row for each replicate and share of redrawn labels.

  `error` is the standard error over chains; `coarse` is by every second temperature; `fit` the bits
  per label that samples of the posterior lose on the labels themselves, their mean.
  """
  betas = temperatures(N_BETAS, POWER)
  unit = N_LABELS * np.log(2)
  rows = []
  for seed, share in itertools.product(seeds, SHARES):
    data = examples(seed, N_LABELS, share)
    start, noise = jax.random.split(rngs.named_key(seed, 'lens/weights'))
    params = starts(start, N_CHAINS)
    found = thermodynamic_integration(
      *(losses(), params, data, noise, betas, _step_sizes(betas)), prior_scale=1.0, **WEIGHING
    )
    coarse = integral(betas[::2], found.means[::2], found.variances[::2]).mean()
    row = {'seed': seed, 'redrawn': share, 'bits': -found.log_evidence / unit}
    row |= {'error': found.stderr / unit, 'coarse': -coarse / unit}
    rows.append(row | {'fit': -found.means[-1].mean() / unit})
  return pd.DataFrame(rows)


def redrawn_labels_weigh_less(table: pd.DataFrame) -> Verdict:
  """The more of 100 labels of digits are redrawn, the less they weigh: bits per label, half redrawn
  minus none and all minus half (the smaller one; above 0)."""
  none, half, every = (_bits(table, share) for share in SHARES)
  return weakest([exceeds(half - none, 0.0, note='half'), exceeds(every - half, 0.0, note='all')])


def random_labels_weigh_no_more_than_by_chance(table: pd.DataFrame) -> Verdict:
  """No prior gives random labels more than their share: bits per label of redrawn ones, minus log2 10
  (above 0)."""
  return exceeds(_bits(table, SHARES[-1]) - np.log2(digits.N_CLASSES), 0.0)


def chains_agree_on_weights(table: pd.DataFrame) -> Verdict:
  """Chains find the same weight: standard error over chains (bits per label, the largest of three
  shares; below 0.05; bound ours)."""
  return weakest(
    [
      falls_below(_bits(table, share, 'error'), 0.05, note=f'{share:g} redrawn') for share in SHARES
    ],
    highest=True,
  )


def temperatures_suffice(table: pd.DataFrame) -> Verdict:
  """Every second temperature gives the same weight: difference in bits per label (the largest in size
  of three shares; within 0.05; bound ours)."""
  verdicts = [
    within(_bits(table, share, 'coarse') - _bits(table, share), -0.05, 0.05, note=f'{share:g}')
    for share in SHARES
  ]
  return farthest(verdicts, log=False)


def _bits(table: pd.DataFrame, share: float, column: str = 'bits') -> np.ndarray:
  return table[table['redrawn'] == share].sort_values('seed')[column].to_numpy()


def _step_sizes(betas: np.ndarray) -> np.ndarray:
  """Smaller where the likelihood makes the potential steep."""
  return np.minimum(0.1, 0.01 / np.maximum(betas, 1e-9))
