"""Exact risks of SGD and accelerated SGD, against simulated runs and a recursion of full matrices."""

import numpy as np
import pytest

from research.theory import accelerated_sgd as theory
from research.theory.accelerated_sgd import Method

VALUES = np.array([1.0, 0.4, 0.1, 0.02])
SGD, ASGD = Method(0.15), Method(0.15, 0.6, 0.1)
START = np.array([1.0, 2.0, 0.5, 3.0])


def step(method, x, v, gradient):
  """The algorithm as it is written; gradient is a function of y."""
  a = 1 / (1 + method.beta)
  y = a * x + (1 - a) * v
  z = method.beta * y + (1 - method.beta) * v
  g = gradient(y)
  return y - method.delta * g, z - method.gamma * g


def simulated(method, start, noise, burn_in, n_averaged, batch_size, runs=20_000):
  """Means over runs and their errors: of the last iterate and of the mean of the tail."""
  rng = np.random.default_rng(0)
  x = np.tile(np.sqrt(start), (runs, 1))
  v, total = x, np.zeros_like(x)
  for t in range(burn_in + n_averaged):
    if t:
      examples = rng.normal(size=(runs, batch_size, 4)) * np.sqrt(VALUES)
      errors = np.sqrt(noise) * rng.normal(size=(runs, batch_size))

      def gradient(y, examples=examples, errors=errors):
        residual = np.einsum('rbd,rd->rb', examples, y) - errors
        return np.einsum('rbd,rb->rd', examples, residual) / batch_size

      x, v = step(method, x, v, gradient)
    if t >= burn_in:
      total += x
  both = VALUES / 2 * np.stack([x**2, (total / n_averaged) ** 2])
  return both.mean(1), both.std(1) / np.sqrt(runs)


@pytest.mark.parametrize('method', [SGD, ASGD])
@pytest.mark.parametrize('batch_size', [1, 3])
def test_risks_are_means_of_simulated_runs(method, batch_size):
  arguments = {'start': START, 'noise': 0.5, 'burn_in': 6, 'n_averaged': 9}
  found = theory.risk(VALUES, method, batch_size=batch_size, **arguments)
  mean, error = simulated(method, batch_size=batch_size, **arguments)
  np.testing.assert_array_less(np.abs(np.stack(found) - mean), 4 * error)
  assert np.all(error < 0.03 * mean)


def test_the_first_step_is_exact():
  """Of one step of SGD with one eigenvalue: (1 - d l)^2 + 2 d^2 l^2 of the start, and the noise."""
  found = theory.risk([0.5], Method(0.2), start=3.0, noise=0.7, burn_in=1, n_averaged=1)
  expected = 3 * ((1 - 0.1) ** 2 + 2 * 0.1**2) + 0.2**2 * 0.5 * 0.7
  assert found.last[0] == pytest.approx(0.25 * expected)
  assert found.averaged[0] == pytest.approx(found.last[0])


def test_large_batches_follow_the_mean():
  t, value = np.arange(20), 0.4
  for method in (SGD, ASGD):
    found = theory.risk(
      [value], method, start=2.0, noise=9.0, burn_in=5, n_averaged=15, batch_size=10**12
    )
    x = [np.sqrt(2.0)]
    v = x[0]
    for _ in t[1:]:
      now, v = step(method, x[-1], v, lambda y: value * y)
      x.append(now)
    assert found.last[0] == pytest.approx(value / 2 * x[-1] ** 2, rel=1e-6)
    assert found.averaged[0] == pytest.approx(value / 2 * np.mean(x[5:]) ** 2, rel=1e-6)


@pytest.mark.parametrize('method', [SGD, ASGD])
def test_bias_and_variance_add_up(method):
  arguments = {'burn_in': 20, 'n_averaged': 30}
  parts = [
    theory.risk(VALUES, method, start=s, noise=n, **arguments)
    for s, n in ((START, 0.0), (0.0, 0.5), (START, 0.5))
  ]
  for of_bias, of_variance, whole in zip(*parts, strict=True):
    np.testing.assert_allclose(of_bias + of_variance, whole, rtol=1e-12)
    assert np.all(of_bias > 0)
    assert np.all(of_variance > 0)


