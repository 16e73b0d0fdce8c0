import jax
import jax.numpy as jnp
import numpy as np
import pytest

from research import trees
from research.models import cnn


def test_parameter_count():
  # k k C F + F for each layer: 9*1*32 + 32 + 9*32*64 + 64 + 9*64*64 + 64 + 64*10 + 10
  #   = 320 + 18496 + 36928 + 650
  params = jax.eval_shape(cnn(10).init, jax.random.key(0), jnp.zeros((2, 28, 28, 1)))
  assert trees.n_parameters(params) == 56394


def test_logits_are_a_linear_function_of_the_mean_of_the_last_relu():
  x = jax.random.normal(jax.random.key(0), (3, 7, 7, 2))
  model = cnn(5, widths=(4, 6))
  params = model.init(jax.random.key(1), x)
  activations = jax.jit(model.capture)(params, x)
  assert activations['Conv_0'].shape == (3, 7, 7, 4)
  assert activations['Conv_1'].shape == (3, 4, 4, 6)
  features = np.maximum(activations['Conv_1'], 0).mean(axis=(1, 2))
  expected = features @ np.asarray(params['Dense_0']['kernel'])
  np.testing.assert_allclose(activations['logits'], expected, rtol=1e-4, atol=1e-6)


def test_dense_layers_see_every_position():
  x = jax.random.normal(jax.random.key(0), (3, 7, 7, 2))
  model = cnn(5, widths=(4, 6), dense=(8,))
  params = model.init(jax.random.key(1), x)
  activations = jax.jit(model.capture)(params, x)
  features = np.maximum(activations['Conv_1'], 0).reshape(3, 4 * 4 * 6)
  np.testing.assert_allclose(
    activations['Dense_0'], features @ params['Dense_0']['kernel'], rtol=1e-4, atol=1e-6
  )
  assert params['Dense_1']['kernel'].shape == (8, 5)


def test_without_sharing_each_position_has_a_kernel():
  x = jnp.zeros((1, 7, 7, 2))
  params = jax.eval_shape(cnn(5, widths=(4, 6), shared=False).init, jax.random.key(1), x)
  assert params['LocallyConnected_0']['kernel'].shape == (7, 7, 9 * 2, 4)
  assert params['LocallyConnected_1']['kernel'].shape == (4, 4, 9 * 4, 6)


def test_out_of_range():
  with pytest.raises(ValueError, match=r'^widths must be positive, not \(3, -1\)$'):
    cnn(10, widths=(3, -1))
  with pytest.raises(ValueError, match=r'^widths must name at least one layer, not \(\)$'):
    cnn(10, widths=())
  with pytest.raises(ValueError, match=r'^convolution must be one of auto, lax, patches, not fft$'):
    cnn(10, convolution='fft')
