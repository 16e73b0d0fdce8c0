r"""Sharpness of the loss at the end of training: one ascent step, curvature, and the Fisher-Rao norm.

L is the mean cross-entropy of at most 512 training examples, in nats, whatever the network was trained
with; H its Hessian, of a ReLU network where relus do not switch; w the parameters.
"""

import jax
import jax.numpy as jnp
import optax
from jax import lax

from research import rngs
from research.instruments import Network
from research.instruments import sharpness as largest_eigenvalue
from research.losses import make_losses
from research.measures.examples import examples
from research.measures.measure import Trained
from research.types import Metrics, Params

RADIUS = 0.05


def sharpness(trained: Trained, *, iterations: int = 10, probes: int = 8) -> Metrics:
  r"""SAM's sharpness, the top of the Hessian, its trace in three scales, and Fisher-Rao norms.

  - `sharpness/sam`: :math:`L(w + \rho g / \|g\|) - L(w)`, g the gradient, :math:`\rho = 0.05`, nats.
  - `sharpness/max_eigenvalue`: :math:`\lambda_{\max}(H)`, by Lanczos, from below
    (`research.instruments.sharpness`); nats per squared unit of parameter.
  - `sharpness/trace`: :math:`\operatorname{tr} H`, by Hutchinson: the mean of :math:`v^\top H v` over
    `probes` vectors of random signs; the same unit.
  - `sharpness/norm_times_trace`: :math:`\|w\|^2 \operatorname{tr} H`, nats.
  - `sharpness/trace_by_leaf`: :math:`\sum_l \|w_l\|^2 \operatorname{tr} H_{ll}` over leaves l (a
    kernel, a bias), from the same vectors; nats.
  - `sharpness/relative_trace`: :math:`\sum_j w_j^2 H_{jj}`, the trace of the Hessian in the logarithms
    of the parameters without its gradient term, from vectors :math:`v \odot w`; nats.
  - `sharpness/fisher_rao`: :math:`\sqrt{\frac1m \sum_i \langle w, \nabla \ell_i \rangle^2}`, with the
    labels trained with; `sharpness/fisher_rao_model`: the root of its mean over labels drawn from the
    network's own probabilities p, :math:`\frac1m \sum_i \operatorname{Var}_{c \sim p_i} z'_{ic}`, with
    :math:`z'_i` the derivative of the logits along w; nats.

  The network that a ReLU layer scaled up by a and the next one down by a give is the same function. It
  keeps `relative_trace`, both Fisher-Rao norms and, up to the error of the probes, `trace_by_leaf`;
  `trace`, `norm_times_trace`, `max_eigenvalue` and `sam` change: no properties of the function.

  Guarantees (each is a test): of softmax regression and of a small MLP all are what the dense Hessian
  gives, traces within the error of the probes; the norms are those of the gradients of the examples one
  by one; without biases and with L + 1 layers, Fisher-Rao is :math:`(L + 1)` times the root mean square
  of :math:`\langle \partial \ell / \partial z, z \rangle`; the scaling above; neither the order of the
  examples nor vmapping over networks matter.

  Cost: `iterations` + 2 `probes` products with H, about two gradients each, and 4 gradients: at most
  56 gradients. Memory: `iterations` vectors like the parameters.

  Args:
    trained: any model with logits.
    iterations: of Lanczos.
    probes: of Hutchinson, drawn from `trained.key`; the standard error of a trace falls as their root.

  Raises:
    ValueError: iterations or probes are not positive; or as in `examples`.

  References: `Foret et al. (2021) <https://arxiv.org/abs/2010.01412>`_, Eq. 3; `Hutchinson (1990)
    <https://doi.org/10.1080/03610919008812866>`_; `Liang et al. (2019)
    <https://arxiv.org/abs/1711.01530>`_, Definition 2 and Theorem 3.1; `Petzka et al. (2021)
    <https://arxiv.org/abs/2001.00939>`_ for a relative flatness of one layer. Sums over all leaves are
    ours.
  """
  if probes < 1:
    raise ValueError(f'probes must be at least 1, not {probes}')
  batch, params = examples(trained), trained.final
  losses = make_losses(trained.model.apply)

  def loss(params):
    return jnp.mean(losses(params, batch))

  top = largest_eigenvalue(iterations=iterations).measure(Network(losses), params, batch)
  key = rngs.of_name(trained.key, 'sharpness')
  traces = hessian_traces(loss, params, key, probes)
  rao, rao_model = _fisher_rao(trained.model.apply, params, batch['inputs'], batch['labels'])
  metrics = {
    'sam': sam_sharpness(loss, params),
    'max_eigenvalue': top['sharpness/max_eigenvalue'],
    'norm_times_trace': optax.tree.norm(params, squared=True) * traces['trace'],
    'fisher_rao': rao,
    'fisher_rao_model': rao_model,
    **traces,
  }
  return {f'sharpness/{name}': value for name, value in metrics.items()}


def sam_sharpness(loss, params: Params, radius: float = RADIUS) -> jax.Array:
  r""":math:`L(w + \rho g / \|g\|) - L(w)`, []; 0 where the gradient is 0."""
  value, gradient = jax.value_and_grad(loss)(params)
  length = optax.tree.norm(gradient)
  scale = jnp.where(length == 0, 0.0, radius / jnp.where(length == 0, 1.0, length))
  return loss(jax.tree.map(lambda x, g: x + scale * g, params, gradient)) - value


def hessian_traces(loss, params: Params, key: jax.Array, probes: int) -> dict[str, jax.Array]:
  """`trace`, `trace_by_leaf` and `relative_trace` of `sharpness`, each [].

  Guarantees (each is a test): each has the mean over vectors that the dense Hessian gives; of a
  diagonal Hessian, one vector gives the three exactly.
  """
  leaves, structure = jax.tree.flatten(params)
  _, product = jax.linearize(jax.grad(loss), params)

  def quadratic(v):
    """v * Hv summed by leaf, [leaves]."""
    products = jax.tree.leaves(product(jax.tree.unflatten(structure, v)))
    return jnp.stack([jnp.vdot(a, b) for a, b in zip(v, products, strict=True)])

  def probe(key):
    keys = jax.random.split(key, len(leaves))
    v = [jax.random.rademacher(k, x.shape, x.dtype) for k, x in zip(keys, leaves, strict=True)]
    return quadratic(v), quadratic([a * x for a, x in zip(v, leaves, strict=True)])

  plain, relative = lax.map(probe, jax.random.split(key, probes))
  by_leaf, relative = jnp.mean(plain, axis=0), jnp.mean(relative, axis=0)
  sq_norms = jnp.stack([jnp.vdot(x, x) for x in leaves])
  return {
    'trace': jnp.sum(by_leaf),
    'trace_by_leaf': jnp.sum(sq_norms * by_leaf),
    'relative_trace': jnp.sum(relative),
  }


def _fisher_rao(apply, params: Params, inputs: jax.Array, labels: jax.Array):
  """Both Fisher-Rao norms, from one derivative of the logits along the parameters."""
  logits, along = jax.jvp(lambda p: apply(p, inputs), (params,), (params,))  # [m, C] both
  p = jax.nn.softmax(logits)
  mean = jnp.sum(p * along, axis=-1)
  own = jnp.take_along_axis(along, labels[:, None], axis=-1)[:, 0]
  variance = jnp.sum(p * jnp.square(along - mean[:, None]), axis=-1)
  return jnp.sqrt(jnp.mean(jnp.square(mean - own))), jnp.sqrt(jnp.mean(variance))
