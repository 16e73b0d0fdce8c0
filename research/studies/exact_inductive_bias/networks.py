"""Network spaces: hundreds of trained networks that fit the training set, and the law of their errors.

A network fits if its mean squared error on the training examples is at most FITS, a tenth of what
constant outputs leave. Errors are those of `squared_error` as a mean over the ten outputs:
:math:`2 L / C`. Bits come with 95 % intervals (`research.theory.tails`). Far below all errors of a
sample these are open above, so that two spaces are compared where one of them has networks: at its
median error, which takes it 1 bit. How many does the other take? They are told apart if the intervals
do not overlap.
"""

import pathlib
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
import pandas as pd

from research import configuration, rngs, tables
from research.restored import of_each, restored
from research.studies.claim import Verdict
from research.studies.exact_inductive_bias.kernels import BITS, laws, sample
from research.summaries import last
from research.tasks import make_task
from research.theory import chi_square_fits, kernels, multiplicity, tails
from research.theory.tails import Bias

N_CLASSES, FITS = 10, 0.01
RESAMPLES = 200
SPREADS = (0.0, 0.01, 0.02, 0.03, 0.05, 0.1)  # of accuracies below the best
COLUMNS = (
  *(
    'run',
    'networks',
    'fit',
    'mean_error',
    'law',
    'target',
    'value',
    'low',
    'high',
    'extrapolated',
  ),
  *('spread', 'good', 'ambiguity', 'discrepancy'),
)
GRID = tuple(np.geomspace(0.6, 1.1, 21).round(4))  # of the mean error


def errors_on_test(table: pd.DataFrame, run: str | None = None) -> np.ndarray:
  """The test errors of the networks of a run that fit.

  Raises:
    ValueError: none does.
  """
  rows = last(table if run is None else table[table['run'] == run])
  return tails.errors_of_fitting(
    per_output(rows['test/loss']), per_output(rows['train/loss']), FITS
  )


def per_output(losses, n_classes: int = N_CLASSES) -> np.ndarray:
  """Squared errors as means over the outputs: 2 L / C."""
  return 2 / n_classes * np.asarray(losses, float)


def bits(errors: np.ndarray, target: float) -> Bias:
  """Required bits, always with the same resamples."""
  generator = rngs.named_generator(0, 'exact_inductive_bias/bits')
  found = tails.required_bias(errors, target, generator, RESAMPLES)
  return Bias(BITS * found.value, BITS * found.low, BITS * found.high, found.extrapolated)


def apart(table: pd.DataFrame, more: str, less: str) -> Verdict:
  """Whether a run takes more bits to the median error of another than that does itself."""
  try:
    errors = {run: errors_on_test(table, run) for run in (less, more)}
  except ValueError as error:
    return Verdict(holds=None, note=f'{less} and {more}: {error}')
  target = float(np.median(errors[less]))
  own, other = (bits(errors[run], target) for run in (less, more))
  notes = []
  for run, it in ((less, own), (more, other)):
    how = ', extrapolated' if it.extrapolated else ''
    notes.append(
      f'{run}: {it.value:.3g} bits ({it.low:.3g} to {it.high:.3g}{how}), {len(errors[run])} fit, mean '
      f'error {errors[run].mean():.4f}'
    )
  if other.high < own.low:
    notes.append('contradicted')
  elif not other.low > own.high:
    notes.append('not shown: the intervals overlap')
  return Verdict(
    holds=bool(other.low > own.high),
    ours=other.value if np.isfinite(other.value) else np.nan,
    n=len(errors[more]),
    note='; '.join(notes),
  )


