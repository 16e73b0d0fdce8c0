r"""InfoNCE on scikit-learn's digits: what the temperature trades, and what random bits suppress.

An encoder is 64 - 128 - 32 with relu, its embedding on the sphere; two views of an image are shifted
by up to one pixel each way, and noisy. Encoders of equal seed start alike and see the same images in
the same order.
"""

import functools
import itertools
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pandas as pd

from research import contrastive, rngs
from research.studies.claim import Verdict, exceeds, weakest
from research.studies.contrastive_simplicity.probe import SEEDS, probe_accuracy
from research.tasks import digits
from research.tasks.subclasses import random_bits

TEMPERATURES = (0.03, 0.07, 0.15, 0.3, 0.6, 1.0, 2.0)
SIDE, HIDDEN, WIDTH, BATCH, STEPS, RATE, PIXEL_NOISE = 8, 128, 32, 128, 300, 3e-3, 0.1
N_BITS = (0, 1, 2, 4, 8)
# Temperature and width of the embedding, of which the first is what the others are compared with.
ENCODERS = {'usual': (0.3, WIDTH), 'warm': (1.0, WIDTH), 'wide': (0.3, 4 * WIDTH)}


def entropy_of_weights(seeds: Sequence[int] = SEEDS) -> pd.DataFrame:
  """The derivative of the entropy of the weights of negatives by the temperature, and its formula."""

  @jax.jit
  def measure(embeddings, temperature):
    scores = contrastive.similarities(embeddings)

    def entropy(tau):
      return jnp.mean(contrastive.weight_entropy(contrastive.negative_weights(scores, tau)))

    weights = contrastive.negative_weights(scores, temperature)
    mean = jnp.sum(weights * scores, axis=1, keepdims=True)
    variances = jnp.sum(weights * jnp.square(scores - mean), axis=1)
    value, derivative = jax.value_and_grad(entropy)(temperature)
    return value, derivative, jnp.mean(variances) / temperature**3

  rows = []
  for seed, temperature in itertools.product(seeds, TEMPERATURES):
    drawn = rngs.named_generator(seed, 'contrastive/embeddings').normal(size=(BATCH, WIDTH))
    found = map(float, measure(jnp.asarray(drawn, jnp.float32), temperature))
    names = ('entropy', 'derivative', 'formula')
    rows.append({'seed': seed, 'temperature': temperature, **dict(zip(names, found, strict=True))})
  return pd.DataFrame(rows)


def temperature(seeds: Sequence[int] = SEEDS, steps: int = STEPS) -> pd.DataFrame:
  """Encoders trained at each temperature: accuracy of a linear probe, uniformity and tolerance."""
  train, test = (_pixels(split) for split in ('train', 'test'))
  labels = [digits.load(split).labels for split in ('train', 'test')]
  arms = [(seed, tau) for seed in seeds for tau in TEMPERATURES]
  own = [seed for seed, _ in arms]
  params = _train(train[None], np.zeros(len(arms), int), own, [tau for _, tau in arms], steps=steps)
  embedded = [
    np.asarray(_embed(params, np.broadcast_to(x, (len(arms), *x.shape)))) for x in (train, test)
  ]
  uniform = jax.jit(jax.vmap(contrastive.uniformity))(embedded[1])
  tolerant = jax.jit(jax.vmap(contrastive.tolerance, (0, None)))(embedded[1], labels[1])
  return pd.DataFrame(
    {
      'seed': seed,
      'temperature': tau,
      'probe_accuracy': probe_accuracy(embedded[0][i], labels[0], embedded[1][i], labels[1]),
      'uniformity': float(uniform[i]),
      'tolerance': float(tolerant[i]),
    }
    for i, (seed, tau) in enumerate(arms)
  )


def shared_bits(seeds: Sequence[int] = SEEDS, steps: int = STEPS) -> pd.DataFrame:
  """Encoders of digits with random bits that both views of an image share, by the number of bits."""
  labels = [digits.load(split).labels for split in ('train', 'test')]
  arms = [(seed, n_bits) for seed in seeds for n_bits in N_BITS]
  train, test = (np.stack([_with_bits(split, *arm) for arm in arms]) for split in ('train', 'test'))
  rows = []
  for name, (tau, width) in ENCODERS.items():
    taus, own = [tau] * len(arms), [seed for seed, _ in arms]
    params = _train(train, np.arange(len(arms)), own, taus, width=width, steps=steps)
    embedded = [np.asarray(_embed(params, x)) for x in (train, test)]
    for i, (seed, n_bits) in enumerate(arms):
      accuracy = probe_accuracy(embedded[0][i], labels[0], embedded[1][i], labels[1])
      row = {'seed': seed, 'encoder': name, 'n_bits': n_bits, 'temperature': tau, 'width': width}
      rows.append(row | {'probe_accuracy': accuracy})
  return pd.DataFrame(rows)


