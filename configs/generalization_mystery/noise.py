"""Coherence of an MLP on MNIST as ever more labels are random; who the gradient is for.

What it shows: the order of the coherence curves; the parts of the gradient that pristine and corrupt
examples contribute; which of them are learned first; coherence out of mini-batch gradients.

:smoke  2 networks, 20 steps; seconds. For tests.
:cpu    5 networks 784-256-256-10, n = 4,000, m = 1,000, plain SGD at 0.1, 6,000 steps of 100 (150
        epochs); the five runs take 3.6 minutes together on 2 busy CPU cores.
:full   the recipe of Chatterjee (2020): 784-2048-10, plain SGD at 0.1, batches of 100, 100,000
        steps, all 60,000 images; 10 networks, m = 10,000. Not run yet.
"""

from ml_collections import ConfigDict


def get_config(scale: str = 'cpu') -> ConfigDict:
  c = ConfigDict()
  c.seed = 0
  c.task = dict(name='mnist', n_train=4_000, n_test=5_000, label_noise=0.0)
  c.model = dict(name='mlp', widths=(256, 256))
  c.optimizer = dict(name='sgd', learning_rate=0.1)
  c.training = dict(total_steps=6_000, batch_size=100, checkpoint_every=3_000)
  c.population = dict(size=5)
  c.probe = dict(size=1_000)
  c.evaluation = dict(per_decade=8)
  c.instruments = dict(
    coherence=dict(per_decade=8),
    group_coherence=dict(per_decade=8),
    batch_coherence=dict(per_decade=8, batch_size=10),
  )
  if scale == 'smoke':
    c.task.update(n_train=200, n_test=200)
    c.model.widths = (16,)
    c.training.update(total_steps=20, checkpoint_every=10)
    c.population.size = 2
    c.probe.size = 50
  elif scale == 'full':
    c.task.update(n_train=60_000, n_test=10_000)
    c.model.widths = (2048,)
    c.training.update(total_steps=100_000, checkpoint_every=10_000)
    c.population.size = 10
    c.probe.size = 10_000
  elif scale != 'cpu':
    raise ValueError(f'no scale {scale!r}; choose smoke, cpu or full')
  return c


def sweep():
  """One run for each fraction of random labels."""
  return [{'task.label_noise': noise} for noise in (0.0, 0.25, 0.5, 0.75, 1.0)]