def test_without_beta_v_has_no_effect():
  arguments = {'start': START, 'noise': 0.5, 'burn_in': 5, 'n_averaged': 5}
  for first, second in zip(
    theory.risk(VALUES, SGD, **arguments),
    theory.risk(VALUES, Method(SGD.delta, 3.0), **arguments),
    strict=True,
  ):
    np.testing.assert_allclose(first, second, rtol=1e-12)
  np.testing.assert_allclose(theory.bias_rates(VALUES, SGD), 1 - 0.15 * VALUES)


def test_rates_are_those_of_long_runs():
  x, v, before = 1.0, 1.0, 1.0
  for t in range(400):
    before = before if t < 200 else np.hypot(x, v) if t == 200 else before
    x, v = step(ASGD, x, v, lambda y: 0.02 * y)
  rate = (np.hypot(x, v) / before) ** (1 / 199)
  assert theory.bias_rates([0.02], ASGD)[0] == pytest.approx(rate, rel=1e-3)


def whole(values, method, batch_size):
  """The spectral radius of the whole recursion, column by column from symmetric matrices."""
  d, columns = len(values), []
  m = theory.mean_matrices(values, method)
  c, q = np.array([method.a, 1 - method.a]), np.array([method.delta, method.gamma])
  for i in range(d):
    for basis in ([[1, 0], [0, 0]], [[0, 1], [1, 0]], [[0, 0], [0, 1]]):
      s = np.zeros((d, 2, 2))
      s[i] = basis
      ahead = np.einsum('k,dkl,l->d', c, s, c)
      kick = values / batch_size * (values @ ahead + values * ahead)
      new = m @ s @ m.transpose(0, 2, 1) + kick[:, None, None] * np.outer(q, q)
      columns.append(np.stack([new[:, 0, 0], new[:, 0, 1], new[:, 1, 1]], 1).ravel())
  return np.abs(np.linalg.eigvals(np.array(columns).T)).max()


def test_second_moments_stay_finite_where_the_gain_is_below_one():
  sides = set()
  for batch_size in (1, 4):
    for delta in (0.1, 0.3, 0.5, 0.7, 0.9, 1.2):
      for gamma, beta in ((0.3, 0.1), (0.8, 0.1), (1.5, 0.3), (4.0, 0.1)):
        method = Method(delta, gamma, beta)
        stable = whole(VALUES, method, batch_size) < 1
        assert (theory.noise_gain(VALUES, method, batch_size) < 1) == stable
        sides.add(bool(stable))
  assert sides == {True, False}


@pytest.mark.parametrize('delta', [0.1, 0.4, 0.9])
def test_the_gain_of_sgd_is_known(delta):
  found = theory.noise_gain(VALUES, Method(delta))
  assert found == pytest.approx(np.sum(delta * VALUES / (2 * (1 - delta * VALUES))))
  assert theory.noise_gain(VALUES, Method(1.1)) == np.inf


def test_what_is_stable_settles_and_what_is_not_grows():
  stable, unstable = Method(0.5), Method(0.8)
  assert theory.noise_gain(VALUES, stable) < 1 < theory.noise_gain(VALUES, unstable)
  arguments = {'start': 1.0, 'noise': 1.0, 'n_averaged': 1}
  for method, bounded in ((stable, True), (unstable, False)):
    early, late = (
      theory.risk(VALUES, method, burn_in=t, **arguments).last.sum() for t in (600, 900)
    )
    assert (late < 1.01 * early) == bounded


@pytest.mark.parametrize(
  ('name', 'change'),
  [
    ('eigenvalues', {'eigenvalues': [0.0]}),
    ('eigenvalues', {'eigenvalues': [[1.0]]}),
    ('method', {'method': Method(0.0)}),
    ('method', {'method': Method(0.1, -1.0)}),
    ('method', {'method': Method(0.1, 1.0, 1.0)}),
    ('batch_size', {'batch_size': 0}),
    ('start', {'start': -1.0}),
    ('noise', {'noise': -1.0}),
    ('burn_in', {'burn_in': -1}),
    ('burn_in', {'n_averaged': 0}),
  ],
)
def test_bad_arguments_are_named(name, change):
  arguments = {'eigenvalues': VALUES, 'method': SGD, 'start': 1.0, 'noise': 1.0}
  with pytest.raises(ValueError, match=f'^{name} must'):
    theory.risk(**{**arguments, 'burn_in': 1, 'n_averaged': 1, **change})
