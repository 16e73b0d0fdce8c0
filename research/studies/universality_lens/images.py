"""Images in place of functions of 64 inputs: Langevin samples beside ensembles.

The hypotheses are networks of one hidden layer on scikit-learn's digits, with the prior of `networks`
and ten outputs. Nothing is exact here: 100 labels have weights near e^-160 (`labels`), so that guess
and check never accepts a draw, and a mixture over draws is the best one of them. In its place are
chains that agree with each other.

A share `REDRAWN` of the training labels is drawn uniformly from all classes; the test labels have the
same noise, over which the loss is exact.
"""

import functools
import itertools
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pandas as pd

from research import rngs
from research.langevin import langevin, make_potential
from research.losses import make_losses
from research.models import Model
from research.studies.claim import Verdict, exceeds, falls_below, farthest, weakest, within
from research.studies.universality_lens import networks
from research.studies.universality_lens.networks import SEEDS
from research.tasks import corruptions, digits
from research.tasks.split import channel_statistics

N_TRAIN, REDRAWN, WIDTH = (100, 400), 0.2, 16
N_CHAINS, N_MEMBERS = 4, 8
STEP_SIZE, BURN_IN, N_SAMPLES, KEEP_EVERY, BATCH = 0.0075, 1500, 100, 60, 40
STEPS, RATE = 1500, 0.01  # of Adam


def images(seeds: Sequence[int] = SEEDS) -> pd.DataFrame:
  """Log loss of each predictive, less that of the truth: a row for each replicate, size and arm.

  `overconfidence` is the mean largest probability less the share of noisy labels that it gets right;
  `error` the share of clean labels that it gets wrong; `apart` the mean divergence, in nats, of the
  average prediction of one half of SGLD's chains from that of the other.
  """
  rows = []
  for seed, n in itertools.product(seeds, N_TRAIN):
    data = examples(seed, n, REDRAWN)
    x, y = held_out()
    drawn = starts(rngs.named_key(seed, 'lens/images'), N_CHAINS + N_MEMBERS)
    first, others = (
      jax.tree.map(lambda leaf, at=at: leaf[at], drawn)
      for at in (slice(N_CHAINS), slice(N_CHAINS, None))
    )
    keys = jax.random.split(rngs.named_key(seed, 'lens/sgld'), N_CHAINS)
    of_chains = np.asarray(_chains(first, data, x, keys), np.float64)
    halves = [half.mean(axis=0) for half in np.array_split(of_chains, 2)]
    found = {'sgld': of_chains.mean(axis=0)}
    for name, scale in (('ensemble', 1e6), ('map ensemble', 1.0)):
      members = np.asarray(_members(scale, others, data, x), np.float64)
      found[name] = members.mean(axis=0)
      if name == 'ensemble':
        found['one network'] = members[0]
    for arm, p in found.items():
      row = {'seed': seed, 'n_train': n, 'arm': arm} | _judged(p, np.asarray(y))
      rows.append(row | {'apart': float(_divergence(*halves).mean())})
  return pd.DataFrame(rows)


def samples_beat_the_ensemble_on_images(table: pd.DataFrame) -> Verdict:
  """On digits with a fifth of the labels redrawn, SGLD predicts noisy labels better than an ensemble of
  networks trained to the end: log loss of the ensemble minus that of SGLD (nats, the smaller of two
  sizes; above 0)."""
  return _worse(table, 'ensemble')


def maxima_are_worse_on_images(table: pd.DataFrame) -> Verdict:
  """So it does than an ensemble of maxima of the same posterior: log loss of these minus that of SGLD
  (nats, the smaller of two sizes; above 0)."""
  return _worse(table, 'map ensemble')


def samples_are_calibrated_on_images(table: pd.DataFrame) -> Verdict:
  """SGLD is as sure as it is right about noisy labels of held-out digits: mean confidence minus
  accuracy (the larger in size of two sizes; within 0.05; bound ours)."""
  verdicts = [
    within(_arm(table, n, 'sgld', 'overconfidence'), -0.05, 0.05, note=f'{n} examples')
    for n in _sizes(table)
  ]
  return farthest(verdicts, log=False)


def chains_agree_on_images(table: pd.DataFrame) -> Verdict:
  """Half of SGLD's chains predict what the other half predicts: mean divergence of their average
  predictions (nats, the larger of two sizes; below 0.02; bound ours)."""
  return weakest(
    [
      falls_below(_arm(table, n, 'sgld', 'apart'), 0.02, note=f'{n} examples')
      for n in _sizes(table)
    ],
    highest=True,
  )


def _worse(table: pd.DataFrame, arm: str) -> Verdict:
  return weakest(
    [
      exceeds(_arm(table, n, arm) - _arm(table, n, 'sgld'), 0.0, note=f'{n} examples')
      for n in _sizes(table)
    ]
  )


