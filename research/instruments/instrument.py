"""What an instrument is: a pure measurement of a network, and what it costs.

There are two kinds. An `Instrument` measures anything, given a network, parameters and a batch. A
`GradientInstrument` is a formula on `research.gradients.GradientStatistics`: the panel computes the
statistics once for all that are due, and on the training batch shares them with the update.

A batch holds 'inputs' and 'labels'; 'corrupt', bool [m], which labels were redrawn, where the labels
of the sample are noisy; and what else its instruments ask for.
"""

import dataclasses
from collections.abc import Callable
from typing import NamedTuple

import jax

from research.gradients import GradientStatistics
from research.tasks import Blocks
from research.types import Batch, Losses, Metrics, Params


def _no_logits(params: Params, inputs: jax.Array) -> jax.Array:
  raise ValueError('this network is known by its losses alone: it has no logits to measure')


class Network(NamedTuple):
  """What is measured: pure functions of its parameters.

  Attributes:
    losses: `(params, batch) -> [B]`, in nats.
    apply: `(params, inputs [B, ...]) -> logits [B, C]`.
    blocks: the features that the task has planted in its inputs; None if it has planted none.
  """

  losses: Losses
  apply: Callable[[Params, jax.Array], jax.Array] = _no_logits
  blocks: Blocks | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Instrument:
  """A measurement of one network on one sample.

  Attributes:
    measure: `(network, params, batch) -> {name: array}`; pure. It sees the whole sample, also where
      the sample is sharded. A ValueError whose message begins with a config key is refused early.
    price: flops of one call, in gradients of the mean loss of the same examples.
    references: simple classifiers (`research.references`) that it compares with. Fitted to the
      training set before training, their classes of the probe set are in the batch, int32 [m], as
      'reference/NAME'.
  """

  measure: Callable[[Network, Params, Batch], Metrics]
  price: float
  references: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class GradientInstrument:
  """A formula on the gradient statistics of a sample.

  Attributes:
    formula: `(GradientStatistics, batch) -> {name: array}`; pure. The batch is the whole sample that
      was measured, without its inputs.
    price: flops of one call with its statistics, in gradients of the mean loss of the same m
      examples, where layers are dense and 2 m wide. The Gram matrix costs less of wider layers.
    gram: whether the formula reads the Gram matrix (memory [m, m]).
    second_moment: whether it reads the second moment of each coordinate (memory [P]).
  """

  formula: Callable[[GradientStatistics, Batch], Metrics]
  price: float
  gram: bool = False
  second_moment: bool = False
