"""`python -m benchmarks.zoo`: networks of the contest's zoo per minute, as populations and one by one.

A population of 32 networks that differ in four hyperparameters, and the first of them alone, each at
its usual place in the loop: update after update. Compilation is left out: one by one it is paid as
often as there are shapes, too. Versions are interleaved; medians.
"""

import jax

from benchmarks.timing import medians
from research import loop, sweeps

RUNS = ('digits,width=32,depth=1,sgd', 'mnist,width=32,depth=3,sgd', 'mnist,width=128,depth=3,adam')
CONFIG, ROUNDS, UPDATES = 'configs/contest/zoo.py:cpu', 7, 50


def trainer(population):
  state = population.init()

  def call():
    nonlocal state
    for step in range(UPDATES):
      state, metrics = population.step(state, step)
    jax.block_until_ready((state, metrics))

  return call


def main():
  print(f'{jax.devices()[0].device_kind}, jax {jax.__version__}; medians of {ROUNDS}\n')
  print('| run of the zoo | networks | ms, all | ms, one alone | one by one over together |')
  print('|---|---|---|---|---|')
  for name in RUNS:
    config = sweeps.runs(CONFIG)[name]
    alone = config.copy_and_resolve_references()
    with alone.unlocked():
      alone.population.size = 1
      for key in alone.vary:
        alone.vary[key] = ()
    calls = {'together': trainer(loop.build(config)), 'alone': trainer(loop.build(alone))}
    ms, _ = medians(calls, ROUNDS, patience=20)
    together, one = (ms[key] / UPDATES for key in ('together', 'alone'))
    size = config.population.size
    print(
      f'| {name} | {size} | {together:.2f} | {one:.2f} | {size * one / together:.1f} |', flush=True
    )


if __name__ == '__main__':
  main()