def _sizes(table: pd.DataFrame) -> list[int]:
  return sorted(table['n_train'].unique())


def _arm(table: pd.DataFrame, n_train: int, arm: str, column: str = 'excess') -> np.ndarray:
  rows = table[(table['n_train'] == n_train) & (table['arm'] == arm)]
  return rows.sort_values('seed')[column].to_numpy()


def network() -> Model:
  """Ten logits of one hidden layer of relus."""
  return networks.gaussian_mlp(
    (WIDTH,), 'relu', networks.RELU_SCALE, networks.BIAS, digits.N_CLASSES
  )


def examples(seed: int, n: int, share: float) -> dict[str, jax.Array]:
  """Images that a replicate draws from the training split, and labels, a share of them redrawn.

  Larger sizes hold the smaller; what is redrawn at one share is so at every larger one.
  """
  split = digits.load('train')
  rows = rngs.named_generator(seed, 'lens/digits').permutation(len(split))[:n]
  noise = rngs.named_generator(seed, 'lens/noise')
  labels, _ = corruptions.random_labels(split.labels[rows], share, digits.N_CLASSES, noise)
  return {'inputs': _scaled(split.inputs[rows]), 'labels': jnp.asarray(labels)}


def held_out() -> tuple[jax.Array, jax.Array]:
  """The test images [360, 64], and their clean labels."""
  split = digits.load('test')
  return _scaled(split.inputs), jnp.asarray(split.labels)


def _scaled(pixels: np.ndarray) -> jax.Array:
  """Pixels [n, 64] whose mean and variance over the training split are 0 and 1."""
  mean, std = channel_statistics(digits.load('train').inputs)
  return jnp.asarray(((pixels - mean) / std).reshape(len(pixels), -1), jnp.float32)


def _truth(y: np.ndarray) -> np.ndarray:
  """The probability of each label at images of these clean labels: [n, 10]."""
  return (1 - REDRAWN) * np.eye(digits.N_CLASSES)[y] + REDRAWN / digits.N_CLASSES


def _divergence(p: np.ndarray, q: np.ndarray) -> np.ndarray:
  """Of q from p at each image, in nats: [n]."""
  p, q = np.clip(p, 1e-12, None), np.clip(q, 1e-12, None)
  return np.sum(p * np.log(p / q), axis=1)


def _judged(p: np.ndarray, y: np.ndarray) -> dict[str, float]:
  """What predictions [n, 10] are worth at images of these clean labels."""
  truth, guess = _truth(y), p.argmax(axis=1)
  right = truth[np.arange(len(y)), guess]
  return {
    'excess': float(_divergence(truth, p).mean()),
    'overconfidence': float((p.max(axis=1) - right).mean()),
    'error': float(np.mean(guess != y)),
  }


@functools.cache
def losses():
  return make_losses(network().apply)


@functools.cache
def _potential(prior_scale: float, batch_size: int | None):
  return make_potential(losses(), prior_scale=prior_scale, batch_size=batch_size)


@functools.partial(jax.jit, static_argnums=1)
def starts(key: jax.Array, n: int):
  """Draws of the prior, every leaf [n, ...]; their program is kept out of those that train."""
  return jax.vmap(lambda key: network().init(key, jnp.zeros((1, 64))))(jax.random.split(key, n))


@jax.jit
def _chains(starts, data, x, keys) -> jax.Array:
  """The average prediction of each chain: [chains, images, 10]."""

  def chain(params, key):
    settings = {'n_samples': N_SAMPLES, 'keep_every': KEEP_EVERY, 'burn_in': BURN_IN}
    samples = langevin(_potential(1.0, BATCH), params, data, key, STEP_SIZE, **settings)
    return jnp.mean(jax.lax.map(lambda sample: _predict(sample, x), samples), axis=0)

  return jax.vmap(chain)(starts, keys)


@functools.partial(jax.jit, static_argnums=0)
def _members(prior_scale: float, starts, data, x) -> jax.Array:
  """Predictions of networks that Adam trained: [members, images, 10]."""
  potential, optimizer = _potential(prior_scale, None), optax.adam(RATE)
  unused = jax.random.key(0)  # there are no minibatches

  def member(params):
    def step(carry, _):
      params, state = carry
      updates, state = optimizer.update(jax.grad(potential)(params, data, unused), state, params)
      return (optax.apply_updates(params, updates), state), None

    (params, _), _ = jax.lax.scan(step, (params, optimizer.init(params)), length=STEPS)
    return _predict(params, x)

  return jax.vmap(member)(starts)


def _predict(params, x: jax.Array) -> jax.Array:
  """The probability of each label: [images, 10]."""
  return jax.nn.softmax(network().apply(params, x), axis=1)
