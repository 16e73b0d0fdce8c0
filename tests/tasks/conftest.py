"""A small dataset written as TFDS would, and the real ones where GENLAB_DATA_DIR has them."""

import io
import json
import os
from pathlib import Path

import numpy as np
import pytest
from array_record.python import array_record_module
from PIL import Image

N_TRAIN, N_TEST, N_CLASSES = 40, 10, 3


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
  """Each test has a cache folder of its own, empty and not yet made."""
  folder = tmp_path / 'cache'
  monkeypatch.setenv('GENLAB_CACHE', str(folder))
  return folder


@pytest.fixture
def real_data(tmp_path_factory, monkeypatch):
  """The folder of the real datasets; what is decoded from it is kept for the session."""
  folder = os.environ.get('GENLAB_DATA_DIR')
  if not folder or not Path(folder, 'mnist').is_dir():
    pytest.skip('GENLAB_DATA_DIR does not name a folder where mnist is prepared')
  monkeypatch.setenv('GENLAB_CACHE', str(tmp_path_factory.getbasetemp() / 'cache'))
  return folder


@pytest.fixture
def toy_images():
  """The images [50, 6, 5, 3] and labels of the dataset below: 40 train, then 10 test."""
  generator = np.random.default_rng(0)
  images = generator.integers(256, size=(N_TRAIN + N_TEST, 6, 5, 3)).astype(np.uint8)
  return images, generator.integers(N_CLASSES, size=N_TRAIN + N_TEST).astype(np.int32)


@pytest.fixture
def data_dir(tmp_path, monkeypatch, toy_images):
  """A folder where the dataset `toy`, 1.0.0, is prepared; no other is the default."""
  from tensorflow_datasets.proto import tf_example_pb2  # not at the top: 0.5 seconds

  monkeypatch.delenv('GENLAB_DATA_DIR', raising=False)
  monkeypatch.delenv('TFDS_DATA_DIR', raising=False)
  monkeypatch.setenv('HOME', str(tmp_path / 'home'))
  folder = tmp_path / 'data' / 'toy' / '1.0.0'
  folder.mkdir(parents=True)
  images, labels = toy_images
  for split, rows in (('train', range(N_TRAIN)), ('test', range(N_TRAIN, N_TRAIN + N_TEST))):
    path = folder / f'toy-{split}.array_record-00000-of-00001'
    writer = array_record_module.ArrayRecordWriter(str(path), 'group_size:1')
    for row in rows:
      png, example = io.BytesIO(), tf_example_pb2.Example()
      Image.fromarray(images[row]).save(png, 'PNG')
      example.features.feature['image'].bytes_list.value.append(png.getvalue())
      example.features.feature['label'].int64_list.value.append(labels[row])
      writer.write(example.SerializeToString())
    writer.close()
  write_metadata(folder)
  return tmp_path / 'data'


def write_metadata(folder, *, file_format='array_record', dimensions=(6, 5, 3), sizes=None):
  """(Re)writes what TFDS says about a dataset; the name and version are those of the folder."""
  core = 'tensorflow_datasets.core.features'
  image = {'shape': {'dimensions': [str(d) for d in dimensions]}, 'dtype': 'uint8'}
  features = {
    'image': {'pythonClassName': f'{core}.image_feature.Image', 'image': image},
    'label': {
      'pythonClassName': f'{core}.class_label_feature.ClassLabel',
      'classLabel': {'numClasses': str(N_CLASSES)},
    },
  }
  splits = [
    {
      'name': name,
      'shardLengths': [str(size)],
      'numBytes': '1',
      'filepathTemplate': '{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}',
    }
    for name, size in (sizes or {'train': N_TRAIN, 'test': N_TEST}).items()
  ]
  info = {'name': folder.parent.name, 'version': folder.name, 'splits': splits}
  (folder / 'dataset_info.json').write_text(json.dumps(info | {'fileFormat': file_format}))
  wrapped = {
    'pythonClassName': f'{core}.features_dict.FeaturesDict',
    'featuresDict': {'features': features},
  }
  (folder / 'features.json').write_text(json.dumps(wrapped))


@pytest.fixture
def rewrite_metadata(data_dir):
  """`rewrite_metadata(dimensions=...)` changes what is said of `toy`; see write_metadata."""
  return lambda **changes: write_metadata(data_dir / 'toy' / '1.0.0', **changes)


@pytest.fixture(scope='session')
def imagenet(tmp_path_factory):
  """A folder with a small `imagenet2012` of the real one's features, which TFDS itself prepares.

  32 train and 12 validation images of 24 to 70 pixels a side: JPEGs, but for one PNG and one in grey.
  """
  import tensorflow_datasets as tfds

  def image(number, generator):
    height, width = generator.integers(24, 70, size=2)
    # Smooth, so that compression leaves it recognizable: a colour for each corner, mixed.
    pixels = Image.fromarray(generator.integers(256, size=(2, 2, 3), dtype=np.uint8))
    pixels = pixels.resize((int(width), int(height)), Image.Resampling.BILINEAR)
    file = io.BytesIO()
    pixels = pixels.convert('L') if number == 5 else pixels
    pixels.save(file, 'PNG' if number == 3 else 'JPEG')
    file.seek(0)
    return file

  class Imagenet2012(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    VERSION = tfds.core.Version('5.1.0')

    def _info(self):
      features = {
        'image': tfds.features.Image(encoding_format='jpeg'),
        'label': tfds.features.ClassLabel(num_classes=1000),
        'file_name': tfds.features.Text(),
      }
      return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

    def _split_generators(self, dl_manager):
      return {'train': self._generate_examples(32), 'validation': self._generate_examples(12)}

    def _generate_examples(self, n):
      generator = np.random.default_rng(n)
      for number in range(n):
        label = int(generator.integers(1000))
        file = image(number, generator)
        yield number, {'image': file, 'label': label, 'file_name': f'{number}.JPEG'}

  folder = tmp_path_factory.mktemp('imagenet')
  Imagenet2012(data_dir=str(folder), file_format='array_record').download_and_prepare()
  return folder
