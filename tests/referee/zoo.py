"""Tables of networks that were never trained."""

import itertools

import numpy as np
import pandas as pd

AXES = {'width': (16, 64), 'optimizer': ('sgd', 'adam'), 'n_train': (100, 400, 1600)}
HYPERPARAMETERS = [*AXES]


def zoo(n_seeds=4, seed=0, axes=None, noise=0.005, n_test=20_000):
  """A grid of networks; the gap falls with width and examples, and is larger with adam."""
  axes, rng = axes or AXES, np.random.default_rng(seed)
  table = pd.DataFrame(itertools.product(*axes.values(), range(n_seeds)), columns=[*axes, 'seed'])
  gap = 0.4 - 0.05 * np.log2(table['n_train'] / 100) + noise * rng.normal(size=len(table))
  if 'width' in table:
    gap = gap - 0.02 * np.log2(table['width'] / 16)
  if 'optimizer' in table:
    gap = gap + 0.03 * (table['optimizer'] == 'adam')
  return table.assign(gap=gap, n_test=n_test)


def noisy(table, k=1, seed=0):
  """The table with measures of which some follow the gap, some are missing and some are tied."""
  rng = np.random.default_rng(seed)
  found = {}
  for i in range(k):
    values = (i % 3) * table['gap'] + 0.1 * rng.normal(size=len(table))
    values[rng.uniform(size=len(table)) < 0.15 * (i % 2)] = np.nan
    found[f'family/{i}'] = values.round(1 if i % 4 == 3 else 9)
  return table.assign(**found), [*found]
