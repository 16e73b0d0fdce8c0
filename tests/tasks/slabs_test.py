"""The marginals of synthetic features, and what a rule can make of one of them."""

import functools
import re

import numpy as np
import pytest
from scipy import stats

from research.rngs import named_generator
from research.tasks import make_task, n_examples
from research.tasks.slabs import (
  FEATURES,
  bayes_accuracy,
  linear_accuracy,
  random_rotation,
  slab_centres,
  slab_masses,
)

N, MARGIN, NOISE = 20_000, 0.08, 0.15
SLABS = ('slab3', 'slab5', 'slab7')
LEVEL = 1e-5  # of each of about a hundred checks, so that all pass for 999 of 1,000 right samples
Z = stats.norm.isf(LEVEL / 2)  # standard deviations
SMALL = {'n_train': 50, 'n_test': 20}


@functools.cache
def drawn():
  """Three coordinates of each feature, not rotated."""
  counts, sizes = (3,) * len(FEATURES), {'n_train': N, 'n_test': 10}
  chosen = {'features': FEATURES, 'counts': counts, 'noise': NOISE, 'margin': MARGIN}
  return make_task('slabs', **chosen, **sizes, rotate=False)


def columns(feature):
  """The coordinates [N, 3] of a feature in float64, and the labels [N]."""
  task = drawn()
  return task.train.inputs[:, task.blocks.masks[feature]].astype(float), task.train.labels


def places(x, k):
  """Which of k slabs each of x lies in, and where in it, from 0 to 1; by distances to all."""
  centres, width = slab_centres(k, MARGIN)
  offsets = x[..., None] - centres
  slab = np.abs(offsets).argmin(-1)
  return slab, np.take_along_axis(offsets, slab[..., None], -1)[..., 0] / width + 0.5


def best_threshold(x, y):
  """The accuracy of the best threshold on a sample, of all, by sorting."""
  right = np.concatenate([[0], np.cumsum(2 * y[np.argsort(x)] - 1)])  # gained by 0 on the left
  accuracies = (np.sum(y) - right) / len(y)
  return max(accuracies.max(), (1 - accuracies).max())


def test_labels_are_fair_coins():
  task = drawn()
  assert stats.binomtest(int(task.train.labels.sum()), N).pvalue > LEVEL
  assert set(task.train.labels) == {0, 1}


@pytest.mark.parametrize('k', [3, 5, 7])
@pytest.mark.parametrize('margin', [0.0, 0.1])
def test_slabs_fill_the_interval_but_for_gaps_of_two_margins(k, margin):
  centres, width = slab_centres(k, margin)
  left, right = centres - width / 2, centres + width / 2
  np.testing.assert_allclose([left[0], right[-1]], [-1, 1])
  np.testing.assert_allclose(left[1:] - right[:-1], 2 * margin, atol=1e-15)


