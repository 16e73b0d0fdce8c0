r"""The largest eigenvalues of a Gram matrix that is never formed."""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from scipy.sparse.linalg import LinearOperator, eigsh

from research.gradients.chunks import n_examples
from research.gradients.independence import check_independence
from research.types import Batch, Losses, Params


def gram_spectrum(
  losses: Losses,
  k: int,
  *,
  centered: bool = False,
  chunk_size: int = 1024,
  tolerance: float = 1e-5,
  seed: int = 0,
) -> Callable[[Params, Batch], tuple[np.ndarray, np.ndarray]]:
  r"""The k largest eigenvalues of the Gram matrix of a sample of any size, and their eigenvectors.

  With the gradients of m examples as the rows of :math:`G \in \mathbb R^{m \times P}`,

  .. math:: K v = G (G^\top v), \qquad G^\top v = \nabla_\theta \sum_i v_i \ell_i(\theta), \qquad
     (G u)_i = \langle \nabla_\theta \ell_i(\theta), u \rangle,

  so a product with K is one gradient of a weighted sum and one directional derivative, both exact,
  and Lanczos iterations (ARPACK's, by SciPy) need nothing else. The same numbers divided by m are the
  largest eigenvalues of the second moment :math:`\frac1m \sum_i g_i g_i^\top` of the gradients; of
  their covariance, if `centered`.

  Cost: about 2 k products, each three gradients of the mean loss; independent of m^2. Memory: 3 P and
  2 k m numbers, and the activations of `chunk_size` examples. Not to be called under `jit`: the
  iterations run on the host.

  Args:
    losses: `(params, batch) -> [B]`.
    k: how many; fewer than there are examples.
    centered: whether the mean gradient is subtracted from each.
    chunk_size: examples differentiated at once. It changes no result.
    tolerance: relative accuracy of the eigenvalues, not below that of float32.
    seed: of the first vector.

  Returns:
    `(params, batch) -> (eigenvalues [k], the largest first, eigenvectors [m, k])`.

  Raises:
    BatchCoupledError: the loss of one example depends on others.
    ValueError: k is not between 1 and m - 1; chunk_size is not positive.
  """
  if k < 1 or chunk_size < 1:
    raise ValueError(f'k and chunk_size must be at least 1, not {k} and {chunk_size}')

  @jax.jit
  def weighted_gradient(params, examples, weights):
    return jax.grad(lambda params: jnp.vdot(weights, losses(params, examples)))(params)

  @jax.jit
  def directional(params, examples, direction):
    return jax.jvp(lambda params: losses(params, examples), (params,), (direction,))[1]

  def product(params, batch, v):
    """K v, by a loop on the host: on a CPU, convolutions lose their threads in compiled loops."""
    chunks = [slice(i, i + chunk_size) for i in range(0, len(v), chunk_size)]
    examples = lambda chunk: jax.tree.map(lambda x: x[chunk], batch)  # noqa: E731
    v = v - np.mean(v) if centered else v
    terms = (weighted_gradient(params, examples(c), v[c]) for c in chunks)
    u = functools.reduce(lambda a, b: jax.tree.map(jnp.add, a, b), terms)
    w = np.concatenate([directional(params, examples(c), u) for c in chunks])
    return w - np.mean(w) if centered else w

  def spectrum(params: Params, batch: Batch) -> tuple[np.ndarray, np.ndarray]:
    m = n_examples(batch)
    if k >= m:
      raise ValueError(f'k must be less than the {m} examples, not {k}')
    check_independence(losses, params, batch)

    def matvec(v):
      with jax.default_matmul_precision('highest'):
        return np.asarray(product(params, batch, v.ravel().astype(np.float32)), np.float64)

    gram = LinearOperator((m, m), matvec=matvec, dtype=np.float64)  # pyright: ignore
    first = np.random.default_rng(seed).normal(size=m)
    values, vectors = eigsh(gram, k, which='LA', v0=first, tol=tolerance)  # pyright: ignore
    return values[::-1], vectors[:, ::-1]

  return spectrum
