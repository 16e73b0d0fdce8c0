r"""How many bits it takes to generalize on a task: an upper bound on its inductive bias complexity.

Hypotheses are band-limited functions on the manifold of the inputs. Of those that fit the training
data, some part has an error below :math:`\varepsilon`; to point into it takes

.. math:: \tilde I \le -\log_2 P\Big(d(\theta, \theta^*) \le
     \frac{\varepsilon}{L_{\mathcal L} L_f W} \;\Big|\; \theta \in \Theta_q\Big)
   = (\dim\Theta - nD)\, \log_2 \frac{B \sqrt{D d}\, L_f W}{\varepsilon / L_{\mathcal L}}

bits, where n examples constrain D outputs each. Everything is a logarithm: the bits of a task may have
more digits than a float has. Real intrinsic dimensions are allowed, as estimates are not integers.

Where the data leave no parameter free, :math:`\dim\Theta \le nD`, or where every hypothesis is within
the distance that is good enough, no bits are needed: the difficulty is 0, its logarithm -inf, and the
terms say which of the two it is.

References: `Boopathy et al. (2023) <https://arxiv.org/abs/2305.01034>`_, and the authors' code, which
these forms agree with. The reading of the form for control as a flat torus is ours.
"""

import dataclasses
import math

import numpy as np
from scipy.special import betaln, gammaln

LOG2_PI = math.log2(math.pi)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Difficulty:
  """The bits, and the terms that they are made of."""

  cutoff: float  # M, the highest frequency: one per distance delta
  degree: float  # K, of the highest eigenfunctions; on a torus it is M
  log2_count: float  # log2 E, of the number of eigenfunctions up to the cutoff
  log2_dim: float  # log2 dim Theta, of the number of parameters of a hypothesis
  log2_unconstrained: float  # log2(dim Theta - nD), of those that the data leave free; -inf if none
  bits_per_dim: float  # for each of these; negative where every hypothesis is good enough
  log2_lipschitz: float  # log2 L_f, per unit of distance in input
  log2_wasserstein: float  # log2 W, from training to test distribution, in units of input
  log2_bits: float  # of the difficulty in bits; -inf where that is 0

  @property
  def bits(self) -> float:
    """The difficulty in bits; inf where a float does not reach."""
    return 2.0**self.log2_bits if self.log2_bits < 1024 else math.inf

  @property
  def log10_bits(self) -> float:
    """Its decimal logarithm; -inf where no bits are needed."""
    return self.log2_bits * math.log10(2)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Classification:
  """What the difficulty of a classification task depends on."""

  n: float  # training examples
  m: float  # intrinsic dimension of the inputs, at least 1
  radius: float  # R, the largest norm of an input
  delta: float  # the least distance between inputs of different classes, in the unit of the radius
  epsilon: float  # the error to be reached, divided by the Lipschitz constant of the loss
  n_classes: int  # C


def classification(task: Classification) -> Difficulty:
  """`on_sphere` with D = C - 1 outputs, d = C discrete combinations, and B = 1.

  Raises:
    ValueError: n_classes is below 2, or as `on_sphere` does.
  """
  _check_classes(task)
  return on_sphere(
    n=task.n,
    m=task.m,
    radius=task.radius,
    delta=task.delta,
    epsilon=task.epsilon,
    log2_outputs=math.log2(task.n_classes - 1),
    log2_combinations=math.log2(task.n_classes),
  )


def few_shot(
  *,
  n: float,
  m_within: float,
  m_across: float,
  radius: float,
  delta: float,
  epsilon: float,
  ways: int = 20,
) -> Difficulty:
  r"""Of learning to classify from one image of each of w classes (Omniglot: w = 20).

  An input is w images: intrinsic dimension :math:`m_a + (w - 1) m_0`, radius :math:`R \sqrt w`. The
  output is a classifier of one more image: the parameters of a task of w classes on the manifold of
  single images, :math:`D = 2 w (w - 1) E(m_0)`. d = 1 and :math:`B = \sqrt{w (w - 1)}`.

  Args:
    n: sets of w images to learn from.
    m_within: m_0, the intrinsic dimension of images within an alphabet.
    m_across: m_a, that of images of all alphabets.
    radius: R, the largest norm of one image.
    delta: the least distance between classes.
    epsilon: the error to be reached.
    ways: w.

  Raises:
    ValueError: ways is below 2, or as `on_sphere` does.
  """
  if ways < 2:
    raise ValueError(f'ways must be at least 2, not {ways}')
  _check(radius=radius, delta=delta)
  _check_dimension('m_within', m_within)
  _, log2_of_images = _eigenfunctions(m_within, 2 * math.pi * radius / delta)
  return on_sphere(
    n=n,
    m=m_across + (ways - 1) * m_within,
    radius=radius * math.sqrt(ways),
    delta=delta,
    epsilon=epsilon,
    log2_outputs=math.log2(2 * ways * (ways - 1)) + log2_of_images,
    log2_bound=math.log2(ways * (ways - 1)) / 2,
  )


