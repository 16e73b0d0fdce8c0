"""Agreement with Opacus, on the same weights and examples: its grad samples and its ghost norms."""

import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from research.gradients import gradient_statistics
from research.losses import cross_entropy, make_losses
from research.models import make_model

torch = pytest.importorskip('torch', reason='torch is not installed; pip install .[bench]')
with warnings.catch_warnings():
  warnings.simplefilter('ignore')
  opacus = pytest.importorskip(
    'opacus.grad_sample', reason='Opacus is not installed; pip install .[bench]'
  )
pytestmark = pytest.mark.filterwarnings('ignore')  # of torch's own making

M, D, HEADS, T, VOCABULARY = 12, 8, 2, 6, 11
nn = torch.nn


def linear(weights):
  kernel, bias = weights['kernel'], weights.get('bias')
  layer = nn.Linear(*kernel.shape, bias=bias is not None)
  return filled(layer, kernel.T, bias)


def convolution(weights, stride):
  """HWIO in, OIHW inside. SAME padding of 3x3 is 1 on each side where sizes are odd."""
  kernel, bias = weights['kernel'], weights.get('bias')
  size, _, n_in, n_out = kernel.shape
  layer = nn.Conv2d(n_in, n_out, size, stride, padding=size // 2, bias=bias is not None)
  return filled(layer, kernel.transpose(3, 2, 0, 1), bias)


def filled(layer, weight, bias):
  layer.weight.data = torch.tensor(np.ascontiguousarray(weight))
  if bias is not None:
    layer.bias.data = torch.tensor(np.asarray(bias))
  return layer


class Mean(nn.Module):
  def forward(self, x):
    return x.mean((2, 3))


def torch_mlp(params):
  """The layers of a network, in order, by the names of their parameters."""
  first, second, last = (linear(params[f'Dense_{i}']) for i in range(3))
  names = {'Dense_0': first, 'Dense_1': second, 'Dense_2': last}
  return nn.Sequential(nn.Flatten(), first, nn.ReLU(), second, nn.ReLU(), last), names


def torch_cnn(params):
  names = {f'Conv_{i}': convolution(params[f'Conv_{i}'], 2 if i else 1) for i in range(3)}
  layers = [layer for conv in names.values() for layer in (conv, nn.ReLU())]
  names['Dense_0'] = linear(params['Dense_0'])
  return nn.Sequential(*layers, Mean(), names['Dense_0']), names


class TorchBlock(nn.Module):
  """A pre-activation block of GroupNorms, with a shortcut where the shape changes."""

  def __init__(self, params, n_in, stride):
    super().__init__()
    convs = [params[f'Conv_{i}'] for i in range(len(params) - 2)]
    strides = [stride] * (len(convs) - 1) + [1]
    self.convs = nn.ModuleList(map(convolution, convs, strides))
    norms = params['GroupNorm_0'], params['GroupNorm_1']
    self.norms = nn.ModuleList(map(group_norm, norms))

  def forward(self, x):
    *shortcut, first, second = self.convs
    y = torch.relu(self.norms[0](x))
    x = shortcut[0](y) if shortcut else x
    return x + second(torch.relu(self.norms[1](first(y))))

  def names(self):
    convs = {f'Conv_{i}': layer for i, layer in enumerate(self.convs)}
    return convs | {f'GroupNorm_{i}': layer for i, layer in enumerate(self.norms)}


def group_norm(weights, groups=4):
  layer = nn.GroupNorm(groups, len(weights['scale']), eps=1e-6)
  return filled(layer, weights['scale'], weights['bias'])


def torch_resnet(params):
  names = {'Conv_0': convolution(params['Conv_0'], 1)}
  blocks, n_in = [], 16
  for i in range(3):
    block = TorchBlock(params[f'Block_{i}'], n_in, 2 if i else 1)
    names |= {f'Block_{i}/{name}': layer for name, layer in block.names().items()}
    blocks.append(block)
  norm, head = group_norm(params['GroupNorm_0']), linear(params['Dense_0'])
  names |= {'GroupNorm_0': norm, 'Dense_0': head}
  return nn.Sequential(names['Conv_0'], *blocks, norm, nn.ReLU(), Mean(), head), names


def decoder_params(generator):
  def matrix(*shape):
    return generator.normal(size=shape).astype(np.float32) / shape[0] ** 0.5

  layers = {name: {'kernel': matrix(D, D), 'bias': matrix(D)} for name in ('q', 'k', 'v', 'out')}
  layers |= {'up': {'kernel': matrix(D, 2 * D), 'bias': matrix(2 * D)}}
  layers |= {'down': {'kernel': matrix(2 * D, D), 'bias': matrix(D)}}
  layers |= {'norm': {'scale': 1 + matrix(D), 'bias': matrix(D)}}
  layers |= {'logits': {'kernel': matrix(D, VOCABULARY)}}
  return layers | {'tokens': {'embedding': matrix(VOCABULARY, D)}}


def decoder(p, tokens):
  """One block of causal attention and one of an MLP, in plain JAX."""

  def row(vector):
    return vector.reshape(1, 1, -1)

  def dense(name, x):
    y = x @ p[name]['kernel']
    return y + row(p[name]['bias']) if 'bias' in p[name] else y

  def heads(x):
    return x.reshape(*x.shape[:-1], HEADS, D // HEADS)

  x = p['tokens']['embedding'][tokens]
  h = jax.nn.standardize(x, axis=-1, epsilon=1e-5)
  h = h * row(p['norm']['scale']) + row(p['norm']['bias'])
  q, k, v = (heads(dense(name, h)) for name in 'qkv')
  scores = jnp.einsum('bqhd,bkhd->bhqk', q, k) / (D // HEADS) ** 0.5
  scores = jnp.where(jnp.tril(jnp.ones((1, 1, T, T), bool)), scores, -jnp.inf)
  attended = jnp.einsum('bhqk,bkhd->bqhd', jax.nn.softmax(scores), v)
  x += dense('out', attended.reshape(x.shape))
  return dense('logits', x + dense('down', jax.nn.gelu(dense('up', x))))


class TorchDecoder(nn.Module):
  def __init__(self, params):
    super().__init__()
    self.layers = nn.ModuleDict({k: linear(w) for k, w in params.items() if 'kernel' in w})
    self.layers['norm'] = filled(nn.LayerNorm(D), params['norm']['scale'], params['norm']['bias'])
    embedding = params['tokens']['embedding']
    self.layers['tokens'] = filled(nn.Embedding(*embedding.shape), embedding, None)

  def forward(self, tokens):
    layers = self.layers
    x = layers['tokens'](tokens)
    h = layers['norm'](x)
    q, k, v = (layers[name](h).unflatten(-1, (HEADS, -1)).transpose(1, 2) for name in 'qkv')
    attended = nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
    x = x + layers['out'](attended.transpose(1, 2).flatten(2))
    hidden = nn.functional.gelu(layers['up'](x), approximate='tanh')
    return layers['logits'](x + layers['down'](hidden))


def torch_decoder(params):
  network = TorchDecoder(params)
  return network, dict(network.layers)


IMAGES = {
  'mlp': (dict(name='mlp', widths=(16, 16)), torch_mlp),
  'cnn': (dict(name='cnn', widths=(4, 6, 6)), torch_cnn),
  'resnet': (dict(name='resnet', depth=10, groups=4), torch_resnet),
}
MODELS = (*IMAGES, 'decoder')


def make(name):
  """Parameters as numpy arrays, a batch, the losses function, and the same network in torch."""
  generator = np.random.default_rng(0)
  if name == 'decoder':
    tokens = generator.integers(0, VOCABULARY, (M, T + 1), dtype=np.int32)
    params, make_torch = decoder_params(generator), torch_decoder
    batch = {'inputs': tokens[:, :-1], 'labels': tokens[:, 1:]}

    def losses(params, batch):
      return cross_entropy(decoder(params, batch['inputs']), batch['labels']).mean(1)

    return params, batch, losses, make_torch(params)
  config, make_torch = IMAGES[name]
  x = generator.normal(size=(M, 9, 9, 2)).astype(np.float32)
  batch = {'inputs': x, 'labels': generator.integers(0, 10, M, dtype=np.int32)}
  model = make_model(10, **config)
  params = jax.jit(model.init)(jax.random.key(0), x)
  params = jax.tree.map(lambda w: np.asarray(w) + 0.01, params)  # biases away from zero
  return params, batch, make_losses(model.apply), make_torch(params)


def backward(network, batch, name):
  """One backward pass of the mean loss."""
  x = batch['inputs']
  images = name in ('cnn', 'resnet')
  x = torch.tensor(np.ascontiguousarray(x.transpose(0, 3, 1, 2) if images else x))
  labels = torch.tensor(batch['labels']).long()
  logits = network(x if x.is_floating_point() else x.long())
  loss = nn.functional.cross_entropy(logits.flatten(0, -2), labels.flatten())
  loss.backward()
  return float(loss.detach())


def norms_of(layers, norm):
  """{leaf path: [M]}: of each parameter of each layer."""
  leaves = {}
  for name, layer in layers.items():
    kind = {'Embedding': 'embedding', 'LayerNorm': 'scale', 'GroupNorm': 'scale'}
    leaves[f'{name}/{kind.get(type(layer).__name__, "kernel")}'] = norm(layer.weight)
    if getattr(layer, 'bias', None) is not None:
      leaves[f'{name}/bias'] = norm(layer.bias)
  return {name: value.detach().numpy().astype(np.float64) for name, value in leaves.items()}


def assert_same_norms(stats, sq_norms):
  assert set(stats.sq_norms) == set(sq_norms)
  noise = 1e-10 * float(stats.total_sq_norms.max())  # biases of keys have no gradient at all
  for leaf, expected in sq_norms.items():
    np.testing.assert_allclose(stats.sq_norms[leaf], expected, rtol=1e-4, atol=noise, err_msg=leaf)


@pytest.mark.parametrize('name', MODELS)
def test_agrees_with_grad_samples_of_opacus(name):
  params, batch, losses, (network, layers) = make(name)
  stats = jax.jit(gradient_statistics(losses))(params, batch)
  wrapped = opacus.GradSampleModule(network)
  mean_loss = backward(wrapped, batch, name)

  np.testing.assert_allclose(np.mean(stats.losses), mean_loss, rtol=1e-5)
  assert_same_norms(stats, norms_of(layers, lambda p: p.grad_sample.flatten(1).square().sum(1)))


@pytest.mark.parametrize('name', MODELS)
def test_gram_agrees_with_grad_samples_of_opacus(name):
  params, batch, losses, (network, _) = make(name)
  stats = jax.jit(gradient_statistics(losses, gram=True))(params, batch)
  backward(opacus.GradSampleModule(network), batch, name)

  samples = [p.grad_sample.flatten(1).numpy() for p in network.parameters()]
  flat = np.concatenate(samples, axis=1).astype(np.float64)
  expected = flat @ flat.T
  np.testing.assert_allclose(stats.gram, expected, rtol=1e-4, atol=1e-5 * expected.max())


@pytest.mark.parametrize('name', MODELS)
def test_agrees_with_ghost_norms_of_opacus(name):
  params, batch, losses, (network, layers) = make(name)
  stats = jax.jit(gradient_statistics(losses))(params, batch)
  backward(opacus.GradSampleModuleFastGradientClipping(network), batch, name)

  assert_same_norms(stats, norms_of(layers, lambda p: p._norm_sample.square()))
