import numpy as np
import pytest
from scipy import stats

from research.rngs import named_generator
from research.tasks import make_task
from research.tasks.corruptions import random_labels, shuffled


def clean(n, n_classes=10):
  return np.arange(n, dtype=np.int32) % n_classes


@pytest.mark.parametrize('fraction', [0.0, 0.1, 0.25, 0.333, 0.999, 1.0])
@pytest.mark.parametrize('n', [1, 7, 1000])
def test_exactly_the_fraction_is_redrawn(n, fraction):
  labels, is_corrupt = random_labels(clean(n), fraction, 10, named_generator(0, 'noise'))
  assert is_corrupt.sum() == round(fraction * n)
  assert is_corrupt.dtype == bool
  assert labels.dtype == np.int32


def test_the_others_keep_their_labels():
  labels, is_corrupt = random_labels(clean(5000), 0.5, 10, named_generator(0, 'noise'))
  np.testing.assert_array_equal(labels[~is_corrupt], clean(5000)[~is_corrupt])


def test_the_argument_is_left_as_it_is():
  labels = clean(100)
  random_labels(labels, 1.0, 10, named_generator(0, 'noise'))
  np.testing.assert_array_equal(labels, clean(100))


def test_redrawn_labels_are_uniform_and_independent_of_the_clean_ones():
  n, n_classes = 100_000, 10
  labels, is_corrupt = random_labels(clean(n), 0.6, n_classes, named_generator(0, 'noise'))
  table = np.zeros((n_classes, n_classes))  # [clean class, redrawn class]
  np.add.at(table, (clean(n)[is_corrupt], labels[is_corrupt]), 1)
  assert stats.chisquare(table.sum(0)).pvalue > 1e-3
  assert stats.chi2_contingency(table).pvalue > 1e-3
  # One in ten keeps its label; 600 is four standard deviations of that count.
  kept = np.sum(labels[is_corrupt] == clean(n)[is_corrupt])
  assert abs(kept - 6000) < 4 * np.sqrt(60_000 * 0.1 * 0.9)


def test_which_examples_are_redrawn_is_uniform():
  counts = sum(
    random_labels(clean(20), 0.3, 10, named_generator(seed, 'noise'))[1] for seed in range(2000)
  )
  # Without replacement the counts vary less than a multinomial's, by (1 - 0.3) n / (n - 1).
  statistic = np.sum((counts - 600) ** 2 / 600) / (0.7 * 20 / 19)
  assert 1e-3 < stats.chi2.sf(statistic, 19) < 1 - 1e-3


def test_noise_is_nested():
  small, was_corrupt = random_labels(clean(1000), 0.2, 10, named_generator(3, 'noise'))
  large, is_corrupt = random_labels(clean(1000), 0.7, 10, named_generator(3, 'noise'))
  assert is_corrupt[was_corrupt].all()
  np.testing.assert_array_equal(small[was_corrupt], large[was_corrupt])


@pytest.mark.parametrize('fraction', [-0.1, 1.5, float('nan')])
def test_a_fraction_outside_the_unit_interval_is_an_error(fraction):
  with pytest.raises(ValueError, match=rf'^fraction must lie in \[0, 1\], not {fraction}$'):
    random_labels(clean(10), fraction, 10, named_generator(0, 'noise'))


def test_all_images_are_shuffled_alike_and_keep_their_pixels():
  images = np.arange(2 * 4 * 5 * 3).reshape(2, 4, 5, 3)
  moved = shuffled(images)
  assert moved.shape == images.shape
  assert not np.array_equal(moved, images)
  np.testing.assert_array_equal(moved[1] - moved[0], 60)  # as everywhere before
  np.testing.assert_array_equal(moved[..., 1] - moved[..., 0], 1)  # channels stay together
  np.testing.assert_array_equal(np.sort(moved, axis=None), np.sort(images, axis=None))


def test_train_and_test_images_are_shuffled_alike():
  plain, task = make_task(), make_task(shuffle_pixels=True)
  for name in ('train', 'test'):
    split = getattr(plain, name)
    np.testing.assert_array_equal(getattr(task, name).inputs, shuffled(split.inputs))
    np.testing.assert_array_equal(getattr(task, name).labels, split.labels)
