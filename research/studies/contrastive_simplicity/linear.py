r"""Linear maps on inputs with known features: which of them does a spectral loss keep?

What a map W makes of a feature is known exactly: the two subclasses of class c differ by
:math:`\delta = 2 \phi_{sub} W e_{sub(c)}`, amid noise of covariance :math:`\Sigma = \sigma^2 W W^\top`.
"""

import dataclasses
import functools
import itertools
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd

from research import contrastive, rngs
from research.studies.claim import Verdict, exceeds, falls_below, weakest
from research.studies.contrastive_simplicity.probe import SEEDS, probe_accuracy
from research.tasks.subclasses import CLASS, IRRELEVANT, SUBCLASSES, subclasses

NOISE, BETA, WIDTH = 0.1, 0.5, 8
N, DIM = 100, 1000  # 200 views span a fifth of the inputs' directions
RATE, START, STEPS = 0.05, 1e-3, (0, *np.unique(np.geomspace(1, 3000, 45).round().astype(int)))
MAJORITIES = (0.5, 0.75)
# How features that the class does not depend on compare with it (strength 1), and their augmentation.
IRRELEVANTS = {
  'stronger': dict(irrelevant_strength=2.0, resample=0.0),
  'stronger, resampled': dict(irrelevant_strength=2.0, resample=0.5),
  'weaker': dict(irrelevant_strength=0.5, resample=0.0),
}
N_IRRELEVANT, N_SUPPRESSED, DIM_SUPPRESSED = 8, 512, 64
WIDTHS = (1, 2, 4, 6, 7, 8, 9, 10, 12, 16)


def class_collapse(seeds: Sequence[int] = SEEDS) -> pd.DataFrame:
  """Minimum-norm minimizers and gradient descent from near zero, of three losses: a row for each."""
  rows = []
  for seed in seeds:
    basis, moments = _moments(seed, 0.5)
    names = [*moments]
    positives, moment = np.stack([moments[name][0] for name in names]), moments[names[0]][1]
    least = {name: contrastive.linear_minimizer(*moments[name], WIDTH) @ basis.T for name in names}
    found = {(name, 'minimum norm'): w for name, w in least.items()}
    other = least['supervised'].copy()  # its last rows are zero: the labels need two
    for row, axis in zip((-1, -2), SUBCLASSES, strict=True):
      unseen = np.eye(DIM)[axis] - basis @ basis[axis]  # no view of the training set has this
      other[row] += unseen / np.linalg.norm(unseen)
    found['supervised', 'another minimizer'] = other
    trained = _descend(seed, basis, positives, moment)[-1]
    found |= {(name, 'gradient descent'): w for name, w in zip(names, trained, strict=True)}
    samples = {s: subclasses(seed, 1000, dim=DIM, n_views=1, split=s) for s in ('probe', 'test')}
    for (name, solver), w in found.items():
      inside = w @ basis
      loss = contrastive.linear_loss(inside, *moments[name])
      minimum = contrastive.linear_loss(least[name] @ basis, *moments[name])
      row = {'seed': seed, 'arm': name, 'solver': solver, 'loss': loss}
      row |= {'excess': (loss - minimum) / abs(minimum), 'sq_norm': np.sum(w**2)}
      rows.append(row | _kept(w) | _probed(w, samples))
  return pd.DataFrame(rows)


def learned_and_unlearned(seeds: Sequence[int] = SEEDS) -> pd.DataFrame:
  """Gradient descent on the supervised loss, with subclasses of equal and of unequal size, by steps."""
  rows = []
  for seed, majority in itertools.product(seeds, MAJORITIES):
    basis, moments = _moments(seed, majority)
    positives, moment = moments['supervised']
    for step, (w,) in zip(STEPS, _descend(seed, basis, positives[None], moment), strict=True):
      rows.append({'seed': seed, 'majority': majority, 'step': int(step)} | _kept(w))
  return pd.DataFrame(rows)


def suppression(seeds: Sequence[int] = SEEDS) -> pd.DataFrame:
  """The unsupervised loss where features compete for the embedding's dimensions, by its width."""
  rows = []
  for seed, (arm, settings) in itertools.product(seeds, IRRELEVANTS.items()):
    draw = functools.partial(subclasses, seed, dim=DIM_SUPPRESSED, noise=NOISE, **settings)
    draw = functools.partial(draw, n_irrelevant=N_IRRELEVANT, subclass_strength=0.0)
    data = draw(N_SUPPRESSED)
    moments = contrastive.view_moment(data.views), contrastive.second_moment(data.views)
    samples = {s: draw(2000, n_views=1, split=s) for s in ('probe', 'test')}
    last = IRRELEVANT + N_IRRELEVANT
    for width in WIDTHS:
      w = contrastive.linear_minimizer(*moments, width)
      row = {'seed': seed, 'arm': arm, 'width': width, 'class_gain': np.linalg.norm(w[:, CLASS])}
      row['irrelevant_gain'] = np.linalg.norm(w[:, IRRELEVANT:last], axis=0).mean()
      rows.append(row | {'class_accuracy': _probed(w, samples)['class_accuracy']})
  return pd.DataFrame(rows)


