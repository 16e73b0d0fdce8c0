r"""Exact learning of a linear student: what gradient flow makes of a noisy teacher, at every time.

The teacher is :math:`y = x \cdot \bar w + \varepsilon` with :math:`x_j \sim N(0, 1/N)`,
:math:`\bar w_j \sim N(0, \sigma_w^2)` and :math:`\varepsilon \sim N(0, \sigma_\varepsilon^2)`. The
student starts at :math:`w_j \sim N(0, \sigma_0^2)` and follows :math:`\dot w = X^\top (y - X w)` on P
examples. With :math:`\lambda` the eigenvalues of :math:`X^\top X`,

- the load is :math:`\alpha = P / N`, examples per weight;
- `snr` is :math:`\sigma_w^2 / \sigma_\varepsilon^2`, and `start` :math:`\sigma_0^2 / \sigma_w^2`;
- errors are squared errors in units of :math:`\sigma_w^2`, the noise of new labels included: 1 / snr is
  the least. A student that stays at zero has 1 + 1 / snr.
- times are in units of the flow: after k steps of gradient descent with rate :math:`\eta` on half the
  sum of squares, :math:`\eta k` to first order in :math:`\eta`.

Errors are functions of a `Spectrum`, and means over teacher, start and noise: of the limit of many
weights (`marchenko_pastur`), or of the inputs of one sample (`sample_spectrum`). What one teacher,
start and noise give is `flow`. Everything is NumPy in float64, and costs milliseconds, the singular
values of a sample apart.

References: `Advani & Saxe (2017) <https://arxiv.org/abs/1710.03667>`_. The quadrature, the training
  error and the comparison by eigenvalue are ours.
"""

from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize_scalar

from research import rngs


class Spectrum(NamedTuple):
  """Eigenvalues of the correlations of the inputs, as shares of the N directions."""

  eigenvalues: np.ndarray  # [K], positive
  weights: np.ndarray  # [K]: shares of directions; they add up to the rank over N
  load: float  # examples per weight

  @property
  def frozen(self) -> float:
    """The share of directions in which no example lies, and where nothing is learned."""
    return max(0.0, 1.0 - float(np.sum(self.weights)))


class Problem(NamedTuple):
  """A sample of a teacher."""

  inputs: np.ndarray  # [P, N]
  labels: np.ndarray  # [P]
  teacher: np.ndarray  # [N], of variance 1
  start: np.ndarray  # [N]


def marchenko_pastur(load: float, n_nodes: int = 4000) -> Spectrum:
  r"""The eigenvalues of many random inputs, as nodes and weights of a quadrature.

  .. math:: \rho(\lambda) = \frac{\sqrt{(\lambda_+ - \lambda)(\lambda - \lambda_-)}}{2 \pi \lambda},
     \qquad \lambda_\pm = (\sqrt\alpha \pm 1)^2, \qquad \lambda = 1 + \alpha + 2 \sqrt\alpha \cos\theta

  The integrand over :math:`\theta` is smooth and periodic, also where the density has an end, so that
  the midpoint rule converges exponentially. At load 1 it resolves times up to the square of `n_nodes`.

  Guarantees (each is a test): weights add up to min(1, load), and the means of lambda and of lambda
  squared are load and load + load squared; of 1 / lambda, load / (1 - load) or 1 / (load - 1).

  Raises:
    ValueError: load is not positive and finite, or n_nodes less than 2.
  """
  _positive(load=load)
  if n_nodes < 2:
    raise ValueError(f'n_nodes must be at least 2, not {n_nodes}')
  theta = np.pi * (np.arange(n_nodes) + 0.5) / n_nodes
  # (1 - sqrt(load))^2 + 4 sqrt(load) cos^2(theta / 2): no difference of nearly equal numbers
  root = np.sqrt(load)
  eigenvalues = (1 - root) ** 2 + 4 * root * np.cos(theta / 2) ** 2
  weights = 2 * load * np.sin(theta) ** 2 / eigenvalues / n_nodes
  return Spectrum(eigenvalues, weights, load)


def sample_spectrum(inputs: np.ndarray) -> Spectrum:
  """The eigenvalues of inputs [P, N]; those below 1e-12 of the largest count as none.

  Raises:
    ValueError: inputs are not a matrix of finite numbers.
  """
  inputs = _matrix(inputs)
  eigenvalues = np.linalg.svd(inputs, compute_uv=False) ** 2
  eigenvalues = eigenvalues[eigenvalues > 1e-12 * eigenvalues.max()]
  n = inputs.shape[1]
  return Spectrum(eigenvalues, np.full(len(eigenvalues), 1 / n), len(inputs) / n)


