r"""How measures depend on the number of training examples: written once, here."""

import math

import jax
import jax.numpy as jnp


def scaled(mu: jax.Array, n: int, *, log: bool = False) -> jax.Array:
  r"""What a bound makes of a measure: :math:`\sqrt{\mu / n}`, or, of its logarithm, the logarithm.

  .. math:: \sqrt{\mu / n} \qquad\text{or, given } \log\mu: \qquad
     \tfrac12 (\log\mu - \log n) = \log \sqrt{\mu / n}

  Bounds on the gap have the form :math:`\sqrt{(\mu + \log(1/\delta)) / n}`. Among networks of equal n
  the order is that of :math:`\mu`; only this form tells apart networks that were trained on samples of
  different sizes. Products over layers leave the range of float32, so they come as logarithms.

  Args:
    mu: the measure, at least 0; or its logarithm, any number.
    n: training examples.
    log: whether mu is a logarithm (nats).

  References: the public code of `Dziugaite et al. (2020) <https://arxiv.org/abs/2010.11924>`_.

  Guarantees (each is a test): the second form is the logarithm of the first; zero is 0, or -inf;
  infinity stays.
  """
  return (mu - math.log(n)) / 2 if log else jnp.sqrt(mu / n)