def discriminability(difference: np.ndarray, covariance: np.ndarray) -> float:
  r"""Sensitivity index d' of two Gaussians along the line through their means, 0 if these coincide.

  .. math:: d' = \frac{\delta^\top \delta}{\sqrt{\delta^\top \Sigma \delta}}

  A threshold half-way between them errs with probability :math:`\Phi(-d' / 2)`. Unlike that of the
  best direction, it does not rest on directions in which the embedding hardly extends.
  """
  sq_length = difference @ difference
  return float(sq_length / np.sqrt(difference @ covariance @ difference)) if sq_length else 0.0


def minimum_norm_collapses(table: pd.DataFrame) -> Verdict:
  """The supervised spectral loss's minimizer of least norm collapses subclasses on new inputs: d'
  between them is below 1, so that a threshold errs on 31 % of them or more (d'; bound ours)."""
  return falls_below(_column(table, 'supervised', 'minimum norm', 'subclass_d'), 1.0)


def not_all_minimizers_collapse(table: pd.DataFrame) -> Verdict:
  """Another map has the same supervised loss, to 1e-9 of it, and tells the subclasses of new inputs
  apart: d' above 1 (d'; bound ours)."""
  excess = _column(table, 'supervised', 'another minimizer', 'excess')
  verdict = exceeds(
    _column(table, 'supervised', 'another minimizer', 'subclass_d'),
    1.0,
    note=f'losses differ by at most {np.abs(excess).max():.1g} of the least',
  )
  if np.abs(excess).max() < 1e-9:
    return verdict
  return dataclasses.replace(verdict, holds=False)


def unsupervised_keeps_subclasses(table: pd.DataFrame) -> Verdict:
  """The unsupervised loss's minimizer of least norm keeps subclasses: d' between them is more than ten
  times that under the supervised loss (ratio; factor ours)."""
  ours, theirs = (
    _column(table, arm, 'minimum norm', 'subclass_d') for arm in ('unsupervised', 'supervised')
  )
  return exceeds(ours / theirs, 10.0, log=True)


def joint_loss_keeps_both(table: pd.DataFrame) -> Verdict:
  """The mean of both losses keeps class and subclass: linear probes of either, on its minimizer of
  least norm, are right for more than 95 % of new inputs (accuracy, the lower one; bound ours)."""
  return weakest(
    [
      exceeds(_column(table, 'joint', 'minimum norm', f'{what}_accuracy'), 0.95, note=what)
      for what in ('class', 'subclass')
    ]
  )


def gradient_descent_collapses(table: pd.DataFrame) -> Verdict:
  """Gradient descent from near zero on the supervised loss collapses subclasses like the minimizer of
  least norm: d' below 1 on new inputs (d'; bound ours)."""
  excess = _column(table, 'supervised', 'gradient descent', 'excess').max()
  return falls_below(
    _column(table, 'supervised', 'gradient descent', 'subclass_d'),
    1.0,
    note=f'loss within {excess:.1g} of the least',
  )


def subclasses_are_learned_and_unlearned(table: pd.DataFrame) -> Verdict:
  """With the supervised loss, gradient descent learns subclasses early and unlearns them: d' between
  them peaks above twice its value at the start and at the end (the smaller ratio; factor ours)."""
  return _unlearned(table, 0.5, 'subclass_d')


def unequal_subclasses_are_learned_and_unlearned(table: pd.DataFrame) -> Verdict:
  """The same where three quarters of each class are of one subclass (the smaller ratio of the peak of
  d' to its first and last value, above 2; factor ours)."""
  return _unlearned(table, 0.75, 'subclass_d')


def subclass_weights_are_unlearned(table: pd.DataFrame) -> Verdict:
  """Not only relative to noise: the length of what the map makes of a subclass feature, |W e_sub|,
  peaks above twice its value at the start and at the end, too (the smaller ratio; factor ours)."""
  return _unlearned(table, 0.5, 'subclass_gain')


def strong_features_suppress_the_class(table: pd.DataFrame) -> Verdict:
  """Eight stronger irrelevant features suppress the class until the embedding has room for it: class
  accuracy is higher by more than 0.3 at width 9 than at width 8 (difference; bound ours)."""
  wide, narrow = (_accuracy(table, 'stronger', width) for width in (9, 8))
  return exceeds(wide - narrow, 0.3, note=f'accuracy {narrow.mean():.3g} to {wide.mean():.3g}')


