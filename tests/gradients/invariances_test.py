"""What changes no statistic: chunks, order, devices, transformations, and trees of NumPy arrays."""

import functools
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.sharding import PartitionSpec as Spec

from research import sharding
from research.gradients import GradientStatistics, gradient_statistics

EVERYTHING = {'gram': True, 'layer_grams': True, 'second_moment': True, 'sketch': 8}
ROWS = ['losses', 'sq_norms', 'total_sq_norms', 'products', 'sketch']
GRAMS = ['gram', 'layer_grams']


def losses(params, batch):
  """A table, products at one and at many positions, a convolution, and copied leaves."""
  tokens = params['table'][batch['tokens']]
  tokens = jnp.tanh(tokens @ params['mix'] + params['bias'][None, None])
  image = lax.conv_general_dilated(
    batch['image'], params['kernel'], (1, 1), 'SAME', dimension_numbers=('NHWC', 'HWIO', 'NHWC')
  )
  features = [tokens.mean(1), jnp.tanh(image).mean((1, 2))]
  logits = jnp.concatenate(features, axis=1) @ params['out'] * jnp.exp(params['gain'])[None]
  return -jnp.take_along_axis(jax.nn.log_softmax(logits), batch['labels'][:, None], 1)[:, 0]


def problem(m=6, seed=0):
  generator = np.random.default_rng(seed)
  normal = lambda *shape: jnp.asarray(generator.normal(size=shape), jnp.float32)  # noqa: E731
  params = {
    'table': normal(7, 4),
    'mix': normal(4, 3),
    'bias': normal(3),
    'kernel': normal(3, 3, 2, 3),
    'out': normal(6, 3),
    'gain': 0.1 * normal(3),
  }
  batch = {
    'tokens': jnp.asarray(generator.integers(0, 7, (m, 6)), jnp.int32),
    'image': normal(m, 4, 4, 2),
    'labels': jnp.asarray(generator.integers(0, 3, m), jnp.int32),
  }
  return params, batch, jax.tree.map(lambda x: normal(*x.shape), params)  # and a direction


def assert_same(actual, expected, tolerance=2e-5):
  """Every array is the expected one, to a tolerance relative to its largest entry."""

  def check(path, a, b):
    assert a.shape == b.shape, path
    scale = np.abs(b).max(initial=1e-6)
    np.testing.assert_allclose(a, b, rtol=0, atol=tolerance * scale, err_msg=str(path))

  assert jax.tree.structure(actual) == jax.tree.structure(expected)
  jax.tree_util.tree_map_with_path(check, jax.device_get(actual), jax.device_get(expected))


@functools.cache
def expected(m=6, seed=0):
  """Everything, of one pass over the examples."""
  return jax.jit(gradient_statistics(losses, **EVERYTHING))(*problem(m, seed))


def at(tree, index):
  return jax.tree.map(lambda x: x[index], tree)


def stacked(*trees):
  return jax.tree.map(lambda *leaves: jnp.stack(leaves), *trees)


@pytest.mark.parametrize('chunk_size', [1, 4, 6])
def test_chunks(chunk_size):
  measure = gradient_statistics(losses, **EVERYTHING, chunk_size=chunk_size)
  assert_same(jax.jit(measure)(*problem()), expected())


def test_the_statistics_that_are_not_asked_for():
  """Norms alone are found by other formulas; and here without `jit`."""
  params, batch, direction = problem()
  stats = gradient_statistics(losses)(params, batch, direction)
  everything = expected()
  for name in ('losses', 'mean_grad', 'sq_norms', 'total_sq_norms', 'products'):
    assert_same(getattr(stats, name), getattr(everything, name))


def test_the_order_of_the_examples_only_orders_rows_and_columns():
  params, batch, direction = problem()
  order = np.array([3, 0, 5, 1, 4, 2])
  measure = jax.jit(gradient_statistics(losses, **EVERYTHING))
  there, here = measure(params, at(batch, order), direction), expected()
  for name in ROWS:
    assert_same(getattr(there, name), at(getattr(here, name), order))
  for name in GRAMS:
    assert_same(getattr(there, name), at(getattr(here, name), np.ix_(order, order)))
  assert_same([there.mean_grad, there.second_moment], [here.mean_grad, here.second_moment])


