"""Images on disk read like an array in memory, and what cannot be read is named."""

import io

import numpy as np
import pytest
from PIL import Image

from research.tasks import BrokenRecord, StoredImages, images, make_task, tfds
from research.tasks.stored import decoded

SECTION = dict(name='imagenet2012', test_split='validation', image_size=32, crop=0.875)


def file(pixels, kind='PNG', **options):
  encoded = io.BytesIO()
  Image.fromarray(pixels).save(encoded, kind, **options)
  return encoded.getvalue()


def pixels(height, width, channels=3, seed=0):
  shape = (height, width, channels) if channels > 1 else (height, width)
  return np.random.default_rng(seed).integers(256, size=shape, dtype=np.uint8)


def stored(records, shape=(8, 8, 3), crop=1.0, rows=None):
  rows = range(len(records)) if rows is None else rows
  return StoredImages(records.__getitem__, rows, (len(rows), *shape), crop, 'train of toy in /data')


def test_an_image_of_the_right_size_is_left_as_it_is():
  image = pixels(8, 8)
  np.testing.assert_array_equal(decoded(file(image), (8, 8, 3), 1.0), image)
  grey = pixels(5, 9, 1)
  np.testing.assert_array_equal(decoded(file(grey), (5, 9, 1), 1.0), grey[..., None])


def test_grey_and_colour_become_what_is_asked_for():
  grey = pixels(8, 8, 1)
  np.testing.assert_array_equal(decoded(file(grey), (8, 8, 3), 1.0), np.stack([grey] * 3, axis=-1))
  assert decoded(file(pixels(8, 8)), (8, 8, 1), 1.0).shape == (8, 8, 1)
  palette = Image.fromarray(pixels(8, 8)).convert('P')
  encoded = io.BytesIO()
  palette.save(encoded, 'PNG')
  expected = np.asarray(palette.convert('RGB'))
  np.testing.assert_array_equal(decoded(encoded.getvalue(), (8, 8, 3), 1.0), expected)


@pytest.mark.parametrize(('height', 'width'), [(20, 40), (40, 20), (20, 20), (21, 41)])
def test_the_middle_square_is_taken(height, width):
  image = pixels(height, width)
  top, left = (height - min(height, width)) // 2, (width - min(height, width)) // 2
  side = min(height, width)
  middle = image[top : top + side, left : left + side]
  got = decoded(file(image), (side, side, 3), 1.0)
  np.testing.assert_array_equal(got, middle)


def test_crop_is_a_share_of_the_shorter_side():
  image = pixels(16, 24)
  np.testing.assert_array_equal(decoded(file(image), (8, 8, 3), 0.5), image[4:12, 8:16])


def test_scaling_keeps_constant_images_and_means():
  constant = np.full((33, 57, 3), 77, np.uint8)
  np.testing.assert_array_equal(decoded(file(constant), (8, 8, 3), 0.875), 77)
  image = pixels(64, 64)
  means = decoded(file(image), (8, 8, 3), 1.0).mean(axis=(0, 1)) - image.mean(axis=(0, 1))
  np.testing.assert_array_less(np.abs(means), 3)


@pytest.mark.parametrize('size', [1, 7, 224])
def test_any_image_fits_any_size(size):
  for height, width in ((1, 1), (1, 300), (3, 7), (333, 500), (12, 12)):
    for crop in (1.0, 0.875, 0.01):
      assert decoded(file(pixels(height, width)), (size, size, 3), crop).shape == (size, size, 3)


def test_stored_images_read_like_an_array():
  whole = np.stack([pixels(8, 8, seed=i) for i in range(40)])
  records = [(file(image), i % 3) for i, image in enumerate(whole)]
  array = stored(records)
  assert (array.shape, array.dtype, array.ndim, len(array)) == ((40, 8, 8, 3), np.uint8, 4, 40)
  for rows in (slice(None), slice(3), slice(30, 37), np.array([5, 0, 39, 5]), np.array([], int)):
    np.testing.assert_array_equal(array[rows], whole[rows])
  np.testing.assert_array_equal(array.labels(3), np.arange(40) % 3)
  some = stored(records, rows=np.array([7, 30, 2]))
  np.testing.assert_array_equal(some[1:], whole[[30, 2]])
  np.testing.assert_array_equal(some.labels(3), [1, 0, 2])


