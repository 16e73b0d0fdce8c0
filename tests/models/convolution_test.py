import jax
import jax.numpy as jnp
import numpy as np
import pytest

from research.models.convolution import Conv, LocallyConnected


def value_and_grads(implementation, x, size, stride):
  conv = Conv(5, size=size, stride=stride, implementation=implementation)
  rng = np.random.default_rng(1)
  variables = jax.tree.map(
    lambda leaf: jnp.asarray(rng.normal(size=leaf.shape), jnp.float32),
    jax.eval_shape(conv.init, jax.random.key(1), x),
  )

  def energy(variables, x):
    y = conv.apply(variables, x)
    return jnp.sum(jnp.sin(y)), y

  return jax.jit(jax.value_and_grad(energy, argnums=(0, 1), has_aux=True))(variables, x)


@pytest.mark.parametrize('stride', [1, 2])
@pytest.mark.parametrize('size', [1, 3])
@pytest.mark.parametrize('image', [(6, 7), (5, 8), (1, 2)])
def test_implementations_agree_in_value_and_gradient(image, size, stride):
  x = jax.random.normal(jax.random.key(0), (2, *image, 3))
  (_, expected), expected_grads = value_and_grads('lax', x, size, stride)
  (_, y), grads = value_and_grads('patches', x, size, stride)
  assert y.shape == (2, -(-image[0] // stride), -(-image[1] // stride), 5)
  np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-5)
  assert jax.tree.structure(grads) == jax.tree.structure(expected_grads)
  for a, b in zip(jax.tree.leaves(grads), jax.tree.leaves(expected_grads), strict=True):
    np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize('implementation', ['lax', 'patches'])
def test_a_kernel_of_ones_counts_the_neighbours(implementation):
  conv = Conv(1, implementation=implementation)
  params = {'kernel': jnp.ones((3, 3, 1, 1)), 'bias': jnp.full(1, 0.5)}
  y = conv.apply({'params': params}, jnp.ones((1, 3, 4, 1)))
  counts = np.array([[4, 6, 6, 4], [6, 9, 9, 6], [4, 6, 6, 4]])
  np.testing.assert_allclose(y[0, :, :, 0], counts + 0.5)


def test_kernels_start_he_normal_and_biases_at_zero():
  params = Conv(128).init(jax.random.key(0), jnp.zeros((1, 4, 4, 64)))['params']
  assert params['kernel'].shape == (3, 3, 64, 128)
  np.testing.assert_allclose(jnp.var(params['kernel']), 2 / (9 * 64), rtol=0.02)
  np.testing.assert_array_equal(params['bias'], np.zeros(128))


def test_without_bias():
  params = Conv(4, use_bias=False).init(jax.random.key(0), jnp.zeros((1, 4, 4, 2)))['params']
  assert list(params) == ['kernel']


@pytest.mark.parametrize(('backend', 'uses_xla'), [('cpu', False), ('gpu', True), ('tpu', True)])
def test_auto_multiplies_patches_on_the_cpu_alone(monkeypatch, backend, uses_xla):
  monkeypatch.setattr(jax, 'default_backend', lambda: backend)
  conv, x = Conv(4), jnp.zeros((1, 4, 4, 2))
  variables = jax.eval_shape(conv.init, jax.random.key(0), x)
  program = str(jax.make_jaxpr(conv.apply)(variables, x))
  assert ('conv_general_dilated' in program) == uses_xla
  assert ('dot_general' in program) != uses_xla


def test_an_unknown_implementation_is_an_error():
  with pytest.raises(KeyError, match=r'fft'):
    Conv(4, implementation='fft').init(jax.random.key(0), jnp.zeros((1, 4, 4, 2)))


@pytest.mark.parametrize('stride', [1, 2])
def test_locally_connected_with_equal_kernels_is_a_convolution(stride):
  x = jax.random.normal(jax.random.key(0), (2, 5, 6, 3))
  conv, local = Conv(4, stride=stride), LocallyConnected(4, stride=stride)
  params = conv.init(jax.random.key(1), x)['params']
  shapes = jax.eval_shape(local.init, jax.random.key(1), x)['params']
  everywhere = {
    'kernel': jnp.broadcast_to(params['kernel'].reshape(27, 4), shapes['kernel'].shape),
    'bias': jnp.broadcast_to(params['bias'], shapes['bias'].shape),
  }
  y = local.apply({'params': everywhere}, x)
  np.testing.assert_allclose(y, conv.apply({'params': params}, x), rtol=1e-5, atol=1e-5)


def test_locally_connected_kernels_start_as_those_of_a_convolution():
  x = jnp.zeros((1, 8, 8, 16))
  kernel = LocallyConnected(32).init(jax.random.key(0), x)['params']['kernel']
  np.testing.assert_allclose(jnp.var(kernel), 2 / (9 * 16), rtol=0.02)