def test_the_scale_of_the_loss():
  params, batch, direction = problem()
  scaled = lambda params, batch: -3.0 * losses(params, batch)  # noqa: E731
  measure = jax.jit(gradient_statistics(scaled, **EVERYTHING))
  there, here = measure(params, batch, direction), expected()
  for power, names in (
    (1, ['losses', 'mean_grad', 'products', 'sketch']),
    (2, ['sq_norms', 'total_sq_norms', 'second_moment', *GRAMS]),
  ):
    for name in names:
      times = jax.tree.map(lambda x, power=power: (-3.0) ** power * x, getattr(here, name))
      assert_same(getattr(there, name), times)


def test_vmap_over_a_population():
  everyone = stacked(*(problem(seed=seed) for seed in range(3)))
  stats = jax.jit(jax.vmap(gradient_statistics(losses, **EVERYTHING)))(*everyone)
  for seed in range(3):
    assert_same(at(stats, seed), expected(seed=seed))


def test_vmap_over_directions():
  params, batch, direction = problem()
  directions = stacked(direction, params, jax.tree.map(jnp.zeros_like, params))
  one = jax.jit(gradient_statistics(losses))
  products = jax.jit(jax.vmap(one, (None, None, 0)))(params, batch, directions).products
  assert_same(products[0], one(params, batch, direction).products)
  assert_same(products[1], one(params, batch, params).products)
  assert np.all(products[2] == 0)


