import numpy as np
import pytest
from scipy import stats

from research.rngs import named_generator
from research.tasks.subclasses import CLASS, IRRELEVANT, SUBCLASSES, random_bits, subclasses


def signs(n_irrelevant=4, **settings):
  """Without noise: what is left are the features."""
  settings = {'dim': 12, 'noise': 0.0, 'n_irrelevant': n_irrelevant, **settings}
  return subclasses(0, 20_000, **settings)


def test_the_same_seed_gives_the_same_examples_and_other_seeds_and_splits_others():
  one, same = (subclasses(3, 50, dim=6, n_irrelevant=2, resample=0.3) for _ in range(2))
  for name in ('views', 'labels', 'subclasses', 'irrelevant'):
    np.testing.assert_array_equal(getattr(one, name), getattr(same, name))
  for other in (
    subclasses(4, 50, dim=6, n_irrelevant=2),
    subclasses(3, 50, dim=6, n_irrelevant=2, split='test'),
  ):
    assert (other.labels != one.labels).any()
    assert (other.views != one.views).all()


def test_strengths_and_augmentations_leave_the_draws_as_they_are():
  one = subclasses(0, 40, dim=8, n_irrelevant=3)
  other = subclasses(
    0,
    40,
    dim=8,
    n_irrelevant=3,
    resample=0.5,
    class_strength=3.0,
    irrelevant_strength=0.1,
    noise=1.0,
  )
  np.testing.assert_array_equal(other.labels, one.labels)
  np.testing.assert_array_equal(other.subclasses, one.subclasses)
  np.testing.assert_array_equal(other.irrelevant, one.irrelevant)
  last = one.views[..., IRRELEVANT + 3 :]  # noise alone
  np.testing.assert_allclose(other.views[..., IRRELEVANT + 3 :], 10 * last)


def test_features_are_where_they_are_said_to_be():
  data = signs(class_strength=1.5, subclass_strength=0.5, irrelevant_strength=3.0)
  assert data.views.shape == (20_000, 2, 12)
  for view in (0, 1):
    x = data.views[:, view]
    np.testing.assert_array_equal(x[:, CLASS], 1.5 * (2 * data.labels - 1))
    for label, axis in enumerate(SUBCLASSES):
      of_class = data.labels == label
      np.testing.assert_array_equal(x[of_class, axis], data.subclasses[of_class] - 0.5)
      assert not x[~of_class, axis].any()
    np.testing.assert_array_equal(x[:, IRRELEVANT : IRRELEVANT + 4], 3 * data.irrelevant)
    assert not x[:, IRRELEVANT + 4 :].any()


def test_classes_subclasses_and_irrelevant_features_are_independent_and_as_frequent_as_stated():
  data = signs(majority=0.75)
  n = len(data.labels)
  assert stats.binomtest(int(data.labels.sum()), n, 0.5).pvalue > 1e-3
  assert stats.binomtest(int(data.subclasses.sum()), n, 0.75).pvalue > 1e-3
  drawn = np.column_stack([data.labels, data.subclasses, data.irrelevant])
  correlations = np.corrcoef(drawn.T)[np.triu_indices(6, 1)]
  assert np.abs(correlations).max() < 4 / np.sqrt(n)
  assert np.abs(data.irrelevant.mean(0)).max() < 4 / np.sqrt(n)


@pytest.mark.parametrize('resample', [0.0, 0.3, 1.0])
def test_augmentation_decorrelates_irrelevant_features_alone(resample):
  data = signs(resample=resample)
  first, second = data.views[:, 0], data.views[:, 1]
  features = slice(IRRELEVANT, IRRELEVANT + 4)
  correlations = np.mean(first[:, features] * second[:, features], axis=0) / 4
  np.testing.assert_allclose(correlations, (1 - resample) ** 2, atol=4 / np.sqrt(20_000))
  np.testing.assert_array_equal(first[:, :IRRELEVANT], second[:, :IRRELEVANT])


def test_views_have_noise_of_their_own():
  data = subclasses(0, 4000, dim=8, noise=0.3)
  noise = data.views - subclasses(0, 4000, dim=8, noise=0.0).views
  assert stats.kstest(noise.ravel() / 0.3, 'norm').pvalue > 1e-3
  correlation = np.corrcoef(noise[:, 0].ravel(), noise[:, 1].ravel())[0, 1]
  assert abs(correlation) < 4 / np.sqrt(noise[:, 0].size)


@pytest.mark.parametrize(
  ('settings', 'begins'),
  [
    (dict(dim=4, n_irrelevant=2), 'dim must be at least 5, not 4'),
    (dict(dim=4, majority=1.5), r'majority must lie in \[0, 1\], not 1.5'),
    (dict(dim=4, resample=-0.1), r'resample must lie in \[0, 1\], not -0.1'),
  ],
)
def test_bad_arguments_are_named(settings, begins):
  with pytest.raises(ValueError, match=f'^{begins}$'):
    subclasses(0, 5, **settings)


# --- random bits --------------------------------------------------------------------------------


@pytest.mark.parametrize('shape', [(5, 4, 3, 2), (5, 2, 4, 3, 2), (5, 7)])
def test_bits_stand_beside_images_that_stay_as_they_are(shape):
  images = np.random.default_rng(0).integers(0, 255, shape).astype(np.uint8)
  found, bits = random_bits(images, 3, named_generator(0, 'bits'), high=255)
  assert found.shape == (*shape[:-1], shape[-1] + 3)
  assert found.dtype == np.uint8
  np.testing.assert_array_equal(found[..., : shape[-1]], images)
  planes = np.moveaxis(found[..., shape[-1] :], -1, 1).reshape(5, 3, -1)
  np.testing.assert_array_equal(planes, np.repeat(255 * bits[:, :, None], planes.shape[2], axis=2))


def test_bits_are_fair_and_independent():
  _, bits = random_bits(np.zeros((20_000, 1)), 6, named_generator(1, 'bits'))
  assert set(np.unique(bits)) == {0, 1}
  numbers = bits @ 2 ** np.arange(6)
  assert stats.chisquare(np.bincount(numbers, minlength=64)).pvalue > 1e-3
  following = np.corrcoef(bits[:-1].ravel(), bits[1:].ravel())[0, 1]
  assert abs(following) < 4 / np.sqrt(bits.size)


def test_fewer_bits_are_the_first_of_more():
  for few, many in ((0, 1), (1, 2), (3, 8)):
    _, one = random_bits(np.zeros((33, 1)), few, named_generator(2, 'bits'))
    _, other = random_bits(np.zeros((33, 1)), many, named_generator(2, 'bits'))
    np.testing.assert_array_equal(one, other[:, :few])


def test_no_bits_leave_the_images():
  images = np.ones((3, 2, 2, 1), np.float32)
  found, bits = random_bits(images, 0, named_generator(0, 'bits'))
  np.testing.assert_array_equal(found, images)
  assert bits.shape == (3, 0)
  with pytest.raises(ValueError, match='^n_bits must be at least 0, not -1$'):
    random_bits(images, -1, named_generator(0, 'bits'))
