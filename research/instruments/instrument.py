"""What an instrument is: a pure measurement of a network, and what it costs.

There are two kinds. An `Instrument` measures anything, given parameters and a batch. A
`GradientInstrument` is a formula on `research.gradients.GradientStatistics`: the panel computes the
statistics once for all that are due, and on the training batch shares them with the update.
"""

import dataclasses
from collections.abc import Callable

from research.gradients import GradientStatistics
from research.types import Measure, Metrics


@dataclasses.dataclass(frozen=True, kw_only=True)
class Instrument:
  """A measurement `(params, batch) -> {name: array}` of one network on one sample.

  Attributes:
    measure: pure; sees the whole sample, also where the sample is sharded.
    price: flops of one call, in gradients of the mean loss of the same examples.
  """

  measure: Measure
  price: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class GradientInstrument:
  """A formula on the gradient statistics of a sample.

  Attributes:
    formula: `GradientStatistics -> {name: array}`; pure.
    price: flops of one call with its statistics, in gradients of the mean loss of the same m
      examples, where layers are dense and 2 m wide. The Gram matrix costs less of wider layers.
    gram: whether the formula reads the Gram matrix (memory [m, m]).
    second_moment: whether it reads the second moment of each coordinate (memory [P]).
  """

  formula: Callable[[GradientStatistics], Metrics]
  price: float
  gram: bool = False
  second_moment: bool = False
