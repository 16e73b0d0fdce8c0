import jax
import jax.numpy as jnp
import numpy as np
import pytest

from research import trees
from research.models import mlp


def test_parameter_count():
  # 8 * 8 inputs: (64 + 1) * 20 + (20 + 1) * 30 + (30 + 1) * 10 = 1300 + 630 + 310
  x = jnp.zeros((2, 8, 8, 1))
  params = jax.eval_shape(mlp(10, widths=(20, 30)).init, jax.random.key(0), x)
  assert trees.n_parameters(params) == 2240


def test_without_widths_the_classifier_is_linear():
  x = jax.random.normal(jax.random.key(0), (5, 3, 2, 1))
  model = mlp(4, widths=())
  params = model.init(jax.random.key(1), x)
  expected = np.asarray(x).reshape(5, 6) @ np.asarray(params['Dense_0']['kernel'])
  np.testing.assert_allclose(model.apply(params, x), expected, rtol=1e-5, atol=1e-6)


def test_relu_keeps_the_size_of_the_signal():
  # Inputs of mean square 1. He: z_l has mean square 2 mean(h^2) = 2, h = relu(z) has 1.
  x = jax.random.normal(jax.random.key(0), (64, 16, 16, 1))
  model = mlp(256, widths=(512,) * 5)
  activations = jax.jit(model.capture)(model.init(jax.random.key(1), x), x)
  sizes = [float(jnp.mean(activations[f'Dense_{layer}'] ** 2)) for layer in range(6)]
  np.testing.assert_allclose(sizes, [2, 2, 2, 2, 2, 1], rtol=0.15)


@pytest.mark.parametrize(
  ('activation', 'scale', 'gain', 'variance'),
  [('relu', 1.0, 1.0, 2.0), ('gelu', 1.0, 0.85, 2.0), ('tanh', 0.1, 0.98, 1.0)],
)
def test_each_activation_has_the_initialization_that_suits_it(activation, scale, gain, variance):
  # gain: variance * E[f(z)^2] / E[z^2], z normal of deviation `scale`; 2 * 0.425 for gelu.
  x = jax.random.normal(jax.random.key(0), (64, 256))
  model = mlp(10, widths=(256, 256), activation=activation)
  params = model.init(jax.random.key(1), x)
  np.testing.assert_allclose(jnp.var(params['Dense_1']['kernel']) * 256, variance, rtol=0.03)
  params['Dense_0']['kernel'] *= scale / np.sqrt(variance)  # z_0 has deviation `scale`
  z = jax.jit(model.capture)(params, x)
  np.testing.assert_allclose(
    jnp.mean(z['Dense_1'] ** 2) / jnp.mean(z['Dense_0'] ** 2), gain, rtol=0.1
  )


def test_out_of_range():
  with pytest.raises(ValueError, match=r'^widths must be positive, not \(0,\)$'):
    mlp(10, widths=(0,))
  with pytest.raises(ValueError, match=r'^activation must be one of relu, gelu, tanh, not swish$'):
    mlp(10, activation='swish')
