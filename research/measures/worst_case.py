r"""Worst-case sharpness: how far the parameters may go in the worst direction within a box.

The box of size :math:`\alpha` around the parameters w allows moves :math:`|v_j| \le \alpha b_j`, with
:math:`b_j = 1` (plain) or :math:`b_j = |w_j| + \epsilon`, :math:`\epsilon = 10^{-3}` (magnitude-aware).
In it the mean cross-entropy L of the training examples is maximized by projected sign ascent from
v = 0,

.. math:: v \leftarrow \Pi_{|v_j| \le \alpha b_j} \big[ v + \tfrac{2}{K'} \alpha b_j \operatorname{sign}
     \partial_j L(w + v) \big], \qquad K' = 4 \text{ steps}.

:math:`\alpha` is the largest box (plain), :math:`\alpha'` the largest magnitude-aware one, in which the
point that the ascent ends at costs at most a tenth of the training accuracy. The ascent finds a bad
point, not the worst: the true :math:`\alpha` is at most this one.
"""

import jax
import jax.numpy as jnp
import optax
from jax import lax

from research import trees
from research.losses import make_losses
from research.measures.examples import apply_in_chunks, examples
from research.measures.measure import Trained
from research.measures.perturbation import correct
from research.measures.scaling import scaled
from research.types import Batch, Metrics, Params

EPSILON = 1e-3
STEPS = 4
LARGEST, OCTAVES = 2.0, 15  # boxes between 2^-14 and 2
DEPTH = 9  # halvings of the logarithm: to a factor of 2^(15 / 512), 2 %
DROP = 0.1
BOX = 1e-3  # of `keskar`


def worst_case(trained: Trained) -> Metrics:
  r"""Worst-case flatness in a box, plain and magnitude-aware, and Keskar's sharpness.

  With m training examples, :math:`\omega` parameters, the boxes of the module docstring:

  - `worst_case/flatness`: :math:`\sqrt{1 / (m \alpha^2)}`; `worst_case/mag_flatness`: with
    :math:`\alpha'`.
  - `worst_case/init`: :math:`\sqrt{\mu / m}`, :math:`\mu = \|w - w^0\|^2 \log(2\omega) / (2 \alpha^2) +
    \log(m / \alpha) + 10`; `worst_case/orig`: with w in place of :math:`w - w^0`. It is the
    PAC-Bayes bound (`pac_bayes`) with noise so small that of :math:`\omega` draws the largest is
    about :math:`\alpha`, :math:`\sigma = \alpha / \sqrt{2 \log 2\omega}`: this constant is ours.
  - `worst_case/keskar`: :math:`100 \, (L(w + v) - L(w)) / (1 + L(w))`, per cent, with
    :math:`|v_j| \le 10^{-3} (|w_j| + 1)` and v by the same ascent.

  Boxes are searched between 2^-14 and 2, on a logarithmic scale, to 2 %; the ends mean 'or less' and
  'or more'. NaN where a logit is not finite. A gradient of exactly 0 leads nowhere: a network whose
  loss has vanished in float32 seems flat.

  Guarantees (each is a test): of a linear loss in a box, the ascent ends at the worst corner, and of a
  linear classifier of two classes :math:`\alpha` is what sorting the margins says; the order of the
  examples does not matter; a ReLU layer scaled up and the next one down changes `flatness`, and
  `mag_flatness` only by what :math:`\epsilon` and the tolerance do; vmapped over networks, each gives
  what it gives alone.

  Cost: 2 DEPTH (STEPS - 1) + STEPS + 1 gradients and 2 DEPTH + 2 forward passes on all n examples: 59
  gradients. Memory: parameters four times, and a gradient of 512 examples. It draws nothing.

  Args:
    trained: any model with logits.

  Raises:
    ValueError: as in `examples`.

  References: `Jiang et al. (2020) <https://arxiv.org/abs/1912.02178>`_, appendix C.5, define
    :math:`\alpha`; `Keskar et al. (2017) <https://arxiv.org/abs/1609.04836>`_, Metric 2.1.
  """
  m, batch = len(trained.inputs), examples(trained, most=None)
  params, omega = trained.final, trees.n_parameters(trained.final)
  moved = jax.tree.map(jnp.subtract, params, trained.initial)
  apply = apply_in_chunks(trained.model)
  plain, aware = largest_boxes(apply, params, batch)
  fine = jnp.all(jnp.isfinite(apply(params, batch['inputs'])))

  def bound(sq_distance):
    return sq_distance * jnp.log(2 * omega) / (2 * plain**2) + jnp.log(m / plain) + 10

  mu = {
    'flatness': 1 / plain**2,
    'mag_flatness': 1 / aware**2,
    'init': bound(optax.tree.norm(moved, squared=True)),
    'orig': bound(optax.tree.norm(params, squared=True)),
  }
  metrics = {name: scaled(value, m) for name, value in mu.items()}
  loss = _loss(apply, batch)
  corner = ascended(loss, params, jax.tree.map(lambda x: BOX * (jnp.abs(x) + 1), params))
  before = loss(params)
  metrics['keskar'] = 100 * (loss(corner) - before) / (1 + before)
  return {f'worst_case/{name}': jnp.where(fine, x, jnp.nan) for name, x in metrics.items()}


def largest_boxes(apply, params: Params, batch: Batch) -> tuple[jax.Array, jax.Array]:
  r""":math:`\alpha` and :math:`\alpha'` of the module docstring, float32 []."""
  loss, m = _loss(apply, batch), len(batch['labels'])
  first = jax.grad(loss)(params)  # the same in every box

  def n_correct(params):
    return correct(apply, params, batch['inputs'], batch['labels'])

  allowed = n_correct(params) - int(DROP * m + 1e-9)

  def found(shape):
    def halve(_, ends):
      low, high = ends  # exponents: of a box that is borne, and of one that is not
      middle = (low + high) / 2
      box = jax.tree.map(lambda b: jnp.exp2(middle) * b, shape)
      borne = n_correct(ascended(loss, params, box, first)) >= allowed
      return jnp.where(borne, middle, low), jnp.where(borne, high, middle)

    top = jnp.log2(jnp.asarray(LARGEST))
    low, _ = lax.fori_loop(0, DEPTH, halve, (top - OCTAVES, top))
    return jnp.exp2(low)

  shapes = jax.tree.map(lambda x: jnp.stack([jnp.ones_like(x), jnp.abs(x) + EPSILON]), params)
  plain, aware = lax.map(found, shapes)  # compiled but once
  return plain, aware


def ascended(loss, params: Params, box: Params, first: Params | None = None) -> Params:
  """The point that the ascent ends at: params + v, |v| at most `box`, a tree like params.

  Args:
    loss: `params -> []`.
    params: where it starts.
    box: half the length of each side.
    first: the gradient at params, if it is known.
  """
  gradient = jax.grad(loss)

  def step(v, g):
    return jax.tree.map(lambda v, g, b: jnp.clip(v + 2 / STEPS * b * jnp.sign(g), -b, b), v, g, box)

  def go_on(_, v):
    return step(v, gradient(jax.tree.map(jnp.add, params, v)))

  first = gradient(params) if first is None else first
  v = step(jax.tree.map(jnp.zeros_like, params), first)
  return jax.tree.map(jnp.add, params, lax.fori_loop(1, STEPS, go_on, v))


def _loss(apply, batch: Batch):
  losses = make_losses(apply)
  return lambda params: jnp.mean(losses(params, batch))
