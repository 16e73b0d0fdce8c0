"""`python -m benchmarks.population`: what populations and instruments cost, as ratios side by side.

Three tables for each model family: R members together (vmap) and one after another (scan) in one
program, over R runs of one network; the convolution by patches and by XLA's own; a training step with
coherence on its batch, and one measurement on a probe set, over the plain step. Versions are
interleaved in one process; each figure is a median.
"""

from typing import Any

import jax
import numpy as np

from benchmarks.timing import medians
from research import settings
from research.instruments import INSTRUMENTS, mount
from research.losses import make_losses
from research.models import make_model
from research.optimizers import make_optimizer
from research.population import Population
from research.tasks import Split, Task

R, ROUNDS = 4, 7
MODELS = {
  'MLP 64-128-128-10, B 32': (dict(name='mlp', widths=(128, 128)), (8, 8, 1), 32),
  'MLP 784-512-512-10, B 128': (dict(name='mlp', widths=(512, 512)), (28, 28, 1), 128),
  'CNN 32-64-64, 28x28, B 64': (dict(name='cnn'), (28, 28, 1), 64),
  'ResNet-16-1 GroupNorm, 32x32, B 32': (dict(name='resnet'), (32, 32, 3), 32),
  'ViT 4 layers d=64, 28x28, B 64': (dict(name='vit'), (28, 28, 1), 64),
}


def make_population(
  model,
  shape,
  batch_size,
  *,
  size=R,
  advance: Any = 'vmap',
  on: Any = None,
  probe=256,
  devices=None,
  devices_per_member=None,
):
  generator = np.random.default_rng(0)
  n = max(1024, probe)
  split = Split(
    generator.integers(0, 256, (n, *shape), dtype=np.uint8),
    generator.integers(0, 10, n, dtype=np.int32),
  )
  channels = np.ones(shape[-1], np.float32)
  task = Task('noise', split, split, 10, 128 * channels, 64 * channels, 0.0, False)
  network = make_model(10, **model)
  panel = {'coherence': mount(INSTRUMENTS['coherence'](), 10**6, every=1, on=on)} if on else {}
  return Population(
    task,
    network,
    make_losses(network.apply),
    make_optimizer(10**6, learning_rate=1e-3),
    panel,
    seed=0,
    batch_size=batch_size,
    members=settings.Population(size=size, advance=advance, devices_per_member=devices_per_member),
    probe=settings.Probe(size=probe),
    evaluation=settings.Evaluation(),
    devices=devices,
  )


def stepper(population):
  state = population.init()

  def call():
    nonlocal state
    state, metrics = population.step(state, 0)
    return state, metrics

  return call


def measurer(population):
  state = population.init()
  return lambda: population.measure(state, 0)


def main():
  device = jax.devices()[0].device_kind
  print(
    f'{device}, jax {jax.__version__}, R = {R}; ms per step of all members; medians of {ROUNDS}'
  )
  for title, (model, shape, batch_size) in MODELS.items():
    variants = {
      'one network': stepper(make_population(model, shape, batch_size, size=1)),
      'vmap': stepper(make_population(model, shape, batch_size, advance='vmap')),
      'scan': stepper(make_population(model, shape, batch_size, advance='scan')),
    }
    if model['name'] in ('cnn', 'resnet'):
      lax = {**model, 'convolution': 'lax'}
      variants['one network, lax'] = stepper(make_population(lax, shape, batch_size, size=1))
      variants['vmap, lax'] = stepper(make_population(lax, shape, batch_size, advance='vmap'))
    for title_of, call, on in (
      ('coherence on the batch', stepper, 'batch'),
      ('coherence of 256', measurer, 'probe'),
    ):
      variants[title_of] = call(make_population(model, shape, batch_size, advance='auto', on=on))
    blocking = {k: lambda call=call: jax.block_until_ready(call()) for k, call in variants.items()}
    ms, _ = medians(blocking, ROUNDS, patience=0)
    print(f'\n{title}')
    for name, value in ms.items():
      over = R * ms['one network'] if not name.startswith('one') else ms['one network']
      print(f'  {name:24s} {value:9.2f} ms   {value / over:6.2f}')


if __name__ == '__main__':
  main()
