r"""How much of what a network says of its training examples a linear classifier says too.

The linear classifier is ridge regression on the training labels, one-hot, of the flat inputs, centred,
with an intercept. What it says of example i is the fit to all others: with the hat matrix :math:`A =
\tfrac{1}{m} 1 1^\top + X_c (X_c^\top X_c + \lambda I)^{-1} X_c^\top`, in closed form

.. math:: \hat y_{-i} = \frac{\hat y_i - A_{ii} \, y_i}{1 - A_{ii}}, \qquad \hat y = A y,

exactly the ridge regression without i, with its intercept not penalized, and centred without i too. So
no label explains itself, however many coordinates the inputs have. Test examples are not read: the
penalty :math:`\lambda`, in units of :math:`\|X_c\|_F^2 / \min(m, d)`, is the one of
PENALTIES with the least squared error of the left out.
"""

import jax
import jax.numpy as jnp

from research.measures.examples import examples
from research.measures.measure import Trained
from research.theory import information
from research.types import Metrics

PENALTIES = (1e-2, 1e-1, 1.0, 10.0)
MOST = 2048


def linear(trained: Trained) -> Metrics:
  r"""Minus the part of a network's predictions that a linear classifier explains.

  With F the class that the network predicts of a training example, Y its label, L the class that the
  linear classifier of the others predicts, and z the logits:

  - `linear/minus_performance_correlation`: :math:`-(I(F;Y) - I(F;Y \mid L))`, bits, jackknifed
    (`research.theory.information`).
  - `linear/information_beyond`: :math:`I(F;Y \mid L)`, bits: what the network knows beyond L.
  - `linear/minus_agreement`: minus the share of examples with F = L.
  - `linear/minus_explained`: minus the share of the variance of the logits, each centred over its
    classes, that ridge regression on the others' logits explains (with the same A): 1 for a linear
    network, as :math:`\lambda` falls.

  Where a network fits all its labels, F = Y: then the first three are numbers of the training set
  alone, and rank no two networks that share it. The last reads the function still.

  Guarantees (each is a test): what is left out is what refitting without each example predicts, by
  scikit-learn's ridge; a linear network on enough data is linear; random labels leave nothing to
  explain; the order of the examples does not matter; vmapped over networks, each gives what it gives
  alone.

  Cost: four Cholesky factors of the smaller of [d, d] and [m, m], and m^2 d operations where d > m;
  m is at most 2048. In float32.

  Args:
    trained: any model with logits, on inputs of any shape, d numbers each.

  Raises:
    ValueError: as in `examples`.

  References: `Nakkiran et al. (2019) <https://arxiv.org/abs/1905.11604>`_ for the performance
    correlation, on test examples; leaving out and the share explained are ours.
  """
  batch = examples(trained, MOST)
  labels = batch['labels']
  logits = trained.model.apply(trained.final, batch['inputs'])
  n_classes = logits.shape[-1]
  x = batch['inputs'].reshape(len(labels), -1).astype(jnp.float32)
  z = logits - jnp.mean(logits, axis=-1, keepdims=True)
  targets = jax.nn.one_hot(labels, n_classes)
  both = jnp.concatenate([targets, z], axis=-1)
  left_out = jax.vmap(lambda penalty: left_out_fits(x, both, penalty))(jnp.asarray(PENALTIES))
  errors = jnp.sum(jnp.square(left_out[..., :n_classes] - targets[None]), axis=(1, 2))
  chosen = jnp.argmax(left_out[jnp.argmin(errors)][:, :n_classes], axis=-1)
  misses = jnp.sum(jnp.square(left_out[..., n_classes:] - z[None]), axis=(1, 2))
  spread = jnp.sum(jnp.square(z - jnp.mean(z, axis=0, keepdims=True)))
  predicted = jnp.argmax(logits, axis=-1)
  triple = (predicted, labels, chosen, n_classes)
  metrics = {
    'minus_performance_correlation': -information.estimated_interaction(*triple).value,
    'information_beyond': information.estimated_conditional_mutual_information(*triple).value,
    'minus_agreement': -jnp.mean(predicted == chosen),
    'minus_explained': jnp.min(misses) / spread - 1,
  }
  fine = jnp.all(jnp.isfinite(logits))
  return {f'linear/{name}': jnp.where(fine, x, jnp.nan) for name, x in metrics.items()}


def left_out_fits(x: jax.Array, targets: jax.Array, penalty: jax.Array) -> jax.Array:
  """Ridge regression's predictions of each example without it: [m, K].

  Args:
    x: inputs [m, d].
    targets: [m, K].
    penalty: [], in the unit of the module docstring; positive.
  """
  m, d = x.shape
  centred = x - jnp.mean(x, axis=0, keepdims=True)
  size = jnp.sum(jnp.square(centred)) / min(m, d)
  ridge = penalty * jnp.where(size > 0, size, 1.0)
  with jax.default_matmul_precision('highest'):
    if d <= m:
      factor = jax.scipy.linalg.cho_factor(centred.T @ centred + ridge * jnp.eye(d))
      hat = centred @ jax.scipy.linalg.cho_solve(factor, centred.T)
    else:
      products = centred @ centred.T
      factor = jax.scipy.linalg.cho_factor(products + ridge * jnp.eye(m))
      hat = jax.scipy.linalg.cho_solve(factor, products)
    hat = hat + 1 / m
    own = jnp.diagonal(hat)[:, None]
    return (hat @ targets - own * targets) / (1 - own)