def entropy_grows_as_variance(table: pd.DataFrame) -> Verdict:
  """The entropy of the weights of negatives rises with the temperature, everywhere as the variance of
  the similarities over tau cubed (largest relative error of the derivative, below 1e-3 in float32)."""
  errors = np.abs(table['derivative'] / table['formula'] - 1)
  rises = bool((table['derivative'] > 0).all())
  return Verdict(
    holds=rises and bool(errors.max() < 1e-3),
    ours=float(errors.max()),
    n=table['seed'].nunique(),
    note=f'at {table["temperature"].nunique()} temperatures from {table["temperature"].min():g} on',
  )


def low_temperature_is_uniform(table: pd.DataFrame) -> Verdict:
  """A low temperature spreads embeddings more evenly: uniformity at tau = 1 minus that at 0.07 (nats,
  above 0)."""
  return exceeds(_at(table, 1.0, 'uniformity') - _at(table, 0.07, 'uniformity'), 0.0)


def high_temperature_is_tolerant(table: pd.DataFrame) -> Verdict:
  """A high temperature tolerates alike images: tolerance at tau = 1 minus that at 0.07 (above 0)."""
  return exceeds(_at(table, 1.0, 'tolerance') - _at(table, 0.07, 'tolerance'), 0.0)


def middle_temperature_is_best(table: pd.DataFrame) -> Verdict:
  """A linear probe is better at tau = 0.3 than at 0.07 and than at 1 (difference of test accuracies,
  the smaller one, above 0)."""
  middle = _at(table, 0.3, 'probe_accuracy')
  return weakest(
    [
      exceeds(middle - _at(table, tau, 'probe_accuracy'), 0.0, note=f'against tau = {tau:g}')
      for tau in (0.07, 1.0)
    ]
  )


def shared_bits_suppress_digits(table: pd.DataFrame) -> Verdict:
  """Eight random bits that both views share cost the linear probe for the digit more than a tenth of
  test accuracy (accuracy without bits minus that with eight; bound ours)."""
  return exceeds(_accuracy(table, 'usual', 0) - _accuracy(table, 'usual', 8), 0.1)


def every_bit_suppresses_more(table: pd.DataFrame) -> Verdict:
  """Suppression grows with the number of bits: from each of 0, 1, 2, 4 bits to the next of 1, 2, 4, 8
  the probe loses accuracy (the smallest loss, above 0)."""
  return weakest(
    [
      exceeds(
        _accuracy(table, 'usual', few) - _accuracy(table, 'usual', many),
        0.0,
        note=f'{few} to {many} bits',
      )
      for few, many in itertools.pairwise(N_BITS)
    ]
  )


def width_relieves_suppression(table: pd.DataFrame) -> Verdict:
  """With eight bits, an embedding four times as wide loses less to them than the usual one (difference
  of the losses of accuracy from 0 to 8 bits, above 0)."""
  return exceeds(_loss(table, 'usual') - _loss(table, 'wide'), 0.0)


def warmth_relieves_suppression(table: pd.DataFrame) -> Verdict:
  """With eight bits, a temperature of 1 loses less to them than one of 0.3 (difference of the losses of
  accuracy from 0 to 8 bits, above 0)."""
  return exceeds(_loss(table, 'usual') - _loss(table, 'warm'), 0.0)


def _at(table: pd.DataFrame, tau: float, metric: str) -> np.ndarray:
  return table[table['temperature'] == tau].sort_values('seed')[metric].to_numpy()


def _accuracy(table: pd.DataFrame, encoder: str, n_bits: int) -> np.ndarray:
  part = table[(table['encoder'] == encoder) & (table['n_bits'] == n_bits)]
  return part.sort_values('seed')['probe_accuracy'].to_numpy()


