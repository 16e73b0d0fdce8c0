"""Mutual information where it is known, and its estimate, by the definition of the jackknife."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats
from scipy.special import xlogy
from sklearn.metrics import mutual_info_score

from research.theory.information import (
  conditional_mutual_information,
  estimated_conditional_mutual_information,
  estimated_interaction,
  estimated_mutual_information,
  joint_counts,
  mutual_information,
  shuffled_within,
)

XOR = np.zeros((2, 2, 2))
XOR[[0, 0, 1, 1], [0, 1, 0, 1], [0, 1, 1, 0]] = 0.25

mutual = jax.jit(estimated_mutual_information, static_argnums=2)
conditional = jax.jit(estimated_conditional_mutual_information, static_argnums=3)
interaction = jax.jit(estimated_interaction, static_argnums=3)


def random_joint(*shape, seed=0):
  p = np.random.default_rng(seed).gamma(0.5, size=shape)
  return p / p.sum()


def sample(joint, m, seed=0):
  """Of a table of probabilities: one int [..., m] for each of its variables."""
  rng = np.random.default_rng(seed)
  cells = rng.choice(joint.size, size=m, p=joint.ravel())
  return [jnp.asarray(x) for x in np.unravel_index(cells, joint.shape)]


def plug_in(*variables, n):
  table = joint_counts(*map(np.asarray, variables), n_classes=n)
  return (mutual_information if table.ndim == 2 else conditional_mutual_information)(table)


# On distributions, exactly


def test_exclusive_or_tells_nothing_alone_and_one_bit_given_the_other():
  assert abs(mutual_information(XOR.sum(2))) < 1e-12
  np.testing.assert_allclose(conditional_mutual_information(XOR), 1)


def test_a_copy_has_its_entropy():
  p = np.array([0.5, 0.25, 0.125, 0.125])
  np.testing.assert_allclose(mutual_information(np.diag(p)), 1.75)
  counts = np.arange(1, 6)
  np.testing.assert_allclose(mutual_information(np.diag(counts)), stats.entropy(counts, base=2))


def test_independent_variables_share_nothing():
  a, b = random_joint(4), random_joint(3, seed=1)
  assert abs(mutual_information(np.outer(a, b))) < 1e-12
  given = random_joint(5, 4, seed=2)  # P(A, C), and B of C alone
  b_of_c = stats.dirichlet(np.ones(3)).rvs(4, random_state=0)  # [C, B]
  assert abs(conditional_mutual_information(np.einsum('ac,cb->abc', given, b_of_c))) < 1e-12


def test_conditional_is_the_mean_over_what_is_given():
  p = random_joint(4, 3, 5)
  slices = [p[:, :, c].sum() * mutual_information(p[:, :, c]) for c in range(5)]
  np.testing.assert_allclose(conditional_mutual_information(p), sum(slices), rtol=1e-10)


def test_chain_rule():
  p = random_joint(4, 3, 5)
  of_both = mutual_information(p.reshape(4, 15))
  in_turn = mutual_information(p.sum(1)) + conditional_mutual_information(p)
  np.testing.assert_allclose(of_both, in_turn, rtol=1e-10)


def test_counts_or_probabilities_names_and_order_do_not_matter():
  p = random_joint(4, 3, 5)
  here = conditional_mutual_information(p)
  np.testing.assert_allclose(conditional_mutual_information(1000 * p), here, rtol=1e-10)
  renamed = p[[2, 0, 3, 1]][:, [1, 2, 0]][:, :, ::-1]
  np.testing.assert_allclose(conditional_mutual_information(renamed), here, rtol=1e-10)
  np.testing.assert_allclose(conditional_mutual_information(p.transpose(1, 0, 2)), here, rtol=1e-10)
  pair = p.sum(2)
  np.testing.assert_allclose(mutual_information(pair.T), mutual_information(pair), rtol=1e-10)


def test_agrees_with_scikit_learn():
  a, b = map(np.asarray, sample(random_joint(5, 5), 300))
  np.testing.assert_allclose(plug_in(a, b, n=5), mutual_info_score(a, b) / math.log(2), rtol=1e-10)


@pytest.mark.parametrize(
  ('function', 'table'),
  [
    (mutual_information, np.ones((2, 2, 2))),
    (mutual_information, np.array([[1.0, -0.1], [0, 0]])),
    (mutual_information, np.array([[1.0, np.nan], [0, 0]])),
    (mutual_information, np.zeros((2, 2))),
    (conditional_mutual_information, np.ones((2, 2))),
  ],
)
def test_what_is_no_distribution_is_refused(function, table):
  with pytest.raises(ValueError, match='^joint must'):
    function(table)


def test_values_out_of_range_are_refused():
  for wrong in (-1, 3):
    with pytest.raises(ValueError, match=r'^variables must lie in \[0, 2\]'):
      joint_counts(np.array([0, wrong]), np.array([0, 1]), n_classes=3)


# From samples


def jackknifed(variables, n):
  """The jackknife's estimate and standard error, by leaving out one example after the other."""
  m, whole = len(variables[0]), plug_in(*variables, n=n)
  left = [plug_in(*(np.delete(np.asarray(x), i) for x in variables), n=n) for i in range(m)]
  pseudo = m * whole - (m - 1) * np.array(left)
  return pseudo.mean(), pseudo.std(ddof=1) / np.sqrt(m)


