"""Gradient coherence of real, half random and random labels: ImageNet, a ResNet-50 with GroupNorm.

The dataset `imagenet2012` of TFDS, prepared as array_record: images of different sizes, of which the
middle square is scaled. Where the images do not fit in memory they stay on disk, and every batch is
decoded when it is due; no augmentation, so that an example is the same at every step. All members have
the same batches, which are decoded once for all of them.

:smoke  2 small networks, 6 steps on 32 images of 32 x 32, streamed; the probe in chunks. For tests.
:cpu    2 ResNets of 4 blocks, 10,000 images of 64 x 64 in memory, m = 512, 2,000 steps of 64; not run.
:full   4 ResNet-50, 1,281,167 images of 224 x 224, streamed; 450,000 steps of 256 (90 epochs), nothing
        decayed but the learning rate; m = 50,000, in chunks of 500. For 4 GPUs or more, and a core for
        every 150 images a second; not run yet. The first start reads all records once, for the labels.
"""

from ml_collections import ConfigDict


def get_config(scale: str = 'cpu') -> ConfigDict:
  c = ConfigDict()
  c.seed = 0
  c.task = dict(name='imagenet2012', test_split='validation', label_noise=0.0)
  c.task.update(image_size=64, crop=0.875, n_train=10_000, n_test=2000, shared_order=True)
  c.model = dict(name='bottleneck_resnet', stages=(1, 1, 1, 1), width=32, groups=16)
  c.optimizer = dict(name='sgd', learning_rate=0.05, momentum=0.9, schedule='cosine')
  c.training = dict(total_steps=2000, batch_size=64, log_every=50, checkpoint_every=500)
  c.population = dict(size=2)
  c.probe = dict(size=512)
  c.evaluation = dict(per_decade=4, max_train_examples=2000, chunk_size=250)
  c.instruments = dict(coherence=dict(per_decade=6), noise_scale=dict(per_decade=6))
  if scale == 'smoke':
    c.task.update(image_size=32, n_train=32, n_test=12, streamed=True)
    c.model.update(stages=(1,), width=8, groups=4)
    c.training.update(total_steps=6, batch_size=8, log_every=2, checkpoint_every=2)
    c.probe.update(size=16, chunk_size=8)
    c.evaluation.chunk_size = 8
  elif scale == 'full':
    c.task.update(image_size=224, n_train=None, n_test=None)
    c.model = dict(name='bottleneck_resnet')
    c.optimizer.update(learning_rate=0.1, weight_decay=0.0, warmup_steps=25_000)
    c.training.update(total_steps=450_000, batch_size=256, checkpoint_every=5000)
    c.population.size = 4
    c.probe.update(size=50_000, chunk_size=500)
    c.evaluation.max_train_examples = 50_000
  elif scale != 'cpu':
    raise ValueError(f'no scale {scale!r}; choose smoke, cpu or full')
  return c


def sweep():
  """One run for each fraction of random labels."""
  return [{'task.label_noise': noise} for noise in (0.0, 0.5, 1.0)]
