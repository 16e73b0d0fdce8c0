"""Image classification datasets of TFDS, in memory or on disk, without TensorFlow.

A dataset must be prepared as array_record: TensorFlow does that once, and is not needed again.
What a folder holds is read from its JSON files, so that whatever is missing or unsuitable is known
before anything heavy is imported; tensorflow_datasets itself is imported only to decode.
"""

import hashlib
import json
import os
import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from research.annotations import nearest
from research.tasks.cache import cached
from research.tasks.selection import Rows
from research.tasks.split import Split
from research.tasks.stored import MODES, Record, StoredImages

NAMES = (  # of tasks, to hint at
  *('digits', 'slabs', 'dominoes', 'colored_mnist', 'moons'),
  *('mnist', 'fashion_mnist', 'kmnist', 'cifar10', 'cifar100', 'svhn_cropped'),
)
_DECODING = 1  # part of the cache key; raise it when what `_decode` returns changes


class MissingDataset(FileNotFoundError):
  """The dataset is not prepared where it was looked for; the message says how to prepare it."""


@dataclass(frozen=True)
class Prepared:
  """A dataset prepared in a folder, as its metadata describe it."""

  name: str
  folder: Path  # DATA_DIR/NAME/VERSION
  splits: dict[str, int]  # how many examples each holds
  shape: tuple[int, ...]  # of one image, [height, width, C]; height and width -1 if they vary
  dtype: str
  n_classes: int


def find(name: str, data_dir: str | None = None, *, any_size: bool = False) -> Prepared:
  """The latest prepared version of a dataset, `'mnist'` or `'name/config'`.

  It is looked for in data_dir, else `$GENLAB_DATA_DIR`, else where TFDS looks: `$TFDS_DATA_DIR`,
  else `~/tensorflow_datasets`.

  Raises:
    MissingDataset: it is not there, or not as array_record.
    ValueError: it is not one of images, of a fixed size unless `any_size`, with class labels.
  """
  root = Path(
    data_dir
    or os.environ.get('GENLAB_DATA_DIR')
    or os.environ.get('TFDS_DATA_DIR')
    or '~/tensorflow_datasets'
  ).expanduser()
  versions = [
    folder.parent
    for folder in (root / name).glob('*/dataset_info.json')
    if re.fullmatch(r'\d+\.\d+\.\d+', folder.parent.name)
  ]
  if not versions:
    raise MissingDataset(_how_to_prepare(name, root))
  folder = max(versions, key=lambda folder: tuple(map(int, folder.name.split('.'))))
  info = json.loads((folder / 'dataset_info.json').read_text())
  if info.get('fileFormat') != 'array_record':
    raise MissingDataset(_how_to_prepare(name, root, info.get('fileFormat', 'tfrecord')))
  features = json.loads((folder / 'features.json').read_text())
  features = features.get('featuresDict', {}).get('features', {})
  image = features.get('image', {}).get('image', {})
  n_classes = features.get('label', {}).get('classLabel', {}).get('numClasses')
  shape = tuple(map(int, image.get('shape', {}).get('dimensions', ())))
  dtype = image.get('dtype')
  varies = len(shape) == 3 and shape[:2] == (-1, -1) and shape[2] in MODES and dtype == 'uint8'
  fits = (any_size and varies) or (len(shape) == 3 and min(shape) > 0)
  if not fits or dtype not in ('uint8', 'float32') or not n_classes:
    raise ValueError(
      f"name must be that of a dataset whose feature 'image' is an image of fixed size, uint8 or "
      f"float32, and whose feature 'label' is a class; {name} has {_described(features)}"
    )
  shards = {split['name']: [*map(int, split['shardLengths'])] for split in info['splits']}
  for split, lengths in shards.items():
    files = folder.glob(f'*-{split}.array_record-*-of-{len(lengths):05d}')
    n_files = sum(path.stat().st_size > 0 for path in files)
    if n_files != len(lengths):
      problem = f'of {name}, {folder} holds {n_files} of the {len(lengths)} files of split {split}'
      raise MissingDataset(_prepare(problem, name, root))
  splits = {split: sum(lengths) for split, lengths in shards.items()}
  return Prepared(name, folder, splits, shape, dtype, int(n_classes))


def load(name: str, split: str, data_dir: str | None = None) -> tuple[Split, int]:
  """A split of a dataset, in the order of its records, and the number of classes.

  TFDS shuffled the records when it prepared them, so the first n examples are a random sample.
  Decoded once (MNIST's 60,000 train images: 4 seconds), then read from the cache (0.1 seconds).

  Raises:
    MissingDataset, ValueError: as in `find`, or there is no such split, or its files are damaged.
  """
  dataset = find(name, data_dir)
  if split not in dataset.splits:
    raise ValueError(f'split must be one of {", ".join(dataset.splits)}, not {split!r}')
  return cached(_key(dataset, split), lambda: _decode(dataset, split)), dataset.n_classes


