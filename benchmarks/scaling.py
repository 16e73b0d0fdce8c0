"""`python -m benchmarks.scaling`: more devices, with the work of each the same.

Two ways to use n devices: n times the members, which never communicate, or n times the examples in the
batch of one member, whose gradients are summed. Beside the time of a step is the memory of each device,
which is to stay the same, and that of a fixed population, which is to fall.

Simulated devices share the cores of the machine, so that n of them take n times as long at best: the
column `over` is the time of a step by n times that of one device, 1 where distribution costs nothing.
On accelerators it is the time of a step by that of one device. Versions are interleaved; medians.
"""

import os

N_DEVICES, ROUNDS = (1, 2, 4, 8), 7
os.environ['XLA_FLAGS'] = (
  os.environ.get('XLA_FLAGS', '') + f' --xla_force_host_platform_device_count={max(N_DEVICES)}'
)

import jax  # noqa: E402

from benchmarks.population import make_population, stepper  # noqa: E402
from benchmarks.timing import medians  # noqa: E402
from research.forecast import costs_of_run  # noqa: E402

MODELS = {
  'MLP 784-512-512-10, B 128': (dict(name='mlp', widths=(512, 512)), (28, 28, 1), 128),
  'CNN 32-64-64, 28x28, B 64': (dict(name='cnn'), (28, 28, 1), 64),
}


def populations(model, shape, batch_size):
  """For each way and number of devices, what is trained there; work per device is constant."""
  for n in (n for n in N_DEVICES if n <= jax.device_count()):
    devices = jax.devices()[:n]
    yield 'members', n, make_population(model, shape, batch_size, size=n, devices=devices)
    yield (
      'examples',
      n,
      make_population(
        model, shape, batch_size * n, size=1, devices=devices, devices_per_member=n, probe=256 * n
      ),
    )


def megabytes_of_first_device(population) -> float:
  """What the state and the data occupy on one device, and what a step needs besides."""
  update = costs_of_run(population, 1)[0]
  first = population.mesh.devices.flat[0]
  own = sum(
    shard.data.nbytes
    for x in jax.tree.leaves((population.init(), population._targets, population._inputs))
    for shard in x.addressable_shards
    if shard.device == first
  )
  return (own + update.temporary_bytes) / 1e6


def main():
  kind = jax.devices()[0].device_kind
  simulated = jax.default_backend() == 'cpu'
  print(f'{jax.device_count()} x {kind}, jax {jax.__version__}; medians of {ROUNDS}\n')
  print('| model | way | devices | ms a step | over | MB on each device |')
  print('|---|---|---|---|---|---|')
  for title, arguments in MODELS.items():
    found = {(way, n): it for way, n, it in populations(*arguments)}
    calls = {f'{way} {n}': waiting(stepper(it)) for (way, n), it in found.items()}
    times, disturbed = medians(calls, ROUNDS, patience=60)
    for (way, n), population in found.items():
      ms = times[f'{way} {n}']
      over = ms / times[f'{way} 1'] / (n if simulated else 1)
      memory = megabytes_of_first_device(population)
      print(f'| {title} | {way} | {n} | {ms:.1f} | {over:.2f} | {memory:.1f} |', flush=True)
    print(f'\n{title}: {disturbed:.0%} of the timings disturbed\n')
  model, shape, batch_size = MODELS['MLP 784-512-512-10, B 128']
  for n in (n for n in N_DEVICES if n <= jax.device_count()):
    fixed = make_population(model, shape, batch_size, size=8, devices=jax.devices()[:n])
    memory = megabytes_of_first_device(fixed)
    print(f'eight members on {n} devices: {memory:.1f} MB on each')


def waiting(call):
  return lambda: jax.block_until_ready(call())


if __name__ == '__main__':
  main()
