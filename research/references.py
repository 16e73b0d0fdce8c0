"""Simple classifiers, which what a network predicts is compared with: linear, nearest neighbours, a
small network, and linear in the lowest spatial frequencies.

They are fitted by scikit-learn, once, before a run; on one thread, so that the number of cores does not
change the order of sums: the same arguments give the same predictions.
"""

import re
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from scipy import fft
from threadpoolctl import threadpool_limits

from research.rngs import named_generator
from research.tasks import Task

MOST_EXAMPLES = 10_000  # that a reference is fitted on: a random part of more
PENALTIES = (1e-1, 1e-2, 1e-3, 1e-4)  # the simplest first; half of it times the squared weights
MOST_ITERATIONS = 200  # of L-BFGS
TOLERANCE = 1e-3  # of the largest entry of the gradient, where it stops
KINDS = {'linear': False, 'nearest': True, 'mlp': True, 'fourier': True}  # whether a number follows


def fit_reference(
  name: str, inputs: np.ndarray, labels: np.ndarray, *, seed: int = 0
) -> Callable[[np.ndarray], np.ndarray]:
  r"""Fits a simple classifier: (inputs [n, ...], labels [n]) gives inputs [m, ...] -> classes [m].

  - `linear`: softmax regression on the flat inputs; of two classes, logistic regression.
  - `nearest5`: the majority among the 5 nearest examples (of Euclidean distance). Any number.
  - `mlp8`: one hidden layer of 8 relus, from a random initialization. Any number.
  - `fourier4`: softmax regression on the 4 x 4 lowest spatial frequencies of each channel of images
    [n, H, W, C], as the orthonormal cosine transform (DCT-II) has them. Any number up to H and W.

  Inputs are centred and divided by their root mean square, one number for all coordinates. All but
  `nearest` minimize the mean cross-entropy plus :math:`\tfrac\lambda2 \|W\|^2`, by L-BFGS, with the
  :math:`\lambda` of PENALTIES that predicts a held-out fifth of the examples best, the larger one
  where two are alike; then on all examples. Of more than MOST_EXAMPLES, a random part is used.

  Guarantees (each is a test): to a percent of the predictions, `linear` is the optimum that an
  independent solver finds; the penalty chosen serves unseen examples better than one fixed for all
  data; neither shift nor scale of the inputs matter; `fourier` with all frequencies of square images
  predicts as `linear`, of which it is a rotation; a class that shows in low frequencies is found by
  it, one that shows in high frequencies is not; `nearest1` has every training example right, if no
  two are alike; the same seed gives the same predictions.

  Args:
    name: one of the above.
    inputs: of the training examples, any numbers.
    labels: int [n], classes from 0. Where all are the same, that is what is predicted.
    seed: of the held-out fifth, of the part of a large set, and of the initialization of `mlp`.

  Returns:
    A function of inputs [m, ...] that gives predicted classes, int32 [m].

  Raises:
    ValueError: there is no such name, fewer than 5 examples or than neighbours, or `fourier` gets no
      images, or fewer pixels than frequencies.

  Cost: with 10,000 images of 28 x 28 on one CPU core, under a second (`nearest`, `fourier`) to some
  seconds (`linear`, `mlp8`).

  References: `Nakkiran et al. (2019) <https://arxiv.org/abs/1905.11604>`_, where the simple classifier
    is linear; `Rahaman et al. (2019) <https://arxiv.org/abs/1806.08734>`_ for low frequencies.
  """
  kind, number = parse(name)
  inputs, labels = np.asarray(inputs), np.asarray(labels)
  n = len(labels)
  if n < 5 or len(inputs) != n:
    raise ValueError(f'labels must be those of the inputs, at least 5, not {n} of {len(inputs)}')
  if kind == 'nearest' and number > min(n, MOST_EXAMPLES):
    raise ValueError(f'references: {name} must have at most {min(n, MOST_EXAMPLES)} neighbours')
  generator = named_generator(seed, 'references')
  rows = generator.permutation(n)[:MOST_EXAMPLES]
  x, y = _features(kind, number, inputs[rows]), labels[rows]
  mean = x.mean(axis=0, keepdims=True)
  scale = np.sqrt(np.mean(np.square(x - mean))) or 1.0
  x = (x - mean) / scale
  with threadpool_limits(1):
    classifier = _fit(kind, number, x, y, int(generator.integers(2**31)))

  def predict(inputs: np.ndarray) -> np.ndarray:
    x = (_features(kind, number, np.asarray(inputs)) - mean) / scale
    with threadpool_limits(1):
      return np.asarray(classifier.predict(x), np.int32)

  return predict


