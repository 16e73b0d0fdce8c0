import numpy as np
import pytest
from scipy import stats

from research.theory import tails
from research.theory.quadratic_forms import QuadraticForm

BOOTSTRAP = 30


def laws():
  """Errors whose tail is known: a chi-square, a sum of unequal ones, and one of no such kind."""
  chi = QuadraticForm(np.array([0.01]), np.array([40.0]), np.array([0.2]))
  unequal = QuadraticForm(
    np.geomspace(1e-3, 0.05, 12), np.full(12, 10.0), np.geomspace(0.3, 0.01, 12)
  )
  yield 'chi-square', lambda n, g: chi.sample(n, g), lambda e: -chi.log_probability(e)
  yield 'unequal', lambda n, g: unequal.sample(n, g), lambda e: -unequal.log_probability(e)
  others = {
    'log-normal': stats.lognorm(0.1, scale=0.5),
    'normal': stats.norm(1, 0.05),
    'left-skewed': stats.gumbel_l(1, 0.03),
    't': stats.t(4, 1, 0.02),
  }
  for name, law in others.items():
    yield (
      name,
      lambda n, g, law=law: law.rvs(n, random_state=g),
      lambda e, law=law: float(-law.logcdf(e)),
    )


LAWS = {name: (sample, truth) for name, sample, truth in laws()}


def quantile(sample, p):
  return float(np.quantile(sample(400_000, np.random.default_rng(9)), p))


@pytest.mark.parametrize('name', LAWS)
def test_counted_intervals_cover(name):
  sample, truth = LAWS[name]
  epsilon, generator, covered = quantile(sample, 0.2), np.random.default_rng(0), 0
  for _ in range(200):
    found = tails.required_bias(sample(100, generator), epsilon, generator, BOOTSTRAP)
    assert not found.extrapolated
    covered += found.low <= truth(epsilon) <= found.high
  assert covered >= 184  # 95 % of 200, less three standard errors


@pytest.mark.parametrize('name', LAWS)
@pytest.mark.parametrize('share', [1.0, 0.01])  # of 1 / S
def test_intervals_cover_where_few_or_none_are_counted(name, share):
  sample, truth = LAWS[name]
  n, generator = 100, np.random.default_rng(1)
  epsilon = quantile(sample, share / n)
  found = [
    tails.required_bias(sample(n, generator), epsilon, generator, BOOTSTRAP) for _ in range(60)
  ]
  covered = np.mean([it.low <= truth(epsilon) <= it.high for it in found])
  assert any(it.extrapolated for it in found)
  assert covered >= 0.88, covered  # 93 % of 60, less one and a half standard errors


def test_one_hypothesis_more_below_the_target_is_no_more_bias():
  errors = np.random.default_rng(3).gamma(20, size=100)
  targets = np.sort(errors)[:12]
  generator = lambda: np.random.default_rng(4)  # noqa: E731
  steps = np.ravel([(0.999999 * target, target) for target in targets])
  values = [tails.required_bias(errors, e, generator(), BOOTSTRAP).value for e in steps]
  assert values == sorted(values, reverse=True)


def test_below_everything_the_interval_is_open_and_says_so():
  errors = np.random.default_rng(2).uniform(0.5, 1.0, 100)
  found = tails.required_bias(errors, 0.1, np.random.default_rng(3))
  assert found.extrapolated
  assert found.high == np.inf
  assert found.low >= -np.log(1 - 0.025 ** (1 / 100)) - 1e-9
  assert tails.count(errors, 0.1).value == np.inf


def test_counting_is_clopper_pearson():
  errors = np.linspace(0.01, 1, 100)
  found = tails.count(errors, 0.2)
  public = stats.binomtest(20, 100).proportion_ci(method='exact')
  np.testing.assert_allclose(
    found[:3], [-np.log(0.2), -np.log(public.high), -np.log(public.low)], rtol=1e-9
  )
  assert tails.count(errors, 2.0)[:2] == (0.0, 0.0)


@pytest.mark.parametrize('power', [1, 2])
def test_extreme_values_of_a_pareto_tail(power):
  """Errors whose tail ends at 0, as a power: its shape is -1 / power."""
  errors = np.random.default_rng(4).uniform(0, 1, 20_000) ** (1 / power)
  epsilon = 0.02 ** (1 / power)
  found = tails.extreme_value(errors, epsilon, np.random.default_rng(5), BOOTSTRAP)
  np.testing.assert_allclose(found.value, np.log(50), atol=0.3)
  assert found.low < np.log(50) < found.high


@pytest.mark.parametrize('estimate', [tails.fitted, tails.extreme_value, tails.required_bias])
def test_invariances(estimate):
  errors = np.random.default_rng(6).gamma(20, size=60)
  generator = lambda: np.random.default_rng(7)  # noqa: E731
  found = estimate(errors, 8.0, generator(), BOOTSTRAP)
  assert found.low <= found.value <= found.high
  scaled = estimate(3 * errors, 24.0, generator(), BOOTSTRAP)
  np.testing.assert_allclose(found, scaled, rtol=1e-6)
  values = [estimate(errors, e, generator(), BOOTSTRAP).value for e in (6.0, 8.0, 10.0, 14.0)]
  assert values == sorted(values, reverse=True)
  order = np.random.default_rng(8).permutation(60)
  np.testing.assert_allclose(estimate(errors[order], 8.0, generator(), 2).value, found.value)


def test_errors_of_fitting():
  test, train = np.array([0.1, 0.2, 0.3]), np.array([0.0, 0.5, np.nan])
  assert tails.errors_of_fitting(test, train, 0.1).tolist() == [0.1]
  with pytest.raises(ValueError, match='of 3 none fits the training set, the best has 0'):
    tails.errors_of_fitting(test, train, -1.0)


def test_bad_input_is_refused():
  generator = np.random.default_rng(0)
  errors = generator.uniform(size=30)
  for bad, epsilon, message in (
    (errors[:5], 0.1, 'at least 20 hypotheses, not 5'),
    (np.where(errors > 0.5, np.nan, errors), 0.1, 'errors must be finite'),
    (np.ones(30), 0.1, 'must not be all the same'),
    (errors, 0.0, 'epsilon must be positive'),
    (errors, np.nan, 'epsilon must be positive'),
  ):
    with pytest.raises(ValueError, match=message):
      tails.required_bias(bad, epsilon, generator)
