"""Operations of programs in closed form, by XLA's own count, and of a whole run."""

import jax
import jax.numpy as jnp
import pytest
from jax.sharding import PartitionSpec as Spec

from research import sharding
from research.costs import flops


def shape(*sizes):
  return jax.ShapeDtypeStruct(sizes, jnp.float32)


def by_xla(function, *args):
  return jax.jit(function).lower(*args).compile().cost_analysis()['flops']


def test_a_product_of_matrices():
  assert flops(jnp.dot, shape(3, 5), shape(5, 7)) == 2 * 3 * 5 * 7
  batched = lambda a, b: jnp.einsum('bij,bjk->bik', a, b)  # noqa: E731
  assert flops(batched, shape(4, 3, 5), shape(4, 5, 7)) == 4 * 2 * 3 * 5 * 7
  assert flops(jnp.sin, shape(9)) == 0


@pytest.mark.parametrize(('groups', 'stride'), [(1, 1), (1, 2), (3, 1), (6, 2)])
def test_convolutions_cost_what_xla_says(groups, stride):
  def convolve(x, kernel):
    numbers = ('NHWC', 'HWIO', 'NHWC')
    return jax.lax.conv_general_dilated(
      x,
      kernel,
      (stride, stride),
      'VALID',
      dimension_numbers=numbers,
      feature_group_count=groups,
    )

  args = shape(2, 9, 9, 6), shape(3, 3, 6 // groups, 12)
  side = -(-7 // stride)
  expected = 2 * 2 * side**2 * 12 * 9 * (6 // groups)
  assert flops(convolve, *args) == expected
  assert by_xla(convolve, *args) == pytest.approx(expected, rel=0.01)


def test_a_gradient_costs_three_forward_passes_of_inner_layers():
  def loss(w, x):
    return jnp.sum(jnp.tanh(x @ w[0]) @ w[1])

  weights, x = (shape(8, 16), shape(16, 4)), shape(32, 8)
  forward = 2 * 32 * (8 * 16 + 16 * 4)
  assert flops(loss, weights, x) == forward
  first_of_inputs = 2 * 32 * 8 * 16  # the inputs need no gradient
  found = flops(jax.grad(loss), weights, x)
  assert found == 3 * forward - first_of_inputs
  assert by_xla(jax.grad(loss), weights, x) == pytest.approx(found, rel=0.5)  # tanh, sums


def test_a_loop_costs_its_body_as_often_as_it_runs():
  def loop_of(n):
    return lambda x, w: jax.lax.scan(lambda c, _: (c @ w, None), x, None, length=n)[0]

  args = shape(4, 4), shape(4, 4)
  assert flops(loop_of(7), *args) == 7 * flops(jnp.dot, *args)
  nested = lambda x, w: jax.lax.map(lambda row: jnp.dot(row, w), x)  # noqa: E731
  assert flops(jax.jit(jax.checkpoint(nested)), *args) == flops(jnp.dot, *args)


def test_the_dearer_branch_counts():
  def branch(x, w):
    return jax.lax.cond(x[0, 0] > 0, lambda: x @ w, lambda: x @ w @ w)

  assert flops(branch, shape(4, 4), shape(4, 4)) == 2 * 2 * 4**3


def test_devices_share_the_work():
  mesh = sharding.make_mesh(1, 8)
  assert mesh.size == 8
  product = jax.shard_map(
    jnp.dot, mesh=mesh, in_specs=(Spec('examples'), Spec()), out_specs=Spec('examples')
  )
  args = sharding.put(jnp.ones((16, 3)), mesh, 'examples'), sharding.put(jnp.ones((3, 5)), mesh)
  assert flops(product, *args) == 2 * 16 * 3 * 5
