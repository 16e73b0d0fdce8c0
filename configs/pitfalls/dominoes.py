"""Which half of an image a network relies on: MNIST digits above objects that are harder to tell.

`cifar`: 0 and 1 above automobile and truck; `fashion`: above T-shirt and pullover. In
`*_randomized` the digit says nothing of the label in training: what the same network can make of
the other half. And `cifar_ensemble`, the mean of 3 networks, and `cifar_adversarial`, trained on
the paper's attacks (linf 0.3, 7 steps of 0.12).

:smoke  2 networks, 6 steps. For tests.
:cpu    n = 3,000, 5 CNNs of 8 and 16 channels and 32 units that see all positions, SGD at the
        paper's 0.05, 100 steps of 64; tested on 700 images that the 20,000 of CIFAR-10 at hand
        leave. The six runs took 15 minutes on 2 CPU cores beside other work. So small a CNN does not
        learn under these attacks: it becomes constant.
:full   all of CIFAR-10, 10 GroupNorm ResNets with 4 times the usual width (there is no ResNet-50),
        50 epochs. Not run yet.
"""

from ml_collections import ConfigDict

CIFAR = {'task.bottom': 'cifar10_partial', 'task.bottom_classes': (1, 9)}
# Of the 2,000 images of a class that are at hand, some are kept for the test.
PARTS = {
  'task.bottom_train_split': 'train[:16000]',
  'task.bottom_test_split': 'train[16000:]',
}
WHOLE = CIFAR | {'task.bottom': 'cifar10'}
FASHION = {'task.bottom': 'fashion_mnist', 'task.bottom_classes': (0, 2)}


def get_config(scale: str = 'cpu') -> ConfigDict:
  c = ConfigDict()
  c.seed = 0
  c.task = dict(name='dominoes', top='mnist', top_classes=(0, 1), n_train=3_000, n_test=700)
  c.model = dict(name='cnn', widths=(8, 16), dense=(32,))
  c.optimizer = dict(name='sgd', learning_rate=0.05, weight_decay=5e-5)
  c.training = dict(total_steps=100, batch_size=64)
  c.population = dict(size=5)
  c.probe = dict(size=700, split='test')
  c.evaluation = dict(per_decade=1, max_train_examples=300)
  c.instruments = dict(reliance=dict(per_decade=1))
  if scale == 'smoke':
    c.task.update(n_train=64, n_test=32)
    c.model.update(widths=(4, 4), dense=(8,))
    c.training.update(total_steps=6, batch_size=16)
    c.population.size = 2
    c.probe.size = 32
  elif scale == 'full':
    c.task.update(n_train=10_000, n_test=1_900)
    c.model = dict(name='resnet', width=4)
    c.training.update(total_steps=7_800, checkpoint_every=1_000)
    c.population.size = 10
    c.probe.size = 1_900
  elif scale != 'cpu':
    raise ValueError(f'no scale {scale!r}; choose smoke, cpu or full')
  return c


def sweep(scale: str = 'cpu'):
  cifar = WHOLE if scale == 'full' else CIFAR | PARTS
  attack = {
    'objective.adversary': 'linf',
    'objective.radius': 0.3,
    'objective.step_size': 0.12,
    'objective.iterations': 2 if scale == 'smoke' else 7,
    'objective.bounds': (0.0, 1.0),
  }
  attacked = {
    'instruments.adversarial.norm': 'linf',
    'instruments.adversarial.radius': 0.3,
    'instruments.adversarial.step_size': 0.12,
    'instruments.adversarial.iterations': 7,
    'instruments.adversarial.bounds': (0.0, 1.0),
    'instruments.adversarial.every': 1_000_000_000,  # at both ends alone
  }
  return {
    'cifar': cifar,
    'fashion': FASHION,
    'cifar_randomized': {**cifar, 'task.randomized': 'top'},
    'fashion_randomized': {**FASHION, 'task.randomized': 'top'},
    'cifar_ensemble': {**cifar, 'model.ensemble': 3},
    'cifar_adversarial': {**cifar, **attack, **attacked},
  }
