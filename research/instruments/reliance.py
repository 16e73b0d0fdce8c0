r"""Which features a network relies on: what is left of its accuracy when one of them is randomized."""

import jax
import jax.numpy as jnp

from research import rngs
from research.instruments.instrument import Instrument, Network
from research.tasks import Blocks
from research.tasks.blocks import other_rows
from research.types import Batch, Metrics, Params

QUANTILES = (5, 25, 50, 75, 95)  # percent, of the logit difference of each class


def reliance(*, seed: int = 0) -> Instrument:
  r"""Accuracy, AUC and logits with each feature block randomized, and with all but that block.

  A block S is randomized by giving each example the block of another: as it is distributed, but
  independent of the label. (One random cycle through the sample: no example keeps its own.) Then

  - `reliance/random/S/accuracy`: S-randomized. Chance: the network uses S alone. As without: it
    ignores S.
  - `reliance/only/S/accuracy`: all but S randomized (the papers' :math:`S^c`). As without: S suffices.

  and `reliance/standard/accuracy` without. One forward pass each. With two classes also, in place of
  `accuracy`, `auc`: the probability that an example of class 1 has the greater logit difference
  :math:`z_1 - z_0`, equal ones counting half (chance is 1/2, whatever the threshold); and
  `class0/q05`, ..., `class1/q95`: percentiles of :math:`z_1 - z_0` within each class.

  Guarantees (each is a test): a network that reads only S has chance accuracy when S is randomized,
  and the standard one, exactly, when all else is; AUC is that of scikit-learn, in particular with
  equal logits; it does not change under increasing functions of the logits; a rotation of inputs and
  network changes nothing.

  Accuracies and AUC in [0, 1]; percentiles in nats. NaN for a network that has diverged.

  Cost: 2 S + 1 forward passes for S blocks, each a third of a gradient; memory of one.

  Args:
    seed: of the order in which blocks are exchanged, the same at every step.

  Raises:
    ValueError: while tracing: the task has no feature blocks.

  References: `Shah et al. (2020) <https://arxiv.org/abs/2006.07710>`_, Section 4.
  """

  def measure(network: Network, params: Params, batch: Batch) -> Metrics:
    blocks, inputs = _blocks(network), batch['inputs']
    order = other_rows(len(inputs), rngs.named_generator(seed, 'reliance'))
    seen = {'standard': inputs}
    for name in blocks.masks:
      seen[f'random/{name}'] = blocks.randomized(inputs, name, order)
      seen[f'only/{name}'] = blocks.randomized(inputs, name, order, complement=True)
    metrics: Metrics = {}
    for name, x in seen.items():
      logits = network.apply(params, x)
      for key, value in _summary(logits, batch['labels']).items():
        metrics[f'reliance/{name}/{key}'] = value
    return metrics

  return Instrument(measure=measure, price=1.7)


def area_under_curve(scores: jax.Array, labels: jax.Array) -> jax.Array:
  r"""AUC of scores [m] for labels 0 and 1 [m]: the Mann-Whitney U over the number of pairs.

  .. math:: \frac1{n_0 n_1} \sum_{i: y_i = 1} \sum_{j: y_j = 0}
     \left(1[s_i > s_j] + \tfrac12 1[s_i = s_j]\right)

  By sorting, in :math:`m \log m`. NaN if a score is, or one of the classes is empty.
  """
  m = len(scores)
  positive = labels == 1
  ordered = jnp.sort(scores)
  # The mean of the ranks that equal scores share, from 0 to m - 1.
  first, last = (jnp.searchsorted(ordered, scores, side=side) for side in ('left', 'right'))
  ranks = (first + last - 1) / 2
  n_1 = jnp.sum(positive)
  # Relative to the mean rank, so that sums of float32 stay small.
  excess = jnp.sum(jnp.where(positive, ranks - (m - 1) / 2, 0.0))
  auc = 0.5 + excess / n_1 / (m - n_1)  # the product of both would overflow
  return jnp.where(jnp.isnan(scores).any() | (n_1 == 0) | (n_1 == m), jnp.nan, auc)


def _blocks(network: Network) -> Blocks:
  if network.blocks is None:
    raise ValueError(
      'instruments.reliance needs a task with feature blocks, such as slabs or dominoes'
    )
  return network.blocks


def _summary(logits: jax.Array, labels: jax.Array) -> Metrics:
  broken = jnp.isnan(logits).any()
  correct = jnp.mean(jnp.argmax(logits, axis=-1) == labels)
  metrics: Metrics = {'accuracy': jnp.where(broken, jnp.nan, correct)}
  if logits.shape[-1] == 2:
    difference = logits[:, 1] - logits[:, 0]
    metrics['auc'] = area_under_curve(difference, labels)
    for label in (0, 1):
      own = jnp.where(labels == label, difference, jnp.nan)
      values = jnp.nanpercentile(own, jnp.asarray(QUANTILES, jnp.float32))
      for q, value in zip(QUANTILES, values, strict=True):
        metrics[f'class{label}/q{q:02d}'] = jnp.where(broken, jnp.nan, value)
  return metrics
