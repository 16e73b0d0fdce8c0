"""The words of the house.

Shapes in comments: B examples of a batch, m examples of a sample (a probe set), n examples of a
training set, R members of a population, P parameters of one network. Losses are in nats.
"""

from collections.abc import Callable
from typing import Any

import jax

Params = Any  # a tree of arrays: the parameters of one network
# At least 'inputs' [B, ...] and 'labels' [B]; with label noise 'corrupt' [B]: which were redrawn.
Batch = dict[str, jax.Array]
Losses = Callable[[Params, Batch], jax.Array]  # (params, batch) -> the loss of each example [B]
Metrics = dict[str, Any]  # 'group/name' -> array
Measure = Callable[[Params, Batch], Metrics]  # what instruments that are due together compute; pure
