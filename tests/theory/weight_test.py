"""The mixture by exact rational arithmetic and enumeration, its regret against its bounds."""

import itertools
from fractions import Fraction

import numpy as np
import pytest
from scipy import special, stats

from research.theory import weight

ALL = np.array([*itertools.product((0, 1), repeat=4)], np.uint8)  # every function of two bits
FLIP = 0.125


def uniform():
  return weight.Prior(ALL, np.ones(16))


def uneven(seed=0):
  return weight.Prior(ALL, np.sort(np.random.default_rng(seed).gamma(0.3, size=16))[::-1])


def lone():
  return weight.Prior(ALL[15:], np.ones(1))


def draw(n, n_inputs=4, seed=0):
  rng = np.random.default_rng(seed)
  return rng.integers(0, n_inputs, n), rng.integers(0, 2, n)


def samples(target, n):
  """All samples of n examples: (probability, x, y)."""
  for x, flips in itertools.product(
    itertools.product(range(4), repeat=n), itertools.product((0, 1), repeat=n)
  ):
    probability = np.prod([FLIP if f else 1 - FLIP for f in flips]) / 4**n
    x = np.array(x, int)
    yield probability, x, target[x] ^ np.array(flips, np.uint8)


def test_a_prior_counts_its_functions():
  tables = ALL[[3, 5, 3, 9, 5, 3]]
  prior = weight.prior_of(tables)
  np.testing.assert_array_equal(prior.tables, ALL[[3, 5, 9]])
  np.testing.assert_array_equal(prior.counts, [3, 2, 1])
  np.testing.assert_allclose(np.exp(prior.log_weights), [1 / 2, 1 / 3, 1 / 6])
  again = weight.prior_of(tables[::-1])
  np.testing.assert_array_equal(again.tables, prior.tables)
  large = np.random.default_rng(0).integers(0, 2, (5, 256), dtype=np.uint8)
  found = weight.prior_of(np.concatenate([large, large[1:2]]))
  np.testing.assert_array_equal(found.counts, [2, 1, 1, 1, 1])
  np.testing.assert_array_equal(found.tables[0], large[1])


def test_divergence_is_a_relative_entropy_per_input():
  both = np.array([FLIP, 1 - FLIP])
  expected = special.rel_entr(both, both[::-1]).sum()
  found = weight.divergence([0, 1, 4], 4, FLIP)
  np.testing.assert_allclose(found, expected * np.array([0, 1 / 4, 1]))
  assert [*weight.divergence([0, 1], 4, 0.0)] == [0, np.inf]
  assert [*weight.divergence([0, 1], 4, 0.5)] == [0, 0]


def test_balls_of_all_tables_are_binomial():
  found = weight.log_ball_weights(uniform(), ALL[6])
  np.testing.assert_allclose(np.exp(found), np.cumsum([1, 4, 6, 4, 1]) / 16)
  apart = weight.log_ball_weights(lone(), ALL[0])
  assert [*apart] == [-np.inf] * 4 + [0]


@pytest.mark.parametrize('prior', [uniform(), uneven()], ids=['uniform', 'uneven'])
def test_the_mixture_is_bayes_rule_in_rational_arithmetic(prior):
  x, y = draw(12)
  flip, weights = Fraction(1, 8), [Fraction(c) for c in prior.counts]
  posterior, losses = [w / sum(weights) for w in weights], []
  for at, label in zip(x, y, strict=True):
    joint = [
      p * (1 - flip if h[at] == label else flip) for p, h in zip(posterior, ALL, strict=True)
    ]
    losses.append(-np.log(float(sum(joint))))
    posterior = [j / sum(joint) for j in joint]
  for target in ALL[[0, 6]]:
    own = -np.sum(np.log(np.where(target[x] == y, 1 - FLIP, FLIP)))
    tallied = weight.regret(prior, target, weight.tally(x, y, 4), FLIP)
    assert tallied == pytest.approx(np.sum(losses) - own, rel=1e-9)


