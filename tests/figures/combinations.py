"""Tables for figures."""

import itertools

import numpy as np
import pandas as pd

SEEDS = range(4)


def table(columns, metrics, low, high):
  """All combinations of the columns, with metrics that are positive and random."""
  rng = np.random.default_rng(0)
  found = pd.DataFrame(itertools.product(*columns.values()), columns=list(columns))
  return found.assign(**{metric: rng.uniform(low, high, len(found)) for metric in metrics})
