"""Every statistic of whole networks, and which of their leaves are copied to each example."""

import re

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from reference import errors, errors_of_all, gradients_in_float64

from research.gradients import gradient_statistics
from research.gradients.plan import make_plan
from research.losses import make_losses
from research.models import make_model

M = 7  # examples


def draw(seed=0, scale=0.5, **shapes):
  """A tree of normal numbers, of the given shapes."""
  generator = np.random.default_rng(seed)
  is_shape = lambda x: isinstance(x, tuple)  # noqa: E731
  normal = lambda shape: scale * generator.normal(size=shape).astype(np.float32)  # noqa: E731
  return jax.tree.map(lambda shape: jnp.asarray(normal(shape)), shapes, is_leaf=is_shape)


def integers(n, *shape):
  return jnp.asarray(np.random.default_rng(1).integers(0, n, shape), jnp.int32)


def cross_entropy(logits, labels):
  return -jnp.sum(jax.nn.log_softmax(logits) * jax.nn.one_hot(labels, logits.shape[-1]), axis=-1)


def standardized(x):
  return (x - x.mean(-1, keepdims=True)) / jnp.sqrt(x.var(-1, keepdims=True) + 1e-3)


def of_the_house(shape, **settings):
  """A model of `research.models`, parameters drawn anew so that no bias is zero."""
  model = make_model(3, **settings)
  batch = draw(1, 1.0, inputs=(M, *shape)) | {'labels': integers(3, M)}
  shapes = jax.eval_shape(model.init, jax.random.key(0), batch['inputs'])
  params = draw(scale=0.3, **jax.tree.map(lambda x: x.shape, shapes))
  return make_losses(model.apply), params, batch


def decoder(layers):
  """A decoder-only transformer: tied embeddings, rotated queries, layers stacked."""
  L, T, D, V = 2, 5, 6, 11
  stack = {
    'qkv': (L, D, 3, 2, 3),
    'out': (L, 2, 3, D),
    'up': (L, D, 8),
    'down': (L, 8, D),
    'scale': (L, D),
  }
  params = draw(embedding=(V, D), positions=(T, D), stack=stack)
  mask = np.tril(np.ones((T, T), bool))[None]

  def layer(h, p):
    q, k, v = jnp.einsum('td,dnhk->nhtk', standardized(h) * p['scale'][None], p['qkv'])
    attention = jax.nn.softmax(jnp.where(mask, jnp.einsum('htk,hsk->hts', q, k), -jnp.inf))
    h = h + jnp.einsum('hts,hsk,hkd->td', attention, v, p['out'])
    return h + jax.nn.gelu(standardized(h) @ p['up']) @ p['down'], None

  def loss(params, tokens):
    h = params['embedding'][tokens] + params['positions']
    if layers == 'unrolled':
      for i in range(L):
        h, _ = layer(h, jax.tree.map(lambda x, i=i: x[i], params['stack']))
    else:
      h, _ = lax.scan(jax.checkpoint(layer) if layers == 'remat' else layer, h, params['stack'])
    return cross_entropy((standardized(h) @ params['embedding'].T)[:-1], tokens[1:]).mean()

  return jax.vmap(loss, (None, 0)), params, integers(V, M, T)


def rnn():
  params = draw(inputs=(3, 5), hidden=(5, 5), bias=(5,), start=(5,), out=(5, 2))

  def loss(params, x):
    def step(h, x):
      h = jnp.tanh(x @ params['inputs'] + h @ params['hidden'] + params['bias'])
      return h, h

    _, states = lax.scan(step, params['start'], x)
    return jnp.sum(jnp.square(states @ params['out'] - 1))

  return jax.vmap(loss, (None, 0)), params, draw(1, x=(M, 6, 3))['x']


def lstm():
  batch = draw(1, x=(M, 5, 4))['x']

  def losses(params, x):
    module = nn.RNN(nn.OptimizedLSTMCell(3, param_dtype=x.dtype))
    return jnp.sum(jnp.square(module.apply(params, x)), axis=(1, 2))

  module = nn.RNN(nn.OptimizedLSTMCell(3))
  shapes = jax.eval_shape(module.init, jax.random.key(0), batch)
  return losses, draw(**jax.tree.map(lambda x: x.shape, shapes)), batch


def recurrent_layers():
  """Layers of recurrences: a scan over time inside of a scan over layers."""
  params = draw(stack={'inputs': (2, 4, 4), 'hidden': (2, 4, 4)}, shared=(4, 4))

  def loss(params, x):
    def layer(sequence, p):
      def step(h, x):
        h = jnp.tanh(x @ p['inputs'] + h @ p['hidden'] + x @ params['shared'])
        return h, h

      return lax.scan(step, jnp.zeros(4, x.dtype), sequence, reverse=True)[1], None

    return jnp.sum(jnp.square(lax.scan(layer, x, params['stack'])[0]))

  return jax.vmap(loss, (None, 0)), params, draw(1, x=(M, 5, 4))['x']