def test_regrets_of_several_tallies_are_those_of_each():
  prior, tallies = uneven(), np.stack([weight.tally(*draw(n), 4) for n in (0, 3, 20)])
  found = weight.regret(prior, ALL[5], tallies, FLIP)
  expected = [weight.regret(prior, ALL[5], one, FLIP) for one in tallies]
  np.testing.assert_allclose(found, expected, atol=1e-12)
  assert found[0] == pytest.approx(0, abs=1e-12)
  found = weight.table_regret(ALL[5], tallies, FLIP)
  expected = [weight.table_regret(ALL[5], one, FLIP) for one in tallies]
  np.testing.assert_allclose(found, expected)


@pytest.mark.parametrize('n', [0, 1, 2, 3])
@pytest.mark.parametrize('prior', [uniform(), uneven(), uneven(1)], ids=['uniform', '0', '1'])
def test_no_mean_regret_exceeds_its_bounds(prior, n):
  """The mean over all samples: no error bars."""
  for target in ALL[[0, 3, 6, 15]]:
    mean = 0.0
    for probability, x, y in samples(target, n):
      mean += probability * weight.regret(prior, target, weight.tally(x, y, 4), FLIP)
    soft = weight.soft_bound(prior, target, n, FLIP)
    hard = weight.bound(prior, target, n, FLIP)
    assert -1e-12 <= mean <= soft + 1e-12
    assert soft <= hard.value + 1e-12
    own = prior.log_weights[(prior.tables == target).all(axis=1)][0]
    assert hard.value <= -own + 1e-12


@pytest.mark.parametrize('radius', range(5))
def test_on_any_data_the_regret_is_below_that_of_a_ball(radius):
  """And the mean over all samples is the log-weight and the ball's mean divergence."""
  prior, target, n, means = uneven(1), ALL[6], 2, []
  away = (prior.tables != target).sum(axis=1)
  inside = away <= radius
  shares = prior.counts[inside] / prior.counts[inside].sum()
  for probability, x, y in samples(target, n):
    tallies = weight.tally(x, y, 4)
    found = weight.sample_bound(prior, target, tallies, FLIP, radius)
    assert weight.regret(prior, target, tallies, FLIP) <= found + 1e-12
    means.append(probability * found)
  log_weight = np.log(prior.counts[inside].sum() / prior.counts.sum())
  expected = n * shares @ weight.divergence(away[inside], 4, FLIP) - log_weight
  assert np.sum(means) == pytest.approx(expected)
  assert expected <= n * weight.divergence(radius, 4, FLIP) - log_weight + 1e-12
  several = np.stack([tallies, 3 * tallies])
  expected = [weight.sample_bound(prior, target, one, FLIP, radius) for one in several]
  found = weight.sample_bound(prior, target, several, FLIP, radius)
  np.testing.assert_allclose(found, expected)


def test_a_bound_is_the_best_ball():
  prior, target = uneven(), ALL[6]
  before = 0.0
  for n in (0, 1, 3, 10, 100):
    found = weight.bound(prior, target, n, FLIP)
    costs = []
    for radius in range(5):
      inside = np.sum(target != ALL, axis=1) <= radius
      divergence = radius / 4 * special.rel_entr([0.125, 0.875], [0.875, 0.125]).sum()
      costs.append(n * divergence - np.log(prior.counts[inside].sum() / prior.counts.sum()))
    assert found.value == pytest.approx(min(costs), abs=1e-12)
    assert found.radius == np.argmin(costs)
    assert found.value == pytest.approx(
      n * float(weight.divergence(found.radius, 4, FLIP)) - found.log_weight
    )
    assert found.value >= before - 1e-12
    before = found.value
  assert weight.bound(prior, target, 0, FLIP).radius == 4
  assert weight.bound(prior, target, 1000, FLIP).radius == 0


def test_on_any_data_the_regret_is_below_the_log_weight():
  prior = uneven()
  for seed in range(20):
    tallies = weight.tally(*draw(30, seed=seed), 4)
    for h, own in zip(prior.tables, prior.log_weights, strict=True):
      assert weight.regret(prior, h, tallies, FLIP) <= -own + 1e-9


