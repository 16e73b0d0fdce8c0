r"""PAC-Bayes bounds and expected flatness: how much random noise the parameters bear.

With w the final parameters, :math:`w^0` the initial ones, :math:`\omega` how many there are, m training
examples, and :math:`\sigma` the largest noise that costs at most a tenth of the training accuracy
(`research.measures.perturbation`), each measure is :math:`\sqrt{\mu / m}`, with

.. math::
  \mu_\text{init} = \frac{\|w - w^0\|^2}{4 \sigma^2} + \log\frac{m}{\sigma} + 10, \qquad
  \mu_\text{orig} = \frac{\|w\|^2}{4 \sigma^2} + \log\frac{m}{\sigma} + 10, \qquad
  \mu_\text{flatness} = \frac{1}{\sigma^2}.

The first term is half the divergence, in nats, of the posterior :math:`N(w, \sigma^2 I)` from a prior
:math:`N(p, \sigma^2 I)` with :math:`p = w^0` or 0.

Magnitude-aware: noise of variance :math:`v_j = \epsilon^2 + \sigma'^2 w_j^2`, with
:math:`\epsilon = 10^{-3}`, and a prior :math:`N(p, \lambda^2 I)`. Half the divergence is least at
:math:`\lambda^2 = \frac1\omega \sum_j (v_j + (w_j - p_j)^2)`, where it is

.. math::
  \mu_\text{mag} = \frac14 \sum_j \log \frac{\epsilon^2 + (\sigma'^2 \|w\|^2 + \|w - p\|^2) / \omega}
  {\epsilon^2 + \sigma'^2 w_j^2} + \log\frac{m}{\sigma'} + 10.

The published form, here `..._published`, has :math:`\sigma'^2 \|w - p\|^2` in place of
:math:`\sigma'^2 \|w\|^2` and :math:`(w_j - w^0_j)^2` in place of :math:`w_j^2`: for p = 0 this is no
divergence, and for :math:`p = w^0` it is that of a noise in proportion to the distance moved, which is
not the noise that :math:`\sigma'` was found with.
"""

import jax
import jax.numpy as jnp
import optax
from jax import lax

from research import rngs, trees
from research.measures.examples import apply_in_chunks, examples
from research.measures.measure import Trained
from research.measures.perturbation import STANDARD, Search, correct, largest_noise
from research.measures.scaling import scaled
from research.types import Metrics, Params

EPSILON = 1e-3  # of the magnitude-aware noise: what a parameter of 0 still bears


def pac_bayes(trained: Trained, search: Search = STANDARD) -> Metrics:
  r"""PAC-Bayes measures and expected flatness, plain and magnitude-aware.

  Measures, no units: `pac_bayes/init`, `pac_bayes/orig`, `pac_bayes/flatness`, `pac_bayes/mag_init`,
  `pac_bayes/mag_orig`, `pac_bayes/mag_flatness`, `pac_bayes/mag_init_published` and
  `pac_bayes/mag_orig_published`; all larger for a network that bears less noise. They are
  :math:`\sqrt{\mu/m}` because that is the form of the bound on the gap. Infinite where no noise is
  borne; NaN where a parameter or a logit is not finite. Where the network bears the largest noise that
  is tried, they are what that noise gives.

  Guarantees (each is a test): of given noise, they are half the divergences above, which SciPy finds by
  minimizing over the prior; the order of the examples does not matter; the same key gives the same
  numbers; vmapped over networks they are what each gives alone; noise in proportion to the
  parameters does not see a ReLU layer scaled up and the next one down where :math:`\epsilon` is
  negligible (`mag_flatness`), plain noise does.

  Cost: two searches of at most 150 forward passes on all n training examples each. Memory: that of a
  forward pass on 512 examples.

  Args:
    trained: any model with logits.
    search: see `perturbation`; the bound's confidence term, 10, stands for any.

  Raises:
    ValueError: as in `largest_noise` or `examples`.

  References: `Jiang et al. (2020) <https://arxiv.org/abs/1912.02178>`_, appendix C.5; `Dziugaite et al.
    (2020) <https://arxiv.org/abs/2010.11924>`_ for the scale. Some public code draws noise whose
    standard deviation is :math:`\sigma^2`; here it is :math:`\sigma`.
  """
  m = len(trained.inputs)
  plain, aware = noises(trained, search)
  start, end = trained.initial, trained.final
  moved = jax.tree.map(jnp.subtract, end, start)
  omega = trees.n_parameters(end)
  length, distance = (optax.tree.norm(tree, squared=True) for tree in (end, moved))

  def bound(complexity, sigma):
    return complexity + jnp.log(m / sigma) + 10

  def published(of_prior):
    return _half_log_ratios(moved, of_prior, of_prior, aware, omega)

  mu = {
    'init': bound(distance / (4 * plain**2), plain),
    'orig': bound(length / (4 * plain**2), plain),
    'flatness': 1 / plain**2,
    'mag_init': bound(_half_log_ratios(end, length, distance, aware, omega), aware),
    'mag_orig': bound(_half_log_ratios(end, length, length, aware, omega), aware),
    'mag_flatness': 1 / aware**2,
    'mag_init_published': bound(published(distance), aware),
    'mag_orig_published': bound(published(length), aware),
  }
  return {f'pac_bayes/{name}': scaled(value, m) for name, value in mu.items()}


def noises(trained: Trained, search: Search = STANDARD) -> tuple[jax.Array, jax.Array]:
  r""":math:`\sigma` and :math:`\sigma'` of the module docstring, float32 []; NaN as there."""
  params, apply = trained.final, apply_in_chunks(trained.model)
  batch = examples(trained, most=None)

  def n_correct(params):
    return correct(apply, params, batch['inputs'], batch['labels'])

  def found(kind):  # one after the other, so that they are compiled but once
    key, epsilon, scale = kind

    def deviations(sigma):
      return jax.tree.map(lambda b: jnp.sqrt(epsilon**2 + jnp.square(sigma * b)), scale)

    return largest_noise(n_correct, len(batch['labels']), params, deviations, key, search)

  keys = jax.random.split(rngs.of_name(trained.key, 'pac_bayes'))
  scales = jax.tree.map(lambda x: jnp.stack([jnp.ones_like(x), x]), params)
  plain, aware = lax.map(found, (keys, jnp.array([0.0, EPSILON]), scales))
  fine = jnp.all(jnp.isfinite(apply(params, batch['inputs'])))
  return jnp.where(fine, plain, jnp.nan), jnp.where(fine, aware, jnp.nan)


def _half_log_ratios(
  scale: Params, noise: jax.Array, distance: jax.Array, sigma: jax.Array, omega: int
) -> jax.Array:
  """A quarter of the sum over parameters of the logarithm of the prior's variance over theirs.

  Args:
    scale: noise has the variance epsilon^2 + (sigma * scale)^2.
    noise: the squared norm of what the prior takes for the scale.
    distance: squared, of the mean of the posterior from that of the prior.
    sigma, omega: of the noise; how many parameters there are.
  """
  prior = jnp.log(EPSILON**2 + (sigma**2 * noise + distance) / omega)
  terms = [jnp.sum(jnp.log(EPSILON**2 + jnp.square(sigma * x))) for x in jax.tree.leaves(scale)]
  return (omega * prior - sum(terms)) / 4
