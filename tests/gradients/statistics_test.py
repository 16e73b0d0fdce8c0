"""The contract of the door: these tests know nothing of what is behind it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import PartitionSpec as Spec

from research import sharding, trees
from research.gradients import BatchCoupledError, gradient_statistics


def mlp_losses(params, batch):
  hidden = jnp.tanh(batch['inputs'] @ params['hidden']['kernel'] + params['hidden']['bias'][None])
  logits = hidden @ params['out']['kernel']
  return -jnp.take_along_axis(jax.nn.log_softmax(logits), batch['labels'][:, None], 1)[:, 0]


def conv_losses(params, batch):
  h = jax.lax.conv_general_dilated(
    batch['inputs'], params['kernel'], (1, 1), 'SAME', dimension_numbers=('NHWC', 'HWIO', 'NHWC')
  )
  logits = jnp.square(jnp.tanh(h)).mean((1, 2))
  return -jnp.take_along_axis(jax.nn.log_softmax(logits), batch['labels'][:, None], 1)[:, 0]


def mlp_problem(m=7, seed=0):
  keys = jax.random.split(jax.random.key(seed), 5)
  params = {
    'hidden': {
      'kernel': jax.random.normal(keys[0], (5, 6)),
      'bias': jax.random.normal(keys[1], (6,)),
    },
    'out': {'kernel': jax.random.normal(keys[2], (6, 3))},
  }
  batch = {
    'inputs': jax.random.normal(keys[3], (m, 5)),
    'labels': jax.random.randint(keys[4], (m,), 0, 3),
  }
  return params, batch


def conv_problem(m=6):
  keys = jax.random.split(jax.random.key(1), 3)
  params = {'kernel': jax.random.normal(keys[0], (3, 3, 2, 4))}
  batch = {
    'inputs': jax.random.normal(keys[1], (m, 5, 5, 2)),
    'labels': jax.random.randint(keys[2], (m,), 0, 4),
  }
  return params, batch


def slowly(losses, params, batch):
  """The obviously right implementation: one `jax.grad` after another, everything in memory."""
  m = len(batch['labels'])
  rows, values = [], []
  for i in range(m):
    one = jax.tree.map(lambda x, i=i: x[i : i + 1], batch)
    value, grad = jax.value_and_grad(lambda p, one=one: losses(p, one)[0])(params)
    values.append(value)
    rows.append({name: np.asarray(g).ravel() for name, g in trees.named_leaves(grad).items()})
  grads = {name: np.stack([row[name] for row in rows]).astype(np.float64) for name in rows[0]}
  flat = np.concatenate(list(grads.values()), axis=1)
  return {
    'losses': np.array(values),
    'mean_grad': {name: g.mean(0) for name, g in grads.items()},
    'second_moment': {name: (g**2).mean(0) for name, g in grads.items()},
    'sq_norms': {name: (g**2).sum(1) for name, g in grads.items()},
    'total_sq_norms': (flat**2).sum(1),
    'gram': flat @ flat.T,
  }


def assert_agrees(stats, expected, rtol=2e-5):
  assert list(stats.sq_norms) == list(expected['sq_norms'])
  scale = np.sqrt(expected['total_sq_norms'].max())
  np.testing.assert_allclose(stats.losses, expected['losses'], rtol=rtol)
  np.testing.assert_allclose(stats.total_sq_norms, expected['total_sq_norms'], rtol=rtol)
  for name in expected['sq_norms']:
    np.testing.assert_allclose(stats.sq_norms[name], expected['sq_norms'][name], rtol=rtol)
    mean = trees.named_leaves(stats.mean_grad)[name]
    np.testing.assert_allclose(mean.ravel(), expected['mean_grad'][name], atol=rtol * scale)
    if stats.second_moment is not None:
      square = trees.named_leaves(stats.second_moment)[name]
      np.testing.assert_allclose(square.ravel(), expected['second_moment'][name], rtol=1e-4)
  if stats.gram is not None:
    np.testing.assert_allclose(stats.gram, expected['gram'], atol=rtol * scale**2)


PROBLEMS = {'mlp': (mlp_losses, mlp_problem), 'conv': (conv_losses, conv_problem)}


@pytest.mark.parametrize('chunk_size', [None, 1, 2, 3, 100])
@pytest.mark.parametrize('problem', PROBLEMS)
def test_agrees_with_one_gradient_after_another_for_any_chunk(problem, chunk_size):
  losses, make = PROBLEMS[problem]
  params, batch = make()
  statistics = jax.jit(
    gradient_statistics(losses, gram=True, second_moment=True, chunk_size=chunk_size)
  )
  assert_agrees(statistics(params, batch), slowly(losses, params, batch))


def test_the_mean_gradient_is_that_of_the_mean_loss():
  params, batch = mlp_problem()
  stats = jax.jit(gradient_statistics(mlp_losses))(params, batch)
  expected = jax.grad(lambda p: mlp_losses(p, batch).mean())(params)
  assert jax.tree.structure(stats.mean_grad) == jax.tree.structure(params)
  jax.tree.map(
    lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), stats.mean_grad, expected
  )


def test_linear_losses_have_the_data_as_gradients():
  x = jax.random.normal(jax.random.key(0), (9, 4))
  stats = gradient_statistics(lambda w, batch: batch['x'] @ w, gram=True)(jnp.zeros(4), {'x': x})
  np.testing.assert_allclose(stats.mean_grad, x.mean(0), rtol=1e-6)
  np.testing.assert_allclose(stats.total_sq_norms, (x**2).sum(1), rtol=1e-6)
  np.testing.assert_allclose(stats.gram, x @ x.T, rtol=1e-5, atol=1e-6)


def test_what_is_not_asked_for_is_not_computed():
  stats = jax.eval_shape(gradient_statistics(mlp_losses), *mlp_problem())
  assert stats.gram is None
  assert stats.second_moment is None


def test_the_order_of_the_examples_only_orders_the_rows():
  params, batch = mlp_problem(m=11)
  order = jax.random.permutation(jax.random.key(3), 11)
  statistics = jax.jit(gradient_statistics(mlp_losses, gram=True, chunk_size=4))
  here = statistics(params, batch)
  there = statistics(params, jax.tree.map(lambda x: x[order], batch))
  np.testing.assert_allclose(there.total_sq_norms, here.total_sq_norms[order], rtol=1e-5)
  np.testing.assert_allclose(there.gram, here.gram[order][:, order], rtol=1e-4, atol=1e-5)
  jax.tree.map(
    lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6),
    there.mean_grad,
    here.mean_grad,
  )


def test_the_scale_of_the_loss_scales_the_gradients():
  params, batch = mlp_problem()
  here = jax.jit(gradient_statistics(mlp_losses, gram=True))(params, batch)
  there = jax.jit(gradient_statistics(lambda p, b: 3 * mlp_losses(p, b), gram=True))(params, batch)
  np.testing.assert_allclose(there.total_sq_norms, 9 * here.total_sq_norms, rtol=1e-5)
  np.testing.assert_allclose(there.gram, 9 * here.gram, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize('n_devices', [2, 8])
@pytest.mark.parametrize('problem', PROBLEMS)
def test_any_number_of_devices_gives_the_same_statistics(problem, n_devices):
  losses, make = PROBLEMS[problem]
  params, batch = make(m=16)
  mesh = sharding.make_mesh(1, 16, jax.devices()[:n_devices])
  assert mesh.shape == {'members': 1, 'examples': n_devices}
  axis = sharding.EXAMPLES
  local = gradient_statistics(losses, gram=True, second_moment=True, chunk_size=1, axis=axis)
  everywhere = jax.jit(
    jax.shard_map(local, mesh=mesh, in_specs=(Spec(), Spec(axis)), out_specs=Spec())
  )
  stats = everywhere(sharding.put(params, mesh), sharding.put(batch, mesh, axis))
  assert_agrees(jax.device_get(stats), slowly(losses, params, batch))


def test_bfloat16_parameters_accumulate_in_float32():
  params, batch = mlp_problem()
  params = jax.tree.map(lambda x: x.astype(jnp.bfloat16), params)
  stats = jax.jit(gradient_statistics(mlp_losses))(params, batch)
  assert stats.total_sq_norms.dtype == jnp.float32
  assert jax.tree.leaves(stats.mean_grad)[0].dtype == jnp.bfloat16


def test_refuses_a_batch_norm():
  def losses(params, batch):
    h = batch['inputs'] @ params
    return jnp.sum(jnp.square((h - h.mean(0, keepdims=True)) / h.std(0, keepdims=True)), axis=1)

  x = jax.random.normal(jax.random.key(0), (6, 4))
  with pytest.raises(BatchCoupledError, match='depends on the other examples'):
    gradient_statistics(losses)(jnp.ones((4, 3)), {'inputs': x})


@pytest.mark.parametrize('transform', [jax.jit, jax.vmap, lambda f: jax.jit(jax.vmap(f))])
def test_refuses_a_batch_norm_while_it_is_traced(transform):
  def losses(params, batch):
    h = batch['inputs'] @ params
    return jnp.sum(jnp.square(h - h.mean(0, keepdims=True) - 1), axis=1)

  params, x = jnp.ones((2, 4, 3)), jnp.ones((2, 6, 4))
  if transform is jax.jit:
    params, x = params[0], x[0]
  with pytest.raises(BatchCoupledError, match='depends on the other examples'):
    transform(gradient_statistics(losses))(params, {'inputs': x})


def test_refuses_a_coupling_of_neighbours():
  def losses(params, batch):
    z = batch['inputs'] @ params
    return jnp.square(z - jnp.roll(z, 1))

  x = jax.random.normal(jax.random.key(0), (6, 4))
  with pytest.raises(BatchCoupledError):
    gradient_statistics(losses)(jnp.ones(4), {'inputs': x})


def test_refuses_an_empty_sample_and_a_senseless_chunk():
  params, batch = mlp_problem()
  with pytest.raises(ValueError, match='empty sample'):
    gradient_statistics(mlp_losses)(params, jax.tree.map(lambda x: x[:0], batch))
  with pytest.raises(ValueError, match='chunk_size must be at least 1'):
    gradient_statistics(mlp_losses, chunk_size=0)


def test_one_example_is_a_sample():
  params, batch = mlp_problem(m=1)
  statistics = jax.jit(gradient_statistics(mlp_losses, gram=True))
  assert_agrees(statistics(params, batch), slowly(mlp_losses, params, batch))
