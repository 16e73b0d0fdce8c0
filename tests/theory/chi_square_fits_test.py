import numpy as np
import pytest
from scipy import stats

from research.theory.chi_square_fits import (
  fit_by_cumulants,
  fit_by_likelihood,
  fit_to_sample,
  sankaran_log_probability,
)
from research.theory.quadratic_forms import QuadraticForm


def law(degrees, noncentrality, scale):
  return QuadraticForm(np.array([scale]), np.array([degrees]), np.array([scale * noncentrality]))


@pytest.mark.parametrize('parameters', [(3.0, 2.0, 0.1), (100.0, 0.5, 2.0), (1.5, 80.0, 1e-4)])
def test_its_own_cumulants_give_a_law_back(parameters):
  true = law(*parameters)
  found = fit_by_cumulants(*true.cumulants())
  for name in ('weights', 'degrees', 'shifts'):
    np.testing.assert_allclose(getattr(found, name), getattr(true, name), rtol=1e-5)


@pytest.mark.parametrize('skewness', [-0.5, 0.0, 0.3, 1.0, 5.0])
def test_mean_and_variance_are_met_whatever_the_third(skewness):
  mean, variance = 0.5, 0.02
  found = fit_by_cumulants(mean, variance, skewness * variance**1.5)
  np.testing.assert_allclose(found.cumulants()[:2], [mean, variance], rtol=1e-9)
  assert found.degrees[0] > 1 - 1e-9
  wide = fit_by_cumulants(mean, 3 * mean**2, skewness)
  np.testing.assert_allclose(wide.cumulants()[:2], [mean, 3 * mean**2], rtol=1e-9)


def test_samples_of_a_chi_square_give_its_tail():
  true = law(50.0, 30.0, 0.01)
  sample = true.sample(20_000, np.random.default_rng(0))
  epsilon = 0.3
  truth = true.log_probability(epsilon)
  assert truth < -10
  for fit in (fit_to_sample, fit_by_likelihood):
    np.testing.assert_allclose(fit(sample).log_probability(epsilon), truth, rtol=0.15)


def test_sankaran_is_near_the_truth_where_the_tail_is_not_deep():
  true = law(50.0, 30.0, 0.01)
  epsilon = 0.01 * stats.ncx2(50, 30).ppf(1e-6)
  u = -sankaran_log_probability(true, epsilon)  # z^2 / 2
  np.testing.assert_allclose(np.sqrt(2 * u), -stats.norm.ppf(1e-6), rtol=0.02)


def test_bad_input_is_refused():
  with pytest.raises(ValueError, match='at least 3 hypotheses, not 2'):
    fit_to_sample(np.ones(2))
  with pytest.raises(ValueError, match='must not be all the same'):
    fit_to_sample(np.ones(5))
  with pytest.raises(ValueError, match='must be finite; 1 are not'):
    fit_to_sample(np.array([1.0, 2.0, np.nan]))
  with pytest.raises(ValueError, match='variance must be positive'):
    fit_by_cumulants(1.0, 0.0, 0.0)
  with pytest.raises(ValueError, match='law must have one part'):
    sankaran_log_probability(QuadraticForm(np.ones(2), np.ones(2), np.ones(2)), 1.0)
