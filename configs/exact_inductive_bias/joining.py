"""Do the theories agree: coherence early in training, and the bits that a target error takes?

Settings differ in label noise, width, depth and training examples; all networks are trained on squared
errors for 150 epochs, and most of them fit their labels.

:smoke  4 settings of 24 networks, 20 steps. For tests.
:cpu    24 settings of 40 MLPs on MNIST; coherence of m = 100; 1,000 test images.
:full   the same settings, of 200 networks, 10,000 test images. Not run yet.
"""

from ml_collections import ConfigDict

EPOCHS, BATCH = 150, 20


def get_config(scale: str = 'cpu') -> ConfigDict:
  c = ConfigDict()
  c.seed = 0
  c.task = dict(name='mnist', n_train=100, n_test=1_000, label_noise=0.0)
  c.model = dict(name='mlp', widths=(64,), initialization='fan_in')
  c.loss = dict(name='squared_error')
  c.optimizer = dict(name='adam', learning_rate=1e-3, schedule='cosine')
  c.training = dict(total_steps=1_000, batch_size=BATCH, checkpoint_every=10_000)
  c.population = dict(size=40)
  c.probe = dict(size=100)
  c.evaluation = dict(every=100_000)
  c.instruments = dict(coherence=dict(per_decade=6, per_layer=False))
  if scale == 'smoke':
    c.task.n_test = 100
    c.population.size = 24
    c.probe.size = 32
  elif scale == 'full':
    c.task.n_test = 10_000
    c.population.size = 200
  elif scale != 'cpu':
    raise ValueError(f'no scale {scale!r}; choose smoke, cpu or full')
  return c


def sweep(scale: str = 'cpu'):
  """Every combination of three factors at two levels and three label noises; at smoke, a few."""
  arms = {}
  for width in (64, 128):
    for depth in (1, 3):
      for n_train in (100, 200):
        for noise in (0.0, 0.15, 0.3):
          arms[f'width={width},depth={depth},n={n_train},noise={noise}'] = {
            'task.n_train': n_train,
            'task.label_noise': noise,
            'model.widths': (width,) * depth,
            'training.total_steps': EPOCHS * n_train // BATCH,
          }
  if scale == 'smoke':
    steps = {'training.total_steps': 20}
    arms = {name: {**arm, **steps} for name, arm in list(arms.items())[::6]}
  return arms
