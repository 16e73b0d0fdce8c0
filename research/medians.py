r"""Updates by the median of three minibatch gradients, which one strange minibatch does not move.

Of the gradients of minibatches t - 2, t - 1 and t, coordinate by coordinate,

.. math:: \tilde g = \operatorname{median}(g_{t-2}, g_{t-1}, g_t).

What few examples ask for is in one minibatch of three; what many ask for is in all of them.

References: `Zielinski, Krishnan & Chatterjee (2020) <https://arxiv.org/abs/2003.07422>`_, M3 and RM3.
Their code refuses momentum.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax


class MedianOfThreeState(NamedTuple):
  """What is kept between minibatches."""

  step: jax.Array  # int32 [], minibatches seen
  older: Any  # like params: the gradient before the last
  last: Any  # like params: the last gradient
  inner: Any  # the state of the inner transformation


def median_of_three(inner: optax.GradientTransformation) -> optax.GradientTransformation:
  """M3: one update for three minibatches, by the median of their gradients.

  A step of `inner` is an update: between updates its state stays, so that no momentum, decay or count
  advances, and the updates that are returned are zero. What should count minibatches, a schedule of
  the learning rate say, comes after this in a chain; there, an update has the rate of its third
  minibatch.

  Cost: two gradients held, and `inner` on every minibatch.

  Args:
    inner: what is done with the median.
  """
  return _median_of_three(inner, lambda step: step % 3 == 2)


def rolling_median_of_three(inner: optax.GradientTransformation) -> optax.GradientTransformation:
  """RM3: an update on every minibatch from the third on, by the median of the last three gradients.

  Two of the three are stale: they were taken at earlier parameters. Until the third minibatch nothing
  moves, nor does the state of `inner`. Weight decay that is to be part of the gradients comes before
  this in a chain.

  Cost: as of `median_of_three`.

  Args:
    inner: what is done with the median.
  """
  return _median_of_three(inner, lambda step: step >= 2)


def median(arrays: Sequence[jax.Array]) -> jax.Array:
  """The coordinate-wise median of n arrays; of an even number, the mean of the two in the middle.

  By n rounds of exchanges of neighbours: n^2 minima and maxima, quicker than a sort for few arrays. A
  NaN stays one.

  Raises:
    ValueError: there are no arrays.
  """
  if not arrays:
    raise ValueError('the median of no arrays')
  rows = in_order(arrays)
  low, high = rows[(len(rows) - 1) // 2], rows[len(rows) // 2]
  return low if len(rows) % 2 else (low + high) / 2


def in_order(arrays: Sequence[jax.Array]) -> list[jax.Array]:
  """The same numbers in each coordinate, the smallest in the first array."""
  rows = list(arrays)
  for start in range(len(rows)):
    for i in range(start % 2, len(rows) - 1, 2):
      rows[i : i + 2] = jnp.minimum(*rows[i : i + 2]), jnp.maximum(*rows[i : i + 2])
  return rows


def _median_of_three(
  inner: optax.GradientTransformation, is_due: Callable[[jax.Array], jax.Array]
) -> optax.GradientTransformation:
  def init(params):
    zeros = jax.tree.map(jnp.zeros_like, params)
    return MedianOfThreeState(jnp.zeros((), jnp.int32), zeros, zeros, inner.init(params))

  def update(updates, state, params=None):
    due = is_due(state.step)
    choose = lambda new, old: jax.tree.map(lambda a, b: jnp.where(due, a, b), new, old)  # noqa: E731
    medians = jax.tree.map(lambda *g: median(g), state.older, state.last, updates)
    moved, inner_state = inner.update(medians, state.inner, params)
    still = jax.tree.map(jnp.zeros_like, moved)
    state = MedianOfThreeState(
      state.step + 1, state.last, updates, choose(inner_state, state.inner)
    )
    return choose(moved, still), state

  return optax.GradientTransformation(init, update)
