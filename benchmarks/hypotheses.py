"""`python -m benchmarks.hypotheses`: trained networks per second, one population beside one by one.

Networks that fit a training set are what a network space is made of (`exact_inductive_bias`), and it
takes hundreds. Each of them is trained from a seed of its own, in its own order of examples, by Adam on
squared errors: as a population, by a plain loop of jitted steps in JAX, by the same loop in PyTorch
where it is installed. All ways train the same steps on batches of equal size; evaluation is left out.
Versions are interleaved in one process; each figure is a median. Compiling is not counted.
"""

import importlib.util
import itertools
import time
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import optax

from benchmarks.timing import medians
from research import settings
from research.losses import make_losses
from research.models import make_model
from research.optimizers import make_optimizer
from research.population import Population
from research.tasks import Split, Task

R, STEPS, ROUNDS, N_TRAIN, RATE = 64, 50, 5, 500, 1e-3
MODELS = {  # inputs, widths, examples of a batch
  'MLP 64-32-10, B 20': (64, (32,), 20),
  'MLP 64-64-64-10, B 50': (64, (64, 64), 50),
  'MLP 784-64-64-10, B 50': (784, (64, 64), 50),
}


def examples(dim: int) -> tuple[np.ndarray, np.ndarray]:
  generator = np.random.default_rng(0)
  inputs = generator.normal(size=(N_TRAIN, dim)).astype(np.float32)
  return inputs, generator.integers(0, 10, N_TRAIN, dtype=np.int32)


def population(dim: int, widths: tuple[int, ...], batch_size: int) -> Callable[[], object]:
  """R networks at once."""
  split = Split(*examples(dim))
  zeros, ones = np.zeros(dim, np.float32), np.ones(dim, np.float32)
  task = Task('noise', split, split, 10, zeros, ones, 0.0, False)
  model = make_model(10, name='mlp', widths=widths)
  networks = Population(
    task,
    model,
    make_losses(model.apply, name='squared_error'),
    make_optimizer(STEPS, name='adam', learning_rate=RATE),
    {},
    seed=0,
    batch_size=batch_size,
    members=settings.Population(size=R),
    probe=settings.Probe(size=batch_size),
    evaluation=settings.Evaluation(),
  )

  def train():
    state = networks.init()
    for step in range(STEPS):
      state, _ = networks.step(state, step)
    return jax.block_until_ready(state)

  return train


def one_by_one(dim: int, widths: tuple[int, ...], batch_size: int) -> Callable[[], object]:
  """One network: the loop that everybody writes, with its data on the device and its step jitted."""
  inputs, labels = map(jnp.asarray, examples(dim))
  model = make_model(10, name='mlp', widths=widths)
  losses = make_losses(model.apply, name='squared_error')
  tx = optax.adam(RATE)
  init = jax.jit(lambda key: model.init(key, inputs[:1]))

  @jax.jit
  def update(params, opt_state, rows):
    batch = {'inputs': inputs[rows], 'labels': labels[rows]}
    grads = jax.grad(lambda p: jnp.mean(losses(p, batch)))(params)
    updates, opt_state = tx.update(grads, opt_state, params)
    return optax.apply_updates(params, updates), opt_state

  def train():
    params = init(jax.random.key(0))
    opt_state, generator = tx.init(params), np.random.default_rng(0)
    for step in range(STEPS):
      start = step * batch_size % N_TRAIN
      order = generator.permutation(N_TRAIN) if start == 0 else order  # noqa: F821
      params, opt_state = update(params, opt_state, order[start : start + batch_size])
    return jax.block_until_ready(params)

  return train


def in_torch(dim: int, widths: tuple[int, ...], batch_size: int) -> Callable[[], object]:
  """The same loop in PyTorch."""
  import torch  # pyright: ignore[reportMissingImports]

  inputs, labels = map(torch.as_tensor, examples(dim))
  targets = torch.nn.functional.one_hot(labels.long(), 10).float()

  def train():
    sizes, layers = [dim, *widths], []
    for fan_in, width in itertools.pairwise(sizes):
      layers += [torch.nn.Linear(fan_in, width), torch.nn.ReLU()]
    model = torch.nn.Sequential(*layers, torch.nn.Linear(sizes[-1], 10))
    optimizer = torch.optim.Adam(model.parameters(), lr=RATE)
    for step in range(STEPS):
      start = step * batch_size % N_TRAIN
      order = torch.randperm(N_TRAIN) if start == 0 else order  # noqa: F821
      rows = order[start : start + batch_size]
      loss = 0.5 * (model(inputs[rows]) - targets[rows]).square().sum(1).mean()
      optimizer.zero_grad()
      loss.backward()
      optimizer.step()
    return model

  return train


def main():
  started = time.perf_counter()
  has_torch = importlib.util.find_spec('torch') is not None
  print(
    f'{jax.devices()[0].device_kind}, jax {jax.__version__}; {R} networks, {STEPS} steps each; '
    f'networks per second; medians of {ROUNDS}'
  )
  for title, arguments in MODELS.items():
    calls = {'population': population(*arguments), 'one by one': one_by_one(*arguments)}
    if has_torch:
      calls['PyTorch, one by one'] = in_torch(*arguments)
    times, disturbed = medians(calls, ROUNDS, patience=60)
    rates = {name: (R if name == 'population' else 1) / (ms / 1e3) for name, ms in times.items()}
    ratios = [f'{name} {rate:.3g}' for name, rate in rates.items()]
    gain = rates['population'] / max(rate for name, rate in rates.items() if name != 'population')
    print(
      f'{title}: {", ".join(ratios)}; {gain:.1f} times the faster loop; {disturbed:.0%} disturbed'
    )
  print(
    f'{time.perf_counter() - started:.0f} s' + ('' if has_torch else '; PyTorch is not installed')
  )


if __name__ == '__main__':
  main()
