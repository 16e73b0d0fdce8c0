r"""How much noise on the parameters a network withstands, by bisection inside one compiled loop.

A noise of size :math:`\sigma` adds to parameter j a normal draw with a standard deviation
:math:`s_j(\sigma)`. The network withstands it if, over `draws` draws, the mean accuracy on the training
examples is at most `drop` below that without noise. Numbers of examples are counted, not averaged, so
that the verdict does not depend on the order of a sum.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.flatten_util import ravel_pytree

from research.types import Params

Deviations = Callable[[jax.Array], Params]  # sigma [] -> standard deviations, like the parameters


class Search(NamedTuple):
  """How the largest noise is looked for.

  Attributes:
    drop: of the accuracy that is withstood, a share of the examples.
    largest: the noise to start from: none above it is found.
    depth: how often the interval is halved at most: to `largest` / 2^depth.
    tolerance: where the interval is this part of its upper end, the search stops.
    draws: of the noise at each size.
  """

  drop: float = 0.1
  largest: float = 2.0
  depth: int = 15
  tolerance: float = 0.01
  draws: int = 10


STANDARD = Search()


def correct(apply: Callable, params: Params, inputs: jax.Array, labels: jax.Array) -> jax.Array:
  """How many of the examples the network has right: int32 []."""
  return jnp.sum(jnp.argmax(apply(params, inputs), axis=-1) == labels, dtype=jnp.int32)


def perturbed(params: Params, deviations: Params, key: jax.Array) -> Params:
  """Parameters with independent normal noise of these standard deviations, like `params`."""
  flat, unravel = ravel_pytree(params)
  scale, _ = ravel_pytree(deviations)
  return unravel(flat + scale * jax.random.normal(key, flat.shape, flat.dtype))


def largest_noise(
  n_correct: Callable[[Params], jax.Array],
  n_examples: int,
  params: Params,
  deviations: Deviations,
  key: jax.Array,
  search: Search = STANDARD,
) -> jax.Array:
  r"""The largest noise :math:`\sigma` that the network withstands: float32 [].

  .. math:: \hat\sigma = \max \Big\{ \sigma : \tfrac1K \sum_{k=1}^K
     \big( A(w) - A(w + s(\sigma) \odot \xi_k) \big) \le \text{drop} \Big\}, \qquad \xi_k \sim N(0, I)

  A is the accuracy; the same :math:`\xi_k` serve all :math:`\sigma`. By bisection: of what
  is withstood not always up to one point and never beyond it, one of the points where the verdict
  turns. 0 where nothing that was tried is withstood, `largest` (to the tolerance) where all is.

  Draws are taken one by one, and no more once those that are left cannot turn the verdict, whatever
  they are: the answer is that of all draws. Large noise, which ruins a network, mostly costs one or
  two.

  Guarantees (each is a test): it is what a plain Python bisection with all draws finds; of a linear
  classifier, within the error of K draws, where the drop in closed form (a probit) is; the same key
  gives the same number; vmapped over networks it is what each gives alone.

  Cost: at most depth * draws forward passes and as many draws of P normal numbers; fewer by the
  tolerance and by the draws that are not taken. Memory: parameters twice, and a forward pass.

  Args:
    n_correct: of parameters, how many examples are right: int32 [].
    n_examples: n, how many there are.
    params: w.
    deviations: s, of sigma.
    key: of the draws.
    search: see above.

  Raises:
    ValueError: drop is not in [0, 1], largest not positive, tolerance not in [0, 1), depth or draws
      less than 1.
  """
  drop, largest, depth, tolerance, draws = search
  if not 0 <= drop <= 1:
    raise ValueError(f'drop must lie in [0, 1], not {drop}')
  if not largest > 0:
    raise ValueError(f'largest must be positive, not {largest}')
  if not 0 <= tolerance < 1:
    raise ValueError(f'tolerance must lie in [0, 1), not {tolerance}')
  if depth < 1 or draws < 1:
    raise ValueError(f'depth and draws must be at least 1, not {depth} and {draws}')
  allowed = math.floor(drop * draws * n_examples + 1e-9)  # examples lost, over all draws
  before = n_correct(params)

  def unfinished(state):
    low, high, halvings, _, _ = state
    return (halvings < depth) & (high - low > tolerance * high)

  def draw_once(state):
    low, high, halvings, k, lost = state
    middle = (low + high) / 2
    noisy = perturbed(params, deviations(middle), jax.random.fold_in(key, k))
    lost = lost + before - n_correct(noisy)
    left = draws - k - 1
    withstood = lost + left * before <= allowed  # even if all others lost every example
    ruined = lost - left * (n_examples - before) > allowed  # even if all others had every one right
    decided = withstood | ruined
    return (
      jnp.where(withstood, middle, low),
      jnp.where(ruined, middle, high),
      jnp.where(decided, halvings + 1, halvings),
      jnp.where(decided, 0, k + 1),
      jnp.where(decided, 0, lost),
    )

  zero = jnp.zeros((), jnp.int32)
  start = (jnp.zeros(()), jnp.asarray(largest, jnp.float32), zero, zero, zero)
  return lax.while_loop(unfinished, draw_once, start)[0]
