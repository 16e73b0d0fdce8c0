"""Whether the loss of one example depends on anything but that example."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from research.gradients.chunks import n_examples
from research.types import Batch, Losses, Params

COUPLED = (
  'the loss of one example depends on the other examples of its batch (train-mode BatchNorm, or a'
  ' contrastive loss), on its place among them or on their number (dropout by one key; give each'
  ' example its own), so examples have no gradients of their own; use a norm that sees one example'
  " at a time (model.norm='group' or 'layer'), or unmount each gradient instrument"
  ' (instruments.NAME=none)'
)


class BatchCoupledError(ValueError):
  """The examples of a batch are not independent, so that none has a gradient of its own."""


def check_independence(losses: Losses, params: Params, batch: Batch) -> None:
  """Checks that the loss of an example is the same, whatever else is in its batch.

  Train-mode BatchNorm and contrastive losses couple the examples of a batch. The gradient of one
  example is then not defined, and what `vmap(grad)` returns instead is silently wrong: through
  train-mode BatchNorm on batches of one, exactly zero.

  The loss of the first example is compared in three companies: the first examples of the batch,
  copies of itself, and none; at the parameters, and at random ones, since at an initialization with
  zeros in it a dependence may not show.

  Cost: three forward passes of at most eight examples at each point, by two compiled programs.

  Args:
    losses: `(params, batch) -> [B]`.
    params: parameters of one network.
    batch: at least two examples [B, ...]; fewer cannot be coupled. While params and batch are being
      traced, arrays of their shapes, drawn at random, take their places.

  Raises:
    BatchCoupledError: two of the losses differ.
    ValueError: there is not one loss for each example.
  """
  m = n_examples(batch)
  shape = jax.eval_shape(losses, params, batch).shape
  if shape != (m,):
    raise ValueError(
      f'losses must return a number for each example, [{m}]; they returned {list(shape)}'
    )
  n = min(8, m)
  if n < 2:
    return
  with jax.ensure_compile_time_eval():
    examples = jax.tree.map(lambda x: _concrete(x[:n]), batch)
    evaluate = jax.jit(losses)

    def values(params, rows):
      company = jax.tree.map(lambda x: jnp.asarray(x[np.array(rows)]), examples)
      return np.asarray(evaluate(params, company), np.float64)

    drawn = jax.tree.map(_drawn, params)
    traced = any(isinstance(x, Tracer) for x in jax.tree.leaves(params))
    for point in [drawn] if traced else [params, drawn]:
      here = values(point, [*range(n)])[0]
      there = np.concatenate([values(point, [0] * n), values(point, [0])])
      with np.errstate(invalid='ignore'):  # of infinities
        close = np.abs(there - here) <= 1e-5 * (1 + np.abs(here))
      unknown = np.isnan(here) & np.isnan(there)  # says nothing about dependence
      if not np.all(close | (there == here) | unknown):
        raise BatchCoupledError(COUPLED)


def _concrete(x: jax.Array) -> Any:
  """The array itself, or while it is traced a random one: normal numbers, labels 0 and 1, or keys."""
  is_key = jnp.issubdtype(x.dtype, jax.dtypes.prng_key)
  if not isinstance(x, Tracer):
    return x if is_key else np.asarray(x)
  if is_key:
    return jax.random.split(jax.random.key(0, impl=jax.random.key_impl(x)), x.shape)
  if jnp.issubdtype(x.dtype, jnp.inexact):
    return np.random.default_rng(x.size).normal(size=x.shape).astype(x.dtype)
  return np.random.default_rng(x.size).integers(0, 2, x.shape).astype(x.dtype)


def _drawn(x: jax.Array) -> np.ndarray:
  """Random parameters in place of these, small enough for what they multiply not to grow."""
  scale = 1 / math.sqrt(max(1, math.prod(x.shape[:-1])))
  return (scale * np.random.default_rng(x.size).normal(size=x.shape)).astype(x.dtype)
