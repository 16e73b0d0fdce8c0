"""What an instrument is: a pure measurement of a network, and what it costs.

There are two kinds. An `Instrument` measures anything, given losses, parameters and a batch. A
`GradientInstrument` is a formula on `research.gradients.GradientStatistics`: the panel computes the
statistics once for all that are due, and on the training batch shares them with the update.

A batch holds 'inputs' and 'labels'; and 'corrupt', bool [m], which labels were redrawn, where the
labels of the sample are noisy.
"""

import dataclasses
from collections.abc import Callable

from research.gradients import GradientStatistics
from research.types import Batch, Losses, Metrics, Params


@dataclasses.dataclass(frozen=True, kw_only=True)
class Instrument:
  """A measurement of one network on one sample.

  Attributes:
    measure: `(losses, params, batch) -> {name: array}`; pure. It sees the whole sample, also where
      the sample is sharded. A ValueError whose message begins with a config key is refused early.
    price: flops of one call, in gradients of the mean loss of the same examples.
  """

  measure: Callable[[Losses, Params, Batch], Metrics]
  price: float


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
