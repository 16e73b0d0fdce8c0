"""Losses against their definitions."""

import inspect
from typing import get_args, get_type_hints

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.metrics import hinge_loss

from research.losses import LOSSES, cross_entropy, hinge, make_losses, squared_error

LOGITS = np.array([[1.0, -2.0, 0.5], [0.0, 0.0, 0.0], [3.0, 3.0, -1.0]], np.float32)
LABELS = np.array([0, 2, 1])


def test_cross_entropy_is_minus_the_log_probability_of_the_label_in_nats():
  p = np.exp(LOGITS) / np.exp(LOGITS).sum(axis=1, keepdims=True)
  np.testing.assert_allclose(
    cross_entropy(LOGITS, LABELS), -np.log(p[np.arange(3), LABELS]), rtol=1e-6
  )
  np.testing.assert_allclose(cross_entropy(LOGITS, LABELS)[1], np.log(3), rtol=1e-6)


def test_squared_error_is_half_the_squared_distance_to_the_one_hot_label():
  expected = [0.5 * (0 + 4 + 0.25), 0.5 * (0 + 0 + 1), 0.5 * (9 + 4 + 1)]
  np.testing.assert_allclose(squared_error(LOGITS, LABELS), expected, rtol=1e-6)


def test_hinge_is_that_of_scikit_learn():
  generator = np.random.default_rng(0)
  margins, labels = generator.normal(size=50).astype(np.float32), np.arange(50) % 2
  two = np.stack([np.zeros_like(margins), margins], axis=1)
  expected = hinge_loss(2 * labels - 1, margins)
  np.testing.assert_allclose(hinge(two, labels).mean(), expected, rtol=1e-6)
  five = generator.normal(size=(50, 5)).astype(np.float32)
  labels = np.arange(50) % 5
  np.testing.assert_allclose(hinge(five, labels).mean(), hinge_loss(labels, five), rtol=1e-6)


@pytest.mark.parametrize('name', ['cross_entropy', 'squared_error'])
def test_the_gradient_with_respect_to_logits_is_the_residual(name):
  """p - e for the cross-entropy, z - e for the squared error: hence the half."""
  grads = jax.grad(lambda z: jnp.sum(LOSSES[name](z, LABELS)))(jnp.asarray(LOGITS))
  outputs = jax.nn.softmax(LOGITS) if name == 'cross_entropy' else LOGITS
  np.testing.assert_allclose(grads, outputs - np.eye(3)[LABELS], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize('name', LOSSES)
def test_large_logits_are_finite(name):
  logits = np.array([[1e4, 0.0], [-1e4, 1e4]], np.float32)
  assert np.isfinite(LOSSES[name](logits, np.array([1, 0]))).all()


def test_made_losses_are_of_each_example_and_apply_the_model():
  losses = make_losses(lambda params, x: x @ params, name='squared_error')
  x, w = np.eye(3, 2, dtype=np.float32), np.ones((2, 3), np.float32)
  batch = {'inputs': x, 'labels': LABELS}
  np.testing.assert_allclose(losses(w, batch), squared_error(x @ w, LABELS), rtol=1e-6)
  assert losses(w, batch).shape == (3,)


def test_the_default_is_cross_entropy():
  losses = make_losses(lambda params, x: params * x)
  batch = {'inputs': LOGITS, 'labels': LABELS}
  np.testing.assert_array_equal(losses(1.0, batch), cross_entropy(LOGITS, LABELS))


def test_every_loss_can_be_named_in_a_config():
  assert set(get_args(get_type_hints(make_losses)['name'])) == set(LOSSES)
  assert inspect.signature(make_losses).parameters['name'].default in LOSSES