def curves(paths: Sequence[pathlib.Path]) -> pd.DataFrame:
  """Bits against the target error, and predictive multiplicity of the same networks, for each run.

  A row for each target of a run, and a row for each spread of accuracies that counts as equally good.
  Works for any finished run with squared errors.

  Raises:
    ValueError: a run minimizes another loss, so that nothing says when it fits.
  """
  rows = []
  for path in paths:
    if (loss := configuration.saved(path).loss.name) != 'squared_error':
      raise ValueError(f'{path}: loss.name must be squared_error, not {loss}')
    population, _, state = restored(path)
    found = of_each(_on_test, state.params, *_test_set(population))
    train = per_output(population.evaluate(state)['train/loss'], population.task.n_classes)
    fits = train <= FITS
    row = {'run': path.name, 'networks': len(train), 'fit': int(fits.sum())}
    errors, wrong = np.asarray(found['error'])[fits], 1 - found['accuracy'][fits]
    for spread in SPREADS if fits.any() else ():
      alike = (found['classes'][fits], wrong, spread)
      rows.append(
        row
        | {'spread': spread, 'good': int(multiplicity.good(wrong, spread).sum())}
        | {'ambiguity': multiplicity.ambiguity(*alike)}
        | {'discrepancy': multiplicity.discrepancy(*alike)}
      )
    if len(errors) < tails.FEWEST:
      continue  # too few for any law: there is no curve, and the claims say why
    law = chi_square_fits.fit_to_sample(errors)
    parameters = (law.degrees[0], law.shifts[0] / law.weights[0], law.weights[0])
    row |= {'mean_error': errors.mean(), 'law': [float(x) for x in parameters]}
    for target in np.multiply(GRID, errors.mean()):
      it = bits(errors, float(target))
      values = {name: None if np.isinf(x) else x for name, x in it._asdict().items()}
      rows.append(row | {'target': target} | values)
  return pd.DataFrame(rows, columns=COLUMNS)


def matched(paths: Sequence[pathlib.Path]) -> pd.DataFrame:
  """Kernels on the very examples of MNIST that networks have: bits to these networks' median error.

  No row where fewer than twenty networks fit.
  """
  (path,) = (path for path in paths if path.name == 'mnist')
  found = []
  try:
    target = float(np.median(errors_on_test(tables.load_runs(path.parent, only=['mnist']))))
  except ValueError:
    return pd.DataFrame(found, columns=['kernel', 'amplitude', 'mean_error', 'target', 'bits'])
  task = configuration.call(make_task, configuration.saved(path), 'task')
  data = sample(task, slice(None), slice(None))
  forms = {'nngp': kernels.nngp(2), 'ntk': kernels.ntk(2)}
  forms['rbf'] = kernels.rbf(kernels.median_distance(data.inputs))
  for name, kernel in forms.items():
    for amplitude, law in laws(kernel, data).items():
      row = {'kernel': name, 'amplitude': amplitude, 'mean_error': law.cumulants()[0]}
      found.append(row | {'target': target, 'bits': -BITS * law.log_probability(target)})
  return pd.DataFrame(found)


def networks_bring_more_than_kernels(matched: pd.DataFrame) -> Verdict:
  """Trained networks bring more than any of six kernel spaces with as many examples: the networks'
  median error, 1 bit to them, takes these more (bits of the kernel that takes fewest, above 2; MNIST,
  n = 500; bound ours)."""
  if not len(matched):
    return Verdict(holds=None, note='fewer than twenty networks fit the training set')
  best = matched.sort_values('bits').iloc[0]
  note = (
    f'{best["kernel"]} of {best["amplitude"]} amplitude, mean error {best["mean_error"]:.4f}; the '
    f'networks have {best["target"]:.4f}; one draw of the examples, the same for both'
  )
  return Verdict(holds=bool(best['bits'] > 2), ours=float(best['bits']), n=1, note=note)


def more_examples_leave_networks_less(table: pd.DataFrame) -> Verdict:
  """The more examples networks fit, the fewer bits are left: networks that fit 500 take more bits to
  the median error of those that fit 2,000 than these (bits; these take 1)."""
  return apart(table, 'mnist', 'n=2000')


def natural_images_take_more(table: pd.DataFrame) -> Verdict:
  """CIFAR-10 takes more bits than MNIST: the same networks, on as many examples of it, take more to
  MNIST's median error (bits; on MNIST it takes 1)."""
  return apart(table, 'cifar10', 'mnist')


