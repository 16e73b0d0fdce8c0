"""Networks that all fit the training set: the law of their test errors.

Hundreds of networks that differ in their seed, trained on squared errors until they fit 500 images; one
run for each task, training-set size, width, depth, architecture, initialization and optimizer.

:smoke  24 networks, 20 images, 100 steps. For tests.
:cpu    200 MLPs d-64-64-10 a run (100 of CIFAR-10's, 60 CNNs), PyTorch's initialization, Adam
        at 1e-3 in batches of 50, 600 steps (CNNs: 5e-3, 1,500); 1,000 test images (digits: 360).
:full   1,000 networks a run, 10,000 test images (digits: 360). Not run yet.
"""

from ml_collections import ConfigDict

PARTS = {'task.train_split': 'train[:16000]', 'task.test_split': 'train[16000:]'}


def get_config(scale: str = 'cpu') -> ConfigDict:
  c = ConfigDict()
  c.seed = 0
  c.task = dict(name='mnist', n_train=500, n_test=1_000)
  c.model = dict(name='mlp', widths=(64, 64), initialization='fan_in')
  c.loss = dict(name='squared_error')
  c.optimizer = dict(name='adam', learning_rate=1e-3)
  c.training = dict(total_steps=600, batch_size=50, checkpoint_every=10_000)
  c.population = dict(size=200)
  c.probe = dict(size=50)
  c.evaluation = dict(every=100_000)
  if scale == 'smoke':
    c.task.update(n_train=20, n_test=40)
    c.optimizer.learning_rate = 5e-3
    c.training.update(total_steps=100, batch_size=20)
    c.probe.size = 20
    c.population.size = 24
  elif scale == 'full':
    c.task.n_test = 10_000
    c.population.size = 1_000
  elif scale != 'cpu':
    raise ValueError(f'no scale {scale!r}; choose smoke, cpu or full')
  return c


def sweep(scale: str = 'cpu'):
  cifar = {'task.name': 'cifar10'} if scale == 'full' else {'task.name': 'cifar10_partial', **PARTS}
  few = {'population.size': 100} if scale == 'cpu' else {}
  sizes = {} if scale == 'smoke' else {f'n={n}': {'task.n_train': n} for n in (100, 2_000)}
  digits = {'task.name': 'digits', 'task.n_test': 40 if scale == 'smoke' else 360}
  cnn = {'model.name': 'cnn', 'model.widths': (16, 32), 'optimizer.learning_rate': 5e-3}
  if scale == 'cpu':  # the mean over places makes these slow to fit, and they are slow
    cnn |= {'training.total_steps': 1_500, 'population.size': 60}
  return {
    'mnist': {},
    'fashion_mnist': {'task.name': 'fashion_mnist'},
    'cifar10': {**cifar, **few},
    **sizes,
    'width=16': {'model.widths': (16, 16)},
    'width=128': {'model.widths': (128, 128)},
    'depth=1': {'model.widths': (64,)},
    'depth=4': {'model.widths': (64, 64, 64, 64)},
    'signal': {'model.initialization': 'signal'},
    'sgd': {'optimizer.name': 'sgd', 'optimizer.learning_rate': 0.1},
    'digits': digits,
    'digits_cnn': {**digits, **cnn},
  }
