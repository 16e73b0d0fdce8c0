r"""Inductive bias: how many bits a network in training still lacks to a target error."""

import math

import jax
import jax.numpy as jnp

from research.instruments.instrument import Instrument, Network
from research.types import Batch, Metrics, Params


def inductive_bias(*, law: tuple[float, ...] = (), target: float = 0.01) -> Instrument:
  r"""Where a network stands among hypotheses that fit the training set, in bits.

  With e the mean squared error on the sample, to one-hot labels, and P the law of this error among
  hypotheses that fit the training set,

  .. math:: I(\epsilon) = -\log_2 P(e \le \epsilon), \qquad
    \text{lacking} = I(\epsilon_{target}) - I(e_t),

  with P a scaled noncentral chi-square, :math:`s \, \chi'^2_k(a)`: that of a finished population
  (`research.theory.chi_square_fits.fit_to_sample`), or one that stands for a kernel's posterior. A
  network that is no better than the typical hypothesis has I = 1 bit or less. Below the errors that the
  law was fitted to, it is as uncertain as that extrapolation (`research.theory.tails`).

  The sample should be test examples (`probe.split='test'`), and of the size for which the law was
  fitted: a mean over more of them scatters less, and has another law.

  Guarantees (each is a test): it is that of `research.theory.quadratic_forms`, within 2 %; a network
  at the target lacks 0 bits; a lower error, more bits; the order of the examples does not matter.

  Metrics: `inductive_bias/error`, e, the mean over examples and outputs; `inductive_bias/bits`, I(e),
  and `inductive_bias/lacking`, bits, negative below the target. Where a logit is NaN, so are all.

  Cost: a forward pass. P is Barndorff-Nielsen's form of the saddlepoint approximation.

  Args:
    law: k, a and s; () while none is known: then the error alone is measured.
    target: the target error.

  Raises:
    ValueError: law is neither () nor three numbers, k and s positive and a not negative; target is not
      positive.

  References: `Boopathy et al. (2024) <https://arxiv.org/abs/2406.15941>`_ for I and its law.
  """
  if law and (len(law) != 3 or not (law[0] > 0 and law[1] >= 0 and law[2] > 0)):
    raise ValueError(
      'law must be degrees (positive), noncentrality (not negative) and scale (positive) of a fitted '
      f'chi-square, or (), not {law}'
    )
  if not target > 0:
    raise ValueError(f'target must be positive, not {target}')

  def measure(network: Network, params: Params, batch: Batch) -> Metrics:
    logits = network.apply(params, batch['inputs'])
    error = jnp.mean(jnp.square(logits - jax.nn.one_hot(batch['labels'], logits.shape[-1])))
    if not law:
      return {'inductive_bias/error': error}
    bits = _bits(error, law)
    metrics = {'error': error, 'bits': bits, 'lacking': _bits(jnp.asarray(target), law) - bits}
    return {f'inductive_bias/{name}': value for name, value in metrics.items()}

  return Instrument(measure=measure, price=0.38)


def _bits(error: jax.Array, law: tuple[float, ...]) -> jax.Array:
  r"""-log2 P of one noncentral chi-square, whose saddlepoint is the root of a quadratic equation.

  In units of the scale, with :math:`d = 1 / (1 - 2t) - 1` and :math:`\Delta = x - k - a`:
  :math:`(k + 2a) d + a d^2 = \Delta`, and
  :math:`t x - K(t) = \frac{k}{2} (d - \log(1 + d)) + \frac{a}{2} d^2`, without cancellation.
  """
  k, a, scale = law
  excess = error / scale - k - a
  d = 2 * excess / (k + 2 * a + jnp.sqrt(jnp.maximum((k + 2 * a) ** 2 + 4 * a * excess, k**2)))
  small = jnp.abs(d) < 0.03
  series = d**2 * (1 / 2 - d * (1 / 3 - d * (1 / 4 - d / 5)))
  exponent = k / 2 * jnp.where(small, series, d - jnp.log1p(d)) + a / 2 * d**2
  u = jnp.sign(d) * jnp.sqrt(2 * exponent)
  v = d * jnp.sqrt(k / 2 + a * (1 + d))  # t times the root of K''(t)
  near = jnp.abs(u) < 0.03
  at_mean = (k + 3 * a) / (3 * (k + 2 * a)) * math.sqrt(2 / (k + 2 * a))  # of log(v / u) / u
  shift = jnp.where(near, at_mean, jnp.log(v / jnp.where(near, v, u)) / jnp.where(near, 1.0, u))
  return -jax.scipy.stats.norm.logcdf(u + shift) / math.log(2)
