"""Simple classifiers, against scikit-learn and SciPy, and on classes planted in frequencies."""

import functools

import numpy as np
import pytest
from scipy import fft, optimize
from scipy.special import log_softmax, softmax
from sklearn.datasets import load_digits
from sklearn.neighbors import KNeighborsClassifier

from research import references
from research.references import fit_reference


def noisy_blobs(n=400, d=6, n_classes=3, seed=0):
  """Classes of Gaussian inputs that overlap, off centre and of unequal scales."""
  rng = np.random.default_rng(seed)
  labels = np.arange(n) % n_classes
  means = 2 * rng.normal(size=(n_classes, d))
  return (10 + means[labels] + 2 * rng.normal(size=(n, d))).astype(np.float32), labels


@functools.cache
def digits(n=500):
  images, labels = load_digits(return_X_y=True)
  return images[: 2 * n].reshape(-1, 8, 8, 1).astype(np.float32), labels[: 2 * n]


def agreement(a, b):
  return np.mean(a == b)


def softmax_regression(x, y, penalty, n_classes):
  """The optimum by SciPy in float64, inputs centred and divided by their root mean square."""
  mean, x = x.mean(0, keepdims=True), x.astype(np.float64)
  scale = np.sqrt(np.mean((x - mean) ** 2))
  z, one_hot = (x - mean) / scale, np.eye(n_classes)[y]

  def objective(flat):
    w = flat.reshape(-1, n_classes)
    logits = z @ w[:-1] + w[-1:]
    error = (softmax(logits, axis=1) - one_hot) / len(y)
    loss = -np.mean(np.sum(one_hot * log_softmax(logits, axis=1), axis=1))
    grads = np.concatenate([z.T @ error + penalty * w[:-1], error.sum(0, keepdims=True)])
    return loss + penalty / 2 * np.sum(w[:-1] ** 2), grads.ravel()

  start = np.zeros((z.shape[1] + 1) * n_classes)
  best = optimize.minimize(objective, start, jac=True, options={'gtol': 1e-7, 'maxiter': 2000}).x
  w = best.reshape(-1, n_classes)
  return lambda x: np.argmax((x - mean) / scale @ w[:-1] + w[-1:], axis=1)


@pytest.mark.parametrize('penalty', [0.5, 1e-3])
def test_linear_predicts_as_the_optimum_of_an_independent_solver(monkeypatch, penalty):
  monkeypatch.setattr(references, 'PENALTIES', (penalty,))
  x, y = noisy_blobs()
  fresh = np.random.default_rng(1).normal(10, 3, (2000, 6)).astype(np.float32)
  ours = fit_reference('linear', x, y)(fresh)
  assert agreement(ours, softmax_regression(x, y, penalty, 3)(fresh)) > 0.99
  other = 1e-3 if penalty == 0.5 else 0.5
  assert agreement(ours, softmax_regression(x, y, other, 3)(fresh)) < 0.98


def test_the_penalty_is_the_one_that_serves_unseen_examples(monkeypatch):
  """The least fits the noise of many coordinates; the largest passes over one of small scale."""
  rng = np.random.default_rng(0)
  noise = rng.normal(size=(2500, 200)), np.arange(2500) % 2
  noise[0][:, 0] += noise[1]
  small = rng.normal(size=(2500, 2)) * np.array([[1.0, 0.05]])
  exact = small, (small[:, 0] + 20 * small[:, 1] > 0).astype(int)

  def accuracy(x, y):
    return agreement(fit_reference('linear', x[:500], y[:500])(x[500:]), y[500:])

  chosen = accuracy(*noise), accuracy(*exact)
  monkeypatch.setattr(references, 'PENALTIES', references.PENALTIES[-1:])
  assert chosen[0] > accuracy(*noise) + 0.02
  monkeypatch.undo()
  monkeypatch.setattr(references, 'PENALTIES', references.PENALTIES[:1])
  assert chosen[1] > accuracy(*exact) + 0.05


def test_nearest_agrees_with_scikit_learn():
  x, y = noisy_blobs()
  fresh = np.random.default_rng(1).normal(10, 3, (300, 6)).astype(np.float32)
  expected = KNeighborsClassifier(5).fit(x, y).predict(fresh)
  np.testing.assert_array_equal(fit_reference('nearest5', x, y)(fresh), expected)
  np.testing.assert_array_equal(fit_reference('nearest1', x, y)(x), y)


def test_a_small_network_bends_where_a_linear_one_cannot():
  rng = np.random.default_rng(0)
  x = rng.uniform(-1, 1, (900, 2)).astype(np.float32)
  y = (np.abs(x[:, 0]) < 0.5).astype(int)  # a band
  seen, fresh = slice(0, 500), slice(500, 900)
  right = {
    name: agreement(fit_reference(name, x[seen], y[seen])(x[fresh]), y[fresh])
    for name in ('linear', 'mlp8')
  }
  assert right['linear'] < 0.65
  assert right['mlp8'] > 0.95