@pytest.mark.parametrize('k', [3, 5, 7])
def test_slabs_alternate_symmetrically_with_class_0_in_the_centre(k):
  masses = slab_masses(k)
  np.testing.assert_array_equal(masses.sum(1), 1)
  np.testing.assert_array_equal(masses, masses[:, ::-1])
  np.testing.assert_array_equal(masses > 0, [np.arange(k) % 2 == (k // 2 + y) % 2 for y in (0, 1)])


@pytest.mark.parametrize('k', [5, 7])
@pytest.mark.parametrize('margin', [0.0, 0.1])
def test_classes_of_five_and_seven_slabs_have_the_same_second_moment(k, margin):
  zero, one = slab_masses(k) @ np.square(slab_centres(k, margin)[0])
  np.testing.assert_allclose(zero, one)


@pytest.mark.parametrize('feature', SLABS)
def test_each_slab_has_its_mass_and_is_filled_evenly(feature):
  k = int(feature[-1])
  x, y = columns(feature)
  slab, place = places(x, k)
  assert -1e-5 < place.min() < 1e-2
  assert 1 - 1e-2 < place.max() < 1 + 1e-5
  for column in range(3):
    assert stats.kstest(place[:, column], 'uniform').pvalue > LEVEL
    for label in (0, 1):
      own, masses = slab[y == label, column], slab_masses(k)[label]
      counts = np.bincount(own, minlength=k)
      assert not counts[masses == 0].any()
      if k == 3 and label == 0:
        continue  # all of them are in the centre
      expected = masses[masses > 0] * len(own)
      assert stats.chisquare(counts[masses > 0], expected).pvalue > LEVEL


def test_the_linear_coordinate_lies_beyond_the_margin_on_the_side_of_its_label():
  x, y = columns('linear')
  signed = x * (2 * y - 1)[:, None]
  for column in signed.T:
    assert stats.kstest(column, 'uniform', (MARGIN, 1 - MARGIN)).pvalue > LEVEL
  assert signed.min() >= MARGIN - 1e-6


def test_noise_hits_its_fraction_of_each_coordinate_whatever_the_label():
  x, y = columns('noisy_linear')
  is_noisy = np.abs(x) < MARGIN
  np.testing.assert_array_equal(is_noisy.sum(0), round(NOISE * N))
  for column in range(3):
    noisy = is_noisy[:, column]
    within = x[noisy, column], y[noisy]
    assert stats.kstest(within[0], 'uniform', (-MARGIN, 2 * MARGIN)).pvalue > LEVEL
    assert stats.ttest_ind(within[0][within[1] == 1], within[0][within[1] == 0]).pvalue > LEVEL
    rest = (x * (2 * y - 1)[:, None])[~noisy, column]
    assert stats.kstest(rest, 'uniform', (MARGIN, 1 - MARGIN)).pvalue > LEVEL
  both = np.mean(is_noisy[:, 0] & is_noisy[:, 1])  # coordinates are hit independently
  assert abs(both - NOISE**2) < Z * NOISE / np.sqrt(N)


def test_the_noise_feature_is_normal_whatever_the_label():
  x, y = columns('noise')
  for column in x.T:
    assert stats.kstest(column, 'norm').pvalue > LEVEL
    assert stats.ks_2samp(column[y == 0], column[y == 1]).pvalue > LEVEL


def test_given_the_label_coordinates_are_independent():
  task = drawn()
  n_pairs = 2 * 36 * 35 / 2
  bound = stats.norm.isf(LEVEL / n_pairs / 2) / np.sqrt(task.train.labels.sum() * 0.98)
  for label in (0, 1):
    x = task.train.inputs[task.train.labels == label].astype(float)
    values = np.concatenate([x, np.square(x)], axis=1)
    correlations = np.corrcoef(values.T)
    of_itself = np.tile(np.eye(x.shape[1], dtype=bool), (2, 2))
    assert np.abs(correlations[~of_itself]).max() < bound
  slab, _ = places(columns('slab7')[0], 7)
  for label in (0, 1):
    own = slab[columns('slab7')[1] == label]
    table = stats.contingency.crosstab(own[:, 0], own[:, 1]).count
    assert stats.chi2_contingency(table).pvalue > LEVEL


@pytest.mark.parametrize('feature', SLABS)
def test_slabs_are_uncorrelated_with_the_label(feature):
  x, y = columns(feature)
  for column in x.T:
    assert stats.ttest_ind(column[y == 1], column[y == 0], equal_var=False).pvalue > LEVEL


def test_linear_accuracies_are_the_closed_forms():
  found = [linear_accuracy(feature, 0.1) for feature in FEATURES]
  assert found == [1, 0.95, 3 / 4, 11 / 16, 5 / 8, 0.5]


@pytest.mark.parametrize('feature', FEATURES)
def test_the_best_threshold_on_a_sample_has_the_linear_accuracy(feature):
  x, y = columns(feature)
  for column in x.T:
    gained = best_threshold(column, y) - linear_accuracy(feature, NOISE)
    assert abs(gained) < Z * 0.5 / np.sqrt(N)


@pytest.mark.parametrize('feature', FEATURES)
def test_the_best_rule_on_a_sample_has_the_bayes_accuracy(feature):
  x, y = columns(feature)
  if feature.startswith('slab'):
    guesses = (places(x, int(feature[-1]))[0] + int(feature[-1]) // 2) % 2
  else:
    guesses = (x > 0).astype(int)
  accuracies = np.mean(guesses == y[:, None], axis=0)
  expected = bayes_accuracy(feature, NOISE)
  bound = Z * np.sqrt(expected * (1 - expected) / N)  # no less: nothing is lost at 1
  np.testing.assert_allclose(accuracies, expected, atol=bound)


def test_the_default_is_one_linear_coordinate_and_49_of_five_slabs():
  task = make_task('slabs', **SMALL)
  assert task.train.inputs.shape == (50, 50)
  assert {name: mask.sum() for name, mask in task.blocks.masks.items()} == {
    'linear': 1,
    'slab5': 49,
  }
  assert (task.name, task.n_classes) == ('slabs', 2)


def test_the_network_sees_the_coordinates_rotated():
  plain, task = make_task('slabs', **SMALL, rotate=False), make_task('slabs', **SMALL)
  np.testing.assert_array_equal(plain.train.inputs, task.train.inputs)
  np.testing.assert_array_equal(plain.normalize(plain.test.inputs), plain.test.inputs)
  seen, q = task.normalize(task.test.inputs), task.blocks.rotation
  np.testing.assert_allclose(seen, task.test.inputs.astype(float) @ q, atol=1e-5)
  np.testing.assert_allclose(task.blocks.unrotated(seen), task.test.inputs, atol=1e-5)


def test_rotations_are_uniform_on_the_orthogonal_group():
  """There, traces have mean 0 and variance 1, entries of a row are those of a random direction, and
  half of the determinants are 1."""
  generator = named_generator(0, 'rotations')
  rotations = np.stack([random_rotation(3, generator) for _ in range(2000)]).astype(float)
  products = np.einsum('nij,nkj->nik', rotations, rotations)
  np.testing.assert_allclose(products, np.broadcast_to(np.eye(3), products.shape), atol=1e-6)
  traces = np.trace(rotations, axis1=1, axis2=2)
  assert abs(traces.mean()) < Z / np.sqrt(2000)
  assert abs(np.square(traces).mean() - 1) < Z * np.square(traces).std() / np.sqrt(2000)
  for i in range(3):
    assert stats.kstest(rotations[:, i, i], 'uniform', (-1, 2)).pvalue > LEVEL
  assert stats.binomtest(int((np.linalg.det(rotations) > 0).sum()), 2000).pvalue > LEVEL


def test_the_same_arguments_give_the_same_bytes_and_other_seeds_others():
  first, again, other = (make_task('slabs', **SMALL, data_seed=seed) for seed in (3, 3, 4))
  for of in (lambda t: t.train.inputs, lambda t: t.test.labels, lambda t: t.blocks.rotation):
    assert of(first).tobytes() == of(again).tobytes()
    assert of(first).tobytes() != of(other).tobytes()


def test_the_test_set_does_not_depend_on_the_train_set():
  small, large = (make_task('slabs', n_train=n, n_test=50) for n in (50, 70))
  np.testing.assert_array_equal(small.test.inputs, large.test.inputs)
  np.testing.assert_array_equal(small.blocks.rotation, large.blocks.rotation)
  assert not np.isin(small.test.inputs[:, 0], small.train.inputs[:, 0]).any()


@pytest.mark.parametrize(
  ('arguments', 'message'),
  [
    ({'n_train': 0}, 'n_train must be positive, not 0'),
    ({'n_test': -1}, 'n_test must be positive, not -1'),
    ({'data_seed': -1}, 'data_seed must not be negative, not -1'),
    ({'noise': 1.1}, 'noise must lie in [0, 1], not 1.1'),
    ({'features': ('linear', 'slab4')}, 'features must be different ones of linear, '),
    ({'features': ('slab5', 'slab5')}, 'features must be different ones of linear, '),
    ({'features': (), 'counts': ()}, 'features must be different ones of linear, '),
    ({'counts': (1,)}, 'counts must be 2 positive numbers, one for each of the features, not (1,)'),
    ({'counts': (1, 0)}, 'counts must be 2 positive numbers, '),
    ({'margin': 0.25}, 'margin must lie in [0, 0.25) for linear, slab5, not 0.25'),
    ({'margin': -0.1}, 'margin must lie in [0, 0.25) for linear, slab5, not -0.1'),
    (
      {'features': ('linear',), 'counts': (1,), 'margin': 1.0},
      'margin must lie in [0, 1) for linear, not 1.0',
    ),
  ],
)
def test_an_argument_out_of_range_is_named(arguments, message):
  for function in (make_task, n_examples):
    with pytest.raises(ValueError, match=f'^{re.escape(message)}'):
      function('slabs', **arguments)


def test_sizes_are_those_of_the_task():
  assert n_examples('slabs') == {'train': 100_000, 'test': 10_000}
  assert n_examples('slabs', **SMALL, rotate=False) == {'train': 50, 'test': 20}
