r"""Gradient starvation: the features of the tangent kernel, and how much of each is learned."""

from collections.abc import Callable
from typing import Literal

import jax
import jax.numpy as jnp
from jax import lax

from research import rngs, sharding
from research.gradients import check_independence, gradient_statistics
from research.gradients.chunks import n_examples
from research.instruments.instrument import Instrument, Network
from research.theory.starvation import oriented
from research.types import Batch, Losses, Metrics, Params

OVERSAMPLING = 4  # vectors of a block beyond the features that are wanted


def starvation(
  *,
  n_features: int = 8,
  method: Literal['exact', 'randomized'] = 'exact',
  n_blocks: int = 5,
  seed: int = 0,
) -> Instrument:
  r"""The strongest features of the tangent kernel of two classes, and the response to each.

  The network's output is the difference of its logits, :math:`f_i = z_{i1} - z_{i0}`, its signs
  :math:`y_i = 2\,\mathrm{label}_i - 1`, and its tangent kernel
  :math:`K_{ij} = \langle \nabla_\theta f_i, \nabla_\theta f_j \rangle`. With Y = diag(y),

  .. math:: Y K Y = U S^2 U^\top, \qquad z = U^\top Y f,

  :math:`s_j` is the strength of feature j, the strongest is 0, and :math:`z_j` the response to it: the
  margins are :math:`Yf = Uz`. `research.theory.starvation` has the theory, in which strong features
  keep the response to weak ones small, and the sign of each column of U: :math:`\sum_i U_{ij} \ge 0`.

  All are those of the kernel at this :math:`\theta`. The paper follows z in the basis that the kernel
  has at initialization: an instrument sees one moment and cannot. Where parameters of both moments are
  at hand, `research.theory.starvation.response_from_start` does.

  Guarantees (each is a test): exact ones agree with the full Jacobian's, to rounding; randomized ones
  with exact ones, and with as many blocks as fill the sample to rounding; neither the order of the
  examples nor that of the parameters matters, nor which class is called 1; outputs scaled by c > 0
  scale strengths and responses by c; of a linear model x W, whose f has the gradients -x and x,
  strengths are sqrt(2) times the singular values of the inputs [m, F]. Strengths below 1e-3 of the
  first, and the response to a feature that is as strong as another, are rounding in float32. The
  share of outputs that are all zero is NaN.

  Metrics: `starvation/strength/j`, in logits per unit of parameter, and `starvation/response/j`, in
  logits, j < `n_features`; `starvation/share`, :math:`\sum_j z_j^2 / \|f\|^2` in [0, 1]: how much of
  the outputs these features make up.

  Cost: exact, the Gram matrix, priced where layers are 2 m wide (it costs less of wider ones), and
  about 10 m^3 flops for its eigenvectors, which are not in the price. Randomized, `n_blocks`
  (`n_features` + 4) products with K, each one backward and one forward derivative, one after another.
  Memory: exact, a few matrices [m, m], for a few thousand examples at most. Randomized,
  2 `n_blocks` (`n_features` + 4) vectors [m], one gradient, and the activations of the sample.

  Args:
    n_features: how many, at most m; randomized, at most m - 4.
    method: from all eigenvectors of K; or from a block Krylov space (Rayleigh-Ritz on
      :math:`[\Omega, K\Omega, \dots]`), whose strengths are never too large.
    n_blocks: of the Krylov space; at most as many as m examples allow. More are more exact.
    seed: of the random block :math:`\Omega`, normal.

  Raises:
    ValueError: n_features or n_blocks is not positive; method is unknown; while tracing, there are
      too few examples, or not two logits.
    BatchCoupledError: the output of one example depends on others.

  References: `Pezeshki et al. (2021) <https://arxiv.org/abs/2011.09468>`_; `Musco & Musco (2015)
    <https://arxiv.org/abs/1504.05477>`_ for block Krylov iterations.
  """
  for name, value in (('n_features', n_features), ('n_blocks', n_blocks)):
    if value < 1:
      raise ValueError(f'{name} must be at least 1, not {value}')
  if method not in ('exact', 'randomized'):
    raise ValueError(f'method must be one of exact, randomized, not {method}')
  width = n_features + OVERSAMPLING

  def measure(network: Network, params: Params, batch: Batch) -> Metrics:
    m, needed = n_examples(batch), n_features if method == 'exact' else width
    if m < needed:
      raise ValueError(
        f'starvation.n_features={n_features} takes a sample of at least {needed} examples, not {m}'
      )
    outputs = logit_differences(network.apply, 'starvation.n_features')
    inputs = {'inputs': batch['inputs']}
    signs = 2.0 * batch['labels'] - 1.0  # [m]
    with jax.default_matmul_precision('highest'):
      if method == 'exact':
        stats = gradient_statistics(outputs, gram=True)(params, inputs)
        f = stats.losses
        values, vectors = jnp.linalg.eigh(signs[:, None] * stats.gram * signs[None])
      else:
        check_independence(outputs, params, inputs)
        f, kernel = _kernel(outputs, params, inputs)
        first = jax.random.normal(rngs.named_key(seed, 'starvation'), (width, m), f.dtype)
        product = lambda v: signs * kernel(signs * v)  # noqa: E731
        values, vectors = _ritz_pairs(product, first, min(n_blocks, m // width))
      strengths = jnp.sqrt(jnp.maximum(values[::-1][:n_features], 0))
      z = (signs * f) @ oriented(vectors[:, ::-1][:, :n_features])
    metrics: Metrics = {'starvation/share': z @ z / (f @ f)}
    for j in range(n_features):
      metrics |= {f'starvation/strength/{j}': strengths[j], f'starvation/response/{j}': z[j]}
    return metrics

  n_products = n_blocks * width
  return Instrument(measure=measure, price=1.25 if method == 'exact' else 1.3 * n_products)


def logit_differences(
  apply: Callable[[Params, jax.Array], jax.Array], reader: str = 'logits'
) -> Losses:
  """`(params, batch) -> f [B]`, the logit of class 1 beyond that of class 0, in float32 or wider.

  Args:
    apply: `(params, inputs [B, ...]) -> logits [B, 2]`.
    reader: who reads them, by which errors begin.

  Raises:
    ValueError: while tracing: there are not two logits.
  """

  def outputs(params: Params, batch: Batch) -> jax.Array:
    logits = apply(params, batch['inputs'])
    if logits.shape[1:] != (2,):
      raise ValueError(f'{reader} is for tasks of two classes; logits are {logits.shape}')
    logits = logits.astype(jnp.promote_types(logits.dtype, jnp.float32))
    return logits[:, 1] - logits[:, 0]

  return outputs


def _kernel(
  outputs: Losses, params: Params, batch: Batch
) -> tuple[jax.Array, Callable[[jax.Array], jax.Array]]:
  """The outputs [m], and the product of their tangent kernel with a vector [m]."""
  f, derivative = jax.linearize(lambda params: outputs(params, batch), params)
  gradient = jax.linear_transpose(derivative, params)
  return f, lambda v: derivative(*gradient(v))


def _ritz_pairs(
  product: Callable[[jax.Array], jax.Array], first: jax.Array, n_blocks: int
) -> tuple[jax.Array, jax.Array]:
  """Eigenpairs of a symmetric operator on the Krylov space of a block [width, m], smallest first.

  Every block is orthogonalized to all before it. Where the operator is exhausted, what is left to
  orthogonalize is rounding; made orthogonal once more, it is as good a direction as any.
  """
  width, m = first.shape

  def orthogonal(block, basis):  # rows to rows
    for _ in range(2):
      block = block - (block @ basis.T) @ basis
      block = jnp.linalg.qr(block.T)[0].T
    return block - (block @ basis.T) @ basis

  def iterate(carry, i):
    basis, block = carry  # [n_blocks width, m], zeros where no vectors are yet; [width, m]
    block = orthogonal(block, basis)
    basis = lax.dynamic_update_slice_in_dim(basis, block, i * width, 0)
    _, products = lax.scan(lambda _, v: ((), product(v)), (), block)
    return (basis, products), products

  zeros = sharding.zeros_varying_like(product(first[0]), (n_blocks * width, m), first.dtype)
  start = (zeros, first + zeros[:width])
  (basis, _), products = lax.scan(iterate, start, jnp.arange(n_blocks))
  ritz = basis @ products.reshape(-1, m).T
  values, vectors = jnp.linalg.eigh((ritz + ritz.T) / 2)
  return values, basis.T @ vectors
