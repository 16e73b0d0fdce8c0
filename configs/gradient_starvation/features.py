"""How two features of the moons grow in training: the weak one starves, unless outputs are penalised.

Figure 2 of Pezeshki et al. (2021): three arms with weight decay 2e-4, the classes overlapping along
the coordinate that a line would use (margin -0.1), separable (0.1), and separable with spectral
decoupling. On the way, `starvation` measures responses in the basis of the tangent kernel of that
moment; in the basis at initialization, which is the paper's, the study computes them at the end.

:smoke  2 networks, 10 steps; seconds. For tests.
:cpu    5 networks 2-500-1, n = 300, 10,000 steps of full-batch SGD with momentum; the
        three runs took 6 minutes on 2 CPU cores beside other work.
:full   10 networks.
"""

from ml_collections import ConfigDict


def get_config(scale: str = 'cpu') -> ConfigDict:
  c = ConfigDict()
  c.seed = 0
  c.task = dict(name='moons', n_train=300, n_test=1_000, noise=0.1, margin=0.1)
  c.model = dict(name='mlp', widths=(500,), single_logit=True, initialization='fan_in')
  c.optimizer = dict(name='sgd', learning_rate=0.01, momentum=0.9, weight_decay=2e-4)
  c.objective = dict(weights=(1.0, 1.0))
  c.training = dict(total_steps=10_000, batch_size=300, checkpoint_every=5_000, log_every=1_000)
  c.population = dict(size=5)
  c.probe = dict(size=300)
  c.evaluation = dict(per_decade=8)
  c.instruments = dict(starvation=dict(per_decade=8, n_features=8), reliance=dict(per_decade=8))
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
  decoupling = {
    'objective.penalty': 'spectral_decoupling',
    'objective.weights': (1.0, 0.003),
    'optimizer.weight_decay': 0.0,
  }
  return {
    'overlapping': {'task.margin': -0.1},
    'separable': {},
    'spectral_decoupling': decoupling,
  }