def test_it_is_the_jackknife():
  a, b, c = sample(random_joint(4, 4, 4), 100)
  np.testing.assert_allclose(mutual(a, b, 4), jackknifed((a, b), 4), rtol=1e-4, atol=1e-6)
  np.testing.assert_allclose(conditional(a, b, c, 4), jackknifed((a, b, c), 4), rtol=1e-4)


def test_interaction_is_the_difference_and_has_no_order():
  a, b, c = sample(random_joint(4, 4, 4, seed=3), 100)
  value, stderr = interaction(a, b, c, 4)
  np.testing.assert_allclose(value, mutual(a, b, 4)[0] - conditional(a, b, c, 4)[0], atol=1e-5)
  for order in ((b, a, c), (c, a, b), (a, c, b)):
    np.testing.assert_allclose(interaction(*order, 4), (value, stderr), rtol=1e-4, atol=1e-6)


def test_exclusive_or_and_a_copy_from_samples():
  """Each of the four combinations 25 times: the surprises are those of n = 25, 50 and 100."""
  f, y, l = (jnp.repeat(jnp.asarray(x), 25) for x in np.nonzero(XOR))
  one = math.log2(50**50 / 49**49 / (25**25 / 24**24))  # from 50 to 25; 1 bit for large samples
  np.testing.assert_allclose(conditional(f, y, l, 4).value, one, rtol=1e-5)
  np.testing.assert_allclose(one, 1, atol=0.02)
  copied = math.log2(100**100 / 99**99 / (50**50 / 49**49))
  np.testing.assert_allclose(mutual(f, f, 4).value, copied, rtol=1e-5)
  np.testing.assert_allclose(mutual(f, y, 4).value, copied - one, rtol=1e-4)
  np.testing.assert_allclose(interaction(f, y, l, 4).value, copied - 2 * one, rtol=1e-4)


def test_exact_zeros():
  a, b, _ = sample(random_joint(4, 4, 4), 100)
  constant = jnp.zeros_like(a)
  assert tuple(mutual(a, constant, 4)) == (0, 0)
  given = jnp.asarray([2, 0, 0, 3])[a]  # fewer values: a is no function of it
  np.testing.assert_allclose(conditional(given, b, a, 4), (0, 0), atol=1e-6)
  assert conditional(a, b, given, 4).value > 0


def test_order_and_names_do_not_matter():
  a, b, c = sample(random_joint(4, 4, 4), 100)
  names, order = jnp.asarray([3, 1, 0, 2]), np.random.default_rng(0).permutation(100)
  here = conditional(a, b, c, 4)
  np.testing.assert_allclose(conditional(names[a], b, names[c], 4), here, rtol=1e-5)
  np.testing.assert_allclose(conditional(a[order], b[order], c[order], 4), here, rtol=1e-5)
  np.testing.assert_allclose(conditional(a, b, c, 7), here, rtol=1e-5)


def test_one_example_has_no_standard_error():
  value, stderr = mutual(jnp.array([1]), jnp.array([0]), 4)
  assert value == 0 and np.isnan(stderr)  # noqa: PT018


def test_codes_that_do_not_fit_are_refused():
  a = jnp.array([0, 1])
  with pytest.raises(ValueError, match=r'^n_classes must lie in \[1, 1290\] here, not 1291'):
    conditional(a, a, a, 1291)


def expected_entropy(p, m, phi, miller_madow=False):
  """The exact mean, in nats, of phi(m) - mean of phi(n_i): counts are binomial."""
  p, times = np.unique(p[p > 0].round(12), return_counts=True)
  others = stats.binom.pmf(np.arange(m)[None], m - 1, p[:, None])  # of the rest of the sample
  mean = phi(float(m)) - np.sum(times * p * (others @ phi(np.arange(1.0, m + 1))))
  seen = np.sum(times * (1 - (1 - p) ** m))
  return mean + (seen - 1) / (2 * m) if miller_madow else mean