def classes_by_references(
  panel: Mapping[str, Any], task: Task, seeds: np.ndarray, inputs: np.ndarray
) -> dict[str, np.ndarray]:
  """What references give a sample, `{'reference/NAME': classes [R, m]}`; those that instruments name.

  They are fitted to the training labels of each member, or once where all have the same.
  """
  names = {name for it in panel.values() for name in getattr(it.instrument, 'references', ())}
  if not names:
    return {}
  seen, sample = (np.asarray(task.normalize(x)) for x in (task.train.inputs, inputs))
  own = seeds if task.label_noise else seeds[:1]
  found = {}
  for name in sorted(names):
    fitted = [fit_reference(name, seen, task.train_labels(int(s)))(sample) for s in own]
    found[f'reference/{name}'] = np.broadcast_to(np.stack(fitted), (len(seeds), len(sample)))
  return found


def parse(name: str) -> tuple[str, int]:
  """The kind and the number in a name: 'mlp8' gives ('mlp', 8), 'linear' gives ('linear', 0).

  Raises:
    ValueError: there is no such name.
  """
  match = re.fullmatch(r'([a-z]+)(\d*)', name)
  kind, number = match.groups() if match else (name, '')
  if kind not in KINDS or KINDS[kind] != bool(number) or (number and int(number) < 1):
    raise ValueError(
      f'references must be linear, or nearest5, mlp8, fourier4 or another positive number, not {name!r}'
    )
  return kind, int(number or 0)


def _features(kind: str, number: int, inputs: np.ndarray) -> np.ndarray:
  """Flat features [n, D], float32."""
  inputs = inputs.astype(np.float32)
  if kind == 'fourier':
    if inputs.ndim != 4 or number > min(inputs.shape[1:3]):
      raise ValueError(
        f'references: fourier{number} needs images [n, H, W, C] of at least {number} x {number} '
        f'pixels, not inputs {list(inputs.shape[1:])}'
      )
    coefficients = np.asarray(fft.dctn(inputs, axes=(1, 2), norm='ortho'))
    inputs = coefficients[:, :number, :number]
  return inputs.reshape(len(inputs), -1)


def _fit(kind: str, number: int, x: np.ndarray, y: np.ndarray, seed: int):
  """The classifier of this kind, with the penalty that serves a held-out fifth best."""
  if kind == 'nearest':
    from sklearn.neighbors import KNeighborsClassifier  # takes a second, which few runs need pay

    return KNeighborsClassifier(number).fit(x, y)
  held_out = len(y) // 5  # of examples in random order
  accuracies = []
  for penalty in PENALTIES:
    candidate = _fit_penalized(kind, number, x[held_out:], y[held_out:], penalty, seed)
    accuracies.append(np.mean(candidate.predict(x[:held_out]) == y[:held_out]))
  return _fit_penalized(kind, number, x, y, PENALTIES[np.argmax(accuracies)], seed)


def _fit_penalized(kind: str, number: int, x, y, penalty: float, seed: int):
  from sklearn.dummy import DummyClassifier
  from sklearn.exceptions import ConvergenceWarning
  from sklearn.linear_model import LogisticRegression
  from sklearn.neural_network import MLPClassifier

  if len(np.unique(y)) == 1:
    return DummyClassifier().fit(x, y)
  stops = {'max_iter': MOST_ITERATIONS, 'tol': TOLERANCE}
  if kind == 'mlp':  # scikit-learn divides its penalty by the number of examples
    alpha = penalty * len(y)
    classifier = MLPClassifier((number,), solver='lbfgs', alpha=alpha, random_state=seed, **stops)
  else:
    classifier = LogisticRegression(C=1 / (penalty * len(y)), **stops)
  with warnings.catch_warnings():
    warnings.simplefilter('ignore', ConvergenceWarning)  # what 200 iterations give is the reference
    return classifier.fit(x, y)
