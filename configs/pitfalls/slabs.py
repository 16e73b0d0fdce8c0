"""Which feature a network relies on: slab data, with the sizes and recipes of the paper's code.

Three sets of data in 50 dimensions, rotated, each with one simple coordinate and 49 complex ones that
all tell the label: `lms5`, linear and 5-slabs; `lms7`, linear and 7-slabs; `ms57`, a 5-slab and
7-slabs. `lms5_averaged` has other universal perturbations. And LSN, `lsn`: a linear coordinate, a
3-slab and 48 of noise, with one hidden layer and the hinge loss, as in the paper's theorem. On the
test set: reliance on each through training, and at the first and the last step where attacks and
universal perturbations lie.

:smoke  2 networks, 6 steps. For tests.
:cpu    n = 100,000, 5 MLPs 50-100-100-2 that start as PyTorch's do, SGD at 0.1 with batches of 256,
        5,000 steps, and 15,000 for `ms57`, which takes 7,000 and more to get started.
        Attacks in the paper's budgets: l2, half of the range of the rotated inputs, about 3;
        universal 1.0, for `ms57` 0.5. The five runs took 7 minutes on 2 CPU cores
        beside other work.
:full   10 networks. Not run yet.
"""

from ml_collections import ConfigDict

ONLY_AT_BOTH_ENDS = 1_000_000_000  # steps: a schedule always holds the first and the last


def get_config(scale: str = 'cpu') -> ConfigDict:
  c = ConfigDict()
  c.seed = 0
  c.task = dict(name='slabs', n_train=100_000, n_test=10_000)
  c.model = dict(name='mlp', widths=(100, 100), initialization='fan_in')
  c.optimizer = dict(name='sgd', learning_rate=0.1, weight_decay=5e-5)
  c.training = dict(total_steps=5_000, batch_size=256, checkpoint_every=10_000)
  c.population = dict(size=5)
  c.probe = dict(size=10_000, split='test')
  c.evaluation = dict(per_decade=4, chunk_size=2_000)
  c.instruments = dict(
    reliance=dict(per_decade=6),
    adversarial=dict(norm='l2', radius=3.0, step_size=0.3, every=ONLY_AT_BOTH_ENDS),
    universal=dict(method='svd', radius=1.0, every=ONLY_AT_BOTH_ENDS),
  )
  if scale == 'smoke':
    c.task.update(n_train=256, n_test=64)
    c.model.widths = (8, 8)
    c.training.update(total_steps=6, batch_size=32)
    c.population.size = 2
    c.probe.size = 64
    c.instruments.adversarial.iterations = 2
  elif scale == 'full':
    c.population.size = 10
  elif scale != 'cpu':
    raise ValueError(f'no scale {scale!r}; choose smoke, cpu or full')
  return c


def sweep(scale: str = 'cpu'):
  lms5 = {'task.features': ('linear', 'slab5'), 'task.counts': (1, 49)}
  slow = {} if scale == 'smoke' else {'training.total_steps': 15_000}
  return {
    'lms5': lms5,
    'lms7': {'task.features': ('linear', 'slab7'), 'task.counts': (1, 49)},
    'ms57': {
      'task.features': ('slab5', 'slab7'),
      'task.counts': (1, 49),
      'instruments.universal.radius': 0.5,
      **slow,
    },
    'lms5_averaged': {**lms5, 'instruments.universal.method': 'averaged'},
    'lsn': {
      'task.features': ('linear', 'slab3', 'noise'),
      'task.counts': (1, 1, 48),
      'model.widths': (8,) if scale == 'smoke' else (100,),
      'loss.name': 'hinge',
    },
  }
