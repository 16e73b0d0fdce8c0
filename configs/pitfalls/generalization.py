"""Simplicity bias can hurt generalization: a noisy simple feature beside perfect complex ones.

The data have one linear coordinate that is right on 95 %, and 49 7-slabs each of which is always
right: `300x2`, `300x1`, `100x2`, `100x1`, MLPs by width and hidden layers. In `ms7`, the control, a
7-slab takes the place of the linear coordinate, and the largest network gets all right.

:smoke  2 networks, 6 steps. For tests.
:cpu    n = 40,000 as the paper's code, 5 MLPs, SGD at 0.1 with momentum 0.9 and weight decay 5e-4,
        batches of 256, 10,000 steps (64 epochs; the paper's single network had 40,000, and at 10,000
        was where it ended within half a point); `ms7` at 0.3. The five runs
        took 20 minutes on 2 CPU cores beside other work.
:full   40,000 steps, all widths of the paper, 10 networks. Not run yet.
"""

from ml_collections import ConfigDict


def get_config(scale: str = 'cpu') -> ConfigDict:
  c = ConfigDict()
  c.seed = 0
  c.task = dict(name='slabs', n_train=40_000, n_test=10_000)
  c.task.update(features=('noisy_linear', 'slab7'), counts=(1, 49), noise=0.1)
  c.model = dict(name='mlp', widths=(300, 300), initialization='fan_in')
  c.optimizer = dict(name='sgd', learning_rate=0.1, momentum=0.9, weight_decay=5e-4)
  c.training = dict(total_steps=10_000, batch_size=256, checkpoint_every=10_000)
  c.population = dict(size=5)
  c.probe = dict(size=10_000, split='test')
  c.evaluation = dict(per_decade=3, max_train_examples=40_000, chunk_size=2_000)
  c.instruments = dict(reliance=dict(per_decade=3))
  if scale == 'smoke':
    c.task.update(n_train=256, n_test=64)
    c.training.update(total_steps=6, batch_size=32)
    c.population.size = 2
    c.probe.size = 64
  elif scale == 'full':
    c.training.total_steps = 40_000
    c.population.size = 10
    c.evaluation.per_decade = c.instruments.reliance.per_decade = 8
  elif scale != 'cpu':
    raise ValueError(f'no scale {scale!r}; choose smoke, cpu or full')
  return c


def sweep(scale: str = 'cpu'):
  widths = {'smoke': (8,), 'cpu': (100, 300), 'full': (100, 200, 300)}[scale]
  grid = {f'{w}x{depth}': {'model.widths': (w,) * depth} for w in widths for depth in (1, 2)}
  widest = {'model.widths': (widths[-1],) * 2}
  slabs = {'task.features': ('slab7',), 'task.counts': (50,), 'optimizer.learning_rate': 0.3}
  return grid | {'ms7': {**slabs, **widest}}
