"""Can a network be made to use the complex features? Interventions on linear and 5-slab data.

`none`; `ensemble`, the mean of 3 networks, on data of the paper's size; `adversarial` training, a linf
ball in which 5-slabs, taken together, are robust and the linear coordinate is not;
`spectral_decoupling`, and `strong_decoupling`, ten times as much of it; twenty times the
`weight_decay`; `dropout`; a `low_rate` and a `high_rate`. `without_linear` is the control, in which
that coordinate is noise: what the same network makes of the 5-slabs in as many steps.

:smoke  2 networks, 6 steps. For tests.
:cpu    20 dimensions, n = 20,000, 5 MLPs 20-100-100-2, SGD at 0.3 in batches of 256, 3,000 steps;
        `ensemble`: 50 dimensions, n = 100,000, at 0.1. The ten runs took 6 minutes on 2 CPU cores
        beside other work.
:full   50 dimensions, n = 100,000, 20,000 steps at 0.1, 10 networks. Not run yet.
"""

from ml_collections import ConfigDict


def get_config(scale: str = 'cpu') -> ConfigDict:
  c = ConfigDict()
  c.seed = 0
  c.task = dict(name='slabs', features=('linear', 'slab5'), counts=(1, 19))
  c.task.update(n_train=20_000, n_test=5_000)
  c.model = dict(name='mlp', widths=(100, 100), initialization='fan_in')
  c.optimizer = dict(name='sgd', learning_rate=0.3, weight_decay=5e-5)
  c.training = dict(total_steps=3_000, batch_size=256, checkpoint_every=10_000)
  c.population = dict(size=5)
  c.probe = dict(size=5_000, split='test')
  c.evaluation = dict(per_decade=3, chunk_size=2_500)
  c.instruments = dict(reliance=dict(per_decade=5))
  if scale == 'smoke':
    c.task.update(n_train=256, n_test=64)
    c.model.widths = (8, 8)
    c.training.update(total_steps=6, batch_size=32)
    c.population.size = 2
    c.probe.size = 64
  elif scale == 'full':
    c.task.update(n_train=100_000, counts=(1, 49))
    c.optimizer.learning_rate = 0.1
    c.training.total_steps = 20_000
    c.population.size = 10
  elif scale != 'cpu':
    raise ValueError(f'no scale {scale!r}; choose smoke, cpu or full')
  return c


def sweep(scale: str = 'cpu'):
  rate = get_config(scale).optimizer.learning_rate
  attack = {'adversary': 'linf', 'radius': 0.08, 'step_size': 0.03}
  of_the_paper = {'task.counts': (1, 49), 'task.n_train': 100_000, 'task.n_test': 10_000}
  of_the_paper |= {'probe.size': 10_000, 'optimizer.learning_rate': 0.1}
  decoupling = {'objective.penalty': 'spectral_decoupling', 'objective.weights': (1.0, 0.01)}
  return {
    'none': {},
    'ensemble': {'model.ensemble': 3, **(of_the_paper if scale == 'cpu' else {})},
    'adversarial': {f'objective.{key}': value for key, value in attack.items()},
    'spectral_decoupling': decoupling,
    'strong_decoupling': {**decoupling, 'objective.weights': (1.0, 0.1)},
    'weight_decay': {'optimizer.weight_decay': 1e-3},
    'dropout': {'model.dropout': 0.5},
    'low_rate': {'optimizer.learning_rate': rate / 10},
    'high_rate': {'optimizer.learning_rate': 3 * rate},
    'without_linear': {'task.features': ('noise', 'slab5')},
  }
