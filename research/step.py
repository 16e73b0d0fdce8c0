"""One step of optimization, and nothing else."""

from collections.abc import Callable

import flax.struct
import jax
import jax.numpy as jnp
import optax

from research.divergence import first_nonfinite
from research.types import Batch, Metrics, Params

# (params, batch) -> mean loss [], its gradient like params, and what was measured on the way
Gradient = Callable[[Params, Batch], tuple[jax.Array, Params, Metrics]]

NONFINITE_LEAF = (
  'nonfinite_leaf'  # of the gradient, counted from 1, or 0; for `Divergence`, not for records
)


@flax.struct.dataclass
class TrainState:
  """All that training needs to go on: everything else is a pure function of the seed and the step."""

  step: jax.Array  # int32 [], updates applied so far
  params: Params
  opt_state: optax.OptState


def init_state(
  params: Params, tx: optax.GradientTransformation, hyperparams: dict[str, jax.Array] | None = None
) -> TrainState:
  """The state at step 0, with these hyperparameters of an optimizer that has them in its state."""
  opt_state = tx.init(params)
  if hyperparams:
    opt_state = optax.tree.set(opt_state, **hyperparams)
  return TrainState(jnp.zeros((), jnp.int32), params, opt_state)


def make_train_step(gradient: Gradient, tx: optax.GradientTransformation):
  r"""Returns :math:`(\theta_t, B_t) \mapsto \theta_{t+1}`, with metrics taken at :math:`\theta_t`.

  Args:
    gradient: the mean loss and its gradient, with what was measured on the way; from
      `research.instruments.make_gradient`.
    tx: an optax transformation.
  """

  def train_step(state: TrainState, batch: Batch) -> tuple[TrainState, Metrics]:
    loss, grads, metrics = gradient(state.params, batch)
    sq_norms = [jnp.sum(jnp.square(leaf)) for leaf in jax.tree.leaves(grads)]
    metrics = {
      'train/batch_loss': loss,
      'train/grad_norm': jnp.sqrt(sum(sq_norms)),
      NONFINITE_LEAF: first_nonfinite(sq_norms),
      **metrics,
    }
    updates, opt_state = tx.update(grads, state.opt_state, state.params)
    params = optax.apply_updates(state.params, updates)
    return TrainState(state.step + 1, params, opt_state), metrics

  return train_step
