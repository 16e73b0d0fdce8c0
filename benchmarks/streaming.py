"""`python -m benchmarks.streaming`: what it costs to train on images that stay on disk.

Two tables, on a set of JPEGs of 500 x 375 pixels that TFDS prepares in a temporary folder, scaled to
224 x 224: images per second, read and decoded by so many threads; and the training step in memory and
streamed, with the share of the streamed one that the devices wait for images. On a CPU, what decodes
and what trains share the cores. Versions are interleaved in one process; each figure is a median.
"""

import argparse
import io
import os
import tempfile
import time
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec
from PIL import Image

from benchmarks.timing import medians
from research import settings
from research.losses import make_losses
from research.models import make_model
from research.optimizers import make_optimizer
from research.population import Population
from research.sharding import make_mesh
from research.streams import Stream
from research.tasks import make_task

SIZE, BATCH, N_IMAGES = 224, 32, 256
MODELS = {
  'MLP 150,528-16-1000': dict(name='mlp', widths=(16,)),
  'ResNet of 4 bottlenecks, width 16': dict(
    name='bottleneck_resnet', stages=(1, 1, 1, 1), width=16, groups=8
  ),
}


def prepare(folder: str) -> None:
  """Images of about ImageNet's size, in pixels and in bytes (110 kB), as array_record."""
  import tensorflow_datasets as tfds

  class Photographs(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    VERSION = tfds.core.Version('1.0.0')

    def _info(self):
      image = tfds.features.Image(encoding_format='jpeg')
      features = {'image': image, 'label': tfds.features.ClassLabel(num_classes=1000)}
      return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

    def _split_generators(self, dl_manager):
      return {'train': self._generate_examples(N_IMAGES), 'test': self._generate_examples(BATCH)}

    def _generate_examples(self, n):
      generator = np.random.default_rng(n)
      for number in range(n):
        coarse = Image.fromarray(generator.integers(256, size=(75, 100, 3), dtype=np.uint8))
        smooth = np.asarray(coarse.resize((500, 375), Image.Resampling.BICUBIC), np.int16)
        noisy = (smooth + generator.integers(-12, 13, size=smooth.shape)).clip(0, 255)
        file = io.BytesIO()
        Image.fromarray(noisy.astype(np.uint8)).save(file, 'JPEG', quality=85)
        file.seek(0)
        yield number, {'image': file, 'label': int(generator.integers(1000))}

  Photographs(data_dir=folder, file_format='array_record').download_and_prepare()


def reading(task, n_threads: int) -> Callable:
  """Reads two batches, the first of an epoch, from nothing."""
  place = NamedSharding(make_mesh(1, 1, jax.devices()[:1]), PartitionSpec())
  rows = lambda step: task.batch_indices(0, step, BATCH)  # noqa: E731

  def call():
    stream = Stream(task.train.inputs, rows, place, n_steps=2, n_threads=n_threads)
    for step in range(2):
      stream(step)
    stream.close()

  return call


def training(task, model: dict) -> tuple[Callable, list[float]]:
  """One step after another, and the seconds for which each waited for its images."""
  network = make_model(task.n_classes, **model)
  population: Any = Population(
    task,
    network,
    make_losses(network.apply),
    make_optimizer(10**6, learning_rate=1e-3),
    {},
    seed=0,
    batch_size=BATCH,
    members=settings.Population(size=1),
    probe=settings.Probe(size=BATCH),
    evaluation=settings.Evaluation(max_train_examples=BATCH),
    devices=jax.devices()[:1],
  )
  waited, step, state = [], 0, population.init()
  if task.streamed:
    batches: Any = population._batches

    def timed(step):
      started = time.perf_counter()
      inputs = jax.block_until_ready(batches(step))
      waited.append(time.perf_counter() - started)
      return inputs

    population._batches = timed

  def call():
    nonlocal state, step
    state, metrics = population.step(state, step)
    jax.block_until_ready(metrics)
    step += 1

  return call, waited


def main():
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument('--rounds', type=int, default=7)
  parser.add_argument('--patience', type=float, default=60.0, help='seconds to wait for calm')
  options = parser.parse_args()
  with tempfile.TemporaryDirectory() as folder:
    os.environ['GENLAB_CACHE'] = f'{folder}/cache'
    prepare(folder)
    section: dict[str, Any] = dict(image_size=SIZE, crop=0.875, data_dir=folder)
    memory, disk = (make_task('photographs', streamed=s, **section) for s in (False, True))
    threads = sorted({1, 2, os.cpu_count() or 1})
    calls = {f'{n}': reading(disk, n) for n in threads}
    times, disturbed = medians(calls, options.rounds, options.patience)
    print(f'{jax.devices()[0].device_kind}, jax {jax.__version__}, {os.cpu_count()} cores\n')
    print('| threads | images per second |\n|---|---|')
    for n, milliseconds in times.items():
      print(f'| {n} | {2 * BATCH / milliseconds * 1e3:.0f} |')
    print(f'\n{disturbed:.0%} of the timings were disturbed by other processes.\n')
    print(
      '| model, batch | ms in memory | ms streamed | ratio | share waited |\n|---|---|---|---|---|'
    )
    for name, model in MODELS.items():
      (here, _), (there, waited) = training(memory, model), training(disk, model)
      calls = {'memory': here, 'disk': there}
      times, disturbed = medians(calls, options.rounds, options.patience)
      share = 1e3 * float(np.median(waited)) / times['disk']
      ratio = times['disk'] / times['memory']
      figures = f'{times["memory"]:.0f} | {times["disk"]:.0f} | {ratio:.2f} | {share:.0%}'
      print(f'| {name}, {BATCH} | {figures} |')
    print(f'\n{disturbed:.0%} of the timings were disturbed by other processes.')


if __name__ == '__main__':
  main()
