"""Models made of models: one logit for two classes, several networks as one."""

import jax
import jax.numpy as jnp

from research.models.model import Model
from research.types import Params


def single_logit(model: Model) -> Model:
  r"""Two classes out of one output :math:`\hat y`: the logits are :math:`(0, \hat y)`.

  Their cross-entropy is the logistic loss :math:`\log(1 + e^{-(2y-1)\hat y})`, which the papers on
  two classes train with. Two outputs would learn the same function class with twice the rate: each
  gets the gradient that :math:`\hat y` alone gets here.

  Args:
    model: of one class.
  """

  def two(outputs):
    return jnp.concatenate([jnp.zeros_like(outputs), outputs], axis=-1)

  def capture(params, x):
    activations = model.capture(params, x)
    return activations | {'logits': two(activations['logits'])}

  train_apply = model.train_apply
  return model._replace(
    apply=lambda params, x: two(model.apply(params, x)),
    capture=capture,
    train_apply=train_apply and (lambda params, x, keys: two(train_apply(params, x, keys))),
  )


def ensemble(model: Model, size: int) -> Model:
  """K = `size` networks as one: the mean of their logits. They start apart and learn apart.

  Every leaf of the parameters is [K, ...]. In training each network has its own loss on the same
  batch, and the objective is the sum: each is trained as if it were alone, by optimizers that treat
  every coordinate by itself. Clipping does not: the global norm is that of all members.
  """

  def member(params: Params, k: int) -> Params:
    return jax.tree.map(lambda leaf: leaf[k], params)

  def init(key, x):
    return jax.lax.map(lambda key: model.init(key, x), jax.random.split(key, size))

  def each(params, x):
    return jnp.stack([model.apply(member(params, k), x) for k in range(size)])

  def capture(params, x):
    activations = [model.capture(member(params, k), x) for k in range(size)]
    stacked = jax.tree.map(lambda *outputs: jnp.stack(outputs, axis=1), *activations)  # [B, K, ...]
    return stacked | {'logits': jnp.mean(stacked['logits'], axis=1)}

  def train_apply(params, x, keys):
    if model.train_apply is None:
      return each(params, x)
    draws = [keys + jnp.asarray([0, k], keys.dtype)[None] for k in range(size)]
    return jnp.concatenate([model.train_apply(member(params, k), x, draws[k]) for k in range(size)])

  return Model(
    init=init,
    apply=lambda params, x: jnp.mean(each(params, x), axis=0),
    capture=capture,
    per_example=model.per_example,
    train_apply=train_apply,
  )
