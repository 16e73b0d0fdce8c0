r"""Networks as they are before training: samples of the functions that an architecture prefers.

A hypothesis is a network at initialization. That of a seed is the one that a run with this seed starts
from, so that a sample of hypotheses is a sample of starting points too. Guess and check keeps those
that happen to fit a training set: what they say of other inputs owes nothing to an optimizer.
"""

import functools
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from research import rngs
from research.models import Model
from research.theory import tails


class LogProbability(NamedTuple):
  """A probability from a count, as logarithms in nats; the interval is Clopper and Pearson's."""

  value: float  # log(k / n); NaN where nothing was seen: then `high` is all that is known
  low: float  # -inf where nothing was seen
  high: float
  is_bound: bool  # whether nothing was seen


class Guesses(NamedTuple):
  """The hypotheses that fit a training set."""

  n: int  # S, how many were tried
  seeds: np.ndarray  # [k] of those that fit, in the order in which they were tried
  test_errors: np.ndarray  # [k] share of the test examples that each gets wrong
  log_probability: LogProbability  # of a fit, nats


def sampled(
  model: Model, inputs: np.ndarray | jax.Array, seeds: Sequence[int] | np.ndarray, chunk: int = 256
) -> Iterator[np.ndarray]:
  """Logits of networks at initialization, a chunk of seeds at a time: float32 [chunk, n, C] each.

  The last chunk has what is left. One program serves all chunks and later calls with the same model
  and as many inputs.

  Guarantees (each is a test): the logits of a seed are those that a population with this seed starts
  with, whatever the chunk; neither the other seeds nor their order matter; a second call compiles
  nothing.

  Args:
    model: any model; its parameters come from `rngs.named_key(seed, 'init')`.
    inputs: [n, ...], as the network takes them.
    seeds: [S], in [0, 2^32).
    chunk: how many networks are held at once.

  Cost: one initialization and one forward pass on n inputs for each seed; memory is that of `chunk`
    networks with their activations. Of small networks on a CPU, hundreds at once are faster than
    thousands, which overflow the caches.

  Raises:
    ValueError: chunk is not positive, there are no inputs, or a seed is out of range.
  """
  of_chunk = functools.partial(_logits, model, jnp.asarray(inputs))
  return _in_chunks(of_chunk, inputs, seeds, chunk)


def sampled_classes(
  model: Model, inputs: np.ndarray | jax.Array, seeds: Sequence[int] | np.ndarray, chunk: int = 256
) -> np.ndarray:
  """The classes that networks at initialization choose: uint8 [S, n], the largest of their logits.

  Guarantees (each is a test): they are the largest of `sampled`; the first of those that tie.

  Raises:
    ValueError: as in `sampled`; or there are more than 256 classes.
  """
  inputs = jnp.asarray(inputs)
  of_chunk = functools.partial(_classes, model, inputs)
  found = [*_in_chunks(of_chunk, inputs, seeds, chunk)]
  if not found:
    return np.zeros((0, len(inputs)), np.uint8)
  return np.concatenate(found)


def guess_and_check(
  model: Model,
  train: tuple[np.ndarray, np.ndarray],
  test: tuple[np.ndarray, np.ndarray],
  seeds: Sequence[int] | np.ndarray,
  *,
  most_wrong: int = 0,
  chunk: int = 256,
  confidence: float = 0.95,
) -> Guesses:
  """Which of S networks at initialization fit a training set, and how they do on a test set.

  Those that fit are a sample from the prior given the training set: exact, as far as there are any.

  Guarantees (each is a test): it finds what a loop over the seeds finds, with whatever chunk; allowing
  more errors never loses a fit; where none fits, the probability has an upper bound and no value.

  Args:
    model: any model.
    train: inputs [n, ...] and labels [n].
    test: inputs [m, ...] and labels [m]; only networks that fit see them.
    seeds: [S], in [0, 2^32), no two alike.
    most_wrong: how many training examples a fit may get wrong.
    chunk: how many networks are held at once.
    confidence: of the interval.

  Cost: that of `sampled_classes` on n inputs for S seeds, and on m inputs for those that fit.

  Raises:
    ValueError: labels are not as many as inputs, a seed occurs twice, most_wrong is not in [0, n), or
      as in `sampled` and `log_probability`.
  """
  for name, (inputs, labels) in (('train', train), ('test', test)):
    if len(inputs) != len(labels) or not len(labels):
      raise ValueError(f'{name} must have a label for each input, not {len(labels)}, {len(inputs)}')
  if not 0 <= most_wrong < len(train[1]):
    raise ValueError(f'most_wrong must lie in [0, {len(train[1])}), not {most_wrong}')
  seeds = np.asarray(seeds)
  if len(np.unique(seeds)) < len(seeds):
    raise ValueError('seeds must differ: a network that is tried twice is no second sample')
  wrong = sampled_classes(model, train[0], seeds, chunk) != np.asarray(train[1])[None]
  fits = seeds[wrong.sum(axis=1) <= most_wrong]
  missed = sampled_classes(model, test[0], fits, chunk) != np.asarray(test[1])[None]
  return Guesses(
    n=len(seeds),
    seeds=fits,
    test_errors=missed.mean(axis=1),
    log_probability=log_probability(len(fits), len(seeds), confidence),
  )


def log_probability(k: int, n: int, confidence: float = 0.95) -> LogProbability:
  """The logarithm of a probability of which k of n independent trials are evidence, in nats.

  Its interval is `tails.clopper_pearson`. Where k = 0 there is no value, and the interval begins at
  -inf.

  Raises:
    ValueError: as in `tails.clopper_pearson`.
  """
  with np.errstate(divide='ignore'):
    low, high = (float(np.log(end)) for end in tails.clopper_pearson(k, n, confidence))
  return LogProbability(float(np.log(k / n)) if k else np.nan, low, high, k == 0)


@functools.partial(jax.jit, static_argnums=0)
def _logits(model: Model, inputs: jax.Array, seeds: jax.Array) -> jax.Array:
  def of_seed(seed):
    return model.apply(model.init(rngs.named_key(seed, 'init'), inputs[:1]), inputs)

  return jax.vmap(of_seed)(seeds)


@functools.partial(jax.jit, static_argnums=0)
def _classes(model: Model, inputs: jax.Array, seeds: jax.Array) -> jax.Array:
  logits = _logits(model, inputs, seeds)
  if logits.shape[-1] > 256:
    raise ValueError(f'model must have at most 256 classes, not {logits.shape[-1]}')
  return jnp.argmax(logits, axis=-1).astype(jnp.uint8)


def _in_chunks(of_chunk, inputs, seeds, chunk: int) -> Iterator[np.ndarray]:
  """What a compiled function says of seeds [chunk]; the last chunk is filled up, and cut."""
  seeds = np.asarray(seeds)
  if chunk < 1:
    raise ValueError(f'chunk must be positive, not {chunk}')
  if not len(inputs):
    raise ValueError('inputs must be at least one')
  if len(seeds) and not (seeds.min() >= 0 and seeds.max() < 2**32):
    raise ValueError(f'seeds must lie in [0, 2^32), not in [{seeds.min()}, {seeds.max()}]')

  def run():
    for start in range(0, len(seeds), chunk):
      some = seeds[start : start + chunk].astype(np.uint32)
      filled = np.pad(some, (0, chunk - len(some)), 'edge')
      yield np.asarray(of_chunk(jnp.asarray(filled)))[: len(some)]

  return run()
