"""Networks trained from scratch on easy, or on hard, examples, and tested within their own side.

Which examples are easy is read from the runs of `reference.py`: `research.replicate` puts the rows
into `task.rows`; without it, both runs of `sweep()` are the same. Both sides have equally many training
and test examples.

:smoke  2 networks, 10 steps. For tests.
:cpu    5 MLPs 784-256-256-10 on 4,000 images, 1,000 test images of the same side, 2,000 steps of 100
        (50 epochs); m = 1,000; half a minute. Expect a test accuracy of 94 % (easy) and 58 % (hard).
:full   10 CNNs, 20,000 steps. Not run yet.
"""

from ml_collections import ConfigDict


def get_config(scale: str = 'cpu') -> ConfigDict:
  c = ConfigDict()
  c.seed = 0
  c.task = dict(name='fashion_mnist', n_train=4_000, n_test=1_000)
  c.model = dict(name='mlp', widths=(256, 256))
  c.optimizer = dict(name='sgd', learning_rate=0.01, momentum=0.9)
  c.training = dict(total_steps=2_000, batch_size=100)
  c.population = dict(size=5)
  c.probe = dict(size=1_000)
  c.evaluation = dict(per_decade=8)
  c.instruments = dict(coherence=dict(per_decade=8))
  if scale == 'smoke':
    c.task.update(n_train=40, n_test=16)
    c.model.widths = (16,)
    c.training.update(total_steps=10, batch_size=20)
    c.population.size = 2
    c.probe.size = 20
  elif scale == 'full':
    c.model = dict(name='cnn', widths=(32, 64, 64))
    c.training.total_steps = 20_000
    c.population.size = 10
  elif scale != 'cpu':
    raise ValueError(f'no scale {scale!r}; choose smoke, cpu or full')
  return c


def sweep():
  return {'easy': {}, 'hard': {}}
