"""What every model promises, whatever is inside it."""

import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from research import trees
from research.models import MODELS, Model, make_model

VIT = dict(name='vit', patch=2, width=8, depth=1, heads=2)
RESNET = dict(name='resnet', depth=10, groups=4)
PER_EXAMPLE = {
  'linear': dict(name='mlp', widths=()),
  'mlp': dict(name='mlp', widths=(16, 12)),
  'cnn': dict(name='cnn', widths=(4, 6)),
  'cnn_lax': dict(name='cnn', widths=(4, 6), convolution='lax'),
  'resnet_group': RESNET,
  'resnet_layer': dict(RESNET, norm='layer'),
  'bottleneck': dict(name='bottleneck_resnet', stages=(1,), width=8, groups=1),
  'encoder': VIT,
  'decoder': dict(VIT, causal=True),
}
ALL = dict(PER_EXAMPLE, resnet_batch=dict(RESNET, norm='batch'))
SMALL = {'mlp': ALL['linear'], 'cnn': dict(name='cnn', widths=(4,)), 'vit': VIT}  # fast to compile

X = jax.random.normal(jax.random.key(0), (3, 4, 4, 1))

KINDS = {key: ALL[key] for key in ('mlp', 'cnn', 'resnet_group', 'encoder', 'decoder')}

each = pytest.mark.parametrize('config', ALL.values(), ids=ALL)
each_kind = pytest.mark.parametrize('config', KINDS.values(), ids=KINDS)
each_small = pytest.mark.parametrize('config', SMALL.values(), ids=SMALL)


def shapes(model, x):
  return jax.eval_shape(model.init, jax.random.key(0), x)


def draw(model, seed=0):
  """Parameters of the shapes of `init`; but NumPy draws them, and there is nothing to compile."""
  rng = np.random.default_rng(seed)
  return jax.tree.map(
    lambda leaf: jnp.asarray(rng.normal(0, leaf.shape[0] ** -0.5, leaf.shape), jnp.float32),
    shapes(model, X),
  )


@each
@pytest.mark.parametrize('size', [(8, 8, 1), (28, 28, 1), (32, 32, 3), (14, 14, 2), (6, 10, 1)])
def test_logits_have_a_row_for_each_example_whatever_the_images(config, size):
  model, x = make_model(7, **config), jax.ShapeDtypeStruct((5, *size), jnp.float32)
  logits = jax.eval_shape(model.apply, shapes(model, x), x)
  assert logits.shape == (5, 7)
  assert logits.dtype == jnp.float32


@each
def test_parameters_are_float32_in_plain_dicts(config):
  params = shapes(make_model(7, **config), X)
  nodes = [params]
  for node in nodes:
    assert type(node) is dict
    nodes += [child for child in node.values() if not hasattr(child, 'dtype')]
  assert {leaf.dtype for leaf in jax.tree.leaves(params)} == {jnp.dtype('float32')}
  assert 'params' not in params


@each_small
def test_init_is_a_pure_function_of_the_key(config):
  model = make_model(7, **config)
  first = trees.named_leaves(model.init(jax.random.key(1), X))
  again = trees.named_leaves(model.init(jax.random.key(1), X + 1))  # the values of x do not matter
  other = trees.named_leaves(model.init(jax.random.key(2), X))
  for name in first:
    np.testing.assert_array_equal(first[name], again[name])
    is_random = name.endswith(('kernel', 'positions'))  # biases and scales are constants
    assert np.array_equal(first[name], other[name]) != is_random


@each_small
def test_init_maps_over_keys(config):
  model = make_model(7, **config)
  keys = jax.random.split(jax.random.key(1), 3)
  stacked = jax.jit(jax.vmap(model.init, in_axes=(0, None)))(keys, X)
  member = model.init(keys[2], X)
  for a, b in zip(jax.tree.leaves(stacked), jax.tree.leaves(member), strict=True):
    np.testing.assert_allclose(a[2], b, rtol=1e-6)


def influence(config):
  """[B, B]: the largest derivative of a logit of example i by a pixel of example j."""
  model = make_model(3, **config)
  params = draw(model)
  jacobian = jax.jit(jax.jacrev(model.apply, argnums=1))(params, X)  # [B, C, B, H, W, 1]
  return model, np.abs(jacobian).max(axis=(1, 3, 4, 5))