def generalization_error(
  spectrum: Spectrum, times: np.ndarray, snr: float, start: float = 0.0
) -> np.ndarray:
  r"""The error on new examples at times [T]: float64 [T].

  .. math:: \frac{E_g(t)}{\sigma_w^2} = \int \rho(\lambda) \Big[(1 + s) e^{-2 \lambda t}
     + \frac{(1 - e^{-\lambda t})^2}{\mathrm{SNR} \, \lambda}\Big] d\lambda
     + (1 - \alpha)_+ (1 + s) + \frac1{\mathrm{SNR}}

  with s = `start`: the paper's generalization dynamics for random inputs.

  Guarantees (each is a test): at time 0 it is 1 + s + 1 / snr; at large times `limit_error`; on the
  spectrum of a sample, the mean of `flow` over teachers, starts and noises; it does not change if
  eigenvalues are multiplied by c, times by 1 / c, and snr by 1 / c but for the noise of new labels.

  Raises:
    ValueError: a time is negative, snr is not positive (it may be infinite), or start is negative.
  """
  times = _times(times)
  noise = _noise(snr, start)
  decay = np.outer(times, spectrum.eigenvalues)
  remains = (1 + start) * np.exp(-2 * decay)
  learned = noise * np.expm1(-decay) ** 2 / spectrum.eigenvalues
  return (remains + learned) @ spectrum.weights + spectrum.frozen * (1 + start) + noise


def training_error(
  spectrum: Spectrum, times: np.ndarray, snr: float, start: float = 0.0
) -> np.ndarray:
  r"""The error on the examples of training at times [T]: float64 [T].

  .. math:: \frac{E_t(t)}{\sigma_w^2} = \frac1\alpha \int \rho(\lambda) \Big[(1 + s) \lambda
     + \frac1{\mathrm{SNR}}\Big] e^{-2 \lambda t} d\lambda
     + \frac{(\alpha - 1)_+}{\alpha \, \mathrm{SNR}}

  Guarantees (each is a test): it never rises; at time 0 it is 1 + s + 1 / snr in the limit of many
  weights; on the spectrum of a sample, the mean of `flow`.

  Raises:
    ValueError: as in `generalization_error`.
  """
  times = _times(times)
  noise = _noise(snr, start)
  decay = np.exp(-2 * np.outer(times, spectrum.eigenvalues))
  left = decay @ (spectrum.weights * ((1 + start) * spectrum.eigenvalues + noise))
  unfitted = max(
    0.0, spectrum.load - float(np.sum(spectrum.weights))
  )  # more labels than directions
  return (left + unfitted * noise) / spectrum.load


def limit_error(load: float, snr: float, start: float = 0.0) -> float:
  r"""The error on new examples after training for ever, in the limit of many weights.

  .. math:: (1 - \alpha)(1 + s) + \frac1{\mathrm{SNR}} \frac1{1 - \alpha} \;\; (\alpha < 1), \qquad
     \frac1{\mathrm{SNR}} \frac\alpha{\alpha - 1} \;\; (\alpha > 1)

  At load 1 it is infinite, unless there is no noise.

  Raises:
    ValueError: load is not positive and finite, or as in `generalization_error`.
  """
  _positive(load=load)
  noise = _noise(snr, start)
  if load == 1:
    return np.inf if noise else 0.0
  inverse = load / (1 - load) if load < 1 else 1 / (load - 1)
  return max(0.0, 1 - load) * (1 + start) + noise * (1 + inverse)


def best_time(spectrum: Spectrum, snr: float, start: float = 0.0) -> tuple[float, float]:
  """When to stop: the time of the least error on new examples, and that error.

  The least of a grid of times, refined around it: errors may have more than one minimum. Without noise
  it is (inf, the error in the limit of all times).

  Guarantees (each is a test): it is the least of a fine grid; of equal eigenvalues l, the time is
  log(1 + (1 + s) snr l) / l.

  Raises:
    ValueError: as in `generalization_error`.
  """
  if not _noise(snr, start):
    return np.inf, spectrum.frozen * (1 + start)
  largest, least = spectrum.eigenvalues.max(), spectrum.eigenvalues.min()
  # no eigenvalue has its own best time outside
  ends = [np.log1p((1 + start) * snr * value) / value for value in (largest, least)]
  grid = np.geomspace(ends[0] * 0.99, ends[1] * 1.01, 200)

  def error(log_time):
    return generalization_error(spectrum, np.exp([log_time]), snr, start)[0]

  k = int(np.argmin(generalization_error(spectrum, grid, snr, start)))
  around = np.log(grid[max(k - 1, 0)]), np.log(grid[min(k + 1, len(grid) - 1)])
  found = minimize_scalar(error, bounds=around, method='bounded', options={'xatol': 1e-10})
  return float(np.exp(found.x)), float(found.fun)


