"""What the stability bound (Theorem 1 of the paper) needs, along runs with more and more noise.

m = n: coherence, the largest gradient norm and the sharpness are those of the whole training set.

:smoke  2 networks, 8 steps; seconds. For tests.
:cpu    5 MLPs 784-64-64-10 on MNIST, n = m = 1,000, plain SGD at 0.1, 1,000 steps of 100 (100 epochs);
        seconds each.
:full   10 MLPs 784-256-256-10, n = m = 10,000, 20,000 steps. Not run yet.
"""

from ml_collections import ConfigDict


def get_config(scale: str = 'cpu') -> ConfigDict:
  c = ConfigDict()
  c.seed = 0
  c.task = dict(name='mnist', n_train=1_000, n_test=5_000, label_noise=0.0)
  c.model = dict(name='mlp', widths=(64, 64))
  c.optimizer = dict(name='sgd', learning_rate=0.1)
  c.training = dict(total_steps=1_000, batch_size=100)
  c.population = dict(size=5)
  c.probe = dict(size=1_000)
  c.evaluation = dict(per_decade=6)
  c.instruments = dict(
    coherence=dict(per_decade=6),
    gradient_norms=dict(per_decade=6),
    sharpness=dict(per_decade=6, iterations=15),
  )
  if scale == 'smoke':
    c.task.update(n_train=64, n_test=64)
    c.model.widths = (8,)
    c.training.update(total_steps=8, batch_size=32)
    c.population.size = 2
    c.probe.size = 64
  elif scale == 'full':
    c.task.n_train = 10_000
    c.model.widths = (256, 256)
    c.training.total_steps = 20_000
    c.population.size = 10
    c.probe.size = 10_000
  elif scale != 'cpu':
    raise ValueError(f'no scale {scale!r}; choose smoke, cpu or full')
  return c


def sweep():
  """One run for each fraction of random labels."""
  return [{'task.label_noise': noise} for noise in (0.0, 0.5, 1.0)]
