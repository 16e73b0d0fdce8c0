r"""Thermodynamic integration: the evidence of data from chains at several temperatures.

With losses that are negative log-likelihoods, :math:`L(\theta) = -\sum_{i \le n} \ell_i(\theta)` that
of the data, and the prior :math:`p(\theta) = N(0, s^2 I)`, the evidence is
:math:`Z = \int p(\theta)\, e^{L(\theta)}\, d\theta`, the weight that the prior gives the data, and

.. math:: \log Z = \int_0^1 \mathrm{E}_\beta[L]\, d\beta, \qquad
   \frac{d}{d\beta} \mathrm{E}_\beta[L] = \mathrm{Var}_\beta[L] \ge 0,

where :math:`\mathrm{E}_\beta` is the mean under :math:`p(\theta)\, e^{\beta L(\theta)}`, normalized.

References: Kirkwood (1935), Statistical mechanics of fluid mixtures; Gelman and Meng (1998), Simulating
  normalizing constants. Temperatures that are dense near the prior, and the variance in the rule of
  quadrature, are known from Friel and Pettitt (2008) and Friel, Hurn and Wyse (2014).
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

from research.langevin import Potential, langevin, make_potential
from research.types import Batch, Losses, Params


class Evidence(NamedTuple):
  """What chains say of log Z."""

  log_evidence: float  # log Z, nats: the mean of the chains
  stderr: float  # of that, nats: what chains, which are independent of each other, scatter by
  means: np.ndarray  # E_beta[L], float64 [K, chains], nats
  variances: np.ndarray  # mean squares of L about the mean of all chains, float64 [K, chains]


def thermodynamic_integration(
  losses: Losses,
  params: Params,
  data: Batch,
  key: jax.Array,
  betas: ArrayLike,
  step_sizes: ArrayLike,
  *,
  prior_scale: float,
  n_samples: int,
  keep_every: int = 1,
  burn_in: int = 0,
  batch_size: int | None = None,
) -> Evidence:
  r"""The log evidence by Langevin chains that go from the prior to the posterior.

  At each :math:`\beta` in turn a chain takes up where it ended at the one before, and L is averaged
  over what it keeps; `integral` adds these up. `stderr` has the scatter of chains alone in it. What
  all chains share is not: the rule of quadrature, the finite step, and a burn-in too short, by which L
  is too low and so is log Z.

  Guarantees (each is a test): on Bayesian linear regression log Z is the closed form, within errors,
  also with minibatches; the error is what runs of other keys scatter by; a constant c added to each
  loss lowers log Z by n c; a second call, also with other temperatures, compiles nothing.

  Args:
    losses: (params, batch) -> [n], negative log-likelihoods with all their constants, in nats; its
      identity is what compiled programs are kept by.
    params: where chains start, every leaf [chains, ...]: draws of the prior, if betas[0] is to need
      no burn-in.
    data: at least 'labels' [n].
    key: of minibatches and noise.
    betas: inverse temperatures [K], rising from 0 to 1; dense near 0, where L is steep.
    step_sizes: of `langevin`, at each of these [K], or one for all.
    prior_scale: s.
    n_samples, keep_every, burn_in: of `langevin`, at each temperature.
    batch_size: of the gradients; L itself is always that of all examples. None: all examples.

  Cost: K chains (burn_in + n_samples keep_every) gradients and K chains n_samples losses of all
    examples, in one compiled scan; memory is n_samples parameters of each chain.

  Raises:
    ValueError: betas do not rise from 0 to 1; step_sizes are not positive or not as many; there are
      fewer than two chains; or what `make_potential` and `langevin` raise.
  """
  betas = np.asarray(betas, np.float64)
  _check(betas)
  steps = np.asarray(step_sizes, np.float64)
  if steps.shape not in ((), betas.shape) or not (steps > 0).all():
    raise ValueError(f'step_sizes must be positive, one or {len(betas)} of them, not {step_sizes}')
  n_chains = len(jax.tree.leaves(params)[0])
  if n_chains < 2:
    raise ValueError(f'params must hold at least two chains, not {n_chains}')
  settings = {'n_samples': n_samples, 'keep_every': keep_every, 'burn_in': burn_in}
  schedule = np.stack([betas, np.broadcast_to(steps, betas.shape)]).astype(np.float32)
  potential = _tempered(losses, prior_scale, batch_size)
  keys = jax.random.split(key, n_chains)
  found = _chains(losses, potential, params, data, keys, jnp.asarray(schedule), **settings)
  found = np.asarray(found, np.float64)  # [chains, K, samples]
  means = found.mean(axis=2).T
  variances = np.square(found - means.mean(axis=1)[None, :, None]).mean(axis=2).T
  of_chains = integral(betas, means, variances)
  stderr = of_chains.std(ddof=1) / np.sqrt(n_chains)
  return Evidence(float(of_chains.mean()), float(stderr), means, variances)


def integral(betas: ArrayLike, means: np.ndarray, variances: np.ndarray) -> np.ndarray:
  r"""The integral of :math:`E = \mathrm{E}_\beta[L]` over :math:`\beta`, with V, which is its slope.

  .. math:: \sum_k \frac{h_k}{2} (E_k + E_{k+1}) - \frac{h_k^2}{12} (V_{k+1} - V_k), \qquad
     h_k = \beta_{k+1} - \beta_k.

  Guarantees (each is a test): exact where E is a polynomial of degree 3; with the moments of Bayesian
  linear regression at 17 temperatures it is log Z to 1e-3.

  Args:
    betas: [K], rising from 0 to 1.
    means, variances: [K, ...], in nats and squared nats.

  Returns:
    The integrals [...], nats.

  Raises:
    ValueError: betas do not rise from 0 to 1.
  """
  betas = np.asarray(betas, np.float64)
  _check(betas)
  width = np.diff(betas)
  trapezoids = np.tensordot(width / 2, means[1:] + means[:-1], axes=1)
  return trapezoids - np.tensordot(np.square(width) / 12, np.diff(variances, axis=0), axes=1)


def temperatures(n: int, power: float) -> np.ndarray:
  r"""Inverse temperatures :math:`(k / (n - 1))^c`, k from 0 to n - 1: float64 [n], dense near 0."""
  return np.linspace(0, 1, n) ** power


def _check(betas: np.ndarray) -> None:
  rising = betas.ndim == 1 and len(betas) > 1 and (np.diff(betas) > 0).all()
  if not rising or betas[0] != 0 or betas[-1] != 1:
    raise ValueError(f'betas must rise from 0 to 1, not {betas}')


@functools.lru_cache(maxsize=16)
def _tempered(losses: Losses, prior_scale: float, batch_size: int | None) -> Potential:
  """The potential with losses times `data['beta']` [n], which are all equal."""
  return make_potential(
    lambda params, batch: batch['beta'] * losses(params, batch),
    prior_scale=prior_scale,
    batch_size=batch_size,
  )


@functools.partial(
  jax.jit, static_argnames=('losses', 'potential', 'n_samples', 'keep_every', 'burn_in')
)
def _chains(losses, potential, params, data, keys, schedule, **settings) -> jax.Array:
  """L of each sample: [chains, K, n_samples]."""

  def at_one_temperature(carry, now):
    params, key = carry
    beta, step_size = now
    key, own = jax.random.split(key)
    tempered = data | {'beta': jnp.full(len(data['labels']), beta)}
    samples = langevin(potential, params, tempered, own, step_size, **settings)
    found = jax.lax.map(lambda sample: -jnp.sum(losses(sample, data)), samples)
    return (jax.tree.map(lambda leaf: leaf[-1], samples), key), found

  def chain(params, key):
    return jax.lax.scan(at_one_temperature, (params, key), schedule.T)[1]

  return jax.vmap(chain)(params, keys)