def fashion_takes_more(table: pd.DataFrame) -> Verdict:
  """So does Fashion-MNIST (bits to MNIST's median error)."""
  return apart(table, 'fashion_mnist', 'mnist')


def wider_networks_bring_more(table: pd.DataFrame) -> Verdict:
  """Wider networks bring more: those of width 16 take more bits to the median error of those of width
  128 than these (bits)."""
  return apart(table, 'width=16', 'width=128')


def deeper_networks_bring_more(table: pd.DataFrame) -> Verdict:
  """Deeper networks bring more: those with one hidden layer take more bits to the median error of those
  with four than these (bits)."""
  return apart(table, 'depth=1', 'depth=4')


def convolutions_bring_more(table: pd.DataFrame) -> Verdict:
  """Convolutions bring more: on digits, MLPs take more bits to the median error of convolutional
  networks than these (bits)."""
  return apart(table, 'digits', 'digits_cnn')


def optimizers_differ(table: pd.DataFrame) -> Verdict:
  """Adam brings more than SGD: networks trained by SGD take more bits to the median error of those
  trained by Adam than these (bits; a question of ours)."""
  return apart(table, 'sgd', 'mnist')


def initializations_differ(table: pd.DataFrame) -> Verdict:
  """A smaller initialization brings more: networks that start from He's take more bits to the median
  error of those that start from PyTorch's than these (bits; a question of ours)."""
  return apart(table, 'signal', 'mnist')


def fits_foretell_other_networks(table: pd.DataFrame) -> Verdict:
  """A chi-square fitted to every other network foretells how many of the others reach the third lowest
  of their errors: its interval and that of the count, log2 of a third of them, overlap (share of the
  runs, ten or more, in which they do; above 0.9)."""
  agree = []
  for run in sorted(set(table['run'])):
    try:
      errors = errors_on_test(table, run)
    except ValueError:
      continue
    if len(errors) < 4 * tails.FEWEST:
      continue
    half, rest = errors[::2], errors[1::2]
    target = float(np.sort(rest)[2])
    counted = tails.count(rest, target)
    generator = rngs.named_generator(0, 'exact_inductive_bias/halves')
    it = tails.fitted(half, target, generator, RESAMPLES)
    agree.append(it.low <= counted.high and counted.low <= it.high)
  if len(agree) < 10:
    return Verdict(holds=None, n=len(agree), note='needs ten runs with eighty networks that fit')
  share = float(np.mean(agree))
  return Verdict(holds=share > 0.9, ours=share, n=len(agree), note='no interval over runs')


def good_networks_disagree(curves: pd.DataFrame) -> Verdict:
  """Networks whose accuracies are within one point of the best disagree with it on more than a tenth of
  the test images (ambiguity, MNIST; a lower bound of what the class allows; bound ours)."""
  rows = curves[(curves['run'] == 'mnist') & (curves['spread'] == 0.01)]
  if not len(rows):
    return Verdict(holds=None, note='no network fits the training set')
  row = rows.iloc[0]
  note = (
    f'{int(row["good"])} of {int(row["fit"])} networks are within a point; a single one differs on '
    f'{row["discrepancy"]:.3f}'
  )
  return Verdict(
    holds=bool(row['ambiguity'] > 0.1), ours=float(row['ambiguity']), n=int(row['good']), note=note
  )


def _test_set(population) -> tuple[Any, jax.Array, np.ndarray]:
  task = population.task
  return (
    jax.tree_util.Partial(population.model.apply),
    jax.numpy.asarray(task.normalize(task.test.inputs)),
    task.test.labels,
  )


def _on_test(params, apply, inputs, labels):
  """Error, accuracy and one-hot classes of one network."""
  logits = apply(params, inputs)
  targets = jax.nn.one_hot(labels, logits.shape[-1])
  classes = jax.numpy.argmax(logits, axis=-1)
  return {
    'error': jax.numpy.mean((logits - targets) ** 2),
    'accuracy': jax.numpy.mean(classes == labels),
    'classes': jax.nn.one_hot(classes, logits.shape[-1]),
  }
