"""Thermodynamic integration on Bayesian linear regression, whose evidence is a Gaussian density."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from research import thermodynamic_integration as thermodynamic
from research.thermodynamic_integration import integral, temperatures, thermodynamic_integration

N, D, SCALE, CHAINS = 8, 2, 1.0, 32
RNG = np.random.default_rng(1)
INPUTS = RNG.normal(size=(N, D))
LABELS = INPUTS @ [1.0, -1.5] + RNG.normal(size=N)
DATA = {'inputs': jnp.asarray(INPUTS, jnp.float32), 'labels': jnp.asarray(LABELS, jnp.float32)}
COVARIANCE = np.eye(N) + SCALE**2 * INPUTS @ INPUTS.T
LOG_EVIDENCE = stats.multivariate_normal(np.zeros(N), COVARIANCE).logpdf(LABELS)
BETAS = temperatures(9, 3.0)


def losses(params, batch):
  """Gaussian negative log-likelihoods of unit noise, with their constant."""
  residuals = batch['inputs'] @ params['w'] - batch['labels']
  return 0.5 * jnp.square(residuals) + 0.5 * jnp.log(2 * jnp.pi)


def shifted(params, batch):
  return losses(params, batch) + 2.0


def moments(betas):
  """Mean and variance of L at each temperature, in closed form: r'r is quadratic in a Gaussian."""
  means, variances = [], []
  for beta in betas:
    cov = np.linalg.inv(beta * INPUTS.T @ INPUTS + np.eye(D) / SCALE**2)
    residual = LABELS - INPUTS @ (beta * cov @ INPUTS.T @ LABELS)
    spread = INPUTS @ cov @ INPUTS.T
    means.append(-0.5 * (residual @ residual + np.trace(spread)) - N / 2 * np.log(2 * np.pi))
    variances.append(0.5 * np.trace(spread @ spread) + residual @ spread @ residual)
  return np.array(means), np.array(variances)


def start(key, chains=CHAINS):
  return {'w': SCALE * jax.random.normal(jax.random.key(key + 100), (chains, D))}


@functools.cache
def found(key=0, of=losses, batch_size=None, step=0.02):
  return thermodynamic_integration(
    of,
    start(key),
    DATA,
    jax.random.key(key),
    BETAS,
    step,
    prior_scale=SCALE,
    n_samples=20,
    keep_every=20,
    burn_in=100,
    batch_size=batch_size,
  )


def test_the_evidence_is_the_closed_form():
  evidence = found()
  assert evidence.stderr < 0.1
  assert evidence.log_evidence == pytest.approx(LOG_EVIDENCE, abs=3 * evidence.stderr + 0.05)
  means, _ = moments(BETAS)
  error = evidence.means.std(axis=1, ddof=1) / np.sqrt(CHAINS)
  np.testing.assert_array_less(np.abs(evidence.means.mean(axis=1) - means), 4 * error + 0.1)
  assert evidence.means.shape == evidence.variances.shape == (len(BETAS), CHAINS)


def test_variances_are_those_of_the_log_likelihood():
  _, variances = moments(BETAS)
  np.testing.assert_allclose(found().variances.mean(axis=1)[5:], variances[5:], rtol=0.3)


def test_minibatches_find_the_same_evidence():
  evidence = found(batch_size=4, step=0.01)
  assert evidence.log_evidence == pytest.approx(LOG_EVIDENCE, abs=3 * evidence.stderr + 0.05)
  assert evidence.log_evidence != found(step=0.01).log_evidence


def test_the_error_is_what_other_keys_scatter_by():
  runs = [found(key) for key in range(8)]
  scatter = np.std([run.log_evidence for run in runs], ddof=1)
  assert 0.5 < scatter / np.mean([run.stderr for run in runs]) < 1.8


def test_a_constant_in_the_losses_is_one_in_the_evidence():
  lower = found(of=shifted).log_evidence
  assert lower == pytest.approx(found().log_evidence - 2.0 * N, abs=1e-3)


def test_the_rule_is_exact_on_polynomials_of_degree_three():
  betas = np.array([0.0, 0.1, 0.4, 1.0])[:, None]
  coefficients = np.array([[1.0, -2.0], [3.0, 0.5], [-4.0, 1.0], [2.0, 3.0]])
  values = sum(c[None] * betas**k for k, c in enumerate(coefficients))
  slopes = sum(k * c[None] * betas ** (k - 1) for k, c in enumerate(coefficients) if k)
  expected = sum(c / (k + 1) for k, c in enumerate(coefficients))
  np.testing.assert_allclose(integral(betas[:, 0], values, slopes), expected, rtol=1e-12)


def test_the_rule_finds_the_evidence_from_exact_moments():
  betas = temperatures(17, 3.0)
  assert integral(betas, *moments(betas)) == pytest.approx(LOG_EVIDENCE, abs=1e-3)
  means, variances = moments(betas)
  assert integral(betas, means, 0 * variances) != pytest.approx(LOG_EVIDENCE, abs=5e-3)


def test_temperatures_are_dense_near_the_prior():
  np.testing.assert_allclose(temperatures(3, 4.0), [0, 1 / 16, 1])


def test_a_second_call_compiles_nothing():
  found()
  compiled = thermodynamic._chains._cache_size
  before = compiled()
  found(9)
  found(step=0.01)
  assert compiled() == before


@pytest.mark.parametrize(
  ('name', 'changed'),
  [
    ('betas', {'betas': [0.0, 0.5]}),
    ('betas', {'betas': [0.1, 1.0]}),
    ('betas', {'betas': [0.0, 0.5, 0.5, 1.0]}),
    ('betas', {'betas': 1.0}),
    ('step_sizes', {'step_sizes': 0.0}),
    ('step_sizes', {'step_sizes': [0.1, 0.1, 0.1]}),
    ('params', {'params': start(0, 1)}),
    ('prior_scale', {'prior_scale': 0.0}),
    ('batch_size', {'batch_size': 0}),
    ('n_samples', {'n_samples': 0}),
  ],
)
def test_bad_arguments_are_named(name, changed):
  usual = {'params': start(0, 2), 'betas': [0.0, 1.0], 'step_sizes': 0.1, 'prior_scale': 1.0}
  settings = {'data': DATA, 'key': jax.random.key(0), 'n_samples': 1} | usual | changed
  with pytest.raises(ValueError, match=f'^{name} must'):
    thermodynamic_integration(losses, **settings)


def test_the_rule_refuses_other_temperatures():
  with pytest.raises(ValueError, match='^betas must'):
    integral([0.0, 0.5], np.zeros(2), np.zeros(2))
