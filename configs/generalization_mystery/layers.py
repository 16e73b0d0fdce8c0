"""Which layers are coherent, and whether weight sharing is why: a CNN with dense layers on MNIST.

Three networks on real labels: a convolutional one; the same on images whose pixels are shuffled, by
one permutation for all; and the same with its convolutions locally connected, each position with a
kernel of its own.

:smoke  2 networks, 6 steps; seconds. For tests.
:cpu    5 networks: two 3x3 convolutions of 16 and 32 channels, dense layers of 64 and 10; n = 1,000,
        m = 500, 600 steps of 50; the three runs take 3.3 minutes on 2 busy CPU cores.
:full   convolutions of 32 and 64 channels; n = 50,000, m = 10,000. Not run yet.
"""

from ml_collections import ConfigDict


def get_config(scale: str = 'cpu') -> ConfigDict:
  c = ConfigDict()
  c.seed = 0
  c.task = dict(name='mnist', n_train=1_000, n_test=1_000)
  c.model = dict(name='cnn', widths=(16, 32), dense=(64,))
  c.optimizer = dict(name='sgd', learning_rate=0.05)
  c.training = dict(total_steps=600, batch_size=50)
  c.population = dict(size=5)
  c.probe = dict(size=500)
  c.evaluation = dict(per_decade=8)
  c.instruments = dict(coherence=dict(per_decade=8))
  if scale == 'smoke':
    c.task.update(n_train=64, n_test=64)
    c.model.update(widths=(4, 4), dense=(8,))
    c.training.update(total_steps=6, batch_size=16)
    c.population.size = 2
    c.probe.size = 32
  elif scale == 'full':
    c.task.update(n_train=50_000, n_test=10_000)
    c.model.update(widths=(32, 64), dense=(128,))
    c.training.update(total_steps=40_000, batch_size=128, checkpoint_every=5_000)
    c.probe.size = 10_000
  elif scale != 'cpu':
    raise ValueError(f'no scale {scale!r}; choose smoke, cpu or full')
  return c


def sweep():
  return {
    'convolutional': {},
    'shuffled_pixels': {'task.shuffle_pixels': True},
    'locally_connected': {'model.shared': False},
  }
