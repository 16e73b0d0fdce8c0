"""Hypotheses against networks that are initialized one by one, and against a population's start."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from research import configuration, hypotheses, loop, rngs
from research.hypotheses import guess_and_check, log_probability, sampled, sampled_classes
from research.models import mlp

MODEL = mlp(3, widths=(4,), initialization='fan_in')
INPUTS = np.random.default_rng(0).normal(size=(5, 2)).astype(np.float32)
SEEDS = [7, 3, 2**32 - 1, 0, 11]


jitted = functools.cache(jax.jit)


def one_by_one(model, inputs, seeds):
  for seed in seeds:
    params = model.init(rngs.named_key(jnp.uint32(seed), 'init'), inputs[:1])
    yield np.asarray(jitted(model.apply)(params, inputs))


@pytest.mark.parametrize('chunk', [2, 8])
def test_each_seed_is_a_network_of_its_own(chunk):
  found = [*sampled(MODEL, INPUTS, SEEDS, chunk)]
  assert [len(part) for part in found] == [chunk] * (5 // chunk) + [5 % chunk] * (5 % chunk > 0)
  expected = np.stack([*one_by_one(MODEL, INPUTS, SEEDS)])
  np.testing.assert_allclose(np.concatenate(found), expected, rtol=1e-5, atol=1e-6)


def test_classes_are_the_largest_logits_and_the_first_of_those_that_tie():
  found = sampled_classes(MODEL, INPUTS, SEEDS, 2)
  logits = np.concatenate([*sampled(MODEL, INPUTS, SEEDS, 2)])
  np.testing.assert_array_equal(found, logits.argmax(axis=-1))
  assert found.dtype == np.uint8
  assert len(np.unique(found)) > 1
  flat = MODEL._replace(apply=lambda params, x: jnp.zeros((len(x), 3)))
  assert not sampled_classes(flat, INPUTS, SEEDS).any()


def test_a_hypothesis_is_where_a_run_with_its_seed_starts():
  config = configuration.load('configs/coherence/digits.py:smoke', ['seed=5', 'population.size=2'])
  population = loop.build(config)
  params = population.init().params
  inputs = population.task.normalize(population.task.test.inputs[:4])
  expected = jax.vmap(population.model.apply, (0, None))(params, inputs)
  (found,) = sampled(population.model, inputs, [5, 6], 2)
  np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_a_second_call_compiles_nothing():
  compiled = hypotheses._logits._cache_size
  list(sampled(MODEL, INPUTS, range(10), 4))
  before = compiled()
  list(sampled(MODEL, INPUTS + 1, range(3, 10), 4))
  assert compiled() == before


SMALL = mlp(2, widths=(3,))


def task(n, seed=0):
  rng = np.random.default_rng(seed)
  inputs = rng.normal(size=(n, 2)).astype(np.float32)
  return inputs, (inputs[:, 0] > 0).astype(int)


@pytest.mark.parametrize(('most_wrong', 'chunk'), [(0, 64), (2, 64)])
def test_guesses_are_those_of_a_loop(most_wrong, chunk):
  model, seeds = SMALL, np.arange(100, 164)
  train, test = task(5), task(5, seed=1)
  kept, everywhere = {}, np.concatenate([train[0], test[0]])
  for seed, logits in zip(seeds, one_by_one(model, everywhere, seeds), strict=True):
    wrong = logits.argmax(axis=1) != np.concatenate([train[1], test[1]])
    if wrong[:5].sum() <= most_wrong:
      kept[seed] = wrong[5:].mean()
  found = guess_and_check(model, train, test, seeds, most_wrong=most_wrong, chunk=chunk)
  assert 0 < len(kept) < 64
  assert [*found.seeds] == [*kept]
  np.testing.assert_allclose(found.test_errors, [*kept.values()])
  assert found.n == 64
  assert found.log_probability.value == pytest.approx(np.log(len(kept) / 64))
  assert found.log_probability == log_probability(len(kept), 64)
  strict = guess_and_check(model, train, test, seeds)
  assert {*strict.seeds} <= {*found.seeds}


def test_where_none_fits_there_is_a_bound_and_no_value():
  silent = MODEL._replace(apply=lambda params, x: jnp.eye(3)[jnp.zeros(len(x), int)])
  inputs = INPUTS[:, :2]
  found = guess_and_check(silent, (inputs, np.ones(5, int)), (inputs, np.ones(5, int)), range(40))
  assert len(found.seeds) == len(found.test_errors) == 0
  value, low, high, is_bound = found.log_probability
  assert np.isnan(value)
  assert low == -np.inf
  assert is_bound
  assert high == pytest.approx(np.log(1 - 0.025 ** (1 / 40)))


@pytest.mark.parametrize(('k', 'n'), [(0, 12), (1, 12), (5, 12), (12, 12), (3, 300_000)])
@pytest.mark.parametrize('confidence', [0.8, 0.95])
def test_intervals_are_those_of_scipy(k, n, confidence):
  found = log_probability(k, n, confidence)
  interval = stats.binomtest(k, n).proportion_ci(confidence, method='exact')
  np.testing.assert_allclose(np.exp([found.low, found.high]), interval, rtol=1e-6, atol=1e-12)
  assert found.is_bound == (k == 0)


def test_intervals_cover_the_truth_as_often_as_they_say():
  n = 9
  for p in np.linspace(0.01, 0.99, 25):
    found = [log_probability(k, n, 0.9) for k in range(n + 1)]
    covers = [one.low <= np.log(p) <= one.high for one in found]
    assert stats.binom.pmf(np.arange(n + 1), n, p)[covers].sum() >= 0.9


@pytest.mark.parametrize(
  ('name', 'call'),
  [
    ('chunk', lambda: sampled(MODEL, INPUTS, SEEDS, 0)),
    ('inputs', lambda: sampled(MODEL, INPUTS[:0], SEEDS)),
    ('seeds', lambda: sampled(MODEL, INPUTS, [2**32])),
    ('seeds', lambda: sampled(MODEL, INPUTS, [-1])),
    ('seeds', lambda: guess_and_check(MODEL, task(3), task(3), [4, 4])),
    ('train', lambda: guess_and_check(MODEL, (INPUTS, np.ones(1)), task(3), [4])),
    ('test', lambda: guess_and_check(MODEL, task(3), (INPUTS, np.ones(1)), [4])),
    ('most_wrong', lambda: guess_and_check(MODEL, task(3), task(3), [4], most_wrong=3)),
    ('model', lambda: sampled_classes(mlp(257, widths=()), INPUTS, [1])),
    ('k', lambda: log_probability(4, 3)),
    ('k', lambda: log_probability(0, 0)),
    ('confidence', lambda: log_probability(1, 3, 1.0)),
  ],
)
def test_bad_arguments_are_named(name, call):
  with pytest.raises(ValueError, match=f'^{name} must'):
    call()


def test_no_seeds_are_no_functions():
  assert sampled_classes(MODEL, INPUTS, []).shape == (0, 5)
