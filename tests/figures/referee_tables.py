"""A contest of networks that were never trained, for the figures of the referee."""

import itertools

import numpy as np
import pandas as pd

AXES = {'width': (16, 64), 'dataset': ('digits', 'fashion'), 'label_noise': (0.0, 0.1, 0.2)}
HYPERPARAMETERS = [*AXES]
MEASURES = [
  'norms/path',
  'norms/spectral_product',
  'margins/inverse',
  'sharpness/average',
  'params',
]


def contest(n_seeds=17):
  """204 networks; one measure is missing for some, and 'params' for all."""
  rng = np.random.default_rng(0)
  table = pd.DataFrame(itertools.product(*AXES.values(), range(n_seeds)), columns=[*AXES, 'seed'])
  noise = rng.normal(size=len(table))
  gap = 0.2 + table['label_noise'] - 0.001 * table['width'] + 0.03 * noise
  table = table.assign(gap=gap, n_test=5000)
  for k, name in enumerate(MEASURES):
    table[name] = np.exp(((1 - k) * 10 * gap + rng.normal(size=len(table))) * (1 + k))
  table.loc[table.index[:30], 'sharpness/average'] = np.inf
  table['params'] = np.nan
  return table
