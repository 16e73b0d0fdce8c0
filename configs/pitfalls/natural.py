"""On natural images: how much of what a network knows do simple classifiers explain, and when?

Information that predictions share with the labels of the test set, and how much of it is left once the
prediction of a linear classifier is known (of 5 nearest neighbours, of a network of 8 units, of a
classifier that sees the 4 x 4 lowest frequencies), through training. MNIST, Fashion-MNIST, CIFAR-10.

:smoke  2 networks, 6 steps. For tests.
:cpu    n = 5,000, 5 MLPs d-128-128-10, SGD at 0.05 in batches of 100, 2,000 steps (40 epochs); m =
        4,000 test images. The three runs took 2.4 minutes
        on 2 CPU cores beside other work, most of it for the fits of the simple classifiers.
:full   10 CNNs of 32, 64 and 64 channels, n = 50,000, m = 10,000, 40,000 steps. Not run yet.
"""

from ml_collections import ConfigDict

# Of the images at hand, the last 4,000 are the test set.
PARTS = {'task.train_split': 'train[:16000]', 'task.test_split': 'train[16000:]'}


def get_config(scale: str = 'cpu') -> ConfigDict:
  c = ConfigDict()
  c.seed = 0
  c.task = dict(name='mnist', n_train=5_000, n_test=4_000)
  c.model = dict(name='mlp', widths=(128, 128))
  c.optimizer = dict(name='sgd', learning_rate=0.05)
  c.training = dict(total_steps=2_000, batch_size=100)
  c.population = dict(size=5)
  c.probe = dict(size=4_000, split='test')
  c.evaluation = dict(per_decade=6, max_train_examples=5_000)
  references = ('linear', 'nearest5', 'mlp8', 'fourier4')
  c.instruments = dict(simple_explanation=dict(references=references, per_decade=8))
  if scale == 'smoke':
    c.task.update(n_train=64, n_test=64)
    c.model.widths = (8,)
    c.training.update(total_steps=6, batch_size=16)
    c.population.size = 2
    c.probe.size = 64
    c.instruments.simple_explanation.references = ('linear', 'nearest5')
  elif scale == 'full':
    c.task.update(n_train=50_000, n_test=10_000)
    c.model = dict(name='cnn', widths=(32, 64, 64))
    c.training.update(total_steps=40_000, checkpoint_every=5_000)
    c.population.size = 10
    c.probe.size = 10_000
  elif scale != 'cpu':
    raise ValueError(f'no scale {scale!r}; choose smoke, cpu or full')
  return c


def sweep(scale: str = 'cpu'):
  cifar = {'task.name': 'cifar10'}
  if scale != 'full':
    cifar = {'task.name': 'cifar10_partial', **PARTS}
  return {'mnist': {}, 'fashion_mnist': {'task.name': 'fashion_mnist'}, 'cifar10': cifar}
