"""Trained networks beside guessed ones: few examples, which some random networks happen to fit.

Networks of the same architecture are trained on the same examples; the study draws networks at
initialization until some fit too (guess and check).

:smoke  4 examples of each task, 24 networks, 60 steps. For tests.
:cpu    200 MLPs with 64 hidden units a run, PyTorch's initialization, Adam at 1e-2 on all examples at
        once, 300 steps: moons (4 to 32 examples), and a handwritten 0 or 1 above a T-shirt or a
        pullover (4 and 8); 1,000 test examples.
:full   1,000 networks a run. Not run yet.
"""

from ml_collections import ConfigDict

SIZES = {'moons': (4, 8, 16, 32), 'dominoes': (4, 8)}


def get_config(scale: str = 'cpu') -> ConfigDict:
  c = ConfigDict()
  c.seed = 0
  c.task = dict(name='moons', n_train=4, n_test=1_000)
  c.model = dict(name='mlp', widths=(64,), initialization='fan_in')
  c.optimizer = dict(name='adam', learning_rate=1e-2)
  c.training = dict(total_steps=300, batch_size=4, checkpoint_every=10_000)
  c.population = dict(size=200)
  c.probe = dict(size=4)
  c.evaluation = dict(every=100_000)
  if scale == 'smoke':
    c.task.n_test = 40
    c.training.total_steps = 60
    c.population.size = 24
  elif scale == 'full':
    c.population.size = 1_000
  elif scale != 'cpu':
    raise ValueError(f'no scale {scale!r}; choose smoke, cpu or full')
  return c


def sweep(scale: str = 'cpu'):
  arms = {}
  for name, sizes in SIZES.items():
    for n in sizes[:1] if scale == 'smoke' else sizes:
      arm = {'task.name': name, 'task.n_train': n, 'training.batch_size': n}
      arms[f'{name},n={n}'] = arm | ({'task.bottom_classes': (0, 2)} if name == 'dominoes' else {})
  return arms
