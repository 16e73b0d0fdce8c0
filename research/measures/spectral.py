r"""Products and sums of the norms of layers, with and without the margin.

With L layers of kernels :math:`W_l`, their way :math:`D_l = W_l - W_l^0`, and a margin :math:`\gamma`
(`margins.percentile`), a norm |.| of each layer makes four measures, here as logarithms in nats:

.. math::
   \log \Pi &= \textstyle\sum_l \log |W_l|^2, &\qquad \log \Pi_\gamma &= \log\Pi - 2 \log\gamma, \\
   \log \Sigma &= \log L + \tfrac1L \log\Pi, &\qquad
   \log \Sigma_\gamma &= \log L + \tfrac1L \log\Pi_\gamma .

The last two are L times the geometric mean of the layers' squared norms: what their sum is when scale
is moved between layers until they are equal, as relu allows. Where :math:`\gamma \le 0` those with the
margin are infinite. Logarithms are halved and scaled (`scaling.scaled`).

Biases and scales are not seen; a network with normalization should have it folded into the layer
before, where that can be done, and its scales count for nothing here.

References: `Jiang et al. (2020) <https://arxiv.org/abs/1912.02178>`_; formulas as in the public code
of `Dziugaite et al. (2020) <https://arxiv.org/abs/2010.11924>`_, after `Bartlett, Foster & Telgarsky
(2017) <https://arxiv.org/abs/1706.08498>`_ and `Neyshabur et al. (2018)
<https://arxiv.org/abs/1707.09564>`_.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from research.measures.layers import (
  Layer,
  exact_norm,
  layers_of,
  matrix,
  output_sizes,
  spectral_norm,
  sq_frobenius,
)
from research.measures.margins import log_margin, margins_of, percentile
from research.measures.measure import Trained
from research.measures.scaling import scaled
from research.types import Metrics


def frobenius(trained: Trained) -> Metrics:
  r"""The four measures with Frobenius norms.

  Metrics: `frobenius/log_product`, `frobenius/log_product_over_margin`, `frobenius/log_sum`,
  `frobenius/log_sum_over_margin`. Cost: one pass over the parameters, and the margins'.

  Guarantees (each is a test): by hand on one layer and on products of diagonal matrices; an own slow
  implementation in NumPy; relu networks whose layers were rescaled, or units reordered, have the same;
  finite in float32 at eight layers of 512 units.

  Raises:
    ValueError: no leaf is a kernel; initial is not a tree like final.
  """
  squares = jnp.stack([sq_frobenius(layer.final) for layer in layers_of(trained)])
  return _four('frobenius', trained, jnp.log(squares), _log_gamma(trained))


def spectral(trained: Trained) -> Metrics:
  r"""The four measures with spectral norms of kernels as matrices (outputs, rest), and four more.

  .. math:: \sum_l \frac{\|W_l\|_F^2}{\|W_l\|_2^2}, \qquad
     \log\Pi_\gamma + \log \sum_l \frac{\|D_l\|_F^2}{\|W_l\|_2^2}, \qquad
     \log\Pi_\gamma + \log \sum_l \frac{\|W_l\|_F^2}{\|W_l\|_2^2}, \qquad \sum_l \|D_l\|_2^2

  The sum of stable ranks; the main terms of margin bounds from the start and from the origin; the way
  in spectral norms. Of a convolution the matrix is a stand-in for the operator: see `exact_spectral`.

  Metrics: as of `frobenius` under `spectral/`, and `spectral/stable_rank`, `spectral/log_init_main`,
  `spectral/log_origin_main`, `spectral/sq_distance`. Cost: two spectral norms for each layer
  (`layers.spectral_norm`), and the margins'.

  Guarantees (each is a test): as of `frobenius`; at most the Frobenius norms; the stable rank of an
  orthogonal matrix is its rank.

  Raises:
    ValueError: as in `frobenius`.
  """
  return _with_spectral_norms('spectral', trained, lambda _, kernel: spectral_norm(matrix(kernel)))


def exact_spectral(trained: Trained) -> Metrics:
  r"""The same eight with the exact spectral norms of convolutions, under `exact_spectral/`.

  With circular padding and stride 1, by the transform of `layers.circular_norm`, at the resolution of
  each layer's own output, which `capture` gives. A convolution with stride s is every s-th row of the
  one with stride 1, so that its norm is at most that one's on the grid of its inputs. Public code takes
  the size of the network's inputs for every layer, and cuts off kernels larger than the grid. Frobenius
  norms stay those of kernels, as there. Dense layers are as in `spectral`, so without convolutions all
  eight are the same.

  Cost: two times h w / 2 complex spectral norms for each convolution with outputs h x w.

  Guarantees (each is a test): as of `spectral`; without convolutions, what that finds.

  Raises:
    ValueError: as in `frobenius`; `capture` has no output of a convolution.
  """
  sizes = output_sizes(trained.model, trained.final, trained.inputs)
  for layer in layers_of(trained):
    if layer.is_convolution and layer.name not in sizes:
      raise ValueError(f'model must capture the output [B, h, w, C] of the layer {layer.name!r}')

  def norm(layer: Layer, kernel: jax.Array) -> jax.Array:
    return exact_norm(layer, kernel, sizes.get(layer.name))

  return _with_spectral_norms('exact_spectral', trained, norm)


def _with_spectral_norms(
  group: str, trained: Trained, norm: Callable[[Layer, jax.Array], jax.Array]
) -> Metrics:
  n, layers = len(trained.inputs), layers_of(trained)
  log_gamma = _log_gamma(trained)
  log_squares = jnp.stack([2 * jnp.log(norm(layer, layer.final)) for layer in layers])
  moved = [layer.final - layer.initial for layer in layers]
  ranks, ways = (
    jnp.log(jnp.stack([sq_frobenius(kernel) for kernel in kernels])) - log_squares
    for kernels in ([layer.final for layer in layers], moved)
  )
  log_product = jnp.sum(log_squares) - 2 * log_gamma
  spans = jnp.stack([norm(layer, way) for layer, way in zip(layers, moved, strict=True)])
  return {
    **_four(group, trained, log_squares, log_gamma),
    f'{group}/stable_rank': scaled(jnp.sum(jnp.exp(ranks)), n),
    f'{group}/log_init_main': scaled(log_product + jax.nn.logsumexp(ways), n, log=True),
    f'{group}/log_origin_main': scaled(log_product + jax.nn.logsumexp(ranks), n, log=True),
    f'{group}/sq_distance': scaled(jnp.sum(jnp.square(spans)), n),
  }


def _four(group: str, trained: Trained, log_squares: jax.Array, log_gamma: jax.Array) -> Metrics:
  """The four measures of the logarithms of squared norms [L]."""
  n, depth = len(trained.inputs), len(log_squares)
  product = jnp.sum(log_squares)
  over_margin = product - 2 * log_gamma
  return {
    f'{group}/log_product': scaled(product, n, log=True),
    f'{group}/log_product_over_margin': scaled(over_margin, n, log=True),
    f'{group}/log_sum': scaled(jnp.log(depth) + product / depth, n, log=True),
    f'{group}/log_sum_over_margin': scaled(jnp.log(depth) + over_margin / depth, n, log=True),
  }


def _log_gamma(trained: Trained) -> jax.Array:
  return log_margin(percentile(margins_of(trained)))
