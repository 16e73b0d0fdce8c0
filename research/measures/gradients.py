r"""Gradients of the training examples, at the end of training and before it.

All come from the statistics of the gradients of the cross-entropy of at most 512 training examples, at
the final parameters (once, for all formulas) and at the initial ones.
"""

import optax

from research.gradients import gradient_statistics
from research.instruments import coherence, g_vendi, gradient_norms, gsnr, noise_scale, stiffness
from research.losses import make_losses
from research.measures.examples import examples
from research.measures.measure import Trained
from research.types import Metrics


def gradients(trained: Trained) -> Metrics:
  r"""Coherence, noise, stiffness and lengths of the gradients of training examples.

  Formulas are those of `research.instruments`. With `minus`, the theory says that more of it
  generalizes better:

  - `gradients/minus_coherence`: minus :math:`\hat\alpha`, over pairs of distinct examples, so that
    numbers of different samples compare; `gradients/minus_initial_coherence`: before training.
  - `gradients/minus_gsnr`, `gradients/minus_stiffness_cosine`, `gradients/minus_stiffness_sign`.
  - `gradients/noise_scale`, in examples: NaN where the sample is too small to see a signal, which late
    in training is common.
  - `gradients/g_vendi`, the effective number of directions, in examples: counted as complexity, as the
    theory of coherence has it. That of diverse data has it the other way round.
  - `gradients/variance`: :math:`\operatorname{tr} \Sigma`, of one example's gradient;
    `gradients/norm`: :math:`\|\bar g\|`; `gradients/mean_norm` and `gradients/max_norm`: of
    :math:`\|g_i\|`; `gradients/initial_norm`: :math:`\|\bar g\|` before training. In nats per
    (squared, of the variance) unit of parameter.

  Of a network that fits its sample, all but the lengths are set by the few examples that it fits worst.
  A network whose gradients are all exactly 0 has no directions: those measures are NaN.

  Guarantees (each is a test): they are what a loop over examples gives; the order of the examples does
  not matter; vmapped over networks they are what each gives alone; all of one class before training
  are more coherent than labels at random.

  Cost: one gradient statistics with Gram matrix and second moment, one without, and an eigenvalue
  decomposition [m, m], m at most 512: below 4 gradients and m^3 * 4 / 3 operations.

  Args:
    trained: a model whose examples do not depend on each other.

  Raises:
    BatchCoupledError: they do.
    ValueError: as in `examples`.

  References: `Chatterjee & Zielinski (2022) <https://arxiv.org/abs/2203.10036>`_; `McCandlish et al.
    (2018) <https://arxiv.org/abs/1812.06162>`_; `Liu et al. (2020)
    <https://arxiv.org/abs/2001.07384>`_; `Fort et al. (2019) <https://arxiv.org/abs/1901.09491>`_;
    `Jung et al. (2025) <https://arxiv.org/abs/2505.20161>`_; the variance at the end is of `Jiang et
    al. (2020) <https://arxiv.org/abs/1912.02178>`_.
  """
  batch, losses = examples(trained), make_losses(trained.model.apply)
  end = gradient_statistics(losses, gram=True, second_moment=True)(trained.final, batch)
  start = gradient_statistics(losses)(trained.initial, batch)
  alone = coherence(per_layer=False)
  at_end: Metrics = {}
  for it in (alone, noise_scale(), gsnr(), stiffness(), g_vendi(), gradient_norms()):
    at_end |= it.formula(end, batch)
  at_start = alone.formula(start, batch)
  metrics = {
    'minus_coherence': -at_end['coherence/alpha_unbiased'],
    'minus_initial_coherence': -at_start['coherence/alpha_unbiased'],
    'minus_gsnr': -at_end['gsnr/mean'],
    'minus_stiffness_cosine': -at_end['stiffness/cosine'],
    'minus_stiffness_sign': -at_end['stiffness/sign'],
    'noise_scale': at_end['noise/scale'],
    'g_vendi': at_end['g_vendi/effective_number'],
    'variance': at_end['noise/trace'],
    'norm': optax.tree.norm(end.mean_grad),
    'mean_norm': at_end['gradient_norms/mean'],
    'max_norm': at_end['gradient_norms/max'],
    'initial_norm': optax.tree.norm(start.mean_grad),
  }
  return {f'gradients/{name}': value for name, value in metrics.items()}
