r"""Sharpness: the curvature of the loss in its steepest direction."""

import jax
import jax.numpy as jnp
import optax
from jax import lax
from jax.flatten_util import ravel_pytree

from research import rngs, sharding
from research.instruments.instrument import Instrument, Network
from research.types import Batch, Metrics, Params

EXHAUSTED = 1e-5  # of a product's length: what is left of it in float32 is rounding


def sharpness(*, iterations: int = 20, seed: int = 0) -> Instrument:
  r"""The largest eigenvalue of the Hessian of the mean loss on the sample.

  .. math:: \lambda_{\max} = \max_{\|v\| = 1} v^\top H v, \qquad
     H = \nabla^2_\theta \frac1m \sum_i \ell_i(\theta)

  The largest algebraically, not in absolute value. Gradient descent with step size :math:`\eta` is
  stable along v while :math:`\lambda_{\max} < 2 / \eta`. By Lanczos's method with full
  reorthogonalization: of :math:`Q \in \mathbb R^{P \times n}`, an orthonormal basis of the space
  spanned by :math:`v, Hv, \dots, H^{n-1} v`, the largest eigenvalue of :math:`Q^\top H Q`. It bounds
  :math:`\lambda_{\max}` from below, to rounding, however few the iterations; 20 mostly give it to a
  percent, and all P, or as many as H has distinct eigenvalues, exactly.

  Guarantees (each is a test): agrees with the dense Hessian's; of a quadratic it is the largest
  eigenvalue, also if all are negative; the loss scaled by c scales it by c; each example repeated k
  times changes nothing; more iterations never lower it. In float32; of a relu network, it is the
  curvature where relus do not switch.

  Metrics: `sharpness/max_eigenvalue`, in nats per squared unit of parameter.

  Cost: `iterations` products with H, each about two gradients. Memory: `iterations` vectors like the
  parameters, and the activations of the sample, twice.

  Args:
    iterations: n; at most P are done.
    seed: of v, a normal vector.

  Raises:
    ValueError: iterations is not positive.

  References: `Lanczos (1950) <https://doi.org/10.6028/jres.045.026>`_; `Pearlmutter (1994)
    <https://doi.org/10.1162/neco.1994.6.1.147>`_ for the products.
  """
  if iterations < 1:
    raise ValueError(f'iterations must be at least 1, not {iterations}')

  def measure(network: Network, params: Params, batch: Batch) -> Metrics:
    params = optax.tree.cast(params, jnp.float32)
    flat, unravel = ravel_pytree(params)
    n = min(iterations, flat.size)

    with jax.default_matmul_precision('highest'):
      gradient = jax.grad(lambda params: jnp.mean(network.losses(params, batch)))
      _, hessian_of = jax.linearize(gradient, params)

      def iterate(carry, i):
        basis, v = carry  # [n, P], of which i rows are there, and the next
        basis = basis.at[i].set(v)
        product, _ = ravel_pytree(hessian_of(unravel(v)))
        rest = product
        for _ in range(2):  # once leaves rounding errors of the size of the product
          rest = rest - (basis @ rest) @ basis
        length, size = jnp.linalg.norm(rest), jnp.linalg.norm(product)
        goes_on = length > EXHAUSTED * size
        v_next = jnp.where(goes_on, rest / jnp.where(goes_on, length, 1.0), 0.0)
        return (basis, v_next), (v @ product, jnp.where(goes_on, length, 0.0), v @ v)

      zeros = sharding.zeros_varying_like(params, (n, flat.size), jnp.float32)
      v = jax.random.normal(rngs.named_key(seed, 'sharpness'), flat.shape, jnp.float32)
      first = zeros[0] + v / jnp.linalg.norm(v)
      _, (diagonal, beside, exists) = lax.scan(iterate, (zeros, first), jnp.arange(n))

    # Zeros in place of vectors are no eigenvalues; the first entry is never above the largest.
    diagonal = jnp.where(exists > 0, diagonal, diagonal[0])
    ritz = jnp.diag(diagonal) + jnp.diag(beside[:-1], 1) + jnp.diag(beside[:-1], -1)
    return {'sharpness/max_eigenvalue': jnp.linalg.eigvalsh(ritz)[-1]}

  return Instrument(measure=measure, price=2.3 * iterations)
