"""Sharpness: dense Hessians, gradients one by one, and what scaling ReLU layers leaves alone."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from research.losses import make_losses
from research.measures import Trained
from research.measures.sharpness import hessian_traces, sam_sharpness, sharpness
from research.models import make_model

MODEL = make_model(3, name='mlp', widths=(5,))
X = jax.random.normal(jax.random.key(0), (20, 4))
LOSSES = make_losses(MODEL.apply)


def trained(seed=0, order=None):
  keys = jax.random.split(jax.random.key(seed), 3)
  final = MODEL.init(keys[0], X[:1])
  labels = jax.random.randint(keys[1], (20,), 0, 3)
  order = np.arange(20) if order is None else order
  return Trained(MODEL, None, final, X[order], labels[order], keys[2])


def pure(params, x, labels, key):
  return sharpness(Trained(MODEL, None, params, x, labels, key), iterations=60, probes=400)


compiled = jax.jit(pure)


def measured(it):
  found = jax.tree.map(float, compiled(it.final, it.inputs, it.labels, it.key))
  return {name.removeprefix('sharpness/'): value for name, value in found.items()}


@jax.jit
def dense(params, labels):
  flat, unravel = ravel_pytree(params)
  losses = lambda w: LOSSES(unravel(w), {'inputs': X, 'labels': labels})  # noqa: E731
  return flat, jax.jacobian(losses)(flat), jax.hessian(lambda w: jnp.mean(losses(w)))(flat)


def gradients_and_hessian(it):
  """Parameters [P], gradients [m, P] and the Hessian [P, P]."""
  return tuple(np.asarray(a, np.float64) for a in dense(it.final, it.labels))


def trace_by_leaf(params, diagonal):
  total, start = 0.0, 0
  for leaf in jax.tree.leaves(params):
    part, start = slice(start, start + leaf.size), start + leaf.size
    total += float(jnp.sum(leaf**2)) * sum(diagonal[part])
  return total


def test_all_are_what_dense_matrices_give():
  it = trained()
  found = measured(it)
  w, grads, hessian = gradients_and_hessian(it)
  diagonal = np.diagonal(hessian)
  assert found['max_eigenvalue'] == pytest.approx(np.linalg.eigvalsh(hessian)[-1], rel=1e-4)
  assert found['trace'] == pytest.approx(diagonal.sum(), rel=0.1)
  assert found['norm_times_trace'] == pytest.approx(found['trace'] * sum(w**2), rel=1e-5)
  assert found['relative_trace'] == pytest.approx(sum(w**2 * diagonal), rel=0.1)
  assert found['trace_by_leaf'] == pytest.approx(trace_by_leaf(it.final, diagonal), rel=0.1)
  assert found['fisher_rao'] == pytest.approx(np.sqrt(np.mean((grads @ w) ** 2)), rel=1e-4)
  gradient = grads.mean(0)
  expected = gradient @ gradient / np.linalg.norm(gradient) * 0.05
  assert found['sam'] == pytest.approx(expected, rel=0.2)  # to first order
  assert found['sam'] != pytest.approx(expected, rel=1e-3)


def test_the_models_own_labels_are_an_expectation_over_its_probabilities():
  it = trained(1)
  w = ravel_pytree(it.final)[0]
  p = jax.nn.softmax(MODEL.apply(it.final, X))
  total = 0.0
  for c in range(3):
    grads = gradients_and_hessian(it._replace(labels=jnp.full(20, c)))[1]
    total += np.mean(p[:, c] * (grads @ w) ** 2)
  assert measured(it)['fisher_rao_model'] == pytest.approx(np.sqrt(total), rel=1e-4)


def test_of_a_homogeneous_network_fisher_rao_is_the_depth_times_the_logits():
  it = trained(2)  # biases are 0 at initialization
  logits = MODEL.apply(it.final, X)
  slope = jax.nn.softmax(logits) - jax.nn.one_hot(it.labels, 3)
  expected = 2 * np.sqrt(np.mean(jnp.sum(slope * logits, axis=1) ** 2))
  assert measured(it)['fisher_rao'] == pytest.approx(expected, rel=1e-4)


def test_of_a_diagonal_hessian_one_vector_is_enough():
  params = {'a': jnp.array([1.0, -2.0]), 'b': jnp.array([0.5])}
  scale = {'a': jnp.array([3.0, 1.0]), 'b': jnp.array([-4.0])}
  loss = lambda p: sum(jnp.sum(scale[k] * p[k] ** 2) / 2 for k in p)  # noqa: E731
  found = hessian_traces(loss, params, jax.random.key(0), 1)
  np.testing.assert_allclose(found['trace'], 0.0, atol=1e-6)
  np.testing.assert_allclose(found['relative_trace'], 3 + 4 - 1)
  np.testing.assert_allclose(found['trace_by_leaf'], 5 * 4 - 0.25 * 4)
  # (w + r g / |g|): of a quadratic along its gradient, exactly
  w, h, r = np.array([1.0, -2.0, 0.5]), np.array([3.0, 1.0, -4.0]), 0.05
  v = r * h * w / np.linalg.norm(h * w)
  np.testing.assert_allclose(sam_sharpness(loss, params), (h * w) @ v + h @ v**2 / 2, rtol=1e-4)
  assert sam_sharpness(lambda p: 0.0 * p['b'][0], params) == 0.0


def test_scaling_a_relu_layer_and_the_next():
  it = trained(3)
  bias = it.final['Dense_0']['bias'] + 0.1
  first = it.final['Dense_0'] | {'bias': bias}
  final = it.final | {'Dense_0': first}
  scaled = {
    'Dense_0': jax.tree.map(lambda x: 4 * x, first),
    'Dense_1': final['Dense_1'] | {'kernel': final['Dense_1']['kernel'] / 4},
  }
  before, after = measured(it._replace(final=final)), measured(it._replace(final=scaled))
  exact = [
    trace_by_leaf(params, np.diagonal(gradients_and_hessian(it._replace(final=params))[2]))
    for params in (final, scaled)
  ]
  assert exact[1] == pytest.approx(exact[0], rel=1e-3)
  for name in ('relative_trace', 'fisher_rao', 'fisher_rao_model'):
    assert after[name] == pytest.approx(before[name], rel=1e-3), name
  for name in ('trace', 'norm_times_trace', 'max_eigenvalue', 'sam'):
    assert after[name] != pytest.approx(before[name], rel=0.2), name


def test_order_does_not_matter_and_networks_together_are_networks_one_by_one():
  networks = [trained(seed) for seed in range(3)]
  alone = [measured(it) for it in networks]
  moved = measured(trained(0, order=np.random.default_rng(0).permutation(20)))
  final, labels, keys = (
    jax.tree.map(lambda *xs: jnp.stack(xs), *(getattr(it, field) for it in networks))
    for field in ('final', 'labels', 'key')
  )
  together = jax.jit(jax.vmap(pure, in_axes=(0, None, 0, 0)))(final, X, labels, keys)
  for name, value in alone[0].items():
    assert moved[name] == pytest.approx(value, rel=1e-3), name
    for r in range(3):
      assert float(together[f'sharpness/{name}'][r]) == pytest.approx(alone[r][name], rel=1e-3)


def test_bad_arguments_are_named():
  with pytest.raises(ValueError, match='^probes must'):
    sharpness(trained(), probes=0)
  with pytest.raises(ValueError, match='^iterations must'):
    sharpness(trained(), iterations=0)
