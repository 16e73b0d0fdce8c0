import jax
import jax.numpy as jnp
import numpy as np
import pytest

from research import trees
from research.models import resnet

X = jax.random.normal(jax.random.key(0), (3, 8, 8, 3))


def capture(model, x):
  """The activations for normal kernels, unit scales and no biases; drawn by NumPy: faster."""
  rng = np.random.default_rng(1)
  draw = {
    'kernel': lambda shape: rng.normal(0, np.prod(shape[:-1]) ** -0.5, shape),
    'scale': np.ones,
    'bias': np.zeros,
  }
  params = jax.tree.map_with_path(
    lambda path, leaf: jnp.asarray(draw[path[-1].key](leaf.shape), jnp.float32),
    jax.eval_shape(model.init, jax.random.key(0), x),
  )
  return jax.jit(model.capture)(params, x)


def count(**kwargs):
  params = jax.eval_shape(resnet(10, **kwargs).init, jax.random.key(0), jnp.zeros((1, 32, 32, 3)))
  return trees.n_parameters(params)


@pytest.mark.parametrize('norm', ['group', 'layer', 'batch'])
def test_parameter_count(norm):
  # depth 10: one block a stage. 3x3 convolutions, in sixteens of channels (9 * 16 * 16 = 2304 for
  # 1 -> 1): stage 1: 1*1 + 1*1; stage 2: 1*2 + 2*2; stage 3: 2*4 + 4*4; in all 32 * 2304 = 73728.
  # Stem 9*3*16 = 432. Projections 16*32 + 32*64 = 2560. Norms, scale and bias: in front of each
  # convolution of a block, 16 + 16 + 16 + 32 + 32 + 64, and the last, 64: 2 * 240 = 480.
  # Output 64*10 + 10 = 650.
  assert count(depth=10, norm=norm) == 73728 + 432 + 2560 + 480 + 650


@pytest.mark.parametrize(('depth', 'width', 'millions'), [(16, 8, 11.0), (40, 4, 8.9)])
def test_parameter_counts_of_the_paper(depth, width, millions):  # WideResNet, Table 5
  assert round(count(depth=depth, width=width) / 1e6, 1) == millions


def test_three_stages_of_n_blocks():
  model = resnet(10, depth=16, width=2)
  params = jax.eval_shape(model.init, jax.random.key(0), X)
  activations = jax.eval_shape(model.capture, params, X)
  blocks = [activations[f'Block_{block}'].shape[1:] for block in range(6)]
  assert blocks == [(8, 8, 32)] * 2 + [(4, 4, 64)] * 2 + [(2, 2, 128)] * 2
  assert 'Block_6' not in activations


@pytest.mark.parametrize(
  ('norm', 'layer', 'axes', 'finer'),
  [
    ('group', 'GroupNorm_0', (1, 2, 5, 6), (1, 2, 6)),
    ('layer', 'GroupNorm_0', (1, 2, 3, 4, 5, 6), (1, 2, 4, 5, 6)),
    ('batch', 'BatchNorm_0', (0, 1, 2), (1, 2)),
  ],
)
def test_norms_give_mean_zero_and_variance_one_over_their_axes_and_no_fewer(
  norm, layer, axes, finer
):
  x = 100 * X  # so that the epsilon in the denominators is nothing
  y = capture(resnet(10, depth=10, norm=norm, groups=4), x)[f'Block_1/{layer}']
  y = np.asarray(y).reshape(3, 8, 8, 2, 2, 2, 2)  # 16 channels: half, quarter (a group), ...
  np.testing.assert_allclose(y.mean(axes), 0, atol=1e-5)
  np.testing.assert_allclose(y.var(axes), 1, rtol=1e-4)
  assert np.abs(y.mean(finer)).max() > 0.01


def test_a_block_is_the_identity_plus_what_its_last_convolution_says():
  model = resnet(10, depth=16)
  activations = capture(model, X)
  change = activations['Block_1'] - activations['Block_0']
  np.testing.assert_allclose(change, activations['Block_1/Conv_1'], atol=1e-5)


@pytest.mark.parametrize('depth', [4, 15, 18, -2])
def test_depth_must_be_6n_plus_4(depth):
  with pytest.raises(ValueError, match=rf'^depth must be 6 n \+ 4 .*, not {depth}$'):
    resnet(10, depth=depth)


def test_out_of_range():
  with pytest.raises(ValueError, match=r'^width must be positive, not 0$'):
    resnet(10, width=0)
  with pytest.raises(
    ValueError, match=r'^groups must divide the 16 channels of the stem, not be 5$'
  ):
    resnet(10, groups=5)
  with pytest.raises(ValueError, match=r'^groups must be positive, not 0$'):
    resnet(10, groups=0)
  with pytest.raises(ValueError, match=r'^norm must be one of group, layer, batch, not none$'):
    resnet(10, norm='none')
  with pytest.raises(ValueError, match=r'^convolution must be one of auto, lax, patches, not fft$'):
    resnet(10, convolution='fft')
