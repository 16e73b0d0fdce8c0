"""How many bits does a network in training still lack to a target error?

Networks of other seeds than those of `networks.py`, on the same images; the law by which their errors
are measured is that of the finished population there, and the target is its best error (the study fills
both in; here are stand-ins).

:smoke  3 networks, 100 steps. For tests.
:cpu    5 MLPs 784-64-64-10, as in `networks.py`, measured on its 1,000 test images.
:full   10 networks, 10,000 test images. Not run yet.
"""

from ml_collections import ConfigDict

OTHERS = 10_000  # added to seeds, beyond any population


def get_config(scale: str = 'cpu') -> ConfigDict:
  c = ConfigDict()
  c.seed = OTHERS
  c.task = dict(name='mnist', n_train=500, n_test=1_000)
  c.model = dict(name='mlp', widths=(64, 64), initialization='fan_in')
  c.loss = dict(name='squared_error')
  c.optimizer = dict(name='adam', learning_rate=1e-3)
  c.training = dict(total_steps=600, batch_size=50, checkpoint_every=10_000)
  c.population = dict(size=5)
  c.probe = dict(size=1_000, split='test')
  c.evaluation = dict(per_decade=8)
  c.instruments = dict(inductive_bias=dict(law=(1_000.0, 0.0, 1e-4), target=0.02, per_decade=16))
  if scale == 'smoke':
    c.task.update(n_train=20, n_test=40)
    c.optimizer.learning_rate = 5e-3
    c.training.update(total_steps=100, batch_size=20)
    c.population.size = 3
    c.probe.size = 40
  elif scale == 'full':
    c.task.n_test = 10_000
    c.population.size = 10
    c.probe.size = 10_000
  elif scale != 'cpu':
    raise ValueError(f'no scale {scale!r}; choose smoke, cpu or full')
  return c


def sweep(scale: str = 'cpu'):
  return {'mnist': {}}
