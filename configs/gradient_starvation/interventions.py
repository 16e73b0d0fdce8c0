"""What bends the boundary between two moons that a line can just tell apart? Ten ways of training.

Figure 3 of Pezeshki et al. (2021). Their claim is that of all common remedies only spectral decoupling
gives a curved boundary, with a large margin. `spectral_decoupling` penalises 0.003 times the mean
squared output, as the authors' code does; `spectral_decoupling_half` half of that, as their
equation with lambda = 0.003. `stopped_early` is `erm` when it has just learned the test set, at step
100. Dropout silences 70 % of the hidden units. Batch normalization, which they tried too, couples
examples, and is not here.

:smoke  2 networks, 10 steps; seconds. For tests.
:cpu    5 networks 2-500-1 (`five_layers`: four hidden layers of 100, 3,000 steps), n = 300, 10,000
        steps of full-batch SGD with momentum; the ten runs took 12 minutes on 2 CPU
        cores beside other work.
:full   10 networks, four hidden layers of 500, and `longer`, 100,000 steps.
"""

from ml_collections import ConfigDict

DECOUPLING = 0.003


def get_config(scale: str = 'cpu') -> ConfigDict:
  c = ConfigDict()
  c.seed = 0
  c.task = dict(name='moons', n_train=300, n_test=1_000, noise=0.1, margin=0.1)
  c.model = dict(name='mlp', widths=(500,), single_logit=True, initialization='fan_in')
  c.optimizer = dict(name='sgd', learning_rate=0.01, momentum=0.9)
  c.objective = dict(weights=(1.0, 1.0))
  c.training = dict(total_steps=10_000, batch_size=300, checkpoint_every=5_000, log_every=1_000)
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


def sweep(scale: str = 'cpu'):
  steps = get_config(scale).training.total_steps
  adam = {'optimizer.name': 'adam', 'optimizer.momentum': 0.0}
  early = max(2, steps // 100)
  width, deep = {'smoke': (16, steps), 'full': (500, steps)}.get(scale, (100, 3_000))
  arms = {
    'erm': {},
    'stopped_early': {'training.total_steps': early},
    'weight_decay': {'optimizer.weight_decay': 0.01},
    'adam_slow': {**adam, 'optimizer.learning_rate': 1e-4},
    'adam_fast': {**adam, 'optimizer.learning_rate': 3e-3},
    'rotated': {'task.rotation': 45.0},
    'dropout': {'model.dropout': 0.7},
    'five_layers': {'model.widths': (width,) * 4, 'training.total_steps': deep},
    'spectral_decoupling': _decoupling(DECOUPLING),
    'spectral_decoupling_half': _decoupling(DECOUPLING / 2),
  }
  return arms | ({'longer': {'training.total_steps': 10 * steps}} if scale == 'full' else {})


def _decoupling(weight: float):
  return {'objective.penalty': 'spectral_decoupling', 'objective.weights': (1.0, weight)}
