"""Tails whose index and quantiles are known, by scipy's generalized Pareto distribution."""

import numpy as np
import pytest
from scipy import stats

from research.theory.extremes import Tail, extrapolated, resampled, tail

N, K = 200_000, 4000


def pareto(index, seed=0, n=N):
  """A sample, and the distribution; positive, so that logarithms are defined."""
  distribution = stats.genpareto(index, loc=5.0, scale=1.0)
  return distribution.rvs(size=n, random_state=np.random.default_rng(seed)), distribution


def largest(values, k=K):
  return np.sort(values)[-k - 1 :]


@pytest.mark.parametrize('index', [-0.5, -0.2])
def test_below_zero_it_is_the_index(index):
  found = tail(largest(pareto(index)[0]), N)
  assert found.gamma == pytest.approx(index, abs=0.1)
  assert found.negative_part == pytest.approx(found.gamma - found.hill)


@pytest.mark.parametrize('index', [0.3, 1.0])
def test_above_zero_it_is_the_index_where_the_tail_is_a_power(index):
  values = stats.pareto(1 / index).rvs(size=N, random_state=np.random.default_rng(0))
  found = tail(largest(values), N)
  assert found.gamma == pytest.approx(index, abs=0.08)
  assert found.hill == pytest.approx(index, abs=0.05)  # Hill's estimate


def test_by_its_formula():
  found = tail(np.array([4.0, 1.0, 2.0]), 10)
  one, two = (np.log(2) + np.log(4)) / 2, (np.log(2) ** 2 + np.log(4) ** 2) / 2
  negative = 1 - 0.5 / (1 - one**2 / two)
  assert found == pytest.approx(Tail(1.0, one, one + negative, negative, 2, 10))
  assert found.scale('code') == pytest.approx(one)
  assert found.scale('textbook') == pytest.approx(one * (1 - negative))


@pytest.mark.parametrize('index', [-0.5, -0.2])
def test_the_textbook_extrapolates_to_the_quantile_and_the_code_does_not(index):
  found, true = [], []
  for seed in range(8):
    values, distribution = pareto(index, seed)
    it = tail(largest(values), N)
    found.append([extrapolated(it, 50 * N, form=form) for form in ('code', 'textbook')])
    true.append(distribution.isf(1 / (50 * N)))
  reach = np.asarray(true) - distribution.isf(K / N)  # from the threshold on
  code, book = ((np.asarray(found) - np.asarray(true)[:, None]) / reach[:, None]).mean(0)
  assert abs(book) < 0.15
  assert code < -0.2


def test_no_farther_than_the_threshold():
  it = tail(largest(pareto(-0.2)[0]), N)
  for form in ('code', 'textbook'):
    assert extrapolated(it, N / K, form=form) == pytest.approx(it.threshold, rel=1e-12)
    far = [extrapolated(it, n, form=form) for n in (N / K, N, 10 * N, 1e30)]
    assert far == sorted(far)
    end = it.threshold - it.scale(form) / it.gamma
    assert far[-1] == pytest.approx(end, rel=1e-3)


def test_the_unit_does_not_matter():
  values = largest(pareto(-0.2)[0])
  here, there = tail(values, N), tail(1e3 * values, N)
  assert there.gamma == pytest.approx(here.gamma, rel=1e-9)
  assert extrapolated(there, 9 * N) == pytest.approx(1e3 * extrapolated(here, 9 * N), rel=1e-9)


def test_an_index_of_zero_is_the_limit():
  found = [extrapolated(Tail(1.0, 0.1, gamma, 0.0, 10, 100), 1e4) for gamma in (-1e-7, 0, 1e-7)]
  assert found[1] == pytest.approx(1 + 0.1 * np.log(1000), rel=1e-12)
  np.testing.assert_allclose(found, found[1], rtol=1e-5)


def test_resampled_estimates_scatter_as_new_samples_do():
  n, k, index = 20_000, 400, -0.2
  fresh, first = [], None
  for seed in range(150):
    it = tail(largest(pareto(index, seed, n)[0], k), n)
    first = first or it
    fresh.append(extrapolated(it, 20 * n))
  again = resampled(first, 20 * n, np.random.default_rng(0), 400)
  assert again.shape == (400,)
  assert np.std(again) == pytest.approx(np.std(fresh), rel=0.35)
  assert np.median(again) == pytest.approx(extrapolated(first, 20 * n), rel=0.02)


def test_resampled_from_the_truth_they_are_distributed_as_new_samples_are():
  """Of a tail that is the distribution's own, not fitted: quantiles, to the error of 4,000 draws."""
  n, k, index = 100, 50, -0.2
  distribution = stats.genpareto(index, loc=5.0, scale=1.0)
  u = distribution.isf(k / n)
  share = (1 + index * (u - 5)) / u  # sigma / u = hill (1 - index + hill)
  hill = (np.sqrt((1 - index) ** 2 + 4 * share) - (1 - index)) / 2
  true = Tail(threshold=u, hill=hill, gamma=index, negative_part=index - hill, k=k, n=n)
  assert true.scale('textbook') == pytest.approx(1 + index * (u - 5))
  again = resampled(true, 2 * n, np.random.default_rng(0), 4000)
  samples = distribution.rvs(size=(4000, n), random_state=np.random.default_rng(1))
  fresh = [extrapolated(tail(largest(sample, k), n), 2 * n) for sample in samples]
  spread = np.std(fresh)
  assert np.std(again) == pytest.approx(spread, rel=0.06)
  for q in (0.1, 0.5, 0.9):
    assert np.quantile(again, q) == pytest.approx(np.quantile(fresh, q), abs=0.1 * spread)


def test_a_threshold_that_is_not_positive_has_no_estimate():
  wide = Tail(threshold=1.0, hill=1.0, gamma=0.0, negative_part=-50.0, k=4, n=100)
  found = resampled(wide, 1000, np.random.default_rng(0), 200)
  assert 0 < np.isnan(found).sum() < 200


@pytest.mark.parametrize(
  ('call', 'begins'),
  [
    (lambda: tail(np.array([1.0, 2.0]), 9), 'largest must be at least 3'),
    (lambda: tail(np.arange(1.0, 6.0), 4), 'largest must be at least 3 values, of the n = 4'),
    (lambda: tail(np.array([0.0, 1.0, 2.0]), 9), 'largest must be positive'),
    (lambda: tail(np.ones(5), 9), 'largest must be positive and finite, and not all equal'),
    (lambda: tail(np.array([1.0, 2.0, np.inf]), 9), 'largest must be positive'),
    (lambda: extrapolated(tail(np.arange(1.0, 6.0), 9), 0), 'n must be positive'),
  ],
)
def test_what_is_out_of_range_is_named(call, begins):
  with pytest.raises(ValueError, match=f'^{begins}'):
    call()
