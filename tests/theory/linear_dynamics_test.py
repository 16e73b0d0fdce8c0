"""Linear dynamics against SciPy, samples, and a model of the house that is trained."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from scipy.integrate import quad, solve_ivp
from scipy.optimize import minimize_scalar
from sklearn.linear_model import Ridge

from research import models, step
from research.theory import linear_dynamics as theory

TIMES = np.array([0.0, 0.3, 1.0, 4.0, 30.0])
SNR, START = 5.0, 0.7


@pytest.mark.parametrize('load', [0.3, 1.0, 2.5])
def test_the_quadrature_has_the_moments_of_random_inputs(load):
  spectrum = theory.marchenko_pastur(load)
  moments = [np.sum(spectrum.weights * spectrum.eigenvalues**k) for k in (0, 1, 2)]
  np.testing.assert_allclose(moments, [min(1, load), load, load + load**2], rtol=1e-12)
  if load != 1:
    inverse = np.sum(spectrum.weights / spectrum.eigenvalues)
    assert inverse == pytest.approx(load / (1 - load) if load < 1 else 1 / (load - 1), rel=1e-10)


@pytest.mark.parametrize('load', [0.5, 1.0, 2.0])
def test_errors_are_the_integrals_that_scipy_finds(load):
  low, high = (1 - np.sqrt(load)) ** 2, (1 + np.sqrt(load)) ** 2

  def density(x):
    return np.sqrt(max(0, (high - x) * (x - low))) / (2 * np.pi * x)

  def new(x, t):
    return density(x) * ((1 + START) * np.exp(-2 * x * t) + np.expm1(-x * t) ** 2 / (SNR * x))

  def old(x, t):
    return density(x) * ((1 + START) * x + 1 / SNR) * np.exp(-2 * x * t)

  spectrum = theory.marchenko_pastur(load)
  found = [
    f(spectrum, TIMES, SNR, START) for f in (theory.generalization_error, theory.training_error)
  ]
  for i, t in enumerate(TIMES):
    expected = quad(new, low, high, (t,), epsabs=1e-9, limit=300)[0]
    expected += max(0, 1 - load) * (1 + START) + 1 / SNR
    assert found[0][i] == pytest.approx(expected, rel=1e-6)
    expected = quad(old, low, high, (t,), epsabs=1e-9, limit=300)[0] + max(0, load - 1) / SNR
    assert found[1][i] == pytest.approx(expected / load, rel=1e-6)


@pytest.mark.parametrize('load', [0.4, 1.0, 1.8])
def test_errors_begin_and_end_where_they_must(load):
  spectrum = theory.marchenko_pastur(load)
  for f in (theory.generalization_error, theory.training_error):
    assert f(spectrum, [0.0], SNR, START)[0] == pytest.approx(1 + START + 1 / SNR)
  limit = theory.limit_error(load, SNR, START)
  last = theory.generalization_error(spectrum, [1e4], SNR, START)[0]
  assert limit == (pytest.approx(last, rel=1e-9) if load != 1 else np.inf)
  training = theory.training_error(spectrum, np.linspace(0, 20, 50), SNR, START)
  assert np.all(np.diff(training) < 0)
  assert theory.limit_error(1, np.inf, START) == 0


def test_scales_of_eigenvalues_and_times_are_one():
  spectrum = theory.marchenko_pastur(0.6)
  scaled = spectrum._replace(eigenvalues=3 * spectrum.eigenvalues)
  first = theory.generalization_error(spectrum, TIMES, SNR, START) - 1 / SNR
  second = theory.generalization_error(scaled, TIMES / 3, SNR / 3, START) - 3 / SNR
  np.testing.assert_allclose(first, second, rtol=1e-12)


@pytest.mark.parametrize('n_examples', [6, 10, 15])
def test_errors_of_a_sample_are_means_over_teachers_starts_and_noises(n_examples):
  """Errors are quadratic in teacher, start and noise: the mean takes each of their axes once."""
  n = 10
  problem = theory.draw(0, n, n_examples, SNR, START)
  zero, expected = np.zeros(n), np.zeros((2, len(TIMES)))
  expected[0] += 1 / SNR

  def add(teacher, start, noise):
    labels = problem.inputs @ teacher + noise
    one = problem._replace(labels=labels, teacher=teacher, start=start)
    new, old = theory.errors(one, theory.flow(one, TIMES), np.inf)
    expected[:] += [new, old]

  for axis in np.eye(n):
    add(axis, zero, np.zeros(n_examples))
    add(zero, np.sqrt(START) * axis, np.zeros(n_examples))
  for axis in np.eye(n_examples):
    add(zero, zero, axis / np.sqrt(SNR))
  spectrum = theory.sample_spectrum(problem.inputs)
  found = theory.generalization_error(spectrum, TIMES, SNR, START)
  np.testing.assert_allclose(found, expected[0], rtol=1e-9)
  found = theory.training_error(spectrum, TIMES, SNR, START)
  np.testing.assert_allclose(found, expected[1], rtol=1e-9, atol=1e-12)


def test_the_limit_of_many_weights_is_that_of_samples():
  for load in (0.5, 2.0):
    problem = theory.draw(1, 300, int(300 * load), SNR)
    limit, sample = theory.marchenko_pastur(load), theory.sample_spectrum(problem.inputs)
    for f in (theory.generalization_error, theory.training_error):
      np.testing.assert_allclose(f(limit, TIMES, SNR), f(sample, TIMES, SNR), rtol=0.02, atol=1e-4)


def test_examples_that_coincide_span_fewer_directions():
  problem = theory.draw(0, 6, 4, SNR)
  twice = np.concatenate([problem.inputs, problem.inputs])
  spectrum = theory.sample_spectrum(twice)
  assert spectrum.frozen == pytest.approx(1 / 3)
  assert spectrum.load == pytest.approx(8 / 6)
  assert theory.training_error(spectrum, [1e6], SNR)[0] == pytest.approx(0.5 / SNR)


def test_flow_is_what_scipy_integrates_and_stays_off_what_it_has_not_seen():
  problem = theory.draw(2, 8, 5, SNR, START)
  found = theory.flow(problem, TIMES)
  solved = solve_ivp(
    lambda _, w: problem.inputs.T @ (problem.labels - problem.inputs @ w),
    (0, TIMES[-1]),
    problem.start,
    t_eval=TIMES,
    rtol=1e-10,
    atol=1e-12,
  )
  np.testing.assert_allclose(found, solved.y.T, atol=1e-8)
  basis = np.linalg.qr(problem.inputs.T)[0]
  moved = found - problem.start
  np.testing.assert_allclose(moved - moved @ basis @ basis.T, 0, atol=1e-12)
  assert np.linalg.norm(moved[-1]) > 1


def test_a_linear_model_of_the_house_that_is_trained_follows_the_theory():
  """Its bias is a weight of an input that is always 1."""
  n, n_examples, rate = 12, 9, 0.002
  problem = theory.draw(3, n, n_examples, SNR)
  model = models.mlp(1, widths=())
  inputs, labels = jnp.asarray(problem.inputs), jnp.asarray(problem.labels)

  def loss(params, batch):
    outputs = model.apply(params, batch['inputs'])[:, 0]
    return 0.5 * jnp.mean(jnp.square(outputs - batch['labels']))

  def gradient(params, batch):
    return *jax.value_and_grad(loss)(params, batch), {}

  tx = optax.sgd(rate * n_examples)  # the loss is a mean, the theory's is a sum
  params = model.init(jax.random.key(0), inputs)
  bias, kernel = jax.tree.leaves(params)
  start = np.append(np.asarray(kernel)[:, 0], np.asarray(bias))
  batch = {'inputs': inputs, 'labels': labels}
  train_step = jax.jit(step.make_train_step(gradient, tx))
  state, found, losses = step.init_state(params, tx), [], []
  for count in range(2001):
    if count in (100, 500, 2000):
      bias, kernel = jax.tree.leaves(state.params)
      found.append(np.append(np.asarray(kernel)[:, 0], np.asarray(bias)))
      losses.append(2 * float(loss(state.params, batch)))
    state, _ = train_step(state, batch)
  seen = np.concatenate([problem.inputs, np.ones((n_examples, 1))], axis=1)
  teacher = np.append(problem.teacher, 0.0)
  theirs = theory.Problem(seen, problem.labels, teacher, start)
  expected = theory.flow(theirs, rate * np.array([100, 500, 2000]))
  np.testing.assert_allclose(found, expected, atol=0.01 * np.abs(expected).max())
  assert np.abs(found[-1] - start).max() > 0.5
  np.testing.assert_allclose(losses, theory.errors(theirs, expected, SNR)[1], rtol=0.02)


def test_the_best_time_is_known_where_eigenvalues_are_equal():
  value = 0.4
  spectrum = theory.Spectrum(np.full(3, value), np.full(3, 1 / 3), 1.0)
  time, error = theory.best_time(spectrum, SNR, START)
  assert time == pytest.approx(np.log1p((1 + START) * SNR * value) / value, rel=1e-5)
  assert error == theory.generalization_error(spectrum, [time], SNR, START)[0]


@pytest.mark.parametrize('load', [0.5, 1.0, 3.0])
def test_the_best_time_is_that_of_a_fine_grid(load):
  spectrum = theory.marchenko_pastur(load, 1000)
  time, error = theory.best_time(spectrum, SNR)
  grid = np.geomspace(time / 50, time * 50, 2001)
  errors = theory.generalization_error(spectrum, grid, SNR)
  assert errors.min() >= error
  assert grid[np.argmin(errors)] == pytest.approx(time, rel=0.005)
  assert theory.best_time(spectrum, np.inf, START) == (np.inf, spectrum.frozen * (1 + START))


def test_ridge_is_that_of_scikit_learn():
  problem = theory.draw(4, 7, 5, SNR)
  spectrum, found, zero = theory.sample_spectrum(problem.inputs), 1 / SNR, np.zeros(7)

  def fitted(labels):
    return Ridge(alpha=0.3, fit_intercept=False).fit(problem.inputs, labels).coef_

  for axis in np.eye(7):
    found += np.mean((fitted(problem.inputs @ axis) - axis) ** 2)
  for axis in np.eye(5):
    found += np.mean((fitted(axis / np.sqrt(SNR)) - zero) ** 2)
  assert theory.ridge_error(spectrum, 0.3, SNR) == pytest.approx(found, rel=1e-8)


@pytest.mark.parametrize('snr', [0.3, 5.0, 40.0])
def test_the_best_ridge_beats_the_best_time_and_not_by_much(snr):
  for load in (0.2, 1.0, 4.0):
    spectrum = theory.marchenko_pastur(load)
    least = minimize_scalar(
      lambda log_c: theory.ridge_error(spectrum, np.exp(log_c), snr),  # noqa: B023
      bounds=(-6, 4),
      method='bounded',
    )
    assert np.exp(least.x) == pytest.approx(1 / snr, rel=1e-3)
    floor = spectrum.frozen + 1 / snr
    ridge = theory.ridge_error(spectrum, 1 / snr, snr) - floor
    stopped = theory.best_time(spectrum, snr)[1] - floor
    assert ridge < stopped < 1.2148 * ridge


def test_the_factor_between_them_is_reached_by_one_eigenvalue():
  def ratio(value):
    one = theory.Spectrum(np.array([value]), np.ones(1), 1.0)
    stopped = theory.generalization_error(one, [1.0], 1.0)[0] - 1
    return stopped / (theory.ridge_error(one, 1.0, 1.0) - 1)

  ratios = [ratio(value) for value in np.linspace(0.01, 50, 5000)]
  assert 1.2146 < max(ratios) < 1.2148


def test_samples_are_nested_and_named_by_their_seed():
  few, many, other = (theory.draw(*a, 4.0) for a in ((0, 5, 3), (0, 5, 6), (1, 5, 3)))
  np.testing.assert_array_equal(few.inputs, many.inputs[:3])
  np.testing.assert_array_equal(few.labels, many.labels[:3])
  assert np.all(few.labels != other.labels)
  large = theory.draw(0, 400, 800, 4.0, 0.5)
  noise = large.labels - large.inputs @ large.teacher
  scales = [400 * np.mean(large.inputs**2), *(np.var(a) for a in large[2:]), np.var(noise)]
  np.testing.assert_allclose(scales, [1, 1, 0.5, 0.25], rtol=0.15)


@pytest.mark.parametrize(
  ('call', 'message'),
  [
    (lambda: theory.marchenko_pastur(0.0), 'load must be positive'),
    (lambda: theory.marchenko_pastur(np.inf), 'load must be positive'),
    (lambda: theory.marchenko_pastur(1.0, 1), 'n_nodes must be at least 2'),
    (lambda: theory.limit_error(-1, 1), 'load must be positive'),
    (lambda: theory.limit_error(1, 0), 'snr must be positive'),
    (lambda: theory.limit_error(1, 1, -1), 'start must be at least 0'),
    (lambda: theory.best_time(theory.marchenko_pastur(1), np.nan), 'snr must be positive'),
    (lambda: theory.training_error(theory.marchenko_pastur(1), [-1], 1), 'times must be'),
    (lambda: theory.ridge_error(theory.marchenko_pastur(1), 0, 1), 'penalty must be positive'),
    (lambda: theory.draw(0, 0, 1, 1), 'n_inputs and n_examples must be'),
    (lambda: theory.sample_spectrum(np.zeros((2, 2))), 'inputs must be finite'),
    (lambda: theory.sample_spectrum(np.ones(2)), 'inputs must be finite'),
  ],
)
def test_bad_arguments_are_named(call, message):
  with pytest.raises(ValueError, match=f'^{message}'):
    call()
