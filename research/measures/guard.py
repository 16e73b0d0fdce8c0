r"""The guard: two worlds that no measure can tell apart, unless it knows more than it may.

In `research.theory.two_worlds`, sample and network have one law in both worlds, and the test errors are
0 and 1 - 1/q. Here the network is real, so that every measure applies: on d numbers from 0 to q - 1,

.. math:: z_c(x) = g \cos\big(2\pi (w \cdot x - c) / q\big), \qquad c = 0, \dots, q - 1,

with the largest logit at :math:`c = w \cdot x \bmod q`. Its one parameter is called 'kernel' [d, 1];
it starts at uniform integers that know nothing of the world. A measure whose law differs between the
worlds has seen the test labels, whatever it was computed from.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from scipy import stats

from research import rngs
from research.measures.measure import Measure, Trained
from research.models import Model
from research.theory import two_worlds
from research.types import Params

GAIN = 50.0  # at q = 11 margins of a fitted sample are 7.9


class Trials(NamedTuple):
  """Networks of both worlds.

  Attributes:
    worlds: by world, networks whose trees, inputs, labels and keys have a first axis [T].
    test_errors: by world, float64 [T]: exact.
    train_errors: likewise, of the sample.
  """

  worlds: dict[str, Trained]
  test_errors: dict[str, np.ndarray]
  train_errors: dict[str, np.ndarray]


def cosines(d: int, q: int, gain: float = GAIN) -> Model:
  """The network above, from inputs float32 [B, d] to logits [B, q]."""

  def apply(params: Params, x: jax.Array) -> jax.Array:
    turns = (x @ params['kernel'] - jnp.arange(q, dtype=jnp.float32)[None]) / q
    return gain * jnp.cos(2 * jnp.pi * (turns - jnp.round(turns)))

  def init(key: jax.Array, x: jax.Array) -> Params:
    return {'kernel': jax.random.randint(key, (d, 1), 0, q).astype(jnp.float32)}

  return Model(init, apply, lambda params, x: {'logits': apply(params, x)})


def worlds(
  seed: int, trials: int, n: int = 20, d: int = 20, q: int = 11, invertible: bool = True
) -> Trials:
  """Independent networks of both worlds, with their errors.

  Args:
    seed: of everything; each trial has its own streams.
    trials: T, in each world.
    n, d, q: examples, coordinates, and the prime.
    invertible: whether inputs are drawn until they have rank d, which makes the worlds' laws one.

  Guarantees (each is a test): with n = d and `invertible`, train errors are 0, and test errors 0 in the
  linear and 1 - 1/q in the random world; the network predicts w . x mod q, at integers up to d q^2.

  Raises:
    ValueError: trials is not positive; or as `two_worlds.draw`.
  """
  if trials < 1:
    raise ValueError(f'trials must be at least 1, not {trials}')
  model, found = cosines(d, q), {}
  test_errors, train_errors = {}, {}
  for world in two_worlds.WORLDS:
    draws = [
      two_worlds.draw(
        rngs.named_generator(seed, f'two_worlds/{world}', trial), world, n, d, q, invertible
      )
      for trial in range(trials)
    ]
    keys = jax.random.split(rngs.named_key(seed, f'two_worlds/{world}'), (2, trials))
    inputs = jnp.asarray(np.stack([drawn.inputs for drawn in draws]), jnp.float32)
    weights = jnp.asarray(np.stack([drawn.weights for drawn in draws]), jnp.float32)
    found[world] = Trained(
      model=model,
      initial=jax.vmap(model.init)(keys[0], inputs),
      final={'kernel': weights[..., None]},
      inputs=inputs,
      labels=jnp.asarray(np.stack([drawn.labels for drawn in draws]), jnp.int32),
      key=keys[1],
    )
    test_errors[world] = np.array([drawn.test_error for drawn in draws])
    train_errors[world] = np.array([drawn.train_error for drawn in draws])
  return Trials(found, test_errors, train_errors)


def joined(parts: Sequence[Trials]) -> Trials:
  """The networks of several sets of trials, of equal shapes, as one: they are computed together."""
  model = parts[0].worlds[two_worlds.WORLDS[0]].model

  def join(world: str) -> Trained:
    arrays = [part.worlds[world][1:] for part in parts]
    return Trained(model, *jax.tree.map(lambda *x: jnp.concatenate(x), *arrays))

  names = two_worlds.WORLDS
  return Trials(
    worlds={world: join(world) for world in names},
    test_errors={w: np.concatenate([part.test_errors[w] for part in parts]) for w in names},
    train_errors={w: np.concatenate([part.train_errors[w] for part in parts]) for w in names},
  )


def values(measure: Measure, trials: Trials) -> dict[str, dict[str, np.ndarray]]:
  """What a family of measures finds: by world and name, [T]. One compiled program for both worlds."""
  model = trials.worlds[two_worlds.WORLDS[0]].model
  vmapped = jax.jit(jax.vmap(lambda *arrays: measure(Trained(model, *arrays))))
  return {
    world: {name: np.asarray(value) for name, value in vmapped(*trained[1:]).items()}
    for world, trained in trials.worlds.items()
  }


def leaks(measure: Measure, trials: Trials) -> dict[str, float]:
  """For each name, the p-value of a two-sample Kolmogorov-Smirnov test between the worlds.

  Small where a measure's law differs between the worlds. With n = d and invertible inputs it may not: p
  is then uniform, or above that for measures that take few values. Where a measure is not a number it
  counts as larger than any, so that being defined in one world alone is seen too. One that is no
  number in either world, of any network, is not judged: NaN.

  A test of many names at once takes p times their number.

  Guarantees (each is a test): every family of `MEASURES` passes; a measure that peeks at the test
  error, directly or through what it calls the initial parameters, is caught below 1e-10.
  """
  of_worlds = values(measure, trials)
  first, second = (of_worlds[world] for world in two_worlds.WORLDS)
  found = {name: difference(first[name], second[name])[0] for name in first}
  undefined = {name for name in found if np.isnan([first[name], second[name]]).all()}
  return {name: np.nan if name in undefined else p for name, p in found.items()}


def difference(first: np.ndarray, second: np.ndarray) -> tuple[float, float]:
  """p-value and statistic of a two-sample Kolmogorov-Smirnov test, where NaN is above infinity."""
  both = np.concatenate([first, second]).astype(np.float64)
  _, ranks = np.unique(both, return_inverse=True)  # all NaNs are one, the last
  test: Any = stats.ks_2samp(ranks[: len(first)], ranks[len(first) :])
  return float(test.pvalue), float(test.statistic)