@pytest.mark.parametrize('config', PER_EXAMPLE.values(), ids=PER_EXAMPLE)
def test_an_example_does_not_influence_the_others(config):
  model, derivatives = influence(config)
  assert model.per_example
  assert np.all(np.diag(derivatives) > 0)
  np.testing.assert_array_equal(derivatives - np.diag(np.diag(derivatives)), 0)


def test_batch_norm_couples_examples_and_says_so():
  model, derivatives = influence(ALL['resnet_batch'])
  assert not model.per_example
  assert np.all(derivatives > 0)


@each_kind
def test_every_parameter_matters(config):
  model = make_model(7, **config)
  params = draw(model)
  grads = jax.jit(jax.grad(lambda params: jnp.sum(model.apply(params, X) ** 2)))(params)
  for name, grad in trees.named_leaves(grads).items():
    assert np.any(grad != 0), name


@each_kind
def test_capture_names_the_layers_and_ends_with_the_logits(config):
  model = make_model(7, **config)
  params = draw(model)
  activations = jax.jit(model.capture)(params, X)
  assert list(activations)[-1] == 'logits'
  logits = jax.jit(model.apply)(params, X)
  np.testing.assert_allclose(activations['logits'], logits, rtol=1e-4, atol=1e-5)
  layers = {trees.layer_of(name) for name in trees.named_leaves(params)} - {'positions'}
  assert layers <= set(activations)
  assert {len(activation) for activation in activations.values()} == {len(X)}


def test_capture_has_the_shapes_of_the_layers():
  model = make_model(7, name='cnn', widths=(4, 5, 6))
  activations = jax.eval_shape(model.capture, shapes(model, X), X)
  assert {name: activation.shape for name, activation in activations.items()} == {
    'Conv_0': (3, 4, 4, 4),
    'Conv_1': (3, 2, 2, 5),
    'Conv_2': (3, 1, 1, 6),
    'Dense_0': (3, 7),
    'logits': (3, 7),
  }


@each_small
def test_the_second_call_does_not_recompile(config):
  model, n_traces = make_model(7, **config), 0

  def apply(params, x):
    nonlocal n_traces
    n_traces += 1
    return model.apply(params, x)

  compiled = jax.jit(apply)
  for seed in range(2):
    compiled(draw(model, seed), X + seed).block_until_ready()
  assert n_traces == 1


def test_a_model_in_raw_jax_fits_the_contract():
  def init(key, x):
    return {'Dense_0': {'kernel': jax.random.normal(key, (x[0].size, 7))}}

  def apply(params, x):
    return x.reshape(len(x), -1) @ params['Dense_0']['kernel']

  model = Model(init, apply, lambda params, x: {'Dense_0': apply(params, x)})
  keys = jax.random.split(jax.random.key(0), 4)
  params = jax.jit(jax.vmap(model.init, in_axes=(0, None)))(keys, X)
  assert list(trees.named_leaves(params)) == ['Dense_0/kernel']
  assert jax.vmap(model.apply, in_axes=(0, None))(params, X).shape == (4, 3, 7)
  assert model.per_example


def test_the_keys_of_a_section_are_annotated_keyword_arguments_with_defaults():
  for function in MODELS.values():
    first, *others = inspect.signature(function).parameters.values()
    assert first.name == 'n_classes'
    for argument in others:
      assert argument.kind is argument.KEYWORD_ONLY
      assert argument.annotation is not argument.empty
      assert argument.default is not argument.empty


def test_an_unknown_model_or_key_is_an_error():
  with pytest.raises(ValueError, match=r'^name must be one of mlp, .*, vit, not lenet$'):
    make_model(7, name='lenet')
  with pytest.raises(TypeError, match=r'widht'):
    make_model(7, name='vit', widht=3)


@pytest.mark.parametrize('name', MODELS)
def test_n_classes_must_be_positive(name):
  with pytest.raises(ValueError, match=r'^n_classes must be positive, not 0$'):
    make_model(0, name=name)
