r"""Margins: by how much the logit of the label exceeds the others, on the training examples.

The margin of example i is :math:`\gamma_i = z_{y_i} - \max_{c \ne y_i} z_c`, negative where the network
errs. The margin of the network is a low quantile of these, which a few wrong labels do not decide.
"""

import jax
import jax.numpy as jnp

from research.measures.examples import apply_in_chunks
from research.measures.layers import layers_of, matrix, spectral_norm
from research.measures.measure import Trained
from research.measures.scaling import scaled
from research.types import Metrics


def margins(trained: Trained) -> Metrics:
  r"""The tenth percentile :math:`\gamma` of the margins, its inverse square, and normalized.

  .. math:: -\gamma, \qquad 1 / \gamma^2, \qquad -\gamma \big/ \textstyle\prod_l \|W_l\|_2

  The first and last are signed, in the logits' unit, and not scaled with the number of examples; the
  second is (`scaling.scaled`). Where :math:`\gamma \le 0`, more than a tenth of the examples are not
  fitted, no margin holds, and the inverse square is infinite: its bound says nothing. Public code takes
  the absolute value, by which a network that fails by much passes for one that fits with room. Divided
  by the product of the spectral norms (of kernels as matrices), margins of homogeneous networks do not
  depend on the scale of layers.

  Metrics: `margins/minus_margin`, `margins/inverse_sq`, `margins/minus_normalized`. Cost: one forward
  pass over the training examples, and a spectral norm of each layer; under one jit it is done once for
  all families.

  References: `Bartlett, Foster & Telgarsky (2017) <https://arxiv.org/abs/1706.08498>`_ normalize, there
  with further factors; `Jiang et al. (2020) <https://arxiv.org/abs/1912.02178>`_ take the percentile.

  Guarantees (each is a test): margins written down by hand; logits times c: margins times c; the order
  of examples does not matter; a layer times c and the next divided by c changes nothing in networks
  with relu and no biases; where a tenth is wrong, infinite and never NaN; NaN if logits are.

  Raises:
    ValueError: no leaf is a kernel; logits have fewer than two classes.
  """
  gamma = percentile(margins_of(trained))
  log_product = sum(jnp.log(spectral_norm(matrix(layer.final))) for layer in layers_of(trained))
  normalized = jnp.sign(gamma) * jnp.exp(jnp.log(jnp.abs(gamma)) - log_product)
  return {
    'margins/minus_margin': -gamma,
    'margins/inverse_sq': jnp.exp(scaled(-2 * log_margin(gamma), len(trained.inputs), log=True)),
    'margins/minus_normalized': -normalized,
  }


def margins_of(trained: Trained) -> jax.Array:
  """The margin of each training example, float32 [n]: the label's logit minus the best other.

  Raises:
    ValueError: logits have fewer than two classes.
  """
  logits = apply_in_chunks(trained.model)(trained.final, trained.inputs)
  if logits.shape[1] < 2:
    raise ValueError(f'model must put out two logits or more, not {logits.shape[1]}')
  own = jax.nn.one_hot(trained.labels, logits.shape[1], dtype=bool)
  # Two sums, as XLA's maximum over a large array passes over NaNs on the CPU.
  margin = jnp.sum(jnp.where(own, logits, 0), axis=1) - jnp.max(
    jnp.where(own, -jnp.inf, logits), axis=1
  )
  return jnp.where(jnp.isnan(jnp.sum(logits, axis=1)), jnp.nan, margin)


def percentile(margins: jax.Array) -> jax.Array:
  """The k-th smallest of n margins with k = n // 10, and at least 1; NaN if any is."""
  kth = jnp.sort(margins)[max(1, len(margins) // 10) - 1]
  return jnp.where(jnp.any(jnp.isnan(margins)), jnp.nan, kth)


def log_margin(gamma: jax.Array) -> jax.Array:
  """log gamma, and -inf where gamma is not positive: there is no margin then."""
  return jnp.where(gamma <= 0, -jnp.inf, jnp.log(jnp.where(gamma <= 0, 1, gamma)))
