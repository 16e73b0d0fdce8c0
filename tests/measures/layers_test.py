"""Which weights are layers, and norms of matrices and convolutions, against dense linear algebra."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from research import trees
from research.measures import Trained
from research.measures.layers import circular_norm, layers_of, natural, output_sizes, spectral_norm
from research.models import make_model

rng = np.random.default_rng(0)


def networks(name, shape=(4, 4, 2), n_classes=3, **kwargs):
  model = make_model(n_classes, name=name, **kwargs)
  inputs = jax.random.normal(jax.random.key(2), (6, *shape))
  first, last = (model.init(jax.random.key(k), inputs) for k in (0, 1))
  return Trained(model, first, last, inputs, jnp.arange(6) % n_classes, jax.random.key(3))


def test_layers_are_kernels_in_the_order_in_which_they_apply():
  trained = networks('mlp', widths=(2,) * 10)
  assert [layer.name for layer in layers_of(trained)] == [f'Dense_{i}' for i in range(11)]
  names = [
    layer.name for layer in layers_of(networks('cnn', widths=(2,), dense=(2,), shared=False))
  ]
  assert names == ['LocallyConnected_0', 'Dense_0', 'Dense_1']
  assert sorted(['b/10', 'b/9', 'a_1'], key=natural) == ['a_1', 'b/9', 'b/10']


def test_shared_and_local_convolutions_are_told_apart():
  for shared in (True, False):
    layer, dense = layers_of(networks('cnn', (3, 3, 2), widths=(4,), shared=shared))
    assert (layer.is_convolution, layer.is_local) == (shared, not shared)
    assert not dense.is_convolution
    assert not dense.is_local


def test_sizes_are_those_of_outputs():
  trained = networks('cnn', (6, 8, 2), widths=(2, 2))
  sizes = output_sizes(trained.model, trained.final, trained.inputs)
  assert sizes == {'Conv_0': (6, 8), 'Conv_1': (3, 4)}


@pytest.mark.parametrize('shape', [(5, 3), (3, 5), (2, 4, 4), (1, 1)])
@pytest.mark.parametrize('scale', [1e-20, 1.0, 1e20])
def test_spectral_norms_are_singular_values(shape, scale):
  matrices = rng.normal(size=shape) + 1j * rng.normal(size=shape)
  for found in (matrices, matrices.real):
    expected = scale * np.linalg.svd(found, compute_uv=False).max()
    assert spectral_norm(jnp.asarray(scale * found)) == pytest.approx(expected, rel=1e-5)


def test_spectral_norms_of_special_matrices():
  assert spectral_norm(jnp.eye(64)) == pytest.approx(1, rel=2e-5)
  assert spectral_norm(jnp.zeros((3, 4))) == 0
  assert spectral_norm(jnp.stack([jnp.eye(2), jnp.zeros((2, 2))])) == pytest.approx(1, rel=1e-5)
  assert np.isnan(spectral_norm(jnp.eye(3).at[0, 1].set(jnp.nan)))
  assert np.isnan(spectral_norm(jnp.eye(3).at[0, 1].set(jnp.inf)))


@pytest.mark.parametrize(('k', 'size'), [(3, (4, 5)), (3, (2, 2)), (1, (4, 4)), (2, (5, 3))])
def test_circular_norms_are_those_of_dense_matrices(k, size):
  kernel, (h, w) = rng.normal(size=(k, k, 2, 3)), size
  dense = np.zeros((h, w, 3, h, w, 2))
  for p in range(h):
    for q in range(w):
      for a in range(k):
        for b in range(k):
          dense[p, q, :, (p + a) % h, (q + b) % w] += kernel[a, b].T
  expected = np.linalg.norm(dense.reshape(h * w * 3, -1), 2)
  found = circular_norm(jnp.asarray(kernel, jnp.float32), size)
  assert found == pytest.approx(expected, rel=1e-5)
  bound = sum(np.linalg.norm(kernel[a, b], 2) for a in range(k) for b in range(k))
  assert found <= bound * (1 + 1e-5)
  if k == 1:
    assert found == pytest.approx(bound, rel=1e-5)


def test_bad_networks_are_named():
  trained = networks('mlp', widths=(2,))
  unnamed = {'w': trees.named_leaves(trained.final)['Dense_0/kernel']}
  with pytest.raises(ValueError, match="^final must have a matrix called 'kernel'"):
    layers_of(trained._replace(initial=unnamed, final=unnamed))
  with pytest.raises(ValueError, match='^initial must have the names and shapes'):
    layers_of(trained._replace(initial=unnamed))
