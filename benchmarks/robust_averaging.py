"""`python -m benchmarks.robust_averaging`: what a winsorized step costs, in plain ones.

Interleaved in one process; medians, in milliseconds and over the step that holds the gradients of all
examples, `vmap(grad)`, and averages them. XLA on its own would turn that into the plain step, which
holds none: a barrier keeps them. A table in Markdown.
"""

import argparse
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from benchmarks.per_example_gradients import digits, environment, mean_as_product, row
from benchmarks.per_example_models import CNN, MLP, Problem
from benchmarks.timing import medians
from research.gradients.mean import mean_gradient
from research.gradients.median_of_means import median_of_means
from research.gradients.winsorized import winsorized_mean

PERCENTS = (1, 2, 4, 8)
HELD, PRODUCT = '`vmap(grad)`, mean', '`vmap(grad)`, mean as a product'


# The first is the network of Chatterjee (2020), whose gradients are winsorized.
PROBLEMS = {
  'mlp': Problem('MLP 784-256-256-256-10', MLP((256, 256, 256)), 100, (28, 28, 1), 10),
  'cnn': Problem(
    'CNN 3x3, 16-32-32, 28x28', CNN(((16, 2), (32, 2), (32, 2))), 100, (28, 28, 1), 10
  ),
}


def held(losses, mean):
  """The obvious way: every gradient is written down."""

  def gradient(params, batch):
    def loss(params, example):
      return losses(params, jax.tree.map(lambda x: x[None], example))[0]

    gradients = jax.vmap(jax.grad(loss), in_axes=(None, 0))(params, batch)
    return jax.tree.map(mean, lax.optimization_barrier(gradients))

  return gradient


def steps(losses) -> dict[str, Any]:
  """A step of SGD by each rule."""
  rules = {
    'plain step': mean_gradient(losses),
    HELD: held(losses, lambda g: jnp.mean(g, axis=0)),
    PRODUCT: held(losses, mean_as_product),
    'median of 4 means': median_of_means(losses, n_groups=4),
  }
  for percent in PERCENTS:
    rules[f'**winsorized, {percent} %**'] = winsorized_mean(losses, percent=percent)

  def step(rule):
    def update(params, batch):
      found = rule(params, batch)
      gradient = found[1] if isinstance(found, tuple) else found
      return jax.tree.map(lambda x, g: x - 0.1 * g, params, gradient)

    return jax.jit(update)

  return {title: step(rule) for title, rule in rules.items()}


def check(losses, params, batch):
  """The winsorized mean is that of the gradients, sorted.

  Raises:
    AssertionError: it is not.
  """
  gradients = held(losses, lambda g: g)(params, batch)
  for percent in PERCENTS:
    _, found = jax.jit(winsorized_mean(losses, percent=percent))(params, batch)
    for x, g in zip(jax.tree.leaves(found), jax.tree.leaves(gradients), strict=True):
      ordered = np.sort(np.asarray(g, np.float64), axis=0)
      expected = np.clip(ordered, ordered[percent], ordered[-1 - percent]).mean(0)
      np.testing.assert_allclose(x, expected, rtol=1e-3, atol=1e-5 * np.abs(expected).max())


def measure(problem: Problem, rounds: int, patience: float) -> tuple[dict[str, float], float]:
  params, batch, losses = problem.make()
  check(losses, params, batch)
  calls = {}
  for title, step in steps(losses).items():
    compiled = step.lower(params, batch).compile()
    calls[title] = lambda compiled=compiled: jax.block_until_ready(compiled(params, batch))
  return medians(calls, rounds, patience)


def main():
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument('--rounds', type=int, default=7)
  parser.add_argument('--patience', type=float, default=60, help='seconds for a calm machine')
  args = parser.parse_args()
  found = {name: measure(p, args.rounds, args.patience) for name, p in PROBLEMS.items()}
  heads = [f'{p.title} (batch {p.batch_size})' for p in PROBLEMS.values()]
  disturbed = ', '.join(f'{100 * share:.0f} %' for _, share in found.values())
  print(f'{environment()}; disturbed timings: {disturbed}', end='\n\n')
  print(row(f'ms (over {HELD} / over {PRODUCT})', *heads))
  print(row('---', *['---:'] * len(heads)))
  for title in found['mlp'][0]:
    cells = [
      f'{digits(ms[title])} ({ms[title] / ms[HELD]:.2f} / {ms[title] / ms[PRODUCT]:.2f})'
      for ms, _ in found.values()
    ]
    print(row(title, *cells))


if __name__ == '__main__':
  main()
