"""Adversarial and universal perturbations: they lie in the simple feature, and suffice."""

import pandas as pd

from research.studies.claim import Verdict, exceeds, falls_below, weakest
from research.studies.pitfalls import numbers
from research.studies.pitfalls.numbers import at_the_end


def lms5_attacks_are_the_papers(slabs: pd.DataFrame) -> Verdict:
  """On LMS-5, an l2 attack of half the inputs' range leaves no accuracy, and lies in the linear
  coordinate (share of its length 0.997); one universal perturbation of length 1 leaves 0.007: each
  within 0.02 (the least)."""
  return numbers.agree(slabs, numbers.LMS5_ATTACKS)


def averaged_steps_fool_it_too(slabs: pd.DataFrame) -> Verdict:
  """On LMS-5, the universal perturbation by averaged steps, of length 1, leaves an accuracy of 0.007
  as the one by SVD does: within 0.02."""
  return numbers.agree(slabs, numbers.LMS5_AVERAGED)


def ms57_attacks_are_the_papers(slabs: pd.DataFrame) -> Verdict:
  """On MS-(5,7), likewise: no accuracy and a share of 0.991, each within 0.02; one universal
  perturbation of length 0.5 leaves 0.066, within 0.05 (the least)."""
  return numbers.agree(slabs, numbers.MS57_ATTACKS)


def universal_perturbations_lie_in_the_simple_feature(slabs: pd.DataFrame) -> Verdict:
  """The universal perturbation lies in the simple coordinate: more than 0.95 of its length, in all
  three data sets (the least share). The paper says so; its notebook prints the other attack's
  share."""
  return weakest(
    [
      exceeds(at_the_end(slabs, run, f'universal/share/{simple}'), 0.95, note=run)
      for run, simple in (('lms5', 'linear'), ('lms7', 'linear'), ('ms57', 'slab5'))
    ]
  )


def one_perturbation_fools_the_network(slabs: pd.DataFrame) -> Verdict:
  """One perturbation of length 1 that is the same for all inputs, up to the sign of the class,
  makes the networks that rely on a linear coordinate fail: accuracy below 0.05 (the larger of
  two)."""
  return weakest(
    [
      falls_below(at_the_end(slabs, run, 'universal/accuracy'), 0.05, note=run)
      for run in ('lms5', 'lms7')
    ],
    highest=True,
  )
