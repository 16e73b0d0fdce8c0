"""What does training add to fitting? Networks that happen to fit, beside trained ones.

Networks at initialization that get every training label right are a sample from the prior given the
training set: no optimizer has chosen among them. Few examples are fitted by one network in hundreds
or thousands, so that such are found; the bits that this takes are counted as well.
"""

import pathlib
from collections.abc import Sequence

import numpy as np
import pandas as pd

from research.hypotheses import guess_and_check
from research.restored import restored
from research.studies.claim import Verdict
from research.studies.exact_inductive_bias.kernels import BITS
from research.theory import tails

N_GUESSES, FIRST = 2**17, 2**20  # the first seed, beyond those of any population
COLUMNS = ('run', 'n_train', 'guesses', 'fit', 'bits_to_fit', 'fit_low', 'fit_high')
COLUMNS += ('guessed_error', 'trained', 'trained_fit', 'trained_error', 'target')
COLUMNS += ('bits', 'bits_low', 'bits_high')


def guesses(paths: Sequence[pathlib.Path]) -> pd.DataFrame:
  """A row for each run: bits to fit its training set, and beyond these to do as its networks do.

  `target` is the median test error of trained networks that fit, and half an example: it takes them
  1 bit or less. `bits` is what it takes guessed ones, with its 95 % interval, counted. Errors are
  shares of the test examples.
  """
  rows = []
  for path in paths:
    population, _, state = restored(path)
    task, found = population.task, population.evaluate(state)
    errors, fits = (
      1 - np.asarray(found['test/accuracy']),
      np.asarray(found['train/accuracy']) == 1,
    )
    train, test = (
      (np.asarray(task.normalize(split.inputs)), split.labels) for split in (task.train, task.test)
    )
    guessed = guess_and_check(population.model, train, test, FIRST + np.arange(N_GUESSES))
    prior = guessed.log_probability
    row = {'run': path.name, 'n_train': len(task.train), 'guesses': guessed.n}
    row |= {'fit': len(guessed.seeds), 'bits_to_fit': -BITS * prior.value}
    row |= {'fit_low': -BITS * prior.high, 'fit_high': -BITS * prior.low}
    row |= {'trained': len(fits), 'trained_fit': int(fits.sum())}
    if fits.any() and len(guessed.seeds):
      target = float(np.median(errors[fits])) + 0.5 / len(task.test)
      it = tails.count(guessed.test_errors, target)
      row |= {'guessed_error': guessed.test_errors.mean(), 'trained_error': errors[fits].mean()}
      row |= {'target': target, 'bits': BITS * it.value}
      row |= {'bits_low': BITS * it.low, 'bits_high': BITS * it.high}
    rows.append(row)
  return pd.DataFrame(rows, columns=COLUMNS)


def fitting_is_what_matters(guesses: pd.DataFrame) -> Verdict:
  """Training brings little that fitting does not: among networks that happen to fit, the median test
  error of trained ones takes fewer than 2 bits, where it takes these 1 (bits, the most of six training
  sets; bound ours)."""
  if (missing := guesses['bits'].isna()).any():
    runs = ', '.join(guesses.loc[missing, 'run'])
    return Verdict(holds=None, note=f'no network fits, by guessing or by training: {runs}')
  row = guesses.sort_values('bits_high').iloc[-1]
  note = (
    f'{row["run"]}: {row["bits_low"]:.2f} to {row["bits_high"]:.2f}; mean errors '
    f'{row["guessed_error"]:.4f} guessed ({int(row["fit"])} networks), {row["trained_error"]:.4f} '
    f'trained ({int(row["trained_fit"])})'
  )
  if row['bits_high'] >= 2:
    note += '; contradicted' if guesses['bits_low'].max() > 2 else '; not shown'
  return Verdict(
    holds=bool(row['bits_high'] < 2),
    ours=float(row['bits']),
    n=int(row['fit']),
    note=note,
  )


def structured_labels_are_cheap(guesses: pd.DataFrame) -> Verdict:
  """Labels with structure are fitted by far more random networks than arbitrary ones would be: to fit
  n labels takes fewer than n bits, for every training set of 8 and more (bits over n, the most of
  those; below 1)."""
  rows = guesses[guesses['n_train'] >= 8]
  ratio = rows['fit_high'] / rows['n_train']
  row = rows.iloc[int(ratio.argmax())]
  note = f'{row["run"]}: {row["fit_low"]:.1f} to {row["fit_high"]:.1f} bits'
  value = float(row['bits_to_fit'] / row['n_train'])
  return Verdict(holds=bool(ratio.max() < 1), ours=value, n=int(row['guesses']), note=note)
