"""The difficulties that follow from the paper's own inputs, beside those read from its figure."""

import dataclasses
from collections.abc import Callable

import numpy as np
import pandas as pd

from research.studies.claim import Verdict
from research.theory import difficulty
from research.theory.difficulty import Classification, Difficulty

MNIST, CIFAR, IMAGENET = 'MNIST', 'CIFAR-10', 'ImageNet'
# Inputs that the authors' code holds.
IMAGES = {
  MNIST: Classification(
    n=60_000, m=14, radius=17.179046, delta=2.3987085, epsilon=1e-3, n_classes=10
  ),
  'SVHN': Classification(
    n=73_257, m=19, radius=53.869325, delta=1.5766998, epsilon=1e-2, n_classes=10
  ),
  CIFAR: Classification(
    n=50_000, m=27, radius=54.915679, delta=2.7506415, epsilon=1e-2, n_classes=10
  ),
  IMAGENET: Classification(
    n=1_280_901, m=48, radius=943.5923, delta=65, epsilon=0.1, n_classes=1000
  ),
}
# Sets of 20 characters of one alphabet, drawn by 20 people each: their order of magnitude. The bits
# change by a thousandth if it is ten orders more or less.
OMNIGLOT_SETS = 7e40
CARTPOLE = tuple(f'Cartpole, T = {n_seen}' for n_seen in range(1, 6))
FINE = {'delta': 1e-3, 'epsilon': 1e-3}
# log10 of bits, read from bars and lines of the authors' figures, each to a decade.
READ = {
  **dict(zip(CARTPOLE, (9.6, 17.5, 25.2, 32.7, 40.1), strict=True)),
  **{MNIST: 16.0, 'SVHN': 31.0, CIFAR: 32.5, IMAGENET: 41.0},
  **{'Reacher': 25.0, 'Hopper': 59.0, 'Half-Cheetah': 66.0, 'Omniglot': 145.0},
}
TASKS: dict[str, tuple[str, Callable[[], Difficulty]]] = {
  **{
    name: ('control', lambda t=t: difficulty.control(n=1e4, m=2 * t, n_actions=1, **FINE))
    for t, name in enumerate(CARTPOLE, start=1)
  },
  **{
    name: ('images', lambda task=task: difficulty.classification(task))
    for name, task in IMAGES.items()
  },
  **{
    name: ('control', lambda m=m, d=d: difficulty.control(n=1e6, m=m, n_actions=d, **FINE))
    for name, m, d in (('Reacher', 6, 2), ('Hopper', 15, 4), ('Half-Cheetah', 17, 6))
  },
  'Omniglot': (
    'few-shot',
    lambda: difficulty.few_shot(
      n=OMNIGLOT_SETS, m_within=22, m_across=29, radius=49.406477, delta=5.4772256, epsilon=1e-2
    ),
  ),
}


def published() -> pd.DataFrame:
  """One row for each task of the paper: the terms of its difficulty, and what its figure shows."""
  rows = []
  for name, (kind, calculate) in TASKS.items():
    found = calculate()
    row = {'task': name, 'kind': kind, **dataclasses.asdict(found)}
    rows.append(row | {'log10_bits': found.log10_bits, 'read_log10_bits': READ[name]})
  return pd.DataFrame(rows)


def formula_gives_the_figure(table: pd.DataFrame) -> Verdict:
  """The inputs in the authors' code give the difficulties of their figure, to the decade that it can be
  read to (largest distance over all tasks, in decades, below 1)."""
  apart = (table['log10_bits'] - table['read_log10_bits']).abs()
  worst = table['task'].iloc[int(np.argmax(apart))]
  return Verdict(
    holds=bool(apart.max() < 1), ours=float(apart.max()), n=len(table), note=f'at {worst}'
  )


def images_are_ordered(table: pd.DataFrame) -> Verdict:
  """MNIST is easier than CIFAR-10, and CIFAR-10 than ImageNet, by the paper's inputs (least step, in
  decades, above 0)."""
  return _rises(table, (MNIST, CIFAR, IMAGENET))


def partial_observation_is_harder(table: pd.DataFrame) -> Verdict:
  """A decision process that is partially observed is harder than one that is not: cartpole from one
  observation to two, and on to five (least step, in decades, above 0)."""
  return _rises(table, CARTPOLE)


def few_shot_is_hardest(table: pd.DataFrame) -> Verdict:
  """Few-shot learning with simple images is harder than classification of complex ones: Omniglot less
  ImageNet (in decades, above 0)."""
  return _rises(table, (IMAGENET, 'Omniglot'))


def _rises(table: pd.DataFrame, tasks: tuple[str, ...]) -> Verdict:
  steps = np.diff(table.set_index('task')['log10_bits'].loc[list(tasks)])
  i = int(steps.argmin())
  return Verdict(
    holds=bool(steps.min() > 0),
    ours=float(steps.min()),
    n=len(tasks),
    note=f'closed form; from {tasks[i]} to {tasks[i + 1]}',
  )
