"""Agreement with BackPACK, on the same weights and examples: BatchL2Grad and BatchGrad."""

import warnings

import jax
import numpy as np
import pytest

from research.gradients import gradient_statistics
from research.losses import make_losses
from research.models import make_model

torch = pytest.importorskip('torch', reason='torch is not installed; pip install .[bench]')
with warnings.catch_warnings():
  warnings.simplefilter('ignore')
  backpack = pytest.importorskip(
    'backpack', reason='BackPACK is not installed; pip install .[bench]'
  )
  extensions = pytest.importorskip('backpack.extensions')
pytestmark = pytest.mark.filterwarnings('ignore')  # of torch's own making

M = 12
nn = torch.nn


class Mean(nn.Module):
  def forward(self, x):
    return x.mean((2, 3))


def linear(n_in, n_out):
  return nn.Linear(n_in, n_out)


def convolution(n_in, n_out, stride):
  """SAME padding of 3x3 is 1 on each side where sizes are odd."""
  return nn.Conv2d(n_in, n_out, 3, stride, padding=1)


def torch_mlp():
  """A network, and its layers by their names in JAX."""
  layers = [linear(9 * 9 * 2, 16), linear(16, 16), linear(16, 10)]
  names = {f'Dense_{i}': layer for i, layer in enumerate(layers)}
  first, second, last = layers
  return nn.Sequential(nn.Flatten(), first, nn.ReLU(), second, nn.ReLU(), last), names


def torch_cnn():
  convs = [convolution(2, 4, 1), convolution(4, 6, 2), convolution(6, 6, 2)]
  names = {f'Conv_{i}': layer for i, layer in enumerate(convs)} | {'Dense_0': linear(6, 10)}
  hidden = [layer for conv in convs for layer in (conv, nn.ReLU())]
  return nn.Sequential(*hidden, Mean(), names['Dense_0']), names


MODELS = {
  'mlp': (dict(name='mlp', widths=(16, 16)), torch_mlp),
  'cnn': (dict(name='cnn', widths=(4, 6, 6)), torch_cnn),
}


def measure(name, extension):
  """The engine's statistics, and BackPACK's layers after a backward pass of the mean loss."""
  config, make_torch = MODELS[name]
  generator = np.random.default_rng(0)
  x = generator.normal(size=(M, 9, 9, 2)).astype(np.float32)
  labels = generator.integers(0, 10, M, dtype=np.int32)
  model = make_model(10, **config)
  params = jax.jit(model.init)(jax.random.key(0), x)
  params = jax.tree.map(lambda w: np.asarray(w) + 0.01, params)  # biases away from zero
  statistics = gradient_statistics(make_losses(model.apply), gram=True)
  stats = jax.jit(statistics)(params, {'inputs': x, 'labels': labels})

  network, layers = make_torch()
  for layer_name, layer in layers.items():
    kernel = params[layer_name]['kernel']
    kernel = kernel.T if kernel.ndim == 2 else kernel.transpose(3, 2, 0, 1)
    layer.weight.data = torch.tensor(np.ascontiguousarray(kernel))
    layer.bias.data = torch.tensor(params[layer_name]['bias'])
  network, loss = backpack.extend(network), backpack.extend(nn.CrossEntropyLoss())
  images = x.transpose(0, 3, 1, 2) if name == 'cnn' else x
  with backpack.backpack(extension):
    value = loss(network(torch.tensor(np.ascontiguousarray(images))), torch.tensor(labels).long())
    value.backward()
  np.testing.assert_allclose(np.mean(stats.losses), float(value.detach()), rtol=1e-5)
  leaves = {f'{name}/kernel': layer.weight for name, layer in layers.items()}
  return stats, leaves | {f'{name}/bias': layer.bias for name, layer in layers.items()}


@pytest.mark.parametrize('name', MODELS)
def test_agrees_with_batch_l2_of_backpack(name):
  stats, leaves = measure(name, extensions.BatchL2Grad())
  assert set(stats.sq_norms) == set(leaves)
  for leaf, p in leaves.items():
    expected = M**2 * p.batch_l2.numpy()  # its gradients are those of the mean: over M
    np.testing.assert_allclose(stats.sq_norms[leaf], expected, rtol=1e-4, err_msg=leaf)


@pytest.mark.parametrize('name', MODELS)
def test_agrees_with_batch_grad_of_backpack(name):
  stats, leaves = measure(name, extensions.BatchGrad())
  rows = {leaf: M * p.grad_batch.flatten(1).numpy() for leaf, p in leaves.items()}
  for leaf, g in rows.items():
    np.testing.assert_allclose(
      stats.sq_norms[leaf], np.sum(g.astype(np.float64) ** 2, axis=1), rtol=1e-4, err_msg=leaf
    )
  flat = np.concatenate(list(rows.values()), axis=1).astype(np.float64)
  expected = flat @ flat.T
  np.testing.assert_allclose(stats.gram, expected, rtol=1e-4, atol=1e-5 * expected.max())
