"""Coherence of real and of random labels, on three datasets, with four kinds of networks.

What it shows: whether what is said of ResNets on ImageNet holds for other data and other networks.
One MLP on MNIST is in `noise.py`. CIFAR-10 is the part of it that `cifar10_partial` holds; for
official accuracies use `--config.task.name=cifar10` with the dataset prepared.

:smoke  2 networks in each arm, 6 steps on 64 images; seconds each. For tests.
:cpu    5 networks in each arm, small ones on few images, so that random labels are fitted (the ViT's
        to 99 %); the ten runs take 18 minutes on 2 busy CPU cores, ten of them for the ResNet.
:full   WideResNet-16-4 and its like on all images; 50,000 gradients of CIFAR-10 streamed. Not run yet.
"""

from ml_collections import ConfigDict

# Dataset and network -> what differs from the defaults below.
CPU = {
  'fashion_mnist-mlp': {
    'task.n_train': 4_000,
    'model.widths': (256, 256),
    'training.batch_size': 100,
    'training.total_steps': 6_000,
    'probe.size': 1_000,
    'optimizer.momentum': 0.0,
  },
  'fashion_mnist-vit': {
    'model.patch': 7,
    'model.width': 64,
    'model.depth': 2,
    'optimizer.learning_rate': 0.05,
    'training.total_steps': 1_600,
  },
  'mnist-cnn': {'model.widths': (16, 32, 64), 'training.total_steps': 1_200},
  'cifar10_partial-cnn': {
    'task.n_train': 256,
    'model.widths': (16, 32, 64),
    'training.total_steps': 800,
    'probe.size': 256,
  },
  'cifar10_partial-resnet': {
    'task.n_train': 128,
    'task.n_test': 500,
    'model.depth': 10,
    'optimizer.learning_rate': 0.05,
    'training.total_steps': 320,
    'probe.size': 128,
    'evaluation.per_decade': 6,
  },
}
SMOKE = {'mnist-cnn': {'model.widths': (4, 4)}, 'fashion_mnist-mlp': {'model.widths': (16,)}}
FULL = {
  'fashion_mnist-mlp': {
    'model.widths': (2048,),
    'optimizer.momentum': 0.0,
    'training.batch_size': 100,
    'training.total_steps': 100_000,
  },
  'fashion_mnist-vit': {'model.patch': 4, 'model.width': 128, 'model.depth': 4},
  'mnist-cnn': {'model.widths': (32, 64, 64)},
  'cifar10-cnn': {'model.widths': (64, 128, 256), 'probe.size': 50_000},
  'cifar10-resnet': {'model.depth': 16, 'model.width': 4, 'probe.size': 50_000},
}
ARMS = {'smoke': SMOKE, 'cpu': CPU, 'full': FULL}


def get_config(scale: str = 'cpu') -> ConfigDict:
  c = ConfigDict()
  c.seed = 0
  c.task = dict(name='mnist', n_train=512, n_test=1_000, label_noise=0.0)
  c.model = dict(name='cnn')
  c.optimizer = dict(name='sgd', learning_rate=0.1, momentum=0.9)
  c.training = dict(total_steps=1_600, batch_size=32, checkpoint_every=2_000)
  c.population = dict(size=5)
  c.probe = dict(size=512)
  c.evaluation = dict(per_decade=8)
  c.instruments = dict(coherence=dict(per_decade=8))
  if scale == 'smoke':
    c.task.update(n_train=64, n_test=64)
    c.training.update(total_steps=6, batch_size=16)
    c.population.size = 2
    c.probe.size = 32
  elif scale == 'full':
    c.task.update(n_train=50_000, n_test=10_000)
    c.training.update(total_steps=80_000, batch_size=128, checkpoint_every=5_000)
    c.optimizer.schedule = 'cosine'
    c.probe.size = 10_000
    c.evaluation.max_train_examples = 50_000
  elif scale != 'cpu':
    raise ValueError(f'no scale {scale!r}; choose smoke, cpu or full')
  return c


def sweep(scale: str = 'cpu'):
  """Real and random labels for each dataset and network."""
  arms = {}
  for name, overrides in ARMS[scale].items():
    task, model = name.split('-')
    test = {'task.test_split': 'test1k'} if task == 'cifar10_partial' else {}
    for noise in (0.0, 1.0):
      arms[f'{name},label_noise={noise}'] = {
        'task.name': task,
        'model.name': model,
        'task.label_noise': noise,
        **test,
        **overrides,
      }
  return arms