def _loss(table: pd.DataFrame, encoder: str) -> np.ndarray:
  return _accuracy(table, encoder, 0) - _accuracy(table, encoder, 8)


def _pixels(split: str) -> np.ndarray:
  """The digits of a split, from 0 to 1: float32 [n, 64]."""
  images = digits.load(split).inputs
  return (images.reshape(len(images), -1) / 16).astype(np.float32)


def _with_bits(split: str, seed: int, n_bits: int) -> np.ndarray:
  """Digits and bits [n, 64 + max(N_BITS)]; bits that are not shown are zero, as if not there."""
  drawn = rngs.named_generator(seed, f'bits/{split}')
  images, _ = random_bits(_pixels(split), max(N_BITS), drawn)
  images[:, SIDE**2 + n_bits :] = 0
  return images


def _init(key: jax.Array, n_inputs: int, width: int):
  first, second = jax.random.split(key)
  return {
    'hidden': jax.random.normal(first, (n_inputs, HIDDEN)) * np.sqrt(2 / n_inputs),
    'bias': jnp.zeros(HIDDEN),
    'out': jax.random.normal(second, (HIDDEN, width)) * np.sqrt(1 / HIDDEN),
  }


def _encode(params, x: jax.Array) -> jax.Array:
  """Embeddings on the sphere [n, k] of images [n, 64 + bits]."""
  hidden = jax.nn.relu(x @ params['hidden'] + params['bias'][None])
  return contrastive.on_sphere(hidden @ params['out'])


_embed = jax.jit(jax.vmap(_encode))


def _view(key: jax.Array, images: jax.Array) -> jax.Array:
  """Digits shifted by up to a pixel each way, and noisy; bits are left as they are."""
  shifts, noise = jax.random.split(key)
  n, pixels = len(images), SIDE**2
  padded = jnp.pad(images[:, :pixels].reshape(n, SIDE, SIDE), ((0, 0), (1, 1), (1, 1)))
  cut = jax.vmap(lambda image, at: jax.lax.dynamic_slice(image, (at[0], at[1]), (SIDE, SIDE)))
  moved = cut(padded, jax.random.randint(shifts, (n, 2), 0, 3)).reshape(n, pixels)
  moved = moved + PIXEL_NOISE * jax.random.normal(noise, moved.shape)
  return jnp.concatenate([moved, images[:, pixels:]], axis=1)


def _train(images, which, seeds, temperatures, *, width: int = WIDTH, steps: int = STEPS):
  """Encoders, R of them: each of a seed and a temperature sees images[which] of [S, n, p]."""
  batches = {}
  for seed in set(seeds):
    draw = rngs.named_generator(seed, 'contrastive/batches')
    chosen = [draw.choice(images.shape[1], BATCH, replace=False) for _ in range(steps)]
    batches[seed] = np.stack(chosen).astype(np.int32)
  rows = np.stack([batches[seed] for seed in seeds], axis=1)  # [steps, R, B]
  of_arms = jnp.asarray(which), jnp.asarray(seeds), jnp.asarray(temperatures, jnp.float32)
  return _trained(jnp.asarray(images), *of_arms, jnp.asarray(rows), width=width)


@functools.partial(jax.jit, static_argnames='width')
def _trained(images, which, seeds, temperatures, rows, *, width: int):
  """Adam on the mean of NT-Xent."""
  optimizer, names = optax.adam(RATE), ('encoder', 'views')
  start, keys = (jax.vmap(functools.partial(rngs.named_key, name=name))(seeds) for name in names)
  params = jax.vmap(lambda key: _init(key, images.shape[-1], width))(start)

  def loss_of(params, batch, key, tau):
    views = [_encode(params, _view(of_view, batch)) for of_view in jax.random.split(key)]
    return jnp.mean(contrastive.nt_xent(jnp.stack(views, axis=1), tau))

  def step(carry, inputs):
    (params, state), (i, chosen) = carry, inputs
    now = jax.vmap(jax.random.fold_in, (0, None))(keys, i)
    grads = jax.vmap(jax.grad(loss_of))(params, images[which[:, None], chosen], now, temperatures)
    updates, state = optimizer.update(grads, state, params)
    return (optax.apply_updates(params, updates), state), None

  (params, _), _ = jax.lax.scan(
    step, (params, optimizer.init(params)), (jnp.arange(len(rows)), rows)
  )
  return params
