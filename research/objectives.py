"""What training minimizes, where that is more than the mean loss: interventions by config.

Evaluation and instruments see the network's plain losses; the objective is for the optimizer alone,
and for instruments on the batch that share its backward pass.
"""

from collections.abc import Callable
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp

from research.attacks import NORMS, check_ascent, odds_against, projected_gradient
from research.losses import cross_entropy
from research.models import Model
from research.types import Batch, Losses, Params

PENALTIES = ('spectral_decoupling', 'irm')

LogitLoss = Callable[[jax.Array, jax.Array], jax.Array]  # (logits [B, C], labels [B]) -> [B]


class Objective(NamedTuple):
  """What the optimizer minimizes: the mean of these losses.

  Attributes:
    losses: `(params, batch) -> [B]`, in nats.
    coupled: whether the loss of an example depends on others, so that it has no gradient of its own.
    reads: rows of the batch besides inputs and labels: `step`, int32 [B], updates so far; `key`,
      uint32 [B, 2], the randomness of each example; `environment`, int32 [B].
  """

  losses: Losses
  coupled: bool = False
  reads: frozenset[str] = frozenset()


def make_objective(
  model: Model,
  loss: LogitLoss,
  n_environments: int,
  *,
  adversary: Literal['linf', 'l2'] | None = None,
  radius: float = 0.3,
  step_size: float = 0.12,
  iterations: int = 7,
  bounds: tuple[float, ...] = (),
  penalty: Literal['spectral_decoupling', 'irm'] | None = None,
  offsets: tuple[float, ...] = (),
  l2: float = 0.0,
  weights: tuple[float, ...] = (1.0, 1.0),
  later: int | None = None,
  later_weights: tuple[float, ...] = (1.0, 1.0),
) -> Objective:
  r"""The objective :math:`a(t) (\bar\ell + \lambda \|\theta\|^2) + b(t) R`, and its disturbances.

  :math:`\bar\ell` is the mean loss; of an ensemble, the sum of its networks' losses, each on its own.
  With an `adversary`, examples are perturbed first, to raise the network's plain loss
  (`attacks.projected_gradient`; cross-entropy by the odds, with which it rises). The penalty R is

  - `spectral_decoupling`: :math:`R = \frac1B \sum_i (\hat y_i - \gamma_{y_i})^2` with
    :math:`\hat y = z_1 - z_0` of two logits; of more, the mean over classes of their squares, without
    offsets. With :math:`b = \lambda/2` it is the paper's penalty.
  - `irm`: over the environments e, which weigh alike,
    :math:`R = \frac1E \sum_e (\nabla_{w=1} \frac1{n_e} \sum_{i \in e} \ell(w z_i, y_i))^2`.

  Args:
    model, loss, n_environments: what is trained, by what, on data from how many environments.
    adversary: the norm of the ball in which examples are perturbed; None leaves them alone.
    radius, step_size, iterations, bounds: of the adversary, in units of what the network sees.
    penalty: R; None for none.
    offsets: :math:`\gamma_0, \gamma_1` of spectral decoupling; () for zeros.
    l2: :math:`\lambda`, of the squared norm of all parameters; unlike the optimizer's weight decay it
      is weighted with the loss.
    weights: :math:`a, b` until step `later`, or for ever.
    later: the step from which they are `later_weights`; None for never.
    later_weights: :math:`a, b` from then on.

  Raises:
    ValueError: an argument is out of range; the message begins with its name.

  References: `Pezeshki et al. (2021) <https://arxiv.org/abs/2011.09468>`_ for spectral decoupling;
    `Arjovsky et al. (2019) <https://arxiv.org/abs/1907.02893>`_, IRMv1; `Madry et al. (2018)
    <https://arxiv.org/abs/1706.06083>`_ for adversarial training.
  """
  for key, value, known in (('adversary', adversary, NORMS), ('penalty', penalty, PENALTIES)):
    if value is not None and value not in known:
      raise ValueError(f'{key} must be none or one of {", ".join(known)}, not {value}')
  check_ascent(radius, step_size, iterations, bounds)
  if offsets and (len(offsets) != 2 or penalty != 'spectral_decoupling'):
    raise ValueError(f'offsets are one for each of two classes, of spectral_decoupling: {offsets}')
  if l2 < 0:
    raise ValueError(f'l2 must not be negative, not {l2}')
  for key, pair in (('weights', weights), ('later_weights', later_weights)):
    if len(pair) != 2 or min(pair) < 0:
      raise ValueError(f'{key} must be those of loss and penalty, not negative, not {pair}')
  if penalty is None and (weights[1] != 1 or later_weights[1] != 1):
    raise ValueError(
      'weights and later_weights: the second is that of a penalty, and there is none'
    )
  if later is None and tuple(later_weights) != (1.0, 1.0):
    raise ValueError('later_weights need later, the step from which on they hold')
  if later is not None and later < 1:
    raise ValueError(f'later must be a step from 1 on, or none, not {later}')
  if penalty == 'irm' and n_environments < 2:
    raise ValueError('penalty=irm needs a task whose training examples are of two environments')

  def plain(params: Params, batch: Batch) -> jax.Array:
    return loss(model.apply(params, batch['inputs']), batch['labels'])

  against = odds_against if loss is cross_entropy else loss

  def raised(params: Params, batch: Batch) -> jax.Array:
    return against(model.apply(params, batch['inputs']), batch['labels'])

  changes = penalty or l2 or adversary or model.train_apply or weights[0] != 1 or later is not None
  if not changes:
    return Objective(plain)

  def logits_of(params: Params, batch: Batch) -> jax.Array:
    if model.train_apply is None:
      return model.apply(params, batch['inputs'])[None]
    return model.train_apply(params, batch['inputs'], batch['key'])

  def penalty_of(logits: jax.Array, batch: Batch) -> jax.Array:
    if penalty == 'spectral_decoupling':
      return _squares(logits, batch['labels'], offsets)
    return _invariance(logits, loss, batch, n_environments)

  def losses(params: Params, batch: Batch) -> jax.Array:
    if adversary is not None:
      reach = {'radius': radius, 'step_size': step_size, 'iterations': iterations, 'bounds': bounds}
      delta = projected_gradient(raised, params, batch, norm=adversary, **reach)
      batch = {**batch, 'inputs': batch['inputs'] + delta}
    on_loss, on_penalty = _weights(batch)
    logits = logits_of(params, batch)  # [K, B, C]
    values = jnp.sum(jax.vmap(loss, (0, None))(logits, batch['labels']), axis=0)
    if l2:
      values += l2 * sum(jnp.sum(jnp.square(leaf)) for leaf in jax.tree.leaves(params))
    values = on_loss * values
    if penalty is not None:
      values += on_penalty * jnp.sum(jax.vmap(penalty_of, (0, None))(logits, batch), axis=0)
    return values

  def _weights(batch: Batch):
    if later is None:
      return weights
    after = batch['step'] >= later
    return tuple(jnp.where(after, b, a) for a, b in zip(weights, later_weights, strict=True))

  needs = {
    'step': later is not None,
    'key': model.train_apply is not None,
    'environment': penalty == 'irm',
  }
  reads = frozenset(name for name, needed in needs.items() if needed)
  return Objective(losses, coupled=penalty == 'irm', reads=reads)


def _squares(logits: jax.Array, labels: jax.Array, offsets: tuple[float, ...]) -> jax.Array:
  """The penalty of spectral decoupling, of each example [B]."""
  if logits.shape[-1] != 2:
    if offsets:
      raise ValueError(f'offsets are for two classes; the task has {logits.shape[-1]}')
    return jnp.mean(jnp.square(logits), axis=-1)
  outputs = logits[:, 1] - logits[:, 0]
  return jnp.square(outputs - jnp.asarray(offsets)[labels] if offsets else outputs)


def _invariance(logits: jax.Array, loss: LogitLoss, batch: Batch, n_environments: int) -> jax.Array:
  """The penalty of IRM, the same for all examples [B]; absent environments count as zero."""
  _, slopes = jax.jvp(lambda z: loss(z, batch['labels']), (logits,), (logits,))
  members = jax.nn.one_hot(batch['environment'], n_environments)  # [B, E]
  means = slopes @ members / jnp.maximum(jnp.sum(members, axis=0), 1)
  return jnp.broadcast_to(jnp.mean(jnp.square(means)), slopes.shape)