def stored(
  dataset: Prepared, split: str, rows: Rows, size: tuple[int, int], crop: float
) -> tuple[StoredImages, np.ndarray]:
  """Rows of a split as images on disk, scaled to (height, width), and their labels, int32 [n].

  For the labels every record is read once, then they are kept in the cache: 140 GB of ImageNet's
  records take as long as the disk takes to read them, at least two minutes.

  Raises:
    BrokenRecord: a record cannot be read, or its label is none of the classes.
  """
  shape = (len(rows), *size, dataset.shape[2])
  source = f'{split} of {dataset.name} in {dataset.folder}'
  images = StoredImages(_records(dataset, split), rows, shape, crop, source)

  def read_labels():
    nothing = np.empty((len(rows), 0), np.uint8)  # the images stay where they are
    return Split(nothing, images.labels(dataset.n_classes))

  which = hashlib.sha256(np.asarray(rows, np.int64).tobytes()).hexdigest()
  return images, cached(_key(dataset, f'{split}-labels', which), read_labels).labels


def _key(dataset: Prepared, what: str, *details: str) -> str:
  """The name of a cache file, another one once the dataset is prepared anew."""
  files = sorted(path for path in dataset.folder.iterdir() if path.is_file())
  source = [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in files]
  fingerprint = hashlib.sha256(repr((_DECODING, source, *details)).encode()).hexdigest()[:16]
  return f'{dataset.name.replace("/", "-")}-{dataset.folder.name}-{what}-{fingerprint}'


def _records(dataset: Prepared, split: str) -> Callable[[int], Record]:
  """Reads a record by its number; for any number of threads at once."""
  import tensorflow_datasets
  from tensorflow_datasets.proto import tf_example_pb2

  builder = tensorflow_datasets.builder_from_directory(str(dataset.folder))
  raw = tensorflow_datasets.decode.DeserializeMethod.RAW_BYTES
  source = builder.as_data_source(split, deserialize_method=raw)  # pyright: ignore[reportCallIssue]

  def record(number: int) -> Record:
    # TFDS's own parser takes 0.3 milliseconds for what this does in 0.02, one thread at a time.
    example = tf_example_pb2.Example()  # pyright: ignore[reportAttributeAccessIssue]
    example.ParseFromString(source[number])
    features = example.features.feature
    return features['image'].bytes_list.value[0], features['label'].int64_list.value[0]

  return record


def _decode(dataset: Prepared, split: str) -> Split:
  import tensorflow_datasets
  from absl import logging

  verbosity = logging.get_verbosity()
  logging.set_verbosity(logging.ERROR)  # or TFDS recommends OpenCV, for what is done but once
  inputs = np.empty((dataset.splits[split], *dataset.shape), dataset.dtype)
  labels = np.empty(len(inputs), np.int32)
  try:
    builder = tensorflow_datasets.builder_from_directory(str(dataset.folder))
    source = builder.as_data_source(split)  # pyright: ignore[reportCallIssue] (it is decorated)
    if len(source) != len(inputs):
      raise ValueError(f'{len(source)} examples are there, not {len(inputs)}')
    for start in range(0, len(inputs), 4096):  # records are bulky once they are Python objects
      rows = range(start, min(start + 4096, len(inputs)))
      for row, record in zip(rows, source.__getitems__(rows), strict=True):
        if record['image'].shape != dataset.shape:
          raise ValueError(f'image {row} is {record["image"].shape}, not {dataset.shape}')
        inputs[row], labels[row] = record['image'], record['label']
  except Exception as error:  # of array_record, Pillow or protobuf: whatever damaged files raise
    problem = f'split {split} of {dataset.name} in {dataset.folder} is damaged: {error}'
    raise MissingDataset(_prepare(problem, dataset.name, dataset.folder.parents[1])) from error
  finally:
    logging.set_verbosity(verbosity)
  return Split(inputs, labels)


def _described(features: dict) -> str:
  described = []
  for name, feature in sorted(features.items()):
    kind, image = feature.get('pythonClassName', '').split('.')[-1], feature.get('image', {})
    shape = ' x '.join(image.get('shape', {}).get('dimensions', ()))
    described.append(f'{name} ({" ".join(filter(None, (kind, shape, image.get("dtype"))))})')
  return ', '.join(described) or 'no features by name'


def _how_to_prepare(name: str, root: Path, found_as: str | None = None) -> str:
  """One line: what is not there, what is, and the command that makes it so."""
  if found_as:
    problem = f'{name} is prepared in {root} as {found_as}, which only TensorFlow can read'
    root = Path(f'{root}_array_record')  # TFDS prepares a dataset once in a folder
  else:
    found = {
      str(path.parent.parent.relative_to(root))
      for pattern in ('*/*/dataset_info.json', '*/*/*/dataset_info.json')
      for path in root.glob(pattern)
    }
    near = nearest(name, [*found, *NAMES])
    hint = f'; did you mean {near!r}?' if near not in (None, name) else ''
    listed = ', '.join(sorted(found)) or 'nothing'
    problem = f'{name} is not prepared in {root} (found there: {listed}{hint})'
  return _prepare(problem, name, root)


def _prepare(problem: str, name: str, root: Path) -> str:
  return (
    f'{problem}; prepare it with `pip install tensorflow tensorflow-datasets && tfds build {name} '
    f'--file_format=array_record --data_dir={shlex.quote(str(root))}`, and name the folder with '
    '--data_dir or GENLAB_DATA_DIR'
  )
