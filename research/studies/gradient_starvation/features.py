"""How much of the features of the moons is learned, where a line fits between them and where none does.

Features are those of the tangent kernel; 0 is the strongest. The paper follows two of the features that
the kernel has at initialization, whose indices are 1 and 6 in its figure 2. `responses` computes
them at the end of training; on the way, the record has responses in the basis of each moment.
"""

import pathlib
from collections.abc import Sequence

import numpy as np
import pandas as pd

from research.gradients import gradient_statistics
from research.instruments.starvation import logit_differences
from research.restored import of_each, restored
from research.studies.claim import Verdict, exceeds
from research.summaries import last
from research.theory.starvation import response_from_start

STRONG, WEAK = 1, 6
N_FEATURES = 8
OVERLAPPING, SEPARABLE, DECOUPLED = 'overlapping', 'separable', 'spectral_decoupling'


def responses(workdirs: Sequence[pathlib.Path]) -> pd.DataFrame:
  """|z_j| at the end, in the basis of the kernel at initialization: `response/j`, a row per network."""
  rows = []
  for workdir in workdirs:
    population, step, state = restored(workdir)
    train, differences = population.task.train, logit_differences(population.model.apply)
    batch, signs = {'inputs': population.task.normalize(train.inputs)}, 2.0 * train.labels - 1.0
    statistics = gradient_statistics(differences, gram=True)
    kernels = of_each(statistics, population.init().params, batch).gram.astype(np.float64)
    at_end = of_each(differences, state.params, batch).astype(np.float64)
    for member, (kernel, f) in enumerate(zip(kernels, at_end, strict=True)):
      z = np.abs(response_from_start(kernel, signs, f[None])[0])
      row = {'run': workdir.name, 'member': member, 'step': step}
      rows.append(row | {f'response/{j}': z[j] for j in range(N_FEATURES)})
  return pd.DataFrame(rows)


def weak_feature_starves(responses: pd.DataFrame) -> Verdict:
  """Of the moons that a line separates, the weak feature is learned less, relative to the strong one,
  than where none does (|z_6| / |z_1| with overlap over that with the margin, at the end, in the
  basis of the kernel at initialization)."""
  return _more(responses, OVERLAPPING, 'response')


def decoupling_feeds_it(responses: pd.DataFrame) -> Verdict:
  """With spectral decoupling it is learned more than without, relative to the strong one (|z_6| / |z_1|
  with it over that without, at the end, in the basis of the kernel at initialization)."""
  return _more(responses, DECOUPLED, 'response')


def decoupling_feeds_it_by_the_kernel_of_the_moment(features: pd.DataFrame) -> Verdict:
  """The same, by the features that the kernel has at the end in place of those at initialization."""
  return _more(features, DECOUPLED, 'starvation/response')


def _more(table: pd.DataFrame, run: str, prefix: str) -> Verdict:
  ours, separable = (_weak_over_strong(table, name, prefix) for name in (run, SEPARABLE))
  note = f'means {ours.mean():.3g} and {separable.mean():.3g}'
  return exceeds((ours / separable).to_numpy(), 1.0, log=True, note=note)


def _weak_over_strong(table: pd.DataFrame, run: str, prefix: str) -> pd.Series:
  ends = last(table[table['run'] == run]).sort_index()
  return ends[f'{prefix}/{WEAK}'].abs() / ends[f'{prefix}/{STRONG}'].abs()
