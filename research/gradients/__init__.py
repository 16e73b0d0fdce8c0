r"""Exact statistics of the gradients of each example, for any losses function.

`gradient_statistics` is the door. It needs nothing but `losses(params, batch) -> [B]`:

    stats = jax.jit(gradient_statistics(losses))(params, batch)
    stats.mean_grad        # what the optimizer wants
    stats.sq_norms         # {leaf: [m]}, squared norms of each example's gradient

Every gradient instrument (coherence, noise scale, stiffness, ...) is a formula on these statistics.
`cross_gram` compares two batches, `gram_spectrum` finds the largest eigenvalues of a Gram matrix that
is too large to form, and `print(describe(losses, params, batch))` shows how each leaf is measured.

**The idea.** A parameter W that multiplies data has, for example i, the gradient

.. math:: G_i = \sum_{t=1}^T a_{it}\, d_{it}^\top \in \mathbb R^{C \times F}

with its inputs a and the cotangents d of its outputs, at T positions (tokens, pixels, steps of a
recurrence). The backward pass of the mean loss computes all :math:`a_{it}` and :math:`d_{it}`, and
throws them away after summing over i. Here it hands them out. The loss of one example is traced, each
place is found where parameters meet data, and the backward pass of the batch emits A and D there
(`sites`, `taps`). The rest is arithmetic on A and D, chosen for each leaf from its shapes (`groups`):

==============  =============================  =========================  ======================
form            norm of one example, flops     entry of Gram, flops       holds, numbers
==============  =============================  =========================  ======================
outer product   2 (C + F)                      2 (C + F)                  m (C + F)
factored        2 T^2 (C + F)                  as formed                  m T (C + F), m T^2
formed          2 C F                          2 C F                      m T (C + F), c C F
copied          2 P                            2 P                        m P
==============  =============================  =========================  ======================

*Outer product*: T = 1, where :math:`\|G_i\|^2 = \|a_i\|^2 \|d_i\|^2` and
:math:`\langle G_i, G_j \rangle = \langle a_i, a_j \rangle \langle d_i, d_j \rangle`. *Factored*: T > 1
and :math:`\|G_i\|^2 = \sum_{tu} \langle a_{it}, a_{iu} \rangle \langle d_{it}, d_{iu} \rangle`, where
that is cheap; also look-ups in tables, whose a are unit vectors. *Formed*: the products :math:`G_i`
are formed for c examples at a time, squared, summed, and multiplied with each other; their sum is the
layer's mean gradient, which training needs anyway. Convolutions are matrix products on patches, C the
channels of a patch and T the pixels. *Copied*: each example is given its own copy of the leaf, and its
gradient is one row of m. That is `vmap(grad)` for this leaf alone, right for every program.

**What is exact.** Everything, to rounding: a relative 1e-5 in float32 is tested. Statistics accumulate
in float32 at least, whatever the dtype of the activations; what bfloat16 activations cost is the
rounding of the gradients themselves, 2^-9 each. Matrix products that training computes too have its
precision: on GPUs and TPUs, JAX's default rounds their float32 operands; there,
`jax.default_matmul_precision('highest')` gives the 1e-5. Sketches are random by design.

**What is covered.** Matrix products, einsums and convolutions of every kind (grouped, strided, dilated,
transposed) with a leaf, or with any rearrangement, slice, cast or constant multiple of it; look-ups of
rows; leaves used at several places (tied weights, recurrence); inside `jit`, `scan` (over stacked
layers or over time), `remat`, whose memory savings stay. Everything else is copied: biases, scales and
gains, for which that is as cheap; and weights that are normalized, merged, concatenated or penalized
within the loss, or meet data inside `cond`, `while` or a custom derivative, for which it takes the
memory and time of `vmap(grad)`. `describe` names the equation that made a leaf copied. A loss whose
examples depend on each other (train-mode BatchNorm, contrastive losses) is refused.

**Memory.** A sample streams through passes of as many examples as fit, so that 50,000 take no more
than one batch; a Gram matrix of such a sample is computed by blocks. On a CPU, passes are small enough
for what they emit to stay in cache, which often makes the measured step faster than the plain one.

The idea for dense layers is of `Goodfellow (2015) <https://arxiv.org/abs/1510.01799>`_; for
convolutions and in general of `Rochette et al. (2019) <https://arxiv.org/abs/1912.06015>`_ and
`Bu et al. (2022) <https://arxiv.org/abs/2205.10683>`_.
"""

from research.gradients.average import Average, make_average
from research.gradients.describe import LeafCost, describe, leaf_costs
from research.gradients.gram import cross_gram
from research.gradients.independence import COUPLED, BatchCoupledError, check_independence
from research.gradients.mean import mean_gradient
from research.gradients.spectrum import gram_spectrum
from research.gradients.statistics import GradientStatistics, gradient_statistics

__all__ = [
  'COUPLED',
  'Average',
  'BatchCoupledError',
  'GradientStatistics',
  'LeafCost',
  'check_independence',
  'cross_gram',
  'describe',
  'gradient_statistics',
  'gram_spectrum',
  'leaf_costs',
  'make_average',
  'mean_gradient',
]
