"""Colored MNIST with the colour taken away, or the shape, or both: what is a network sure of?

Figure 4 of the paper, after the authors' code: the test images as they are (`digit/colored`), at half
their intensity in either channel (`digit/gray`), and evenly of the mean intensity of all, in the colour
of the image (`blank/colored`) or in none (`blank/gray`). Blank images of one colour are all alike, so
that who follows the colour is right on a tenth of those in colour, and on the share of a class of those
without.
"""

import pathlib
from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import special

from research.instruments.starvation import logit_differences
from research.restored import of_each, restored
from research.studies.claim import Verdict, exceeds, falls_below, weakest
from research.tasks import Task
from research.tasks.colored_mnist import blank, gray

IMAGES = ('digit/gray', 'digit/colored', 'blank/gray', 'blank/colored')
PLAIN, DECOUPLED = 'erm', 'official'
FOLLOWS = 0.15  # accuracy where the colour is right on 0.1 of the labels
UNSURE = 0.9  # of ln 2, the entropy of a fair coin


def measured(workdirs: Sequence[pathlib.Path]) -> pd.DataFrame:
  """`accuracy/S/C` in [0, 1] and `entropy/S/C` in nats, of the test set as each of IMAGES; a row per
  network."""
  rows = []
  for workdir in workdirs:
    population, step, state = restored(workdir)
    seen, labels = images(population.task), population.task.test.labels
    batch = {'inputs': np.concatenate([seen[name] for name in IMAGES])}
    found = of_each(logit_differences(population.model.apply), state.params, batch)
    for member, f in enumerate(found.reshape(len(found), len(IMAGES), -1)):
      row = {'run': workdir.name, 'member': member, 'step': step}
      for name, of_images in zip(IMAGES, f, strict=True):
        row[f'accuracy/{name}'], row[f'entropy/{name}'] = judged(of_images, labels)
      rows.append(row)
  return pd.DataFrame(rows)


def images(task: Task) -> dict[str, np.ndarray]:
  """The test set of Colored MNIST as networks would see it, for each of IMAGES."""
  x = np.asarray(task.normalize(task.test.inputs), np.float32)
  found = {'digit/colored': x, 'blank/colored': blank(x)}
  return found | {'digit/gray': gray(x), 'blank/gray': gray(found['blank/colored'])}


def judged(f: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
  r"""Accuracy, in [0, 1], and mean entropy, in nats, of predictions with the logit differences f [n].

  .. math:: \frac1n \sum_i 1[(f_i > 0) = y_i], \qquad
     -\frac1n \sum_i p_i \ln p_i + (1 - p_i) \ln(1 - p_i), \quad p_i = 1 / (1 + e^{-f_i})

  The entropy is exact also where p is 0 or 1 to rounding. NaN if an output is.

  Guarantees (each is a test): the entropy is that of SciPy's distributions, ln 2 at f = 0 and
  :math:`(1 + f) e^{-f}` where f is large; neither the order of the examples nor which class is called
  1 matters; the accuracy is that of the record.
  """
  f = np.asarray(f, np.float64)
  right = np.where(np.isnan(f), np.nan, (f > 0) == (labels == 1))
  magnitude = np.abs(f)
  entropies = np.log1p(np.exp(-magnitude)) + magnitude * special.expit(-magnitude)
  return float(np.mean(right)), float(np.mean(entropies))


def decoupling_reads_gray_digits(blanks: pd.DataFrame) -> Verdict:
  """Where there is no colour, networks trained with spectral decoupling read the digit better than
  those of plain training: accuracy on gray digits (difference, above 0)."""
  ours, plain = (_of(blanks, run, 'accuracy/digit/gray') for run in (DECOUPLED, PLAIN))
  return exceeds(ours - plain, 0.0, note=f'{ours.mean():.3f} and {plain.mean():.3f}')


def plain_training_follows_the_color_of_blanks(blanks: pd.DataFrame) -> Verdict:
  """Where there is nothing but a colour, plain training follows it: its accuracy on coloured blank
  images is below 0.15; following the colour gives 0.1 (accuracy; bound ours)."""
  return falls_below(_of(blanks, PLAIN, 'accuracy/blank/colored'), FOLLOWS)


def plain_training_is_surer_of_color_than_of_shape(blanks: pd.DataFrame) -> Verdict:
  """Plain training is surer of a colour without a digit than of a digit without a colour (entropy of
  the predictions on gray digits minus that on coloured blanks, nats, above 0)."""
  return exceeds(_surer_of_color(blanks, PLAIN), 0.0, note=_entropies(blanks, PLAIN))


def decoupling_is_surer_of_shape_than_of_color(blanks: pd.DataFrame) -> Verdict:
  """With spectral decoupling it is the other way round: networks are surer of a digit without a colour
  (entropy on coloured blanks minus that on gray digits, nats, above 0)."""
  return exceeds(-_surer_of_color(blanks, DECOUPLED), 0.0, note=_entropies(blanks, DECOUPLED))


def nobody_is_sure_of_nothing(blanks: pd.DataFrame) -> Verdict:
  """Without colour and shape no network is sure: its entropy on gray blanks is above 0.9 ln 2, be it of
  plain training or of spectral decoupling (entropy over ln 2, the lower; bound ours)."""
  return weakest(
    [
      exceeds(_of(blanks, run, 'entropy/blank/gray') / np.log(2), UNSURE, note=run)
      for run in (PLAIN, DECOUPLED)
    ]
  )


def _surer_of_color(blanks: pd.DataFrame, run: str) -> np.ndarray:
  """By how many nats."""
  return _of(blanks, run, 'entropy/digit/gray') - _of(blanks, run, 'entropy/blank/colored')


def _entropies(blanks: pd.DataFrame, run: str) -> str:
  of_shape, of_color = (
    _of(blanks, run, f'entropy/{it}').mean() for it in ('digit/gray', 'blank/colored')
  )
  return f'{of_shape:.3f} on gray digits, {of_color:.3f} on coloured blanks'


def _of(blanks: pd.DataFrame, run: str, name: str) -> np.ndarray:
  return blanks[blanks['run'] == run].sort_values('member')[name].to_numpy()