@pytest.mark.parametrize('damage', ['truncated', 'empty', 'no image'])
def test_a_broken_image_is_named(damage):
  jpeg = file(pixels(40, 40), 'JPEG')
  broken = {'truncated': jpeg[: len(jpeg) // 2], 'empty': b'', 'no image': b'hello' * 50}[damage]
  array = stored([(jpeg, 0), (jpeg, 0), (broken, 0)], rows=np.array([0, 2]))
  np.testing.assert_array_equal(array.labels(1), [0, 0])  # needs no image
  said = '^record 2 of train of toy in /data holds no image that can be decoded: '
  for read in (lambda: array.read(1), lambda: array[:]):
    with pytest.raises(BrokenRecord, match=said):
      read()


@pytest.mark.parametrize('label', [-1, 3, 2**40])
def test_a_label_that_is_no_class_is_named(label):
  array = stored([(b'', 0), (b'', label)])
  said = rf'^record 1 of train of toy in /data has the label {label}, which must lie in \[0, 2\]$'
  with pytest.raises(BrokenRecord, match=said):
    array.labels(3)


def test_a_record_that_is_not_there_is_named():
  array = stored([(b'', 0)], rows=np.array([0, 9]))
  said = '^record 9 of train of toy in /data cannot be read: list index out of range$'
  for read in (lambda: array.read(1), lambda: array.labels(3)):
    with pytest.raises(BrokenRecord, match=said):
      read()


def test_streamed_or_in_memory_a_task_is_the_same(imagenet):
  here, there = (make_task(**SECTION, streamed=s, data_dir=str(imagenet)) for s in (False, True))
  assert (here.streamed, there.streamed) == (False, True)
  assert (len(there.train), len(there.test), there.n_classes) == (32, 12, 1000)
  np.testing.assert_array_equal(here.mean, there.mean)
  np.testing.assert_array_equal(here.std, there.std)
  for part in ('train', 'test'):
    a, b = getattr(here, part), getattr(there, part)
    np.testing.assert_array_equal(a.inputs, b.inputs[:])
    np.testing.assert_array_equal(a.labels, b.labels)
  for step in (0, 7, 1000):
    a, b = (task.batch(3, step, 8) for task in (here, there))
    np.testing.assert_array_equal(a['inputs'], b['inputs'])
    np.testing.assert_array_equal(a['labels'], b['labels'])


def test_images_are_scaled_as_the_section_says(imagenet):
  task = make_task(**SECTION, streamed=True, data_dir=str(imagenet))
  for row in (0, 31):
    encoded, label = task.train.inputs.read_record(row)
    expected = decoded(encoded, (32, 32, 3), 0.875)
    np.testing.assert_array_equal(task.train.inputs.read(row), expected)
    assert task.train.labels[row] == label


def test_a_set_of_one_size_may_be_streamed_too(data_dir, toy_images, monkeypatch):
  monkeypatch.setattr(images, 'SAMPLE', 10)  # nothing is scaled: the statistics are those of all
  pixels, labels = toy_images
  task = make_task('toy', data_dir=str(data_dir), n_train=30, streamed=True)
  assert task.streamed
  np.testing.assert_array_equal(task.train.inputs[:], pixels[:30])
  np.testing.assert_array_equal(task.train.labels, labels[:30])
  whole = make_task('toy', data_dir=str(data_dir), n_train=30)
  np.testing.assert_array_equal(whole.mean, task.mean)
  np.testing.assert_array_equal(whole.std, task.std)


@pytest.mark.parametrize(
  ('bytes_in_memory', 'streamed'), [(44 * 3072, False), (44 * 3072 - 1, True)]
)
def test_what_does_not_fit_in_memory_is_streamed(imagenet, monkeypatch, bytes_in_memory, streamed):
  monkeypatch.setattr(images, 'IN_MEMORY', bytes_in_memory)
  assert make_task(**SECTION, data_dir=str(imagenet)).streamed is streamed
  assert make_task(**SECTION, streamed=False, data_dir=str(imagenet)).streamed is False


def test_statistics_are_those_of_the_first_images(imagenet, monkeypatch):
  monkeypatch.setattr(images, 'SAMPLE', 10)
  task = make_task(**SECTION, data_dir=str(imagenet))
  first = task.train.inputs[:10].reshape(-1, 3).astype(np.float64)
  np.testing.assert_allclose(task.mean, first.mean(axis=0), rtol=1e-6)
  np.testing.assert_allclose(task.std, first.std(axis=0), rtol=1e-6)


def test_labels_are_kept_and_no_record_is_read_again_for_them(imagenet, monkeypatch):
  dataset = tfds.find('imagenet2012', str(imagenet), any_size=True)
  _, labels = tfds.stored(dataset, 'train', range(4, 20), (32, 32), 1.0)
  monkeypatch.setattr(StoredImages, 'labels', lambda *_: pytest.fail('labels were read again'))
  _, kept = tfds.stored(dataset, 'train', range(4, 20), (8, 8), 0.5)
  np.testing.assert_array_equal(kept, labels)
  with pytest.raises(pytest.fail.Exception, match='read again'):
    tfds.stored(dataset, 'train', range(4, 21), (32, 32), 1.0)


@pytest.mark.parametrize(
  ('section', 'message'),
  [
    (
      {'image_size': None},
      'image_size must be given for imagenet2012, whose images differ in size',
    ),
    ({'image_size': 0}, 'image_size must be positive, not 0'),
    ({'crop': 0.0}, r'crop must lie in \(0, 1\], not 0.0'),
    ({'crop': 1.01}, r'crop must lie in \(0, 1\], not 1.01'),
    ({'crop': float('nan')}, r'crop must lie in \(0, 1\], not nan'),
    ({'streamed': True, 'shuffle_pixels': True}, 'shuffle_pixels must be false where .*'),
    ({'order_seed': -1}, 'order_seed must not be negative, not -1'),
  ],
)
def test_what_cannot_be_is_refused(imagenet, section, message):
  with pytest.raises(ValueError, match=f'^{message}$'):
    make_task(**{**SECTION, **section}, data_dir=str(imagenet))


@pytest.mark.parametrize('key', ['image_size', 'crop', 'streamed'])
def test_digits_stay_as_they_are(key):
  value = {'image_size': 4, 'crop': 0.5, 'streamed': True}[key]
  with pytest.raises(ValueError, match=f'^{key} must .* digits, which is not stored as uint8'):
    make_task('digits', **{key: value})


def test_an_order_may_be_shared():
  kept, free = make_task('digits', shared_order=True, order_seed=4), make_task('digits')
  for step in (0, 50, 1000):
    expected = free.batch_indices(4, step, 32)
    for seed in (0, 1, 4):
      np.testing.assert_array_equal(kept.batch_indices(seed, step, 32), expected)