@pytest.mark.slow
@pytest.mark.parametrize('chunk_size', [None, 1])
@pytest.mark.parametrize('gather', [True, False])
@pytest.mark.parametrize('n_devices', [2, 8])
def test_devices(n_devices, gather, chunk_size):
  """Without gathering, rows and the rows of Gram matrices stay where their examples are."""
  axis, m = sharding.EXAMPLES, 16
  params, batch, direction = problem(m)
  mesh = sharding.make_mesh(1, m, jax.devices()[:n_devices])
  assert mesh.shape == {'members': 1, 'examples': n_devices}
  measure = gradient_statistics(
    losses, **EVERYTHING, axis=axis, gather=gather, chunk_size=chunk_size
  )
  specs = dict.fromkeys(ROWS + GRAMS, Spec() if gather else Spec(axis))
  outs = GradientStatistics(**specs, mean_grad=Spec(), second_moment=Spec())
  arguments = sharding.put(params, mesh), sharding.put(batch, mesh, axis)
  everywhere = jax.shard_map(
    measure, mesh=mesh, in_specs=(Spec(), Spec(axis), Spec()), out_specs=outs
  )
  stats = jax.jit(everywhere)(*arguments, sharding.put(direction, mesh))
  assert_same(stats, expected(m))
  shard = stats.gram.addressable_shards[0].data
  assert shard.shape == ((m, m) if gather else (m // n_devices, m))


def test_trees_of_numpy_arrays():
  arrays = jax.tree.map(np.asarray, problem())
  measure = jax.jit(lambda: gradient_statistics(losses, **EVERYTHING)(*arrays))
  assert_same(measure(), expected())


def test_typed_keys_in_the_batch():
  def noisy(params, batch):
    noise = jax.vmap(lambda key: jax.random.normal(key, (4, 4, 2)))(batch['key'])
    return losses(params, batch | {'image': batch['image'] + noise})

  params, batch, direction = problem()
  keys = jax.random.split(jax.random.key(0), 6)
  noise = jax.vmap(lambda key: jax.random.normal(key, (4, 4, 2)))(keys)
  seen = batch | {'image': batch['image'] + noise}
  measure = jax.jit(gradient_statistics(noisy))
  norms = measure(params, batch | {'key': keys}, direction)
  assert_same(norms, jax.jit(gradient_statistics(losses))(params, seen, direction))
  by_chunks = gradient_statistics(noisy, chunk_size=4)(params, batch | {'key': keys}, direction)
  assert_same(by_chunks, norms)


def test_parameters_that_are_not_used_have_no_gradient():
  params, batch, direction = problem()
  more = {'unused': jnp.ones((2, 3))}
  measure = jax.jit(gradient_statistics(losses, **EVERYTHING | {'sketch': None}))
  stats, here = measure(params | more, batch, direction | more), expected()
  assert np.all(stats.sq_norms['unused'] == 0)
  assert np.all(stats.layer_grams['unused'] == 0)
  assert np.all(stats.mean_grad['unused'] == 0)
  assert np.all(stats.second_moment['unused'] == 0)
  for name in ('total_sq_norms', 'gram', 'products'):
    assert_same(getattr(stats, name), getattr(here, name))


def test_the_second_call_does_not_recompile():
  """Nor one with the parameters of the next step, some of them of another precision."""
  params, batch, direction = problem()
  params['out'] = params['out'].astype(jnp.bfloat16)
  measure = jax.jit(gradient_statistics(losses, **EVERYTHING))
  gradient = measure(params, batch, direction).mean_grad
  params = jax.tree.map(lambda x, g: x - 0.5 * g, params, gradient)
  measure(params, *problem(seed=1)[1:])
  assert measure._cache_size() == 1


def test_norms_of_outer_products_hold_no_gradient_of_each_example():
  """With one position, the largest array is of the size of the examples, or of the parameters."""
  m, width = 16, 32

  def mlp(params, x):
    return jnp.sum(jnp.square(jnp.tanh(x @ params['hidden']) @ params['out']), axis=1)

  def sizes(**wanted):
    params = {'hidden': jnp.ones((width, width)), 'out': jnp.ones((width, width))}
    lowered = jax.jit(gradient_statistics(mlp, **wanted)).lower(params, jnp.ones((m, width)))
    types = re.findall(r'tensor<((?:\d+x)*)f32>', lowered.as_text())
    return [np.prod([int(n) for n in shape.split('x')[:-1]]) for shape in types]

  assert max(sizes()) == width * width
  assert max(sizes(gram=True, second_moment=True)) == width * width


SEEDS, SKETCH = 3000, 16


@functools.cache
def inner_products_of_sketches():
  """Those of SEEDS sketches [m, m], and of the gradients."""
  params, batch, _ = problem(4)

  def products(seed):
    measure = gradient_statistics(losses, sketch=SKETCH, sketch_seed=seed)
    sketch = measure(params, batch).sketch
    return sketch @ sketch.T

  sketched = jax.jit(lambda seeds: lax.map(products, seeds, batch_size=100))(jnp.arange(SEEDS))
  return np.asarray(sketched, np.float64), np.asarray(expected(4).gram, np.float64)


@pytest.mark.slow
def test_sketches_are_unbiased():
  sketched, gram = inner_products_of_sketches()
  standard_error = sketched.std(0) / np.sqrt(SEEDS)
  assert np.all(np.abs(sketched.mean(0) - gram) <= 4 * standard_error)


def test_the_variance_of_sketches():
  sketched, gram = inner_products_of_sketches()
  squares = np.diag(gram)
  bound = (np.outer(squares, squares) + gram**2) / SKETCH
  assert np.all(sketched.var(0) <= 2 * bound)
  assert np.all(sketched.var(0) >= bound / 10)


@pytest.mark.slow
def test_sketches_of_one_seed_are_one_linear_map():
  """Also of another batch, by other chunks: the sketch of equal examples is equal."""
  params, batch, _ = problem(9)
  measure = jax.jit(gradient_statistics(losses, sketch=8, sketch_seed=5))
  by_chunks = jax.jit(gradient_statistics(losses, sketch=8, sketch_seed=5, chunk_size=2))
  other_seed = jax.jit(gradient_statistics(losses, sketch=8, sketch_seed=6))
  whole, part = measure(params, batch).sketch, at(batch, np.array([7, 2, 2]))
  assert_same(by_chunks(params, part).sketch, whole[np.array([7, 2, 2])])
  assert np.abs(other_seed(params, batch).sketch - whole).max() > 0.1 * np.abs(whole).max()
