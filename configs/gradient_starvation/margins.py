"""Two moons with a margin that a line fits in, and without: what the same network learns of them.

Figure 1 of Pezeshki et al. (2021): where a line separates the classes by a small margin, the boundary
is that line, and the curve that would keep further away from the examples is not learned. Where no
line does, it is.

:smoke  2 networks, 10 steps; seconds. For tests.
:cpu    5 networks 2-500-1, n = 300, 1,000 steps of full-batch SGD with momentum; each run
        takes 11 seconds of CPU time, compilation included.
:full   10 networks.
"""

from ml_collections import ConfigDict


def get_config(scale: str = 'cpu') -> ConfigDict:
  c = ConfigDict()
  c.seed = 0
  c.task = dict(name='moons', n_train=300, n_test=1_000, noise=0.1, margin=0.1)
  c.model = dict(name='mlp', widths=(500,), single_logit=True, initialization='fan_in')
  c.optimizer = dict(name='sgd', learning_rate=0.01, momentum=0.9)
  c.training = dict(total_steps=1_000, batch_size=300, checkpoint_every=5_000)
  c.population = dict(size=5)
  c.probe = dict(size=1_000, split='test')
  c.evaluation = dict(per_decade=8)
  c.instruments = dict(reliance=dict(per_decade=8))
  if scale == 'smoke':
    c.model.widths = (16,)
    c.training.total_steps = 10
    c.population.size = 2
  elif scale == 'full':
    c.population.size = 10
  elif scale != 'cpu':
    raise ValueError(f'no scale {scale!r}; choose smoke, cpu or full')
  return c


def sweep():
  return {'separable': {}, 'overlapping': {'task.margin': -0.1}}
