"""Agreement with an independent tool: PyTorch's torch.func, on the same weights and examples."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from research.gradients import gradient_statistics
from research.instruments import coherence, stiffness
from research.losses import make_losses
from research.models import make_model

torch = pytest.importorskip('torch', reason='torch is not installed; pip install .[bench]')
pytestmark = pytest.mark.filterwarnings('ignore')  # of torch's own making

M = 12


def torch_mlp(p, x):
  h = torch.relu(x.flatten(1) @ p['Dense_0']['kernel'] + p['Dense_0']['bias'])
  h = torch.relu(h @ p['Dense_1']['kernel'] + p['Dense_1']['bias'])
  return h @ p['Dense_2']['kernel'] + p['Dense_2']['bias']


def torch_cnn(p, x):
  """NHWC and HWIO in, NCHW and OIHW inside; SAME padding of 3x3, of stride 1 on 9x9 and 2 on 9, 5."""
  h = x.permute(0, 3, 1, 2)
  for layer, stride in (('Conv_0', 1), ('Conv_1', 2), ('Conv_2', 2)):
    kernel = p[layer]['kernel'].permute(3, 2, 0, 1)
    h = torch.relu(torch.nn.functional.conv2d(h, kernel, p[layer]['bias'], stride, padding=1))
  return h.mean((2, 3)) @ p['Dense_0']['kernel'] + p['Dense_0']['bias']


MODELS = {
  'mlp': (make_model(10, name='mlp', widths=(16, 16)), torch_mlp),
  'cnn': (make_model(10, name='cnn', widths=(4, 6, 6)), torch_cnn),
}


@pytest.mark.parametrize('name', MODELS)
def test_agrees_with_per_example_gradients_of_torch(name):
  model, torch_apply = MODELS[name]
  generator = np.random.default_rng(0)
  x = generator.normal(size=(M, 9, 9, 2)).astype(np.float32)
  y = generator.integers(0, 10, M)
  params = jax.jit(model.init)(jax.random.key(0), x)
  params = jax.tree.map(lambda w: w + 0.01, params)  # biases away from zero
  batch = {'inputs': jnp.asarray(x), 'labels': jnp.asarray(y, jnp.int32)}
  stats = jax.jit(gradient_statistics(make_losses(model.apply), gram=True))(params, batch)

  weights = jax.tree.map(lambda w: torch.tensor(np.asarray(w)), params)

  def loss(p, one_x, one_y):
    logits = torch_apply(p, one_x[None])
    return torch.nn.functional.cross_entropy(logits, one_y[None])

  per_example = torch.func.vmap(torch.func.grad_and_value(loss), in_dims=(None, 0, 0))
  grads, losses = per_example(weights, torch.tensor(x), torch.tensor(y))
  leaves = {
    f'{layer}/{leaf}': g.reshape(M, -1).numpy().astype(np.float64)
    for layer, block in grads.items()
    for leaf, g in block.items()
  }
  flat = np.concatenate(list(leaves.values()), axis=1)
  np.testing.assert_allclose(stats.losses, losses.numpy(), rtol=1e-5)
  assert set(stats.sq_norms) == set(leaves)
  for leaf, g in leaves.items():
    np.testing.assert_allclose(stats.sq_norms[leaf], np.sum(g**2, axis=1), rtol=1e-4)
  np.testing.assert_allclose(stats.gram, flat @ flat.T, rtol=1e-4, atol=1e-5)

  alpha = np.sum(flat.mean(0) ** 2) / np.mean(np.sum(flat**2, axis=1))
  np.testing.assert_allclose(coherence().formula(stats, {})['coherence/alpha'], alpha, rtol=1e-4)
  cosines = flat @ flat.T / np.sqrt(np.outer(np.sum(flat**2, 1), np.sum(flat**2, 1)))
  off = cosines[~np.eye(M, dtype=bool)].mean()
  np.testing.assert_allclose(stiffness().formula(stats, {})['stiffness/cosine'], off, rtol=1e-3)