def biases(joint, m):
  """Of I(A;B|C), in bits: plug-in, Miller and Madow's, the jackknife's."""
  jackknife = lambda n: xlogy(n, n) - xlogy(n - 1, n - 1)  # noqa: E731
  means = []
  for phi, corrected in ((np.log, False), (np.log, True), (jackknife, False)):
    h = functools.partial(expected_entropy, m=m, phi=phi, miller_madow=corrected)
    pairs = h(joint.sum(1).ravel()) + h(joint.sum(0).ravel())
    means.append((pairs - h(joint.ravel()) - h(joint.sum((0, 1)))) / math.log(2))
  return np.array(means) - conditional_mutual_information(joint)


def noisy_copy(right, n=10):
  return right * np.eye(n) + (1 - right) / (n - 1) * (1 - np.eye(n))


@pytest.mark.parametrize(
  'joint',
  [
    np.full((10, 10, 10), 1e-3),
    np.einsum('yl,lf->fyl', noisy_copy(0.8) / 10, noisy_copy(0.6)),  # nothing beyond L
    np.einsum('yl,yf->fyl', noisy_copy(0.7) / 10, noisy_copy(0.9)),  # much beyond it
  ],
  ids=['independent', 'of_the_reference', 'of_the_label'],
)
def test_less_bias_than_the_plug_in_estimate_and_miller_and_madow(joint):
  plug, miller_madow, ours = np.abs(biases(joint, 1000))
  assert ours < 0.9 * min(miller_madow, plug)


def test_much_bias_is_left_where_cells_are_seen_once_or_never():
  joint = np.einsum('yl,lf->fyl', noisy_copy(0.8) / 10, noisy_copy(0.6))
  assert 0.1 < biases(joint, 1000)[-1] < 0.2


@functools.cache
def many(n_samples=1000, m=300):
  """Estimates on many samples of a dependent distribution, and of an independent one."""
  dependent = np.einsum('yl,yf->fyl', noisy_copy(0.7, 3) / 3, noisy_copy(0.8, 3))
  independent = np.full((3, 3, 3), 1 / 27)
  estimates = jax.jit(
    jax.vmap(
      lambda f, y, l: (
        estimated_mutual_information(f, y, 3),
        estimated_conditional_mutual_information(f, y, l, 3),
        estimated_interaction(f, y, l, 3),
      )
    )
  )
  return [(p, estimates(*sample(p, (n_samples, m)))) for p in (dependent, independent)]


def truths(joint):
  pair, triple = mutual_information(joint.sum(2)), conditional_mutual_information(joint)
  return pair, triple, pair - triple


def test_intervals_cover_the_truth():
  dependent, _ = many()
  for truth, (value, stderr) in zip(truths(dependent[0]), dependent[1], strict=True):
    covered = np.mean(np.abs(value - truth) < 1.96 * stderr)
    assert 0.93 < covered < 0.97, covered


def test_intervals_of_independent_variables_are_wide():
  _, independent = many()
  for truth, (value, stderr) in zip(truths(independent[0]), independent[1], strict=True):
    assert np.mean(np.abs(value - truth) < 1.96 * stderr) > 0.95
    assert 1.2 < np.mean(stderr) / np.std(value) < 1.6


def test_hardly_any_bias_where_cells_are_seen_often():
  for joint, estimates in many():
    for truth, (value, _) in zip(truths(joint), estimates, strict=True):
      sem = np.std(value) / np.sqrt(value.size)
      assert abs(np.mean(value) - truth) < 4 * sem + 1e-4


# Shuffles


def test_shuffles_keep_what_is_given():
  a, _, c = sample(random_joint(4, 4, 4), 100)
  shuffled = jax.jit(shuffled_within)(a, c, jax.random.key(0))
  assert np.mean(np.asarray(shuffled != a)) > 0.1
  np.testing.assert_array_equal(
    joint_counts(np.asarray(shuffled), np.asarray(c), n_classes=4),
    joint_counts(np.asarray(a), np.asarray(c), n_classes=4),
  )


def test_shuffles_have_the_bias_of_the_estimate():
  """Of ten classes and 200 examples: so few that the bias is large."""
  joint = np.einsum('yl,lf->fyl', noisy_copy(0.8) / 10, noisy_copy(0.6))

  @jax.jit
  @jax.vmap
  def both(f, y, l, key):
    estimate = estimated_conditional_mutual_information
    return estimate(f, y, l, 10).value, estimate(shuffled_within(f, l, key), y, l, 10).value

  here, there = both(*sample(joint, (400, 200)), jax.random.split(jax.random.key(0), 400))
  difference = np.asarray(here - there)
  assert np.mean(there) > 0.1
  assert abs(np.mean(difference)) < 3.5 * np.std(difference) / np.sqrt(400)
