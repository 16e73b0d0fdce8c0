r"""Stochastic gradient Langevin dynamics: samples from a posterior over parameters."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from research.types import Batch, Losses, Params

# (params, data, key) -> U [], an unbiased estimate of the potential, in nats; the key picks a minibatch
Potential = Callable[[Params, Any, jax.Array], jax.Array]


def make_potential(
  losses: Losses, *, prior_scale: float, batch_size: int | None = None
) -> Potential:
  r"""The potential of the posterior under independent Gaussian priors, as (params, batch, key) -> [].

  .. math:: U(\theta) = \sum_{i \le n} \ell_i(\theta) + \frac{\|\theta\|^2}{2 s^2},
     \qquad p(\theta \mid \text{data}) \propto e^{-U(\theta)},

  where losses are negative log-likelihoods, in nats. With a batch size, the sum is estimated by n / B
  times that of B examples drawn with replacement.

  Guarantees (each is a test): the estimate's mean over keys is the sum over all examples, as is that
  of its gradient.

  Args:
    losses: (params, batch) -> [n].
    prior_scale: s.
    batch_size: B; None: all examples.

  Raises:
    ValueError: prior_scale or batch_size is not positive.
  """
  if not prior_scale > 0:
    raise ValueError(f'prior_scale must be positive, not {prior_scale}')
  if batch_size is not None and batch_size < 1:
    raise ValueError(f'batch_size must be positive or None, not {batch_size}')

  def potential(params: Params, data: Batch, key: jax.Array) -> jax.Array:
    n, factor = len(data['labels']), 1.0
    if batch_size is not None:
      rows = jax.random.randint(key, (batch_size,), 0, n)
      data, factor = {name: x[rows] for name, x in data.items()}, n / batch_size
    sq_norm = sum(jnp.sum(jnp.square(leaf)) for leaf in jax.tree.leaves(params))
    return factor * jnp.sum(losses(params, data)) + sq_norm / (2 * prior_scale**2)

  return potential


@functools.partial(jax.jit, static_argnames=('potential', 'n_samples', 'keep_every', 'burn_in'))
def langevin(
  potential: Potential,
  params: Params,
  data: Any,
  key: jax.Array,
  step_size: float | jax.Array,
  *,
  n_samples: int,
  keep_every: int = 1,
  burn_in: int = 0,
) -> Params:
  r"""Samples of parameters by Langevin dynamics: every leaf [n_samples, ...].

  .. math:: \theta \leftarrow \theta - \frac\epsilon2 \nabla U(\theta) + \xi, \qquad
     \xi \sim N(0, \epsilon I).

  As :math:`\epsilon \to 0`, and with time, they come from :math:`e^{-U}`. At a finite step of a
  quadratic potential with Hessian H their covariance is :math:`H^{-1} (I - \epsilon H / 4)^{-1}`; the
  noise of minibatches adds to it.

  Guarantees (each is a test): on Bayesian linear regression, mean and covariance are those formulas
  and, at a small step, those of the posterior; the same key gives the same samples; the first sample
  after a burn-in is that of a run without at this step; a second call compiles nothing.

  Args:
    potential: of `make_potential`, or any; its identity is what compiled programs are kept by.
    params: where the chain starts.
    data: what the potential is given; traced.
    key: of minibatches and noise.
    step_size: epsilon, in squared units of the parameters; traced. Stable below 4 over the largest
      curvature.
    n_samples: how many are kept.
    keep_every: of so many steps, the last is kept.
    burn_in: steps before that.

  Cost: burn_in + n_samples keep_every gradients, in one compiled scan; memory is that of the samples.
    To run chains at once, vmap over params and key.

  Raises:
    ValueError: n_samples or keep_every is not positive, or burn_in is negative.

  References: Welling and Teh (2011), Bayesian learning via stochastic gradient Langevin dynamics.
  """
  for name, value, least in (
    ('n_samples', n_samples, 1),
    ('keep_every', keep_every, 1),
    ('burn_in', burn_in, 0),
  ):
    if value < least:
      raise ValueError(f'{name} must be at least {least}, not {value}')

  def step(params: Params, i: jax.Array) -> Params:
    of_batch, of_noise = jax.random.split(jax.random.fold_in(key, i))
    grads = jax.grad(potential)(params, data, of_batch)
    leaves, structure = jax.tree.flatten(params)
    keys = jax.random.split(of_noise, len(leaves))
    noise = structure.unflatten(
      [jax.random.normal(k, x.shape, x.dtype) for k, x in zip(keys, leaves, strict=True)]
    )
    root = jnp.sqrt(step_size)
    return jax.tree.map(lambda x, g, z: x - step_size / 2 * g + root * z, params, grads, noise)

  def several(params: Params, steps: jax.Array) -> Params:
    return jax.lax.scan(lambda params, i: (step(params, i), None), params, steps)[0]

  def kept(params: Params, steps: jax.Array):
    params = several(params, steps)
    return params, params

  params = several(params, jnp.arange(burn_in))
  steps = burn_in + jnp.arange(n_samples * keep_every).reshape(n_samples, keep_every)
  return jax.lax.scan(kept, params, steps)[1]
