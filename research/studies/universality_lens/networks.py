r"""Random networks on six bits, the functions they compute, and the prior that makes.

A network has hidden layers :math:`\phi(\sigma_w W x / \sqrt{\text{fan in}} + \sigma_b b)`, W and b
standard normal, so that its parameters have the prior N(0, I), and one output z, whose logits are
(0, z): 1 where z is positive. Bits are given as -1 and 1.
"""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from research import hypotheses
from research.models import Model
from research.theory import boolean
from research.theory.weight import Prior, prior_of

SEEDS = tuple(range(100, 105))
SELECTION = 99  # the sample that targets are chosen from, and nothing else
N_BITS, N_INPUTS = 6, 64
N_NETWORKS, WIDTH, BIAS = 300_000, 64, 1.0
RELU_SCALE = 2**0.5  # of weights: it keeps the size of a signal
FLIP, N_EXAMPLES = 0.1, 400  # of the noise; at which regrets are compared
BLOCK = 2**21  # seeds of networks of one replicate
ACTIVATIONS: dict[str, Callable[[jax.Array], jax.Array]] = {'relu': jax.nn.relu, 'tanh': jnp.tanh}


@functools.cache
def gaussian_mlp(
  widths: tuple[int, ...], activation: str, weight_scale: float, bias_scale: float, outputs: int = 1
) -> Model:
  """The network above; of equal arguments the same object, so that its programs are compiled once.

  Of several outputs each is a logit of its own.
  """
  act = ACTIVATIONS[activation]

  def init(key, x):
    sizes = (x[0].size, *widths, outputs)
    keys = jax.random.split(key, (len(sizes) - 1, 2))
    return {
      f'Dense_{i}': {
        'kernel': jax.random.normal(keys[i, 0], (sizes[i], sizes[i + 1])),
        'bias': jax.random.normal(keys[i, 1], (sizes[i + 1],)),
      }
      for i in range(len(sizes) - 1)
    }

  def capture(params, x):
    activations, x = {}, x.reshape(len(x), -1)
    for i in range(len(params)):
      layer = params[f'Dense_{i}']
      x = act(x) if i else x
      x = weight_scale / np.sqrt(x.shape[1]) * (x @ layer['kernel'])
      x = x + bias_scale * layer['bias'][None]
      activations[f'Dense_{i}'] = x
    logits = jnp.concatenate([jnp.zeros_like(x), x], axis=1) if outputs == 1 else x
    return activations | {'logits': logits}

  return Model(init, lambda params, x: capture(params, x)['logits'], capture)


def of_width(width: int) -> Model:
  """One hidden layer of relus."""
  return gaussian_mlp((width,), 'relu', RELU_SCALE, BIAS)


def usual() -> Model:
  """The network whose prior the study is about."""
  return of_width(WIDTH)


def inputs() -> np.ndarray:
  """All inputs, float32 [64, 6], -1 or 1."""
  return 2 * boolean.inputs(N_BITS).astype(np.float32) - 1


def tables(model: Model, seed: int, n: int) -> np.ndarray:
  """The functions of n networks, uint8 [n, 64]; those of one replicate are those of no other."""
  return hypotheses.sampled_classes(model, inputs(), seed * BLOCK + np.arange(n))


@functools.lru_cache(maxsize=2 * len(SEEDS))
def prior(seed: int, n: int, width: int) -> Prior:
  """The prior that n networks of a replicate make; kept, since several calculations use it."""
  return prior_of(tables(of_width(width), seed, n))


def usual_prior(seed: int) -> Prior:
  """The prior that the study is about, as a replicate has it."""
  return prior(seed, N_NETWORKS, WIDTH)


@functools.lru_cache(maxsize=len(SEEDS))
def halves(seed: int) -> tuple[Prior, Prior]:
  """The priors that either half of a replicate's networks makes: two samples without a network in
  common, one to choose functions by and one to weigh them."""
  first, second = np.split(tables(usual(), seed, N_NETWORKS), 2)
  return prior_of(first), prior_of(second)


def weight_of(prior: Prior, target: np.ndarray) -> float:
  """The share of the sample that is exactly the target; 0 if none is."""
  return float(prior.counts[(prior.tables == target[None]).all(axis=1)].sum() / prior.counts.sum())
