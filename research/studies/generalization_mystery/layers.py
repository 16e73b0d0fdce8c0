"""Which layers are coherent, and whether it is because their weights are shared.

Ratios of alpha are means of its logarithm over time, from the first step on; each note has the same for
the first five epochs alone.
"""

import numpy as np
import pandas as pd

from research.studies.claim import Verdict, exceeds, weakest
from research.summaries import in_epochs, time_average

EARLY_EPOCHS = 5.0
PREFIX = 'coherence/alpha/'
CONVOLUTIONS, DENSE = ('Conv_0', 'Conv_1'), ('Dense_0', 'Dense_1')
LOCAL = {'Conv_0': 'LocallyConnected_0', 'Conv_1': 'LocallyConnected_1'}


def convolutions_are_more_coherent(layers: pd.DataFrame) -> Verdict:
  """Convolutional layers are more coherent than dense ones (ratio of geometric means of alpha over two
  layers of each, over training with real labels)."""
  arm = _arm(layers, 'convolutional')
  return _exceeds(arm, CONVOLUTIONS, arm, DENSE, 'convolutions over dense layers')


def weight_sharing_makes_layers_coherent(layers: pd.DataFrame) -> Verdict:
  """Weight sharing is why: the same layers, locally connected, with a kernel of its own at each
  position, are less coherent over training (ratio of alphas, layer by layer; the smaller one)."""
  shared, local = _arm(layers, 'convolutional'), _arm(layers, 'locally_connected')
  return weakest([_exceeds(shared, (name,), local, (LOCAL[name],), name) for name in CONVOLUTIONS])


def neighbouring_pixels_make_convolutions_coherent(layers: pd.DataFrame) -> Verdict:
  """What convolutions find in neighbouring pixels adds to it: with shuffled pixels they are less
  coherent over training (ratio of alphas, layer by layer; the smaller one)."""
  images, shuffled = _arm(layers, 'convolutional'), _arm(layers, 'shuffled_pixels')
  return weakest([_exceeds(images, (name,), shuffled, (name,), name) for name in CONVOLUTIONS])


def _exceeds(
  one: pd.DataFrame,
  of_one: tuple[str, ...],
  other: pd.DataFrame,
  of_other: tuple[str, ...],
  name: str,
) -> Verdict:
  """Whether layers of one arm are more coherent than layers of the other."""
  whole, early = (
    _alpha(one, of_one, epochs) / _alpha(other, of_other, epochs)
    for epochs in (np.inf, EARLY_EPOCHS)
  )
  at_first = np.exp(np.log(early).mean())
  note = f'{name}, {at_first:.3g} in the first five epochs'
  return exceeds(whole.to_numpy(), 1.0, log=True, note=note)


def _arm(table: pd.DataFrame, run: str) -> pd.DataFrame:
  return table[table['run'] == run]


def _alpha(arm: pd.DataFrame, names: tuple[str, ...], epochs: float) -> pd.Series:
  """The geometric mean of alpha over layers and over time, by member."""
  during = in_epochs(arm, 0.0, epochs)
  logs = np.log(during[[PREFIX + name for name in names]]).mean(axis=1)
  return time_average(during.assign(logs=logs), 'logs').transform('exp')
