"""Tables for the claims of studies that are calculated."""

import itertools

import numpy as np
import pandas as pd

SEEDS = range(5)


def scattered(rows, metrics, spread=0.01):
  """The rows for each seed, with metrics that scatter by a share."""
  rng = np.random.default_rng(0)
  found = [{**row, 'seed': seed} for seed, row in itertools.product(SEEDS, rows)]
  return pd.DataFrame(
    {k: v * np.exp(spread * rng.normal()) if k in metrics else v for k, v in row.items()}
    for row in found
  )
