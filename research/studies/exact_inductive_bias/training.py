"""Bits during training: how rare a network is, at each step, among those trained to the end."""

import pathlib
from typing import Any

import numpy as np
import pandas as pd

from research import tables
from research.configuration import ConfigError
from research.studies.claim import Verdict, exceeds, falls_below
from research.studies.exact_inductive_bias.networks import FITS, errors_on_test, per_output
from research.summaries import last
from research.theory.chi_square_fits import fit_to_sample

BITS, LACKING = 'inductive_bias/bits', 'inductive_bias/lacking'


def law_of_finished(root: pathlib.Path) -> dict[str, dict[str, Any]]:
  """The law of the errors of the finished population, and its best: for the instrument of others."""
  try:
    errors = errors_on_test(tables.load_runs(root / 'networks', only=['mnist']))
    law = fit_to_sample(errors)
  except (FileNotFoundError, ValueError) as error:
    raise ConfigError(
      f'`training` is measured by the law of the runs of `networks`, do these first: {error}'
    ) from error
  degrees, weight, shift = (float(x[0]) for x in (law.degrees, law.weights, law.shifts))
  fitted = (degrees, shift / weight, weight)
  overrides = {'law': fitted, 'target': float(errors.min())}
  return {'mnist': {f'instruments.inductive_bias.{key}': it for key, it in overrides.items()}}


def finished_networks_are_typical(training: pd.DataFrame) -> Verdict:
  """Networks of other seeds end up where the law of the finished population expects them: at fewer than
  4 bits in the mean (bits; of the law itself it is 1.4; bound ours)."""
  return falls_below(last(training)[BITS].to_numpy(float), 4.0)


def early_networks_are_better_than_finished_ones(training: pd.DataFrame) -> Verdict:
  """At some step before the end the test error is lower than finished networks have it, by at least
  4 bits: stopping early brings them (most bits along training less those at the end, in each network;
  bound ours)."""
  best = training.groupby('member')[BITS].max()
  steps = training.loc[training.groupby('member')[BITS].idxmax(), 'step']
  gain = (best - last(training)[BITS]).to_numpy(float)
  return exceeds(gain, 4.0, note=f'best at steps {steps.min()} to {steps.max()}')


def most_bits_come_before_the_fit(training: pd.DataFrame) -> Verdict:
  """What a network still lacks at the end it lacks before it fits the training set: from the first step
  at which the training error is below FITS to the end, it comes closer to the error of the best of the
  finished population by less than 4 bits (bits lacking then less those at the end; bound ours)."""
  ends = last(training)[LACKING]
  gains = []
  for member, curve in training.dropna(subset=['train/loss']).groupby('member'):
    fits = curve[per_output(curve['train/loss']) <= FITS]
    gains.append(fits[LACKING].iloc[0] - ends[member] if len(fits) else np.nan)
  return falls_below(np.array(gains, float), 4.0)