def test_the_table_code_is_the_mixture_over_all_tables():
  for n, target in ((0, 3), (5, 3), (60, 9)):
    tallies = weight.tally(*draw(n, seed=n), 4)
    found = weight.table_regret(ALL[target], tallies, FLIP)
    assert found == pytest.approx(weight.regret(uniform(), ALL[target], tallies, FLIP), abs=1e-9)
  many = weight.tally(np.tile(np.arange(4), 50), np.tile(ALL[9], 50), 4)
  assert weight.table_regret(ALL[9], many, FLIP) == pytest.approx(4 * np.log(2))


def test_a_union_has_half_of_both_weights():
  tallies = weight.tally(*draw(20), 4)
  first, second = uneven(), uniform()
  both = weight.Prior(
    ALL, first.counts / first.counts.sum() / 2 + second.counts / second.counts.sum() / 2
  )
  regrets = [weight.regret(prior, ALL[7], tallies, FLIP) for prior in (first, second, both)]
  assert weight.union_regret(*regrets[:2]) == pytest.approx(regrets[2])
  assert regrets[2] <= min(regrets[:2]) + np.log(2)


def test_a_consistent_posterior_pays_its_weight():
  """Without noise, and with every input seen: -log w, and nothing else."""
  prior = uneven()
  tallies = weight.tally(np.arange(4), ALL[6], 4)
  own = prior.log_weights[6]
  assert weight.regret(prior, ALL[6], tallies, 0.0) == pytest.approx(-own)
  lacking = weight.Prior(ALL[:4], np.ones(4))
  assert weight.regret(lacking, ALL[6], tallies, 0.0) == np.inf


def test_mean_regret_of_a_long_sample_grows_as_that_of_two_hypotheses():
  """Two functions that differ on one input: the cost of the weight of one of them, once known."""
  prior = weight.Prior(ALL[[0, 1]], np.array([3.0, 1.0]))
  rng = np.random.default_rng(0)
  x = rng.integers(0, 4, 4000)
  y = ALL[1][x] ^ (rng.uniform(size=4000) < FLIP)
  found = weight.regret(prior, ALL[1], weight.tally(x, y, 4), FLIP)
  assert found == pytest.approx(np.log(4), rel=1e-6)


def test_likelihoods_are_those_of_scipy():
  x, y = draw(50)
  expected = [stats.bernoulli.logpmf(h[x] != y, FLIP).sum() for h in ALL]
  found = weight.log_likelihoods(ALL, weight.tally(x, y, 4), FLIP)
  np.testing.assert_allclose(found, expected)


@pytest.mark.parametrize(
  ('name', 'call'),
  [
    ('tables', lambda: weight.prior_of(ALL[:0])),
    ('tables', lambda: weight.prior_of(ALL[:, :3])),
    ('flip', lambda: weight.divergence([1], 4, 0.6)),
    ('flip', lambda: weight.bound(uniform(), ALL[0], 3, 0.0)),
    ('flip', lambda: weight.soft_bound(uniform(), ALL[0], 3, -0.1)),
    ('flip', lambda: weight.table_regret(ALL[0], weight.tally([0], [1], 4), 0.0)),
    ('n', lambda: weight.bound(uniform(), ALL[0], -1, FLIP)),
    ('radius', lambda: weight.sample_bound(lone(), ALL[0], weight.tally([0], [1], 4), FLIP, 3)),
    ('y', lambda: weight.tally([0, 1], [1], 4)),
    ('x', lambda: weight.tally([4], [1], 4)),
    ('x', lambda: weight.tally([0], [2], 4)),
    ('tallies', lambda: weight.log_likelihoods(ALL, np.full((4, 2), 2**24), FLIP)),
  ],
)
def test_bad_arguments_are_named(name, call):
  with pytest.raises(ValueError, match=f'^{name} must'):
    call()