def ridge_error(spectrum: Spectrum, penalty: float, snr: float) -> float:
  r"""The error on new examples of ridge regression, :math:`(X^\top X + c)^{-1} X^\top y`.

  .. math:: \int \rho(\lambda) \frac{c^2 + \lambda / \mathrm{SNR}}{(\lambda + c)^2} d\lambda
     + (1 - \alpha)_+ + \frac1{\mathrm{SNR}}

  Guarantees (each is a test): it is least at c = 1 / snr, where ridge regression is the mean of the
  posterior, and nothing that is stopped early is better; in excess of noise and of what is frozen the
  best stopped flow from zero has at most 1.2148 times the error of the best ridge. That factor holds
  for each eigenvalue at time t = snr (`Ali, Kolter & Tibshirani (2019)
  <https://arxiv.org/abs/1810.10082>`_, who give 1.2147).

  Raises:
    ValueError: penalty is not positive, or snr is not.
  """
  _positive(penalty=penalty)
  noise = _noise(snr, 0.0)
  eigenvalues = spectrum.eigenvalues
  error = (penalty**2 + noise * eigenvalues) / (eigenvalues + penalty) ** 2
  return float(error @ spectrum.weights + spectrum.frozen + noise)


def draw(seed: int, n_inputs: int, n_examples: int, snr: float, start: float = 0.0) -> Problem:
  """A sample of the teacher, with weights of variance 1, by named streams of the seed.

  Fewer examples of one seed are the first of more.

  Raises:
    ValueError: a number is less than 1, or as in `generalization_error`.
  """
  if min(n_inputs, n_examples) < 1:
    raise ValueError(f'n_inputs and n_examples must be at least 1, not {n_inputs}, {n_examples}')
  noise = np.sqrt(_noise(snr, start))
  normal = {
    name: rngs.named_generator(seed, f'linear_dynamics/{name}').normal
    for name in ('inputs', 'teacher', 'start', 'noise')
  }
  inputs = normal['inputs'](size=(n_examples, n_inputs)) / np.sqrt(n_inputs)
  teacher = normal['teacher'](size=n_inputs)
  labels = inputs @ teacher + noise * normal['noise'](size=n_examples)
  return Problem(inputs, labels, teacher, np.sqrt(start) * normal['start'](size=n_inputs))


def flow(problem: Problem, times: np.ndarray) -> np.ndarray:
  r"""The weights of gradient flow at times [T]: float64 [T, N], exact by singular values.

  .. math:: w(t) = w(0) + V \frac{1 - e^{-S^2 t}}{S} (U^\top y - S V^\top w(0)), \qquad X = U S V^\top

  Guarantees (each is a test): it is what gradient descent with small steps makes of a linear model of
  the house, and what SciPy integrates; nothing moves off the span of the inputs.

  Raises:
    ValueError: a time is negative, or inputs are not a matrix of finite numbers.
  """
  times = _times(times)
  left, singular, right = np.linalg.svd(_matrix(problem.inputs), full_matrices=False)
  kept = singular > 1e-8 * singular.max()
  left, singular, right = left[:, kept], singular[kept], right[kept]
  residual = left.T @ problem.labels - singular * (right @ problem.start)
  grown = -np.expm1(-np.outer(times, singular**2)) / singular
  return problem.start + (grown * residual) @ right


def errors(problem: Problem, weights: np.ndarray, snr: float) -> tuple[np.ndarray, np.ndarray]:
  """The errors of weights [T, N]: on new examples, exactly, and on those of training, each [T]."""
  new = np.mean((weights - problem.teacher) ** 2, axis=1) + 1 / snr
  return new, np.mean((weights @ problem.inputs.T - problem.labels) ** 2, axis=1)


def _noise(snr: float, start: float) -> float:
  """The variance of the noise, with that of the teacher's weights 1."""
  if not snr > 0:
    raise ValueError(f'snr must be positive, not {snr}')
  if not 0 <= start < np.inf:
    raise ValueError(f'start must be at least 0 and finite, not {start}')
  return 1 / snr


def _times(times) -> np.ndarray:
  times = np.asarray(times, np.float64)
  if times.ndim != 1 or not np.all(times >= 0):
    raise ValueError('times must be [T], none of them negative')
  return times


def _matrix(inputs) -> np.ndarray:
  inputs = np.asarray(inputs, np.float64)
  if inputs.ndim != 2 or not inputs.size or not np.all(np.isfinite(inputs)) or not inputs.any():
    raise ValueError('inputs must be finite numbers [P, N], not all zero')
  return inputs


def _positive(**values: float) -> None:
  for name, value in values.items():
    if not 0 < value < np.inf:
      raise ValueError(f'{name} must be positive and finite, not {value}')
