r"""Evidence: how improbable the training labels are, and the network's outputs, before any training.

Wide networks at initialization are Gaussian functions, with the covariance NNGP of
`research.theory.kernels`. Of targets T [m, C] (centred over the examples, then scaled to a mean
square of 1), each output by itself drawn from :math:`N(0, a (K / \bar k + s I))`, with
:math:`\bar k` the mean of the diagonal of K, noise of variance s = 0.01 in that unit, and the amplitude
a under which T is most likely:

.. math:: -\frac1m \log p(T) = \frac{C}{2} \Big( \log 2 \pi e \hat a + \frac1m \log\det
   (K / \bar k + s I) \Big), \quad
   \hat a = \frac{1}{mC} \operatorname{tr} T^\top (K / \bar k + s I)^{-1} T,

in nats per example. It is minus the logarithm of a density of m C numbers, and may be negative; its
differences between targets are what counts: C / 2 times the logarithm of the ratio of their
:math:`\hat a`. Large: functions of the prior seldom look like this; it is the inductive bias that the
labels take beyond the architecture's own. With the NTK in place of the NNGP, functions of the
linearized network.

Why no test labels: bits to a target test error (`research.theory.tails`) count hypotheses by their
test errors. A measure may not read those; evidence asks the same of the labels that were trained with.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from research import trees
from research.measures.examples import examples, spaced
from research.measures.layers import natural
from research.measures.measure import Trained
from research.theory import kernels
from research.types import Metrics, Params

NOISE = 0.01  # sigma_n^2, in units of the mean variance of the prior
MOST = 1024
KERNELS = {'nngp': kernels.nngp, 'ntk': kernels.ntk}


def evidence(trained: Trained) -> Metrics:
  r"""Minus the log evidence of the training labels and of the network's outputs, per example.

  Measures, in nats per example: `evidence/labels_nngp` and `evidence/labels_ntk`, T the one-hot labels
  trained with; `evidence/function_nngp` and `evidence/function_ntk`, T the final logits, each centred
  over its classes: the complexity of the function that was learned, whatever its scale.

  The prior is that of a ReLU MLP of the network's depth, weights of variance 2 / fan-in and no biases:
  parameters do not tell the activation, and its scale drops out. `labels_...` is a number of the sample
  and the depth alone. Of models that are no MLPs (kernels that are no matrices, or do not follow on
  each other from the flat inputs; other leaves than kernels and biases) we have no kernel: NaN.
  Likewise NaN where all targets are equal, or not finite.

  Guarantees (each is a test): the formula is the log density that SciPy gives, at its best amplitude;
  random labels cost more than those of a function drawn from the prior; neither the order of the
  examples nor the scale of the logits matter; NaN for a CNN; vmapped over networks, or with traced
  inputs, what each gives alone.

  Cost: two kernels and two inverses [m, m], m at most 1024, in float64 on the host, once while tracing
  if inputs are no tracers (otherwise at each call); then m^2 C operations.

  Args:
    trained: a network; of others than MLPs, NaN.

  Raises:
    ValueError: as in `examples`.

  References: `Lee et al. (2018) <https://arxiv.org/abs/1711.00165>`_; MacKay (1992) for the evidence;
    `Valle-Perez & Louis (2020) <https://arxiv.org/abs/2012.04115>`_ for the marginal likelihood of the
    training labels as a predictor of the gap. The scale-free form is ours.
  """
  batch, params = examples(trained, MOST), trained.final
  inputs = trained.inputs if isinstance(trained.inputs, Tracer) else np.asarray(trained.inputs)
  inputs = inputs[spaced(len(inputs), MOST)]
  logits = trained.model.apply(params, batch['inputs'])
  targets = {
    'labels': jax.nn.one_hot(batch['labels'], logits.shape[-1]),
    'function': logits - jnp.mean(logits, axis=-1, keepdims=True),
  }
  depth = mlp_depth(params, int(np.prod(batch['inputs'].shape[1:])))
  if depth is None:
    return {f'evidence/{what}_{name}': jnp.array(jnp.nan) for what in targets for name in KERNELS}
  metrics = {}
  for name in KERNELS:
    precision, log_det = prior(name, depth, inputs)
    for what, values in targets.items():
      metrics[f'evidence/{what}_{name}'] = surprise(values, precision, log_det)
  return metrics


def surprise(targets: jax.Array, precision: jax.Array, log_det: jax.Array) -> jax.Array:
  """Minus the log density of the targets, per example, at the best amplitude: [], nats.

  Args:
    targets: [m, C]; they are centred and scaled here.
    precision: the inverse of the covariance [m, m].
    log_det: of the covariance, over m: [].
  """
  centred = targets - jnp.mean(targets, axis=0, keepdims=True)
  scaled = centred / jnp.sqrt(jnp.mean(jnp.square(centred)))  # 0 / 0 where all are equal
  with jax.default_matmul_precision('highest'):
    amplitude = jnp.vdot(scaled, precision @ scaled) / scaled.size
  return targets.shape[1] / 2 * (jnp.log(2 * jnp.pi * amplitude) + 1 + log_det)


def prior(name: str, depth: int, inputs: jax.Array | np.ndarray) -> tuple[jax.Array, jax.Array]:
  """The inverse covariance of functions at the inputs, [m, m], and its log determinant over m, []."""

  def on_host(inputs):
    x = np.asarray(inputs, np.float64).reshape(len(inputs), -1)
    covariance = KERNELS[name](depth)(x, x)
    scale = np.mean(np.diagonal(covariance))
    covariance = covariance / (scale if scale > 0 else 1.0) + NOISE * np.eye(len(x))
    log_det = np.linalg.slogdet(covariance)[1] / len(x)
    return np.linalg.inv(covariance).astype(np.float32), np.float32(log_det)

  if isinstance(inputs, Tracer):
    m = len(inputs)
    shapes = (jax.ShapeDtypeStruct((m, m), np.float32), jax.ShapeDtypeStruct((), np.float32))
    return jax.pure_callback(on_host, shapes, inputs, vmap_method='sequential')
  precision, log_det = on_host(inputs)
  return jnp.asarray(precision), jnp.asarray(log_det)


def mlp_depth(params: Params, n_inputs: int) -> int | None:
  """The number of hidden layers of an MLP on so many inputs; None if it is none.

  An MLP has leaves named 'kernel' [in, out], each as wide as the one before puts out, and 'bias' [out]
  beside some of them; layers follow in the order of the numbers in their names.
  """
  leaves = trees.named_leaves(params)
  widths = {}
  for name, leaf in leaves.items():
    if name.rpartition('/')[2] == 'kernel' and leaf.ndim == 2:
      widths[trees.layer_of(name)] = leaf.shape
    elif name.rpartition('/')[2] != 'bias':
      return None
  order = sorted(widths, key=natural)
  fan_in = n_inputs
  for layer in order:
    if widths[layer][0] != fan_in:
      return None
    fan_in = widths[layer][1]
  biases = {trees.layer_of(name) for name in leaves if name.rpartition('/')[2] == 'bias'}
  return len(order) - 1 if order and biases <= widths.keys() | {'bias'} else None
