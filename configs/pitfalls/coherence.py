"""Coherence meets simplicity: is the feature that is learned the one whose gradients agree?

Per-block coherence of the gradient of the first layer, and reliance on each block, through training,
on the training examples. Pairs of slab features, one simple coordinate beside many complex ones:
`linear_slab3`, `linear_slab5`, `slab3_slab5`, `slab5_slab7`; and two halves of an image,
`mnist_fashion` and `mnist_cifar`.

:smoke  2 networks, 6 steps. For tests.
:cpu    20 dimensions, n = 20,000, 5 MLPs 20-100-100-2, SGD at 0.3 in batches of 256, 3,000 steps
        (images: n = 3,000, d-100-100-2, 300 steps of 64); m = 3,000. The six runs took 5
        minutes on 2 CPU cores beside other work.
:full   50 dimensions, n = 100,000, m = 10,000, 10 networks, 20,000 steps. Not run yet.
"""

from ml_collections import ConfigDict

PAIRS = {
  'linear_slab3': ('linear', 'slab3'),
  'linear_slab5': ('linear', 'slab5'),
  'slab3_slab5': ('slab3', 'slab5'),
  'slab5_slab7': ('slab5', 'slab7'),
}


def get_config(scale: str = 'cpu') -> ConfigDict:
  c = ConfigDict()
  c.seed = 0
  c.task = dict(name='slabs', counts=(1, 19), n_train=20_000, n_test=2_000)
  c.model = dict(name='mlp', widths=(100, 100), initialization='fan_in')
  c.optimizer = dict(name='sgd', learning_rate=0.3)
  c.training = dict(total_steps=3_000, batch_size=256, checkpoint_every=10_000)
  c.population = dict(size=5)
  c.probe = dict(size=3_000)
  c.evaluation = dict(per_decade=4, max_train_examples=3_000)
  c.instruments = dict(reliance=dict(per_decade=8), block_coherence=dict(per_decade=8))
  if scale == 'smoke':
    c.task.update(n_train=256, n_test=64)
    c.model.widths = (8, 8)
    c.training.update(total_steps=6, batch_size=32)
    c.population.size = 2
    c.probe.size = 64
  elif scale == 'full':
    c.task.update(n_train=100_000, counts=(1, 49))
    c.training.total_steps = 20_000
    c.population.size = 10
    c.probe.size = 10_000
  elif scale != 'cpu':
    raise ValueError(f'no scale {scale!r}; choose smoke, cpu or full')
  return c


def sweep(scale: str = 'cpu'):
  smoke, full = scale == 'smoke', scale == 'full'
  images = {
    'task.name': 'dominoes',
    'task.top': 'mnist',
    'task.n_train': 64 if smoke else 10_000 if full else 3_000,
    'task.n_test': 32 if smoke else 500,
    'training.total_steps': 6 if smoke else 3_000 if full else 300,
    'training.batch_size': 16 if smoke else 64,
    'optimizer.learning_rate': 0.01,
  }
  cifar = {
    'task.bottom': 'cifar10' if full else 'cifar10_partial',
    'task.bottom_classes': (1, 9),
    'task.bottom_train_split': 'train' if full else 'train[:16000]',
    'task.bottom_test_split': 'test' if full else 'train[16000:]',
  }
  return {
    **{name: {'task.features': features} for name, features in PAIRS.items()},
    'mnist_fashion': {**images, 'task.bottom': 'fashion_mnist', 'task.bottom_classes': (0, 2)},
    'mnist_cifar': {**images, **cifar},
  }
