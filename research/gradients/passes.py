"""Forward and backward passes of as many examples at a time as is quick and fits in memory."""

import math

import jax

from research.gradients.chunks import even, n_examples, sum_over_chunks
from research.gradients.plan import Plan
from research.gradients.taps import Emissions, forward_and_backward
from research.types import Batch, Params

# Bytes of what is emitted in one pass: what memory holds, where a device does not say how much it
# has, and what the caches of a CPU hold.
MEMORY = 4 << 30
CACHE = {'cpu': 24 << 20}


def emissions_of(
  plan: Plan, params: Params, examples: Batch, in_a_loop: bool
) -> tuple[jax.Array, Emissions]:
  """The losses [m] of examples, and what their sites and copied leaves emit [m, ...].

  Args:
    in_a_loop: whether this is called in one; if not, there may be one here.
  """
  leaves, m = jax.tree.leaves(params), n_examples(examples)
  chunk = quick_chunk(plan, m)
  by_patches = (in_a_loop or chunk < m) and jax.default_backend() == 'cpu'

  def one_pass(examples):
    return (), forward_and_backward(plan.program, leaves, jax.tree.leaves(examples), by_patches)

  return sum_over_chunks(one_pass, examples, chunk)[1]


def quick_chunk(plan: Plan, m: int) -> int:
  """How many of m examples to send through one pass.

  All, unless there are caches in which what a smaller chunk emits would stay: then about as many as
  fit, but not so few that adding up the gradients of the parameters takes longer than they do.
  """
  if jax.default_backend() not in CACHE or plan.program.convolves_elsewhere:
    return m
  parameters = 4 * sum(map(math.prod, plan.shapes))
  per_example = plan.bytes_per_example() + plan.bytes_of_patches()
  fits = max(CACHE[jax.default_backend()], parameters) / max(1, per_example)
  if fits * 2 > m:
    return m
  divisors = [c for c in range(1, m + 1) if m % c == 0]
  nearest = min(divisors, key=lambda c: abs(math.log(c / fits)))
  return nearest if fits / 2 <= nearest <= 2 * fits else even(m, int(fits))


def largest_chunk(plan: Plan, m: int) -> int:
  """How many of m examples may emit at once: into a quarter of the memory of a device."""
  limits = jax.local_devices()[0].memory_stats() or {}
  budget = limits.get('bytes_limit', 4 * MEMORY) // 4
  return even(m, budget // max(1, plan.bytes_per_example()))
