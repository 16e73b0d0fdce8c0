r"""Universal adversarial perturbations: one direction that fools a network on most inputs."""

from typing import Literal

import jax
import jax.numpy as jnp
from jax import lax

from research import attacks, sharding
from research.instruments.adversarial import odds, of_perturbed, step_within
from research.instruments.instrument import Instrument, Network
from research.types import Batch, Metrics, Params


def universal(
  *,
  method: Literal['svd', 'averaged'] = 'svd',
  radius: float = 1.0,
  step_size: float | None = None,
  iterations: int = 20,
) -> Instrument:
  r"""Accuracy and loss where one perturbation v moves all inputs, and the features it lies in.

  Of two classes, x moves to :math:`x + y v` with :math:`y = \pm 1` its label, so that both classes
  are pushed towards each other; of more, to :math:`x + v`. Either way
  :math:`\|v\|_2 \le \epsilon`. The perturbation is, by `method`:

  - `svd`: :math:`\epsilon` times the right singular vector, of the largest singular value, of the
    matrix [m, d] of the gradients, each at length 1, of the log odds against the label with respect
    to the inputs. These are the directions in which single inputs are fooled first. Of v and -v, the
    one with the lower accuracy; if they are alike, the one along the sum of the gradients.
  - `averaged`: by projected gradient ascent of the mean cross-entropy from v = 0, each step along the
    gradient with respect to v, at length `step_size`. As all else here, its direction is exact also
    where cross-entropy is lost to rounding.

  Guarantees (each is a test): of a linear classifier of two classes, v is the exact worst case of
  each example, and accuracy and shares are those of `adversarial`; with `svd`, v agrees with NumPy's
  SVD; the order of the examples does not matter; of two classes, it does not matter which is called
  1, and logits scaled by c > 0 do not change v of `svd`.

  Metrics: `universal/accuracy`, in [0, 1]; `universal/loss`, the network's own losses in nats;
  `universal/length`, of v, in units of the inputs as the network sees them; and of a task with
  feature blocks, `universal/share/S`, :math:`\|v_S\|_2 / \|v\|_2` in [0, 1], in the coordinates in
  which the blocks are planted. Where a logit is NaN, so are all.

  Cost: `svd`, a gradient and two forward passes, and the eigenvectors of a matrix as large as the
  smaller of m and d, which are not in the price; `averaged`, `iterations` gradients with respect to
  the inputs, each about 3/4 of one with respect to the parameters.

  Args:
    method: see above.
    radius: :math:`\epsilon`.
    step_size: of the ascent; None for 2.5 `radius` / `iterations`.
    iterations: of the ascent.

  Raises:
    ValueError: method is unknown; radius, step_size or iterations is not positive.

  References: `Moosavi-Dezfooli et al. (2017) <https://arxiv.org/abs/1610.08401>`_; `Khrulkov &
    Oseledets (2018) <https://arxiv.org/abs/1709.03582>`_ and `Sam et al. (2020)
    <https://arxiv.org/abs/2005.08632>`_ for singular vectors; `Shah et al. (2020)
    <https://arxiv.org/abs/2006.07710>`_, whose code multiplies v by the label, and takes singular
    vectors of whole attacks where we take those of gradients.
  """
  if method not in ('svd', 'averaged'):
    raise ValueError(f'method must be one of svd, averaged, not {method}')
  size = step_within(radius, step_size, iterations)

  def measure(network: Network, params: Params, batch: Batch) -> Metrics:
    x = batch['inputs']
    signs = _signs(network, params, batch)  # [m, 1, ...]

    def moved(v):
      return odds(network)(params, {**batch, 'inputs': x + signs * v})

    def metrics_of(v):
      return of_perturbed('universal', network, params, batch, signs * v)

    if method == 'svd':
      grads = jax.grad(lambda v: jnp.sum(moved(v)))(jnp.zeros_like(x))  # of each example's own v
      v = radius * _top_direction(attacks.unit(grads))
      along, against = metrics_of(v), metrics_of(-v)
      is_worse = against['universal/accuracy'] < along['universal/accuracy']
      return {name: jnp.where(is_worse, against[name], along[name]) for name in along}

    def ascend(v, _):
      values, pull_back = jax.vjp(moved, v)
      slopes = jax.nn.log_sigmoid(values)  # of cross-entropy; only their ratios matter
      (grad,) = pull_back(jnp.exp(slopes - jnp.max(slopes)))
      return attacks.shortened(v + size * attacks.unit(grad), radius), None

    zeros = sharding.zeros_varying_like((params, batch), (1, *x.shape[1:]), x.dtype)
    return metrics_of(lax.scan(ascend, zeros, None, length=iterations)[0])

  return Instrument(measure=measure, price=1.6 if method == 'svd' else 0.75 * iterations + 0.4)


def _signs(network: Network, params: Params, batch: Batch) -> jax.Array:
  """What the perturbation is multiplied by, [m, 1, ...]: +-1 for two classes, 1 for more."""
  x, labels = batch['inputs'], batch['labels']
  n_classes = jax.eval_shape(network.apply, params, x).shape[-1]
  signs = 2 * labels - 1 if n_classes == 2 else jnp.ones_like(labels)
  return signs.astype(x.dtype).reshape(-1, *[1] * (x.ndim - 1))


def _top_direction(rows: jax.Array) -> jax.Array:
  """The right singular vector of rows [m, ...], [1, ...], for which their products sum to >= 0."""
  flat = rows.reshape(len(rows), -1)
  m, d = flat.shape
  with jax.default_matmul_precision('highest'):
    if m <= d:
      left = jnp.linalg.eigh(flat @ flat.T)[1][:, -1]
    else:
      left = flat @ jnp.linalg.eigh(flat.T @ flat)[1][:, -1]
    v = attacks.unit((left @ flat)[None])[0]
    v = jnp.where(jnp.sum(flat @ v) < 0, -v, v)
  return v.reshape(1, *rows.shape[1:])
