r"""Adversarial examples: what a network still knows of inputs that were perturbed to fool it."""

from typing import Literal

import jax
import jax.numpy as jnp

from research import attacks
from research.instruments.instrument import Instrument, Network
from research.types import Batch, Losses, Metrics, Params


def adversarial(
  *,
  norm: Literal['linf', 'l2'] = 'l2',
  radius: float = 0.5,
  step_size: float | None = None,
  iterations: int = 20,
  bounds: tuple[float, ...] = (),
) -> Instrument:
  r"""Accuracy and loss under attack, and in which features the perturbations lie.

  Each input x is moved to :math:`x + \delta`, :math:`\|\delta\| \le \epsilon`, by projected gradient
  ascent on the log odds against its label (`research.attacks`): the path on which the cross-entropy
  rises, also where its gradient is lost to rounding. Of a task with feature blocks S, the share of a
  block is

  .. math:: \frac1m \sum_i \frac{\|\delta_{i,S}\|_2}{\|\delta_i\|_2} \in [0, 1],

  over the examples that were moved, in the coordinates in which the blocks are planted; of one
  example, the squares of all shares add up to 1 if the blocks are all of the input. An exact
  worst case only of linear classifiers: of others, accuracy under a stronger attack may be lower.

  Guarantees (each is a test): of a linear classifier, accuracy is the share of the examples with a
  margin above :math:`\epsilon \|w\|_*`, in the dual norm, and the loss is that of these margins; a
  block that the classifier does not read has the share 0, and one that is all it reads has 1, rotated
  or not; the order of the examples does not matter; of two classes, logits scaled by c > 0 change
  neither accuracy, length nor shares.

  Metrics: `adversarial/accuracy`, in [0, 1]; `adversarial/loss`, the network's own losses in nats;
  `adversarial/length`, the mean l2 length of :math:`\delta`, in units of the inputs as the network
  sees them; `adversarial/share/S` for each block S. Where a logit is NaN, so are all.

  Cost: `iterations` gradients with respect to the inputs, each about 3/4 of one with respect to the
  parameters; no activations are kept between them.

  Args:
    norm: of the ball, `linf` or `l2`.
    radius: :math:`\epsilon`, of the ball.
    step_size: of the ascent; None for 2.5 `radius` / `iterations`, which gets from any point of the
      ball to any other.
    iterations: steps of the ascent.
    bounds: the least and the greatest admissible value of a coordinate; () for none.

  Raises:
    ValueError: norm is unknown; radius, step_size or iterations is not positive; bounds are not in
      order.

  References: `Madry et al. (2018) <https://arxiv.org/abs/1706.06083>`_ for the attack, there from a
    random start; `Shah et al. (2020) <https://arxiv.org/abs/2006.07710>`_, section 4, for the shares.
  """
  if norm not in attacks.NORMS:
    raise ValueError(f'norm must be one of {", ".join(attacks.NORMS)}, not {norm}')
  size = step_within(radius, step_size, iterations, bounds)
  reach = {'radius': radius, 'step_size': size, 'iterations': iterations, 'bounds': bounds}

  def measure(network: Network, params: Params, batch: Batch) -> Metrics:
    delta = attacks.projected_gradient(odds(network), params, batch, norm=norm, **reach)
    return of_perturbed('adversarial', network, params, batch, delta)

  return Instrument(measure=measure, price=0.75 * iterations + 0.4)


def step_within(
  radius: float, step_size: float | None, iterations: int, bounds: tuple[float, ...] = ()
) -> float:
  """The step size of an ascent within a ball; by default, 2.5 radii in all.

  Raises:
    ValueError: as `attacks.check_ascent` does.
  """
  attacks.check_ascent(radius, step_size, iterations, bounds)
  return 2.5 * radius / iterations if step_size is None else step_size


def odds(network: Network) -> Losses:
  """`(params, batch) -> [B]`, the log odds against the label, which rise with the cross-entropy."""

  def losses(params: Params, batch: Batch) -> jax.Array:
    return attacks.odds_against(network.apply(params, batch['inputs']), batch['labels'])

  return losses


def of_perturbed(
  name: str, network: Network, params: Params, batch: Batch, delta: jax.Array
) -> Metrics:
  """Accuracy and loss at x + delta, the mean length of delta, and the shares of blocks."""
  perturbed = {**batch, 'inputs': batch['inputs'] + delta}
  logits = network.apply(params, perturbed['inputs'])
  correct = jnp.argmax(logits, axis=-1) == batch['labels']
  length = attacks.lengths(delta).reshape(-1)  # [m]
  metrics = {
    'accuracy': jnp.mean(jnp.where(jnp.isnan(logits).any(axis=-1), jnp.nan, correct)),
    'loss': jnp.mean(network.losses(params, perturbed)),
    'length': jnp.mean(length),
  }
  if network.blocks is not None:
    for block, sq_norms in network.blocks.sq_norms(delta).items():
      shares = jnp.sqrt(sq_norms) / length
      metrics[f'share/{block}'] = jnp.mean(shares, where=length != 0)
  return {f'{name}/{key}': value for key, value in metrics.items()}
