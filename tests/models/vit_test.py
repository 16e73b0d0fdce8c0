import jax
import jax.numpy as jnp
import numpy as np
import pytest

from research import trees
from research.models import vit
from research.models.vit import Attention, split_into_patches

SMALL = dict(patch=2, width=8, depth=1, heads=2)
X = jax.random.normal(jax.random.key(0), (2, 4, 6, 1))  # 2 x 3 = 6 tokens


@pytest.fixture(scope='module', params=[False, True], ids=['encoder', 'decoder'])
def compiled(request):
  """(is it causal, parameters, capture)."""
  model = vit(10, causal=request.param, **SMALL)
  return request.param, model.init(jax.random.key(1), X), jax.jit(model.capture)


@pytest.mark.parametrize('causal', [False, True])
def test_parameter_count(causal):
  # width 64, patches 4 * 4 * 3 = 48, 8 * 8 = 64 tokens of a 32x32 image.
  # Embedding 48*64 + 64 = 3136; positions 64*64 = 4096. A block: norms 2 * 128 = 256, q k v
  # 64*192 + 192 = 12480, projection 64*64 + 64 = 4160, MLP 64*256 + 256 + 256*64 + 64 = 33088: 49984.
  # The last norm 128, output 64*10 + 10 = 650.
  x = jnp.zeros((2, 32, 32, 3))
  params = jax.eval_shape(vit(10, causal=causal).init, jax.random.key(0), x)
  assert trees.n_parameters(params) == 3136 + 4096 + 4 * 49984 + 128 + 650


def test_patches_are_read_row_by_row():
  image = jnp.arange(16).reshape(1, 4, 4, 1)
  tokens = [[0, 1, 4, 5], [2, 3, 6, 7], [8, 9, 12, 13], [10, 11, 14, 15]]
  np.testing.assert_array_equal(split_into_patches(image, 2)[0], tokens)


@pytest.mark.parametrize('causal', [False, True])
def test_attention_is_what_its_equation_says(causal):
  x = jax.random.normal(jax.random.key(0), (2, 5, 6))
  attention = Attention(heads=3, causal=causal)
  variables = attention.init(jax.random.key(1), x)
  kernels = {name: np.asarray(layer['kernel']) for name, layer in variables['params'].items()}
  expected = np.zeros((2, 5, 6))
  for b in range(2):
    q, k, v = np.split(np.asarray(x[b]) @ kernels['Dense_0'], 3, axis=1)  # [T, width]
    for head in range(3):
      d = slice(2 * head, 2 * head + 2)
      for t in range(5):
        seen = t + 1 if causal else 5
        weights = np.exp(k[:seen, d] @ q[t, d] / np.sqrt(2))
        expected[b, t, d] = weights / weights.sum() @ v[:seen, d]
  output = attention.apply(variables, x)
  np.testing.assert_allclose(output, expected @ kernels['Dense_1'], rtol=1e-4, atol=1e-5)


def test_only_the_decoder_is_blind_to_later_patches(compiled):
  causal, params, capture = compiled
  later = X.at[:, 2:4, 2:4].add(1.0)  # token 4 of 0, ..., 5
  change = np.abs(capture(params, later)['Block_0'] - capture(params, X)['Block_0'])
  np.testing.assert_array_equal(change.max(axis=(0, 2)) > 0, [not causal] * 4 + [True] * 2)


def test_the_class_is_read_off_the_mean_or_the_last_token(compiled):
  causal, params, capture = compiled
  activations = capture(params, X)
  tokens = np.asarray(activations['LayerNorm_0'])  # [B, T, width]
  feature = tokens[:, -1] if causal else tokens.mean(axis=1)
  expected = feature @ np.asarray(params['Dense_1']['kernel'])
  np.testing.assert_allclose(activations['logits'], expected, rtol=1e-4, atol=1e-6)


def test_the_encoder_knows_the_order_of_its_tokens_by_their_positions_alone(compiled):
  causal, params, capture = compiled
  swapped = jnp.concatenate([X[:, 2:], X[:, :2]], axis=1)

  def difference(params):
    return np.abs(capture(params, swapped)['logits'] - capture(params, X)['logits']).max()

  assert difference(params) > 1e-4
  blind = dict(params, positions=jnp.zeros_like(params['positions']))
  assert (difference(blind) > 1e-4) == causal  # the decoder knows it by its mask too


def test_out_of_range():
  for name in ('patch', 'width', 'depth', 'heads'):
    with pytest.raises(ValueError, match=rf'^{name} must be positive, not 0$'):
      vit(10, **{name: 0})
  with pytest.raises(ValueError, match=r'^heads must divide width: 3 does not divide 64$'):
    vit(10, heads=3)


@pytest.mark.parametrize('size', [(6, 8), (8, 6)])
def test_patch_must_divide_the_image(size):
  H, W = size
  with pytest.raises(ValueError, match=rf'^patch must divide the image: 4 does not divide {H}x{W}'):
    vit(10, patch=4).init(jax.random.key(0), jnp.zeros((1, H, W, 1)))
