"""Gradient coherence of real, half random and random labels: Fashion-MNIST, an MLP.

What it shows: as on MNIST, early steps on real labels help more examples than on random ones. n =
40,000, m = 1,000, 784-512-512-10.

:smoke  2 networks, 20 steps on 256 images; seconds. For tests.
:cpu    5 networks, 25,000 steps of 128 (80 epochs); the three runs of `sweep()` take 28 minutes
        together on 2 busy CPU cores. Expect 89.0 % on the 10,000 test images with real labels, and
        m-coherence over the first three epochs of 5.2 (real), 2.1 (half random) and 1.4 (random).
:full   the recipe of Chatterjee (2020): 784-2048-10, plain SGD at 0.1, batches of 100, 100,000
        steps, all 60,000 images; 16 networks, m = 10,000. For a GPU; not run yet.
"""

from ml_collections import ConfigDict


def get_config(scale: str = 'cpu') -> ConfigDict:
  c = ConfigDict()
  c.seed = 0
  c.task = dict(name='fashion_mnist', n_train=40_000, label_noise=0.0)
  c.model = dict(name='mlp', widths=(512, 512))
  c.optimizer = dict(name='sgd', learning_rate=0.1, schedule='cosine')
  c.training = dict(total_steps=25_000, batch_size=128, log_every=200, checkpoint_every=2000)
  c.population = dict(size=5)
  c.probe = dict(size=1000)
  c.evaluation = dict(per_decade=10)
  c.instruments = dict(coherence=dict(per_decade=10), noise_scale=dict(per_decade=10))
  if scale == 'smoke':
    c.task.update(n_train=256, n_test=500)
    c.model.widths = (16,)
    c.training.update(total_steps=20, batch_size=32, log_every=5, checkpoint_every=10)
    c.population.size = 2
    c.probe.size = 32
  elif scale == 'full':
    c.task.n_train = 60_000
    c.model.widths = (2048,)
    c.optimizer.schedule = 'constant'
    c.training.update(total_steps=100_000, batch_size=100, checkpoint_every=10_000)
    c.population.size = 16
    c.probe.size = 10_000
  elif scale != 'cpu':
    raise ValueError(f'no scale {scale!r}; choose smoke, cpu or full')
  return c


def sweep():
  """One run for each fraction of random labels."""
  return [{'task.label_noise': noise} for noise in (0.0, 0.5, 1.0)]
