import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.gaussian_process import kernels as public

from research.theory import kernels

GENERATOR = np.random.default_rng(0)
X, Z = GENERATOR.normal(size=(5, 4)), GENERATOR.normal(size=(3, 4))


def test_public_kernels_agree():
  pairs = (
    (kernels.rbf(1.3), public.RBF(1.3)),
    *((kernels.matern(0.7, s), public.Matern(0.7, nu=s)) for s in (0.5, 1.5, 2.5)),
  )
  for ours, theirs in pairs:
    np.testing.assert_allclose(ours(X, Z), theirs(X, Z), rtol=1e-10)
  np.testing.assert_allclose(kernels.polynomial(3, 0.5)(X, Z), (X @ Z.T / 4 + 0.5) ** 3)


@pytest.mark.parametrize('activation', ['relu', 'erf'])
@pytest.mark.parametrize('bias_variance', [0.0, 0.3])
def test_kernels_of_wide_networks_are_those_of_sampled_ones(activation, bias_variance):
  phi = {'relu': jax.nn.relu, 'erf': jax.scipy.special.erf}[activation]
  width, depth, variance, n_networks = 256, 2, 1.7, 100

  def outputs(params, x):
    for weights, bias in params:
      x = phi(x) if x.shape[-1] == width else x
      x = jnp.sqrt(variance / x.shape[-1]) * x @ weights + jnp.sqrt(bias_variance) * bias[None]
    return x[:, 0]

  def products(key):
    sizes = [4, *[width] * depth, 1]
    shapes = [((a, b), (b,)) for a, b in itertools.pairwise(sizes)]
    leaves, tree = jax.tree.flatten(shapes, is_leaf=lambda s: isinstance(s[-1], int))
    keys = jax.random.split(key, len(leaves))
    params = jax.tree.unflatten(
      tree, [jax.random.normal(k, s) for k, s in zip(keys, leaves, strict=True)]
    )
    grads = jax.jacobian(outputs)(params, jnp.asarray(X, jnp.float32))
    flat = jnp.concatenate([g.reshape(len(X), -1) for g in jax.tree.leaves(grads)], 1)
    f = outputs(params, jnp.asarray(X, jnp.float32))
    return f[:, None] * f[None], flat @ flat.T

  keys = jax.random.split(jax.random.key(0), n_networks)
  covariance, tangents = (np.asarray(x) for x in jax.lax.map(jax.jit(products), keys))
  arguments = (depth, activation, variance, bias_variance)
  own = kernels.nngp(*arguments)(X, X)
  error = covariance.std(0) / np.sqrt(n_networks)
  assert (np.abs(covariance.mean(0) - own) < 4 * error + 0.02 * own.max()).all()
  own = kernels.ntk(*arguments)(X, X)
  np.testing.assert_allclose(tangents.mean(0), own, atol=0.03 * own.max())


def test_without_hidden_layers_both_are_linear():
  for kernel in (kernels.nngp, kernels.ntk):
    np.testing.assert_allclose(kernel(0, 'relu', 2.0, 0.1)(X, Z), 0.1 + 2 * X @ Z.T / 4)


def test_relu_kernels_are_homogeneous_and_defined_at_zero():
  for make in (kernels.nngp, kernels.ntk):
    kernel = make(3)
    np.testing.assert_allclose(kernel(7 * X, Z), 7 * kernel(X, Z), rtol=1e-10)
    assert np.isfinite(kernel(np.zeros((1, 4)), np.zeros((1, 4)))).all()


@pytest.mark.parametrize(
  'kernel',
  [kernels.rbf(1.0), kernels.matern(1.0), kernels.polynomial(2), kernels.nngp(), kernels.ntk()],
)
def test_every_kernel_is_a_covariance(kernel):
  matrix = kernel(X, X)
  np.testing.assert_allclose(matrix, matrix.T, rtol=1e-10)
  assert np.linalg.eigvalsh(matrix).min() > -1e-9
  np.testing.assert_allclose(kernel(X, Z), kernel(np.concatenate([X, Z]), Z)[:5], rtol=1e-10)


def test_large_samples_have_the_same_distances(monkeypatch):
  x = GENERATOR.normal(size=(300, 60)) + 3
  small = kernels.rbf(5.0)(x, x[:7])
  large = kernels.rbf(5.0)(np.tile(x, (200, 1)), x[:7])
  assert len(large) * 7 * 60 > 2**24
  np.testing.assert_allclose(large[:300], small, rtol=1e-9)


def test_median_distance():
  assert kernels.median_distance(np.array([[0.0], [1.0], [3.0]])) == 2
  for x in (np.zeros((4, 2)), np.zeros((1, 2))):
    with pytest.raises(ValueError, match='inputs must differ'):
      kernels.median_distance(x)


def test_bad_arguments_are_refused():
  for make, message in (
    (lambda: kernels.rbf(0.0), 'length must be positive'),
    (lambda: kernels.matern(1.0, 2.0), 'smoothness must be'),
    (lambda: kernels.polynomial(0), 'degree must be at least 1'),
    (lambda: kernels.nngp(-1), 'depth and bias_variance'),
    (lambda: kernels.ntk(1, 'tanh'), 'activation must be one of relu, erf'),  # pyright: ignore
    (lambda: kernels.ntk(1, 'relu', 0.0), 'weight_variance must be positive'),
  ):
    with pytest.raises(ValueError, match=message):
      make()
