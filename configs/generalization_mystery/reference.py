"""Two epochs on Fashion-MNIST: what these networks have learned by then is easy, the rest is hard.

The recipe of Zielinski et al. (2020), who split ImageNet so: SGD with momentum 0.9, no weight decay,
no augmentation. `easy_and_hard.py` trains anew on either side.

:smoke  2 networks, 2 epochs of 400 images. For tests.
:cpu    5 MLPs 784-256-256-10, 2 epochs of 50,000 images, batches of 100; seconds.
:full   10 CNNs 32-64-64, 60,000 images. Not run yet.
"""

from ml_collections import ConfigDict


def get_config(scale: str = 'cpu') -> ConfigDict:
  c = ConfigDict()
  c.seed = 0
  c.task = dict(name='fashion_mnist', n_train=50_000, n_test=1_000)
  c.model = dict(name='mlp', widths=(256, 256))
  c.optimizer = dict(name='sgd', learning_rate=0.01, momentum=0.9)
  c.training = dict(total_steps=1_000, batch_size=100)
  c.population = dict(size=5)
  c.evaluation = dict(every=1_000)
  if scale == 'smoke':
    c.task.update(n_train=400, n_test=100)
    c.model.widths = (16,)
    c.training.update(total_steps=16, batch_size=50)
    c.population.size = 2
    c.probe = dict(size=32)
  elif scale == 'full':
    c.task.n_train = 60_000
    c.model = dict(name='cnn', widths=(32, 64, 64))
    c.training.total_steps = 1_200
    c.population.size = 10
  elif scale != 'cpu':
    raise ValueError(f'no scale {scale!r}; choose smoke, cpu or full')
  return c


def sweep():
  return {'two_epochs': {}}
