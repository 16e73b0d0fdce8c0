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


@pytest.mark.parametrize('activation', ['relu', 'tanh'])
def test_initialization_by_fan_in_is_uniform_in_kernels_and_biases(activation):
  # A uniform variable in +-a has the variance a^2 / 3.
  kwargs = {'widths': (300, 200), 'activation': activation, 'initialization': 'fan_in'}
  params = mlp(100, **kwargs).init(jax.random.key(0), jnp.zeros((1, 20, 5)))
  for layer, fan_in in enumerate((100, 300, 200)):
    for leaf in params[f'Dense_{layer}'].values():
      reach = fan_in**-0.5
      assert 0.95 * reach < jnp.abs(leaf).max() <= reach
      np.testing.assert_allclose(jnp.var(leaf), reach**2 / 3, rtol=0.2 if leaf.ndim == 1 else 0.03)
      assert abs(jnp.mean(leaf)) < 4 * reach / np.sqrt(3 * leaf.size)


def test_xavier_is_uniform_in_kernels_by_both_fans():
  kwargs = {'widths': (300, 200), 'initialization': 'xavier'}
  params = mlp(100, **kwargs).init(jax.random.key(0), jnp.zeros((1, 20, 5)))
  for layer, fans in enumerate((400, 500, 300)):
    kernel, bias = (params[f'Dense_{layer}'][name] for name in ('kernel', 'bias'))
    reach = (6 / fans) ** 0.5
    assert 0.99 * reach < jnp.abs(kernel).max() <= reach
    np.testing.assert_allclose(jnp.var(kernel), 2 / fans, rtol=0.03)
    assert jnp.all(bias == 0)


def dropping(dropout=0.4, m=3):
  model = mlp(2, widths=(8,), dropout=dropout)
  x = jax.random.normal(jax.random.key(0), (m, 4))
  params = model.init(jax.random.key(1), x)
  keys = lambda seed, m=m: jax.random.key_data(jax.random.split(jax.random.key(seed), m))  # noqa: E731
  return model, params, x, keys


def test_dropout_is_right_on_average():
  """One hidden layer: logits are linear in what is dropped. And of its units, a share is silent."""
  model, params, x, keys = dropping()
  n = 4000
  draws = jax.jit(model.train_apply)(params, jnp.tile(x, (n, 1)), keys(2, 3 * n))
  draws = np.asarray(draws).reshape(n, 3, 2)
  error = draws.std(axis=0) / np.sqrt(n)
  assert np.all(np.abs(draws.mean(axis=0) - model.apply(params, x)) < 4 * error)
  # Of one unit, the logit is either 0, or the logit without dropout over 1 - p.
  single = mlp(1, widths=(1,), dropout=0.4)
  params = single.init(jax.random.key(3), x[:1])
  one = jnp.ones((n, 4)) * jnp.sign(params['Dense_0']['kernel'].T)
  draws = np.asarray(jax.jit(single.train_apply)(params, one, keys(4, n)))[0, :, 0]
  full = single.apply(params, one[:1])[0, 0] / 0.6
  is_silent = draws == 0
  np.testing.assert_allclose(draws[~is_silent], full, rtol=1e-5)
  np.testing.assert_allclose(is_silent.mean(), 0.4, atol=4 * np.sqrt(0.24 / n))


def test_dropout_is_a_matter_of_each_example_and_its_key():
  model, params, x, keys = dropping(m=6)
  train = jax.jit(model.train_apply)
  here = np.asarray(train(params, x, keys(2)))
  assert here.shape == (1, 6, 2)
  np.testing.assert_array_equal(train(params, x, keys(2)), here)  # the same keys, the same draw
  assert np.mean(np.abs(train(params, x, keys(3)) - here) > 1e-4) > 0.8
  # Whatever else is in the batch, and wherever the example is in it.
  order = jnp.asarray([4, 1, 0])
  np.testing.assert_allclose(train(params, x[order], keys(2)[order]), here[:, order], rtol=1e-5)
  # Copies of one example differ as much as their keys.
  copies = np.asarray(train(params, jnp.tile(x[:1], (6, 1)), keys(2)))[0]
  assert len(np.unique(copies.round(5), axis=0)) > 3
  assert model.apply(params, x).shape == (6, 2)  # evaluation takes no key


def test_without_dropout_there_is_nothing_else_in_training():
  assert mlp(2).train_apply is None
  assert mlp(2, dropout=0.1).train_apply is not None


def test_initialization_and_dropout_out_of_range():
  message = r'^initialization must be one of signal, fan_in, xavier, not zeros'
  with pytest.raises(ValueError, match=message):
    mlp(10, initialization='zeros')
  for dropout in (-0.1, 1.0):
    with pytest.raises(ValueError, match=rf'^dropout must lie in \[0, 1\), not {dropout}'):
      mlp(10, dropout=dropout)