def experts():
  """A mixture of experts: each token goes through all, weighted."""
  params = draw(router=(5, 3), up=(3, 5, 4), down=(3, 4, 5))

  def loss(params, x):
    weights = jax.nn.softmax(x @ params['router'])
    hidden = jax.nn.gelu(jnp.einsum('td,edf->etf', x, params['up']))
    out = jnp.einsum('etf,efd->etd', hidden, params['down'])
    return jnp.sum(jnp.square(jnp.einsum('te,etd->td', weights, out)))

  return jax.vmap(loss, (None, 0)), params, draw(1, x=(M, 4, 5))['x']


def lora(merged):
  params = draw(frozen=(5, 6), a=(5, 2), b=(2, 6), out=(6, 3))

  def losses(params, x):
    w, a, b = lax.stop_gradient(params['frozen']), params['a'], params['b']
    h = x @ (w + 2.0 * a @ b) if merged else x @ w + 2.0 * (x @ a) @ b
    return jnp.sum(jnp.square(jnp.tanh(h) @ params['out']), axis=1)

  return losses, params, draw(1, 1.0, x=(M, 5))['x']


def ntk():
  params = draw(layers=[{'kernel': (5, 8), 'bias': (8,)}, {'kernel': (8, 8), 'bias': (8,)}])
  params['out'] = draw(2, out=(8, 2))['out']

  def losses(params, x):
    for layer in params['layers']:
      kernel = layer['kernel'] / layer['kernel'].shape[0] ** 0.5
      x = jax.nn.gelu(x @ kernel + 0.1 * layer['bias'][None])
    return jnp.sum(jnp.square(x @ params['out'] * 8**-0.5), axis=1)

  return losses, params, draw(1, 1.0, x=(M, 5))['x']


def dropout():
  params = draw(hidden=(5, 6), out=(6, 3))
  keys = jax.vmap(jax.random.key_data)(jax.random.split(jax.random.key(0), M))
  batch = {'x': draw(1, 1.0, x=(M, 5))['x'], 'key': keys}

  def loss(params, example):
    h = jnp.tanh(example['x'] @ params['hidden'])
    key = jax.random.wrap_key_data(example['key'])
    kept = jax.random.bernoulli(key, jnp.float32(0.5), h.shape)
    return jnp.sum(jnp.square((h * kept) @ params['out']))

  return jax.vmap(loss, (None, 0)), params, batch


def nnx():
  flax_nnx = pytest.importorskip('flax.nnx', reason='flax without nnx')

  class Net(flax_nnx.Module):
    def __init__(self, rngs):
      self.conv = flax_nnx.Conv(2, 4, (3, 3), rngs=rngs)
      self.norm = flax_nnx.GroupNorm(4, 2, rngs=rngs)
      self.out = flax_nnx.Linear(4, 3, rngs=rngs)

    def __call__(self, x):
      return self.out(jax.nn.relu(self.norm(self.conv(x))).mean((1, 2)))

  graph, state = flax_nnx.split(Net(flax_nnx.Rngs(0)))
  shapes = jax.tree.map(lambda x: x.shape, flax_nnx.to_pure_dict(state))

  def losses(params, batch):
    return cross_entropy(flax_nnx.merge(graph, params)(batch['x']), batch['labels'])

  batch = draw(1, 1.0, x=(M, 5, 5, 2)) | {'labels': integers(3, M)}
  return losses, draw(**shapes), batch


BIASES = r'.*(bias|scale)'
MODELS = {  # name: () -> (losses, params, batch), and which leaves are copied
  'MLP': (lambda: of_the_house((3, 2), name='mlp', widths=(5, 4)), BIASES),
  'MLP of one unit': (lambda: of_the_house((1,), name='mlp', widths=(1, 2)), BIASES),
  'CNN': (lambda: of_the_house((6, 5, 2), name='cnn', widths=(3, 4), convolution='lax'), BIASES),
  'CNN by patches': (
    lambda: of_the_house((6, 5, 2), name='cnn', widths=(3, 4), convolution='patches'),
    BIASES,
  ),
  'ResNet-GroupNorm': (
    lambda: of_the_house((8, 8, 1), name='resnet', depth=10, groups=8, convolution='lax'),
    BIASES,
  ),
  'ViT': (
    lambda: of_the_house((4, 4, 1), name='vit', patch=2, width=4, depth=2, heads=2),
    r'.*(bias|scale|positions)',
  ),
  'causal ViT': (
    lambda: of_the_house((4, 4, 1), name='vit', patch=2, width=4, depth=1, heads=2, causal=True),
    r'.*(bias|scale|positions)',
  ),
  'decoder, scan over layers': (lambda: decoder('scan'), 'positions|stack/scale'),
  'decoder, scan and remat': (lambda: decoder('remat'), 'positions|stack/scale'),
  'decoder, unrolled': (lambda: decoder('unrolled'), 'positions|stack/scale'),
  'RNN': (rnn, 'bias|start'),
  'LSTM': (lstm, '.*'),
  'layers of recurrences': (recurrent_layers, 'none'),
  'mixture of experts': (experts, 'none'),
  'LoRA': (lambda: lora(merged=False), 'none'),
  'LoRA, merged': (lambda: lora(merged=True), 'a|b'),
  'NTK parametrization': (ntk, BIASES),
  'dropout': (dropout, 'none'),
  'NNX': (nnx, BIASES),
}


