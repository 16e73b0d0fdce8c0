r"""How sensitive interpolating fits are to their input: random and tangent features, by kernels.

Of k random units with weights W [k, d], entries :math:`N(0, 1/d)`, and an activation :math:`\phi`, the
features of an input x are

- `random_features`: :math:`\phi(W x)`, k of them;
- `tangent`: :math:`x \otimes \phi'(W x)`, d k of them: gradients of
  :math:`\sum_j \phi(w_j \cdot x)`.

The fit of least norm to n labels is :math:`f(z) = \Phi(z)^\top \Phi^+ y = K(z, X) K^+ y`, and its
sensitivity at z is

.. math:: S(z) = \sqrt d \, \|\nabla_z f(z)\|

in labels per relative change of the input: inputs have norm :math:`\sqrt d`. Features are never made
where their number is d k: with :math:`\Phi' = \phi'(X W^\top)`, the tangent kernel is
:math:`(X X^\top) \circ (\Phi' \Phi'^\top)`. Cost: O(n k (n + d)) and O(n^3). NumPy in float64.

References: `Bombari, Kiyani & Mondelli (2023) <https://arxiv.org/abs/2302.01629>`_. By the universal
  law of robustness, `Bubeck & Sellke (2021) <https://arxiv.org/abs/2105.12806>`_, the sensitivity of
  fits of p parameters is at least :math:`\sqrt{n d / p}`, up to constants.
"""

from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np

Features = Literal['random_features', 'tangent']


class Activation(NamedTuple):
  """A function with its first and second derivative."""

  value: Callable[[np.ndarray], np.ndarray]
  slope: Callable[[np.ndarray], np.ndarray]
  curvature: Callable[[np.ndarray], np.ndarray]


ACTIVATIONS = {
  'tanh': Activation(
    np.tanh,
    lambda x: 1 - np.tanh(x) ** 2,
    lambda x: -2 * np.tanh(x) * (1 - np.tanh(x) ** 2),
  ),
  'square': Activation(lambda x: x**2 / 2, lambda x: 1.0 * x, np.ones_like),
  'cos': Activation(np.cos, lambda x: -np.sin(x), lambda x: -np.cos(x)),
}


class Fit(NamedTuple):
  """The fit of least norm to labels."""

  features: Features
  activation: str
  inputs: np.ndarray  # [n, d]
  weights: np.ndarray  # [k, d]
  dual: np.ndarray  # [n] K^+ y


def kernel(
  x: np.ndarray, z: np.ndarray, weights: np.ndarray, *, features: Features, activation: str
) -> np.ndarray:
  """Inner products of the features of inputs [n, d] and [m, d]: float64 [n, m].

  Raises:
    ValueError: features or activation is unknown, or shapes differ.
  """
  of = _checked(weights, x, features, activation)
  if features == 'random_features':
    return of.value(x @ weights.T) @ of.value(z @ weights.T).T
  return (x @ z.T) * (of.slope(x @ weights.T) @ of.slope(z @ weights.T).T)


def fit(
  inputs: np.ndarray,
  labels: np.ndarray,
  weights: np.ndarray,
  *,
  features: Features = 'random_features',
  activation: str = 'tanh',
) -> Fit:
  """The fit of least norm to labels [n]: of least squares where they cannot all be met.

  Guarantees (each is a test): it is that of the pseudo-inverse of the features; meets labels if
  there are enough features; it is linear in the labels, and no order of units or examples matters.

  Raises:
    ValueError: as in `kernel`, or labels are not [n].
  """
  inputs, weights = np.asarray(inputs, np.float64), np.asarray(weights, np.float64)
  labels = np.asarray(labels, np.float64)
  if inputs.ndim != 2 or labels.shape != inputs.shape[:1]:
    raise ValueError(f'labels must be [n] for inputs [n, d], not {list(labels.shape)}')
  gram = kernel(inputs, inputs, weights, features=features, activation=activation)
  values, vectors = np.linalg.eigh(gram)
  kept = values > 1e-11 * values.max()
  dual = vectors[:, kept] @ ((vectors[:, kept].T @ labels) / values[kept])
  return Fit(features, activation, inputs, weights, dual)


def predict(of: Fit, z: np.ndarray) -> np.ndarray:
  """What a fit says of inputs [m, d]: float64 [m]."""
  z = np.asarray(z, np.float64)
  between = kernel(z, of.inputs, of.weights, features=of.features, activation=of.activation)
  return between @ of.dual


def gradients(of: Fit, z: np.ndarray) -> np.ndarray:
  r"""The gradients of a fit at inputs [m, d]: float64 [m, d].

  With :math:`u = W z` and the dual :math:`\alpha`, of random features
  :math:`W^\top (\phi'(u) \circ \Phi^\top \alpha)`, and of tangent features

  .. math:: X^\top \big(\alpha \circ \Phi' \phi'(u)\big)
     + W^\top \big(\phi''(u) \circ \Phi'^\top (\alpha \circ X z)\big)

  Guarantees (each is a test): they are differences of `predict`.
  """
  z, activation = np.asarray(z, np.float64), ACTIVATIONS[of.activation]
  units, seen = z @ of.weights.T, of.inputs @ of.weights.T  # [m, k], [n, k]
  if of.features == 'random_features':
    return (activation.slope(units) * (activation.value(seen).T @ of.dual)) @ of.weights
  slopes = activation.slope(seen)
  by_inputs = (activation.slope(units) @ slopes.T * of.dual) @ of.inputs
  inner = ((z @ of.inputs.T) * of.dual) @ slopes
  return by_inputs + (activation.curvature(units) * inner) @ of.weights


def sensitivity(of: Fit, z: np.ndarray) -> np.ndarray:
  r""":math:`\sqrt d \, \|\nabla f\|` at inputs [m, d], in labels: float64 [m].

  Guarantees (each is a test): of a linear fit it is the same everywhere; it scales with the labels;
  the order of examples and units does not matter.
  """
  return np.sqrt(of.inputs.shape[1]) * np.linalg.norm(gradients(of, z), axis=1)


def _checked(weights, x, features: str, activation: str) -> Activation:
  if features not in ('random_features', 'tangent'):
    raise ValueError(f"features must be 'random_features' or 'tangent', not {features!r}")
  if activation not in ACTIVATIONS:
    raise ValueError(f'activation must be one of {", ".join(ACTIVATIONS)}, not {activation!r}')
  if np.ndim(weights) != 2 or np.shape(weights)[1] != np.shape(x)[-1]:
    raise ValueError(f'weights must be [k, {np.shape(x)[-1]}], not {list(np.shape(weights))}')
  return ACTIVATIONS[activation]
