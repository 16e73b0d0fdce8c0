"""The zoo: networks that differ in ten hyperparameters, each trained to the same training loss.

What a run can vary inside one program (learning rate, weight decay, label noise, examples) rides its
population; what changes shapes or the optimizer is a run of its own. Batch size, dropout and Adam each
depart from SGD with batches of 32, one at a time. Networks stop at a mean cross-entropy of 0.05 nats,
so that none generalizes worse because it has fitted less.
Other networks: `--config.seed=1000`.

:smoke  4 runs of 8 small networks on digits, 300 steps at most. For tests.
:cpu    48 runs of 32 MLPs, 1,536 networks: digits, MNIST and Fashion-MNIST at 14 x 14 pixels.
:full   11,520 CNNs on CIFAR-10 and SVHN, 12,500 and 50,000 examples, for a GPU. Not run yet.
"""

from ml_collections import ConfigDict

SGD = dict(name='sgd', momentum=0.9)
RATES = {'sgd': (0.01, 0.04), 'adam': (0.001, 0.004)}


def get_config(scale: str = 'cpu') -> ConfigDict:
  c = ConfigDict()
  c.seed = 0
  c.task = dict(name='digits', n_train=512)
  c.model = dict(name='mlp', widths=(32,))
  c.optimizer = dict(SGD, learning_rate=0.01)
  c.training = dict(
    total_steps=6_000, batch_size=32, stop_loss=0.05, stop_every=20, checkpoint_every=2_000
  )
  c.population = dict(size=32)
  c.vary = dict(
    learning_rate=RATES['sgd'],
    weight_decay=(0.0, 0.002),
    label_noise=(0.0, 0.2),
    n_train=(128, 512),
  )
  c.probe = dict(size=128)
  c.evaluation = dict(every=1_000_000)
  c.instruments = dict(
    coherence=dict(per_decade=5, per_layer=False), noise_scale=dict(per_decade=5)
  )
  if scale == 'smoke':
    c.training.total_steps = 300
    c.training.stop_loss = 1.5
    c.population.size = 8
    c.optimizer.learning_rate = 0.05
    c.vary = dict(label_noise=(0.0, 0.5), n_train=(64, 128))
    c.probe.size = 64
  elif scale == 'full':
    c.task = dict(name='cifar10', n_train=50_000)
    c.model = dict(name='cnn', widths=(64, 64))
    c.training = dict(
      total_steps=100_000, batch_size=32, stop_loss=0.01, stop_every=500, checkpoint_every=10_000
    )
    c.population.size = 320
    c.vary.learning_rate = (0.001, 0.003, 0.01, 0.03, 0.1)
    c.vary.n_train = (12_500, 50_000)
    c.probe.size = 512
    c.evaluation.max_train_examples = 50_000
  elif scale != 'cpu':
    raise ValueError(f'no scale {scale!r}; choose smoke, cpu or full')
  return c


def sweep(scale: str = 'cpu'):
  """Every dataset, width and depth with each of the ways to train; all have the same seeds."""
  ways = {
    'sgd': {},
    'batch=128': {'training.batch_size': 128},
    'dropout=0.2': {'model.dropout': 0.2},
    'adam': {
      'optimizer.name': 'adam',
      'optimizer.momentum': 0.0,
      'vary.learning_rate': RATES['adam'],
    },
  }
  datasets = {'digits': {}}
  widths, depths = (32, 128), (1, 3)
  if scale == 'smoke':
    ways = {'sgd': {}, 'dropout=0.2': {'model.dropout': 0.2}}
    widths = (8,)
  elif scale == 'cpu':
    images = {'task.image_size': 14, 'task.n_test': 2_000}
    datasets |= {name: {'task.name': name, **images} for name in ('mnist', 'fashion_mnist')}
  else:
    datasets = {name: {'task.name': name} for name in ('cifar10', 'svhn_cropped')}
    del ways['dropout=0.2']
    ways['adam']['vary.learning_rate'] = (0.0001, 0.0003, 0.001, 0.003, 0.01)
    widths, depths = (64, 128, 256), (2, 4)
  arms = {}
  for dataset, of_dataset in datasets.items():
    for width in widths:
      for depth in depths:
        for way, of_way in ways.items():
          arms[f'{dataset},width={width},depth={depth},{way}'] = {
            **of_dataset,
            'model.widths': (width,) * depth,
            **of_way,
          }
  return arms