SLOW = ('ResNet-GroupNorm', 'causal ViT', 'decoder, scan and remat', 'decoder, unrolled')


@pytest.mark.parametrize(
  'name', [pytest.param(it, marks=pytest.mark.slow) if it in SLOW else it for it in MODELS]
)
def test_agrees_with_float64(name):
  losses, params, both = MODELS[name][0]()
  found = errors_of_all(losses, params, both)
  assert {statistic: error for statistic, error in found.items() if not error <= 1e-5} == {}


@pytest.mark.parametrize('name', MODELS)
def test_only_these_leaves_are_copied(name):
  (losses, params, batch), copied = MODELS[name][0](), MODELS[name][1]
  plan = make_plan(losses, params, batch)
  expected = [leaf for leaf in plan.names if re.fullmatch(copied, leaf)]
  assert [plan.names[i] for i in sorted(plan.program.copied)] == expected


def mixed(dtype):
  """A network of tokens [T, D] and one pooled, float32 parameters, computed in another dtype."""
  params = draw(tokens=(6, 8), mix=(4, 5), pooled=(8, 7), bias=(7,), out=(7, 3))

  def losses(params, x):
    p, x = jax.tree.map(lambda x: x.astype(dtype), (params, x))
    h = jnp.einsum('mtd,st->msd', jnp.tanh(x @ p['tokens']), p['mix'].T)
    h = jnp.tanh(h.mean(1) @ p['pooled'] + p['bias'][None])
    return jnp.sum(jnp.square((h @ p['out']).astype(jnp.float32) - 1), axis=1)

  return losses, params, draw(1, 1.0, x=(M, 4, 6))['x']


def test_bfloat16_activations():
  """Those of the gradients of the very same loss to 2^-7, of a loss without rounding to 3 %.

  The statistics are sums in float32 of products of bfloat16 numbers; `vmap(grad)` rounds them again,
  by up to 2^-9. Squares double that; sums in another order may round an activation the other way.
  """
  losses, params, batch = mixed(jnp.bfloat16)

  @jax.jit
  def gradient(params, example):
    return jax.value_and_grad(lambda params: losses(params, example[None])[0])(params)

  values, rows = zip(*(gradient(params, example) for example in batch), strict=True)
  rounded = {
    name: np.stack([np.ravel(row[name]) for row in rows]).astype(np.float64) for name in params
  }
  direction = draw(3, 1.0, **{name: x.shape for name, x in params.items()})
  for wanted in ({}, {'gram': True, 'second_moment': True}):
    stats = jax.jit(gradient_statistics(losses, **wanted))(params, batch, direction)
    assert {x.dtype for x in jax.tree.leaves(stats)} == {np.dtype(np.float32)}
    found = errors(stats, np.array(values), rounded, direction)
    assert {statistic: error for statistic, error in found.items() if not error <= 2**-7} == {}
    exact = gradients_in_float64(*mixed(jnp.float64))
    found = errors(stats, *exact, direction)
    assert {statistic: error for statistic, error in found.items() if not error <= 0.03} == {}


@pytest.mark.parametrize('positions', [1, 2, 40])
@pytest.mark.parametrize('wanted', [{}, {'gram': True, 'second_moment': True}])
def test_products_of_bfloat16_are_summed_in_float32(positions, wanted):
  """Where the gradient is known: of sum_t <c_t, W' x_t> it is sum_t x_t c_t'."""

  def losses(kernel, batch):
    h = jnp.einsum('mtd,df->mtf', batch['x'], kernel.astype(jnp.bfloat16))
    return jnp.sum((h * batch['c']).astype(jnp.float32), axis=(1, 2))

  batch = draw(1, 1.0, x=(M, positions, 9), c=(M, positions, 8))
  batch = jax.tree.map(lambda x: x.astype(jnp.bfloat16), batch)
  kernel, direction = draw(kernel=(9, 8))['kernel'], draw(3, direction=(9, 8))['direction']
  stats = jax.jit(gradient_statistics(losses, **wanted))(kernel, batch, direction)
  x, c = (np.asarray(batch[name], np.float64) for name in ('x', 'c'))
  gradients = np.einsum('mtd,mtf->mdf', x, c).reshape(M, -1)
  found = errors(stats, np.asarray(stats.losses), {'': gradients}, direction)
  assert {statistic: error for statistic, error in found.items() if not error <= 1e-5} == {}