def waves(frequency, n=300, size=8, seed=0):
  """Images of two classes: the sign of one cosine of two dimensions, in noise of all frequencies."""
  rng = np.random.default_rng(seed)
  coefficients = rng.normal(size=(n, size, size, 2))
  labels = np.arange(n) % 2
  coefficients[:, *frequency, 1] += 6 * (2 * labels - 1)
  return np.asarray(fft.idctn(coefficients, axes=(1, 2), norm='ortho'), np.float32), labels


@pytest.mark.parametrize(
  ('frequency', 'found'),
  [((1, 2), True), ((2, 0), True), ((6, 7), False), ((0, 5), False), ((5, 0), False)],
)
def test_fourier_sees_low_frequencies_alone(frequency, found):
  x, y = waves(frequency)
  fresh, classes = waves(frequency, seed=1)
  right = {
    name: agreement(fit_reference(name, x, y)(fresh), classes) for name in ('linear', 'fourier3')
  }
  assert right['linear'] > 0.95
  if found:
    assert right['fourier3'] > 0.95
  else:
    assert 0.4 < right['fourier3'] < 0.6


def test_fourier_with_all_frequencies_is_linear():
  x, y = digits()
  here = fit_reference('fourier8', x[:500], y[:500])(x[500:])
  assert agreement(here, fit_reference('linear', x[:500], y[:500])(x[500:])) > 0.98
  fewer = fit_reference('fourier2', x[:500], y[:500])(x[500:])
  assert agreement(here, fewer) < 0.8


@pytest.mark.parametrize('name', ['linear', 'nearest3', 'mlp8', 'fourier4'])
def test_digits_are_learned_whatever_their_shift_and_scale(name):
  x, y = digits()
  predicted = fit_reference(name, x[:500], y[:500])(x[500:])
  assert predicted.dtype == np.int32
  assert predicted.shape == (500,)
  assert agreement(predicted, y[500:]) > 0.6
  moved = fit_reference(name, 3 * x[:500] - 7, y[:500])(3 * x[500:] - 7)
  assert agreement(moved, predicted) > (0.98 if name != 'mlp8' else 0.9)  # no convex problem
  np.testing.assert_array_equal(fit_reference(name, x[:500], y[:500])(x[500:]), predicted)
  np.testing.assert_array_equal(
    fit_reference(name, x[:500].astype(np.uint8), y[:500])(x[500:].astype(np.uint8)), predicted
  )


def test_of_a_large_set_a_random_part_is_used(monkeypatch):
  monkeypatch.setattr(references, 'MOST_EXAMPLES', 50)
  x, y = noisy_blobs(n=200)
  predicted = [fit_reference('nearest1', x, y, seed=seed)(x) for seed in (0, 0, 1)]
  np.testing.assert_array_equal(predicted[0], predicted[1])
  assert agreement(predicted[0], predicted[2]) < 1
  assert 0.25 < agreement(predicted[0], y) < 1  # no longer its own nearest neighbour
  monkeypatch.undo()
  np.testing.assert_array_equal(fit_reference('nearest1', x, y, seed=1)(x), y)


@pytest.mark.parametrize('name', ['linear', 'nearest1', 'mlp2', 'fourier1'])
def test_one_class_is_what_is_predicted(name):
  x = np.random.default_rng(0).normal(size=(10, 4, 4, 1))
  np.testing.assert_array_equal(fit_reference(name, x, np.full(10, 3))(x), np.full(10, 3))
  np.testing.assert_array_equal(fit_reference(name, 0 * x, np.full(10, 3))(x), np.full(10, 3))


@pytest.mark.parametrize(
  'name', ['line', 'linear2', 'mlp', 'mlp0', 'nearest', 'fourier-1', '', 'mlp8x']
)
def test_unknown_names_are_refused(name):
  with pytest.raises(ValueError, match='^references must be linear, or nearest5'):
    fit_reference(name, np.zeros((10, 4)), np.zeros(10, int))


@pytest.mark.parametrize(
  ('name', 'shape', 'message'),
  [
    ('fourier2', (10, 4), r'^references: fourier2 needs images'),
    ('fourier5', (10, 4, 8, 1), r'^references: fourier5 needs images .* at least 5 x 5 pixels'),
    ('nearest11', (10, 4), r'^references: nearest11 must have at most 10'),
    ('linear', (9, 4), r'^labels must be those of the inputs'),
  ],
)
def test_inputs_that_do_not_fit_are_refused(name, shape, message):
  with pytest.raises(ValueError, match=message):
    fit_reference(name, np.zeros(shape), np.zeros(10, int))
  with pytest.raises(ValueError, match=r'^labels must .* at least 5'):
    fit_reference('linear', np.zeros((4, 2)), np.zeros(4, int))
