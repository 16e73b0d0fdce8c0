"""What a measure of generalization is: a number that a trained network and its training sample have.

A measure may read everything that is known when training ends, and nothing else: the network before
and after, the examples that it was trained on, with the labels that it was trained with. Whatever it
says of the test set is a prediction.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax

from research.models import Model
from research.types import Metrics, Params


class Trained(NamedTuple):
  """A network that was trained, and what it was trained on.

  Attributes:
    model: the network as pure functions.
    initial: its parameters before the first update.
    final: like initial; its parameters after the last.
    inputs: float32 [n, ...], all training examples, as the network sees them.
    labels: int32 [n], that it was trained with; some may be wrong.
    key: of all randomness that a measure draws.
  """

  model: Model
  initial: Params
  final: Params
  inputs: jax.Array
  labels: jax.Array
  key: jax.Array


# {name: []}, pure; traced once for all networks of equal shapes. By convention a larger number stands
# for more complexity, and predicts a larger gap between test and training error: a quantity of which
# its theory says the opposite is returned with its sign reversed, and its name says so ('minus_...').
Measure = Callable[[Trained], Metrics]
