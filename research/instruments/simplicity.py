r"""Simplicity: how much of what a network knows of the labels a simple classifier explains."""

import jax
import jax.numpy as jnp

from research import references as simple_classifiers
from research import rngs
from research.instruments.instrument import Instrument, Network
from research.theory import information
from research.types import Batch, Metrics, Params

N_SHUFFLES = 8


def simple_explanation(*, references: tuple[str, ...] = ('linear',), seed: int = 0) -> Instrument:
  r"""How many bits a network's predictions share with the labels, and how many a reference explains.

  With F the class that the network predicts, Y the label and L the class that a simple classifier,
  fitted on the training examples, predicts, of an example of the sample:

  .. math::
    \underbrace{I(F;Y)}_{\text{what the network knows}} =
    \underbrace{\mu_Y(F;L)}_{\text{what L explains of it}} +
    \underbrace{I(F;Y \mid L)}_{\text{what it knows beyond L}}

  where :math:`\mu_Y(F;L) = I(F;Y) - I(F;Y \mid L)` is the performance correlation. It is at most
  I(F;Y) and at most I(L;Y), and negative where only both predictions together tell the label.

  Guarantees (each is a test): the equation above holds of the estimates too; a network that is the
  reference, or a function of it, knows nothing beyond it; one that knows the label knows beyond it
  :math:`H(Y \mid L)`; where F depends on L alone, the null has the mean of the estimate; renaming the
  classes of the network changes nothing.

  Metrics, in bits, with R a reference: `simplicity/information_labels`, I(F;Y), in [0, H(Y)]; and
  `simplicity/information_reference/R`, I(F;L); `simplicity/information_beyond/R`, I(F;Y|L);
  `simplicity/performance_correlation/R`; each with the standard error over the draw of the examples,
  as in `simplicity/information_beyond_stderr/R`. They are jackknifed (`research.theory.information`),
  and can be a little negative. Of I(F;Y|L), the more bias is left the more combinations of F, Y and L
  are seen but once, with ten classes and a thousand examples up to a tenth or two of a bit:
  `simplicity/information_beyond_null/R` is the mean estimate over shuffles of F among the examples
  with the same L. Where nothing is known beyond L, both have the same mean: what counts is the
  difference. Where a logit is NaN, so are all.

  The sample can be any; its labels, where they are noisy, are the noisy ones. On the training examples
  a network that memorizes them knows everything, and a reference may have fitted some of their noise.

  Cost: a forward pass, and a sort of the sample for each shuffle. Memory: that of a forward pass, and
  N_SHUFFLES tables of :math:`C^3` numbers for each reference.

  Args:
    references: names that `research.references.fit_reference` takes: `linear`, `nearest5`, `mlp8`,
      `fourier4`. The batch holds what they predict, `reference/linear` and so on, int32 [m].
    seed: of the shuffles.

  Raises:
    ValueError: no reference is named, or one twice, or one that there is not.

  References: `Nakkiran et al. (2019) <https://arxiv.org/abs/1905.11604>`_, where L is linear.
  """
  if not references or len(set(references)) < len(references):
    raise ValueError(f'references must be at least one name, each once, not {references}')
  for name in references:
    simple_classifiers.parse(name)

  def measure(network: Network, params: Params, batch: Batch) -> Metrics:
    logits = network.apply(params, batch['inputs'])  # [m, C]
    n_classes = logits.shape[-1]
    predicted, labels = jnp.argmax(logits, axis=-1), batch['labels']
    estimates = {'information_labels': _information(predicted, labels, n_classes)}
    nulls = {}
    for name in references:
      simple = batch[f'reference/{name}']
      triple = (predicted, labels, simple, n_classes)
      beyond = information.estimated_conditional_mutual_information(*triple)
      estimates |= {
        f'information_reference/{name}': _information(predicted, simple, n_classes),
        f'information_beyond/{name}': beyond,
        f'performance_correlation/{name}': information.estimated_interaction(*triple),
      }
      nulls[f'information_beyond_null/{name}'] = _null(*triple, seed)

    metrics = {key: estimate.value for key, estimate in estimates.items()} | nulls
    for key, estimate in estimates.items():
      quantity, *name = key.split('/')
      metrics['/'.join([f'{quantity}_stderr', *name])] = estimate.stderr
    is_nan = jnp.isnan(logits).any()
    return {f'simplicity/{key}': jnp.where(is_nan, jnp.nan, x) for key, x in metrics.items()}

  return Instrument(measure=measure, price=0.38, references=tuple(references))


_information = information.estimated_mutual_information


def _null(predicted, labels, simple, n_classes: int, seed: int) -> jax.Array:
  """What is estimated of I(F;Y|L) if F depends on L alone: the mean over shuffles of F within L."""

  def once(key):
    shuffled = information.shuffled_within(predicted, simple, key)
    estimate = information.estimated_conditional_mutual_information
    return estimate(shuffled, labels, simple, n_classes).value

  return jnp.mean(jax.vmap(once)(jax.random.split(rngs.named_key(seed, 'simplicity'), N_SHUFFLES)))
