"""Does coherence early in training predict the generalization gap at its end? MLPs on MNIST.

Settings differ in width, depth, training examples, label noise, learning rate and batch size; every
network is trained for 40 epochs.

:smoke  4 settings of 2 networks, seconds each. For tests.
:cpu    96 settings of 5 networks; m = 250; 4.4 minutes of training on 2 busy CPU cores.
:full   the same settings, of 10 networks. Not run yet.
"""

from ml_collections import ConfigDict

EPOCHS = 40


def get_config(scale: str = 'cpu') -> ConfigDict:
  c = ConfigDict()
  c.seed = 0
  c.task = dict(name='mnist', n_train=500, n_test=2_000, label_noise=0.0)
  c.model = dict(name='mlp', widths=(32,))
  c.optimizer = dict(name='sgd', learning_rate=0.1)
  c.training = dict(total_steps=1_000, batch_size=20, checkpoint_every=10_000)
  c.population = dict(size=5)
  c.probe = dict(size=250)
  c.evaluation = dict(per_decade=6)
  c.instruments = dict(coherence=dict(per_decade=6, per_layer=False))
  if scale == 'smoke':
    c.task.n_test = 100
    c.population.size = 2
    c.probe.size = 32
  elif scale == 'full':
    c.task.n_test = 10_000
    c.population.size = 10
  elif scale != 'cpu':
    raise ValueError(f'no scale {scale!r}; choose smoke, cpu or full')
  return c


def sweep(scale: str = 'cpu'):
  """Every combination of five factors at two levels and three label noises; at smoke, a few."""
  arms = {}
  for width in (32, 128):
    for depth in (1, 3):
      for n_train in (500, 2_000):
        for rate in (0.03, 0.1):
          for batch in (20, 100):
            for noise in (0.0, 0.25, 0.5):
              name = (
                f'width={width},depth={depth},n={n_train},rate={rate},batch={batch},noise={noise}'
              )
              arms[name] = {
                'task.n_train': n_train,
                'task.label_noise': noise,
                'model.widths': (width,) * depth,
                'optimizer.learning_rate': rate,
                'training.batch_size': batch,
                'training.total_steps': EPOCHS * n_train // batch,
              }
  if scale == 'smoke':
    steps = {'training.total_steps': 100}
    arms = {name: {**arm, **steps} for name, arm in list(arms.items())[:12:3]}
  return arms
