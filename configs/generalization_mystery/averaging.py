"""Robust averages of gradients in place of the mean: half random labels on MNIST, an MLP.

Winsorized SGD clips each coordinate of the per-example gradients of a batch to its c-th and
(100 - c)-th percentiles; M3 takes the median of three batches' gradients, RM3 that of the last
three. If what generalizes is what many examples agree on, all three should fit fewer random labels.

:smoke  2 networks, 9 steps; seconds each. For tests.
:cpu    5 MLPs 784-32-32-10, n = 1,000, plain SGD at 0.1, 1,000 steps of 100 (100 epochs); c = 0, 1,
        2, 4, 8 %; eight runs, 6.6 minutes on 2 busy CPU cores, nearly all in the winsorized ones.
:full   the recipe of Chatterjee (2020): 784-256-256-256-10, 60,000 images, 60,000 steps of 100.
        Not run yet.
"""

from ml_collections import ConfigDict


def get_config(scale: str = 'cpu') -> ConfigDict:
  c = ConfigDict()
  c.seed = 0
  c.task = dict(name='mnist', n_train=1_000, n_test=5_000, label_noise=0.5)
  c.model = dict(name='mlp', widths=(32, 32))
  c.optimizer = dict(name='sgd', learning_rate=0.1)
  c.training = dict(total_steps=1_000, batch_size=100)
  c.population = dict(size=5)
  c.evaluation = dict(per_decade=8)
  if scale == 'smoke':
    c.task.update(n_train=300, n_test=100)
    c.model.widths = (8,)
    c.training.update(total_steps=9, batch_size=100)
    c.population.size = 2
    c.probe = dict(size=32)
  elif scale == 'full':
    c.task.update(n_train=60_000, n_test=10_000)
    c.model.widths = (256, 256, 256)
    c.training.update(total_steps=60_000, checkpoint_every=5_000)
    c.evaluation.max_train_examples = 60_000
  elif scale != 'cpu':
    raise ValueError(f'no scale {scale!r}; choose smoke, cpu or full')
  return c


def sweep(scale: str = 'cpu'):
  """Winsorized SGD, both medians, and what M3 is to be compared with: one mean of three batches."""
  c = get_config(scale).training
  winsorized = {
    f'c={percent:g}': {'average.name': 'winsorized', 'average.percent': percent}
    for percent in (1.0, 2.0, 4.0, 8.0)
  }
  medians = {name: {'optimizer.median': name} for name in ('m3', 'rm3')}
  mean_of_three = {
    'training.batch_size': 3 * c.batch_size,
    'training.total_steps': c.total_steps // 3,
  }
  return {'c=0': {}, **winsorized, **medians, 'mean_of_three': mean_of_three}