def control(*, n: float, m: float, n_actions: int, delta: float, epsilon: float) -> Difficulty:
  r"""Of a policy with observations on a flat torus of m dimensions, each of circumference :math:`2\pi`.

  .. math:: \dim\Theta = 2D \Big(\frac{2\pi}\delta\Big)^m \frac{\pi^{m/2}}{\Gamma(m/2 + 1)}, \qquad
     L_f = \frac{2\pi}\delta \sqrt D, \qquad W = 2\pi \sqrt{m / 6}\, n^{-1/m}

  with B = d = 1. Cartpole seen T times has 2T observed angles and one action.

  Args:
    n: time steps seen.
    m: observations.
    n_actions: D.
    delta: resolution, in radians.
    epsilon: the error to be reached.

  Raises:
    ValueError: an argument is out of range.
  """
  if n_actions < 1:
    raise ValueError(f'n_actions must be at least 1, not {n_actions}')
  _check(delta=delta, epsilon=epsilon, n=n)
  _check_dimension('m', m)
  cutoff = 2 * math.pi / delta
  return _difficulty(
    cutoff=cutoff,
    degree=cutoff,
    log2_count=m * math.log2(cutoff) + m / 2 * LOG2_PI - float(gammaln(m / 2 + 1)) / math.log(2),
    log2_lipschitz=math.log2(cutoff) + math.log2(n_actions) / 2,
    log2_wasserstein=1 + LOG2_PI + math.log2(m / 6) / 2 - math.log2(n) / m,
    n=n,
    epsilon=epsilon,
    log2_outputs=math.log2(n_actions),
    log2_combinations=0.0,
    log2_bound=0.0,
  )


def on_sphere(
  *,
  n: float,
  m: float,
  radius: float,
  delta: float,
  epsilon: float,
  log2_outputs: float,
  log2_combinations: float = 0.0,
  log2_bound: float = 0.0,
) -> Difficulty:
  r"""The difficulty where inputs lie on d spheres of m dimensions and radius R.

  .. math::
    M &= 2\pi R / \delta, \qquad K (K + m - 1) = M^2, \qquad
      E = \binom{m + K}{m} + \binom{m + K - 1}{m} \\
    \dim\Theta &= 2 D d E, \qquad L_f = K \sqrt D / R \\
    W &= \sqrt{\tfrac m6}
      \Big(\frac{2 \pi^{(m+1)/2} d}{\Gamma((m + 1)/2)}\Big)^{1/m} R\, n^{-1/m}

  E is the number of spherical harmonics of degree at most K, which may be any real number.

  Guarantees (each is a test): of an integer K, E is the sum of the dimensions of spherical harmonics;
  inputs and delta in another unit give the same bits; more data need no more bits; with as many data
  as parameters no bits are needed; nothing overflows at 10,000 dimensions.

  Args:
    n, m, radius, delta, epsilon: as in `Classification`.
    log2_outputs: log2 D.
    log2_combinations: log2 d.
    log2_bound: log2 B, B the largest output.

  Raises:
    ValueError: an argument is out of range.
  """
  _check(radius=radius, delta=delta, epsilon=epsilon, n=n)
  _check_dimension('m', m)
  cutoff = 2 * math.pi * radius / delta
  degree, log2_count = _eigenfunctions(m, cutoff)
  log2_area = 1 + (m + 1) / 2 * LOG2_PI - float(gammaln((m + 1) / 2)) / math.log(2)
  return _difficulty(
    cutoff=cutoff,
    degree=degree,
    log2_count=log2_count,
    log2_lipschitz=math.log2(degree) + log2_outputs / 2 - math.log2(radius),
    log2_wasserstein=math.log2(m / 6) / 2
    + (log2_area + log2_combinations - math.log2(n)) / m
    + math.log2(radius),
    n=n,
    epsilon=epsilon,
    log2_outputs=log2_outputs,
    log2_combinations=log2_combinations,
    log2_bound=log2_bound,
  )


def _difficulty(
  *,
  n: float,
  epsilon: float,
  log2_outputs: float,
  log2_combinations: float,
  log2_bound: float,
  log2_count: float,
  log2_lipschitz: float,
  log2_wasserstein: float,
  **terms: float,
) -> Difficulty:
  log2_dim = 1 + log2_outputs + log2_combinations + log2_count
  free = _log2_difference(log2_dim, math.log2(n) + log2_outputs)
  size = log2_bound + (log2_outputs + log2_combinations) / 2  # log2 of B sqrt(D d)
  each = size - math.log2(epsilon) + log2_lipschitz + log2_wasserstein
  return Difficulty(
    **terms,
    log2_count=log2_count,
    log2_dim=log2_dim,
    log2_unconstrained=free,
    bits_per_dim=each,
    log2_lipschitz=log2_lipschitz,
    log2_wasserstein=log2_wasserstein,
    log2_bits=free + math.log2(each) if each > 0 else -math.inf,
  )


def _eigenfunctions(m: float, cutoff: float) -> tuple[float, float]:
  """The degree K and log2 E of a sphere of m dimensions."""
  degree = 2 * cutoff**2 / (math.hypot(m - 1, 2 * cutoff) + m - 1)  # no difference of near equals
  log_binomial = -math.log(m + degree + 1) - float(betaln(m + 1, degree + 1))
  return degree, (log_binomial + math.log1p(degree / (m + degree))) / math.log(2)


def _log2_difference(a: float, b: float) -> float:
  """log2(2^a - 2^b); -inf where that is not positive."""
  return a + float(np.log1p(-(2.0 ** (b - a)))) / math.log(2) if a > b else -math.inf


def _check_classes(task: Classification) -> None:
  if task.n_classes < 2:
    raise ValueError(f'n_classes must be at least 2, not {task.n_classes}')


def _check_dimension(name: str, m: float) -> None:
  if not 1 <= m < math.inf:
    raise ValueError(f'{name} must be at least 1, and finite, not {m}')


def _check(*, n: float = 1, **positive: float) -> None:
  if not n >= 1:
    raise ValueError(f'n must be at least 1, not {n}')
  for name, value in positive.items():
    if not 0 < value < math.inf:
      raise ValueError(f'{name} must be positive and finite, not {value}')
