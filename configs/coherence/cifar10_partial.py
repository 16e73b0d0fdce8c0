"""Gradient coherence of real, half random and random labels: part of CIFAR-10, a CNN.

Two of the five training batches of CIFAR-10, and its first 1,000 test images (split `test1k`): an
accuracy on these has a standard error of 1.5 points, and none compares with published numbers. What
it shows: a CNN's gradients stay coherent for long on real labels, and random ones have a high hump.

:smoke  2 networks, 10 steps on 128 images; seconds. For tests.
:cpu    3 CNNs 32-64-64, n = 2,000, m = 500, 3,000 steps of 64; the three runs of `sweep()` take 27
        minutes together on 2 busy CPU cores. Expect 49 % on test1k with real labels, m-coherence
        over the first three epochs of 5.1 (real), 2.7 and 1.9 (random), and a hump of 20 (real) and
        12 (random): three networks are too few to show the claims.
:full   8 WideResNets 16-4 with GroupNorm, 20,000 images, 80,000 steps of 128, no augmentation, no
        weight decay; m = 10,000. For a GPU; not run yet.
"""

from ml_collections import ConfigDict


def get_config(scale: str = 'cpu') -> ConfigDict:
  c = ConfigDict()
  c.seed = 0
  c.task = dict(name='cifar10_partial', n_train=2_000, test_split='test1k', label_noise=0.0)
  c.model = dict(name='cnn', widths=(32, 64, 64))
  c.optimizer = dict(name='sgd', learning_rate=0.05, momentum=0.9, schedule='cosine')
  c.training = dict(total_steps=3000, batch_size=64, log_every=100, checkpoint_every=500)
  c.population = dict(size=3)
  c.probe = dict(size=500)
  c.evaluation = dict(per_decade=6, max_train_examples=2000)
  c.instruments = dict(coherence=dict(per_decade=8), noise_scale=dict(per_decade=8))
  if scale == 'smoke':
    c.task.update(n_train=128, n_test=100)
    c.model.widths = (4, 4)
    c.training.update(total_steps=10, batch_size=16, log_every=5, checkpoint_every=5)
    c.population.size = 2
    c.probe.size = 16
  elif scale == 'full':
    c.task.n_train = 20_000
    c.model = dict(name='resnet', depth=16, width=4)
    c.optimizer.update(learning_rate=0.1, weight_decay=0.0)
    c.training.update(total_steps=80_000, batch_size=128, checkpoint_every=5000)
    c.population.size = 8
    c.probe.size = 10_000
    c.evaluation.max_train_examples = 10_000
  elif scale != 'cpu':
    raise ValueError(f'no scale {scale!r}; choose smoke, cpu or full')
  return c


def sweep():
  """One run for each fraction of random labels."""
  return [{'task.label_noise': noise} for noise in (0.0, 0.5, 1.0)]