def augmentation_cures_suppression(table: pd.DataFrame) -> Verdict:
  """Augmentations that redraw the irrelevant features half the time bring the class back, at every
  width up to eight (gain of accuracy over the same without, above 0.3, the least; bound ours)."""
  return weakest(
    [
      exceeds(
        _accuracy(table, 'stronger, resampled', width) - _accuracy(table, 'stronger', width),
        0.3,
        note=f'width {width}',
      )
      for width in WIDTHS
      if width <= N_IRRELEVANT
    ]
  )


def weaker_features_do_not_suppress(table: pd.DataFrame) -> Verdict:
  """Irrelevant features half as strong as the class suppress nothing: one dimension is enough for a
  class accuracy above 0.95 (accuracy; bound ours)."""
  return exceeds(_accuracy(table, 'weaker', 1), 0.95)


def _unlearned(table: pd.DataFrame, majority: float, metric: str) -> Verdict:
  part = table[table['majority'] == majority].sort_values('step')
  of_seed = part.groupby('seed')[metric]
  steps = part.loc[of_seed.idxmax(), 'step']
  ratios = (of_seed.max() / np.maximum(of_seed.first(), of_seed.last())).to_numpy()
  note = f'peaks at steps {steps.min()} to {steps.max()}'
  return exceeds(ratios, 2.0, log=True, note=f'{note}, ends at {of_seed.last().mean():.3g}')


def _column(table: pd.DataFrame, arm: str, solver: str, name: str) -> np.ndarray:
  part = table[(table['arm'] == arm) & (table['solver'] == solver)]
  return part.sort_values('seed')[name].to_numpy()


def _accuracy(table: pd.DataFrame, arm: str, width: int) -> np.ndarray:
  part = table[(table['arm'] == arm) & (table['width'] == width)]
  return part.sort_values('seed')['class_accuracy'].to_numpy()


def _moments(seed: int, majority: float):
  """An orthonormal basis [d, r] of what a sample spans, and in it the moments (A, M) of each loss."""
  data = subclasses(seed, N, dim=DIM, majority=majority, noise=NOISE)
  basis, _ = np.linalg.qr(data.views.reshape(-1, DIM).T)
  inside = data.views @ basis
  of_classes = contrastive.class_moment(inside, data.labels)
  of_views, moment = contrastive.view_moment(inside), contrastive.second_moment(inside)
  mixed = BETA * of_classes + (1 - BETA) * of_views
  positives = {'supervised': of_classes, 'unsupervised': of_views, 'joint': mixed}
  return basis, {name: (a, moment) for name, a in positives.items()}


def _descend(seed: int, basis: np.ndarray, positives: np.ndarray, moment: np.ndarray) -> np.ndarray:
  """Gradient descent at STEPS [S, L, k, d] on each of L losses; what is off the basis does not move."""
  start = START * rngs.named_generator(seed, 'contrastive/start').normal(size=(WIDTH, DIM))
  inside = jnp.broadcast_to(start @ basis, (len(positives), WIDTH, basis.shape[1]))
  lengths = jnp.asarray(np.diff(STEPS))
  found = np.asarray(_trajectory(inside, jnp.asarray(positives), jnp.asarray(moment), lengths))
  found = np.concatenate([np.asarray(inside)[None], found]).astype(np.float64)
  return found @ basis.T + (start - start @ basis @ basis.T)


@jax.jit
def _trajectory(start, positives, moment, lengths):
  def step(_, w):
    seen = w @ moment  # the gradient of the loss, written out, takes half of what jax.grad does
    return w + 4 * RATE * (w @ positives - (seen @ jnp.matrix_transpose(w)) @ seen)

  def advance(w, length):
    w = jax.lax.fori_loop(0, length, step, w)
    return w, w

  with jax.default_matmul_precision('highest'):
    return jax.lax.scan(advance, start, lengths)[1]


def _kept(w: np.ndarray) -> dict[str, float]:
  """What a map makes of the features of strength 1, exactly: gains, and d' amid the noise."""
  noise = NOISE**2 * w @ w.T
  within = noise + sum(np.outer(w[:, axis], w[:, axis]) for axis in SUBCLASSES) / 2
  return {
    'class_gain': float(np.linalg.norm(w[:, CLASS])),
    'subclass_gain': float(np.mean([np.linalg.norm(w[:, axis]) for axis in SUBCLASSES])),
    'class_d': discriminability(2 * w[:, CLASS], within),
    'subclass_d': float(np.mean([discriminability(2 * w[:, a], noise) for a in SUBCLASSES])),
  }


def _probed(w: np.ndarray, samples) -> dict[str, float]:
  """Accuracy on new inputs of linear probes for the class, and for class and subclass together."""
  embedded = {split: data.views[:, 0] @ w.T for split, data in samples.items()}
  targets = {
    'class_accuracy': {split: data.labels for split, data in samples.items()},
    'subclass_accuracy': {s: 2 * data.labels + data.subclasses for s, data in samples.items()},
  }
  return {
    name: probe_accuracy(embedded['probe'], of['probe'], embedded['test'], of['test'])
    for name, of in targets.items()
  }
