"""Sensitivities by kernels, against features that are made and differences of outputs."""

import numpy as np
import pytest

from research.theory import sensitivity as theory

N, D, K = 7, 5, 40
KINDS = [(f, a) for f in ('random_features', 'tangent') for a in theory.ACTIVATIONS]


def draw(seed=0, n=N, k=K):
  rng = np.random.default_rng(seed)
  weights = rng.normal(size=(k, D)) / np.sqrt(D)
  return rng.normal(size=(n, D)), rng.normal(size=n), weights, rng.normal(size=(3, D))


def made(x, weights, features, activation):
  """The features themselves."""
  of = theory.ACTIVATIONS[activation]
  if features == 'random_features':
    return of.value(x @ weights.T)
  return np.stack([np.kron(row, of.slope(weights @ row)) for row in x])


@pytest.mark.parametrize('name', [*theory.ACTIVATIONS])
def test_derivatives_are_differences(name):
  of, x, h = theory.ACTIVATIONS[name], np.linspace(-2, 2, 9), 1e-5
  for f, slope in ((of.value, of.slope), (of.slope, of.curvature)):
    np.testing.assert_allclose(slope(x), (f(x + h) - f(x - h)) / (2 * h), atol=1e-9)


@pytest.mark.parametrize(('features', 'activation'), KINDS)
@pytest.mark.parametrize('k', [2, K])
def test_fits_are_those_of_the_pseudo_inverse(features, activation, k):
  x, y, weights, z = draw(k=k)
  found = theory.fit(x, y, weights, features=features, activation=activation)
  phi = made(x, weights, features, activation)
  expected = made(z, weights, features, activation) @ np.linalg.pinv(phi, rcond=1e-8) @ y
  np.testing.assert_allclose(theory.predict(found, z), expected, rtol=1e-6, atol=1e-8)
  if k == K:
    np.testing.assert_allclose(theory.predict(found, x), y, rtol=1e-6)


@pytest.mark.parametrize(('features', 'activation'), KINDS)
def test_gradients_are_differences_of_outputs(features, activation):
  x, y, weights, z = draw(1)
  found, h = theory.fit(x, y, weights, features=features, activation=activation), 1e-5
  expected = np.stack(
    [
      (theory.predict(found, z + h * axis) - theory.predict(found, z - h * axis)) / (2 * h)
      for axis in np.eye(D)
    ],
    axis=1,
  )
  np.testing.assert_allclose(theory.gradients(found, z), expected, rtol=1e-5, atol=1e-7)
  lengths = np.sqrt(D * np.sum(expected**2, axis=1))
  np.testing.assert_allclose(theory.sensitivity(found, z), lengths, rtol=1e-5)


@pytest.mark.parametrize(('features', 'activation'), KINDS)
def test_order_and_sign_do_not_matter_and_labels_scale(features, activation):
  x, y, weights, z = draw(2)
  how = {'features': features, 'activation': activation}
  expected = theory.sensitivity(theory.fit(x, y, weights, **how), z)
  rng = np.random.default_rng(0)
  rows, units = rng.permutation(N), rng.permutation(K)
  moved = theory.fit(x[rows], y[rows], weights[units], **how)
  np.testing.assert_allclose(theory.sensitivity(moved, z), expected, rtol=1e-6)
  scaled = theory.fit(x, -3 * y, weights, **how)
  np.testing.assert_allclose(theory.sensitivity(scaled, z), 3 * expected, rtol=1e-9)


def test_a_linear_fit_is_equally_sensitive_everywhere(monkeypatch):
  linear = theory.Activation(lambda x: 3.0 * x, lambda x: np.full_like(x, 3.0), np.zeros_like)
  monkeypatch.setitem(theory.ACTIVATIONS, 'linear', linear)
  x, y, weights, z = draw(3, n=4)
  least = np.linalg.pinv(x) @ y
  found = theory.sensitivity(theory.fit(x, y, weights, features='tangent', activation='linear'), z)
  np.testing.assert_allclose(found, np.sqrt(D) * np.linalg.norm(least), rtol=1e-8)


@pytest.mark.parametrize(
  ('name', 'change'),
  [
    ('features', {'features': 'ntk'}),
    ('activation', {'activation': 'relu'}),
    ('weights', {'weights': np.ones((3, D + 1))}),
    ('labels', {'labels': np.ones(N + 1)}),
  ],
)
def test_bad_arguments_are_named(name, change):
  x, y, weights, _ = draw()
  with pytest.raises(ValueError, match=f'^{name} must be'):
    theory.fit(**{'inputs': x, 'labels': y, 'weights': weights, **change})
