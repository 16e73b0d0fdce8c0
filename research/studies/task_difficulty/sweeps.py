"""How the difficulty follows from each of its inputs, the others staying as the paper has them."""

import dataclasses

import numpy as np
import pandas as pd

from research.studies.claim import Verdict
from research.studies.task_difficulty.published import CIFAR, IMAGENET, IMAGES, MNIST
from research.theory.difficulty import classification

TASKS = (MNIST, CIFAR, IMAGENET)
FACTORS = tuple(2.0**power for power in range(-3, 4))
DIMENSIONS = tuple(sorted({*range(2, 130), *np.geomspace(130, 3000, 60).round().astype(int)}))
PAPERS_DIMENSIONS, PAPERS_SAMPLES = range(48, 100), tuple(10.0 ** np.arange(2, 20))  # of ImageNet
FAR = 10.0  # bound ours


def sweeps() -> pd.DataFrame:
  """The difficulty at multiples of each input, and at many m.

  Columns task, swept (m, resolution: 1 / delta, n, accuracy: 1 / epsilon, classes), value, factor (by
  the paper's value), log10_bits.
  """
  rows = []
  for name in TASKS:
    task = IMAGES[name]
    given = {
      'm': task.m,
      'resolution': 1 / task.delta,
      'n': task.n,
      'accuracy': 1 / task.epsilon,
      'classes': task.n_classes,
    }
    grids = {swept: [factor * value for factor in FACTORS] for swept, value in given.items()}
    grids['m'] = sorted({*grids['m'], *map(float, DIMENSIONS)})
    if name == IMAGENET:
      grids['n'] = sorted({*grids['n'], *PAPERS_SAMPLES})
    for swept, values in grids.items():
      for value in values:
        found = classification(_changed(task, swept, value))
        row = {'task': name, 'swept': swept, 'value': value, 'factor': value / given[swept]}
        rows.append({**row, 'log10_bits': found.log10_bits})
  return pd.DataFrame(rows)


def exponential_in_dimension(table: pd.DataFrame) -> Verdict:
  """Difficulty is exponential in m: over the paper's sweep of ImageNet, m from 48 to 99, its logarithm
  is nearer to a straight line in m than in log m, which a power of m would be (ratio of the errors
  left, root mean square, below 1; reading ours)."""
  part = _swept(table, IMAGENET, 'm')
  m = np.asarray([*PAPERS_DIMENSIONS], float)
  bits = part.set_index('value')['log10_bits'].loc[m].to_numpy()
  line, power = (np.polyval(np.polyfit(x, bits, 1), x) for x in (m, np.log(m)))
  errors = [float(np.sqrt(np.mean(np.square(fit - bits)))) for fit in (line, power)]
  exponent = np.polyfit(np.log10(m), bits, 1)[0]
  first, last = 10 ** np.diff(bits)[[0, -1]]
  return Verdict(
    holds=errors[0] < errors[1],
    ours=errors[0] / errors[1],
    n=len(m),
    note=f'closed form; a dimension more is a factor {first:.2f} at 48 and {last:.2f} at 98; '
    f'the power is {exponent:.1f}',
  )


def dimension_always_adds(table: pd.DataFrame) -> Verdict:
  """More dimensions never make a task easier: with all other inputs as in the paper, the difficulty
  rises with m as far as 3,000 (lowest peak of three image tasks, in multiples of the paper's m; fails
  if there is one; question ours)."""
  peaks = {}
  for name in TASKS:
    part = _swept(table, name, 'm').sort_values('value')
    if not (part['log10_bits'].diff().iloc[1:] > 0).all():
      peaks[name] = part.iloc[int(np.argmax(part['log10_bits']))]
  if not peaks:
    return Verdict(holds=True, n=len(TASKS), note='closed form; no peak')
  note = ', '.join(f'{name} m = {row["value"]:g}' for name, row in peaks.items())
  lowest = min(row['factor'] for row in peaks.values())
  return Verdict(
    holds=False, ours=float(lowest), n=len(TASKS), note=f'closed form; hardest at {note}'
  )


def dimension_above_resolution(table: pd.DataFrame) -> Verdict:
  """Difficulty rises more with m than with 1 / delta: doubled, m adds more decades (least ratio over
  MNIST, CIFAR-10, ImageNet, above 1)."""
  return _compare(table, 'm', 'resolution', 1.0)


def dimension_far_above_resolution(table: pd.DataFrame) -> Verdict:
  """Difficulty rises far more with m than with 1 / delta: doubled, m adds ten times the decades (least
  ratio over MNIST, CIFAR-10, ImageNet; bound ours)."""
  return _compare(table, 'm', 'resolution', FAR)


def resolution_far_above_samples(table: pd.DataFrame) -> Verdict:
  """Difficulty rises far more with 1 / delta than with n: doubled, 1 / delta adds more than ten times
  the decades that n takes (least ratio over MNIST, CIFAR-10, ImageNet; bound ours)."""
  return _compare(table, 'resolution', 'n', FAR)


def data_hardly_help(table: pd.DataFrame) -> Verdict:
  """Seventeen decades of data, 100 to 1e19 images, take less than a tenth of ImageNet's difficulty (the
  part that is left, above 0.9)."""
  part = _swept(table, IMAGENET, 'n').set_index('value')['log10_bits']
  left = 10 ** (part[PAPERS_SAMPLES[-1]] - part[PAPERS_SAMPLES[0]])
  return Verdict(holds=bool(left > 0.9), ours=float(left), n=2, note='closed form')


def _changed(task, swept: str, value: float):
  names = {'resolution': 'delta', 'accuracy': 'epsilon', 'classes': 'n_classes'}
  if swept in ('resolution', 'accuracy'):
    value = 1 / value
  if swept == 'classes':
    value = max(2, round(value))
  return dataclasses.replace(task, **{names.get(swept, swept): value})


def _swept(table: pd.DataFrame, task: str, swept: str) -> pd.DataFrame:
  return table[(table['task'] == task) & (table['swept'] == swept)]


def _compare(table: pd.DataFrame, more: str, less: str, bound: float) -> Verdict:
  """The decades of doubling one input, by those of doubling another, where that ratio is least."""
  ratios = {}
  for name in TASKS:
    added = []
    for swept in (more, less):
      bits = _swept(table, name, swept).set_index('factor')['log10_bits']
      added.append(abs(bits[2.0] - bits[1.0]))
    ratios[name] = added[0] / added[1]
  least = min(ratios, key=ratios.__getitem__)
  note = ', '.join(f'{name} {ratio:.3g}' for name, ratio in ratios.items())
  return Verdict(
    holds=bool(ratios[least] > bound),
    ours=float(ratios[least]),
    n=len(TASKS),
    note=f'closed form; {note}',
  )
