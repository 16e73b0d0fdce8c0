r"""What the networks of a population say of unlabelled inputs: how often they disagree.

These are no measures of one network: they take all of a population at once, and inputs without labels,
which may be those of the test set. That is more than the measures of a contest may see, which are
given the training examples alone; say so where they are ranked together.
"""

import jax
import jax.numpy as jnp


def disagreement(logits: jax.Array) -> jax.Array:
  r"""The share of inputs on which a network and another choose different classes: float32 [R].

  .. math:: d_r = \frac{1}{R - 1} \sum_{s \ne r} \frac1n \big|\{i : f_r(x_i) \ne f_s(x_i)\}\big|

  the mean over the other networks. The generalization disagreement equality says that its mean over
  networks is that of their test errors, :math:`E[d] = E[\text{error}]`, if the ensemble is calibrated
  by class: with :math:`\tilde h_c(x) = P_f(f(x) = c)` the share of networks that choose c,

  .. math:: P\big(y = c \mid \tilde h_c(x) = q\big) = q \quad \text{for all } q \text{ and } c,

  summed over c (class-aggregated calibration). Over networks drawn independently; of R at hand that
  are calibrated exactly, :math:`(1 - 1/R) \bar d = \overline{\text{error}}`, as a network agrees with
  itself. Whether an ensemble is calibrated takes labels to know.

  Guarantees (each is a test): it is what a loop over pairs counts; of populations calibrated by
  construction the equality holds exactly, with the factor; of one network that is always wrong, and
  others like it, it fails; the order of inputs, and the names of the classes, do not matter.

  Cost: R n C operations; no pair is formed.

  Args:
    logits: [R, n, C], of R networks on the same n inputs. The largest is chosen, the first of equals.

  Returns:
    [R]; NaN for a network with a NaN among its logits, which all others take for one that disagrees
    or not by its first class.

  Raises:
    ValueError: logits are not [R, n, C], with at least two networks and one input.

  References: `Jiang et al. (2022) <https://arxiv.org/abs/2106.13799>`_, Definition 4.2 and Theorem 4.2.
  """
  if logits.ndim != 3 or logits.shape[0] < 2 or not logits.size:
    raise ValueError(
      f'logits must be [R, n, C] of at least two networks and one input, not {list(logits.shape)}'
    )
  n_networks, n, n_classes = logits.shape
  chosen = jnp.argmax(logits, axis=-1)  # [R, n]
  votes = jnp.sum(jax.nn.one_hot(chosen, n_classes, dtype=jnp.int32), axis=0)  # [n, C]
  agree = jnp.take_along_axis(votes[None], chosen[..., None], axis=-1)[..., 0] - 1  # [R, n]
  found = 1 - jnp.sum(agree, axis=-1) / (n * (n_networks - 1))
  return jnp.where(jnp.any(jnp.isnan(logits), axis=(1, 2)), jnp.nan, found)
