"""The table of costs against networks of which each leaf's part can be worked out by hand."""

import jax
import jax.numpy as jnp

from research.gradients import describe, leaf_costs


def losses(params, batch):
  x = params['table'][batch['tokens']] + params['position'][None]  # [B, 4, 8]
  h = jnp.tanh(x @ params['dense'])  # [B, 4, 3]
  return jnp.sum(jnp.square(h.mean(1) @ params['out']), axis=1)


def problem():
  shapes = {'table': (11, 8), 'position': (4, 8), 'dense': (8, 3), 'out': (3, 2), 'spare': (5,)}
  params = {name: jnp.ones(shape) for name, shape in shapes.items()}
  return params, {'tokens': jax.random.randint(jax.random.key(0), (6, 4), 0, 11)}


def test_costs_by_hand():
  costs = {cost.leaf: cost for cost in leaf_costs(losses, *problem())}
  assert {name: cost.form for name, cost in costs.items()} == {
    'table': 'factored',
    'position': 'copied',
    'dense': 'factored',
    'out': 'outer product',
    'spare': 'unused',
  }
  assert costs['position'].reason.startswith('add')
  dense, table, out = costs['dense'], costs['table'], costs['out']
  assert (dense.blocks, dense.positions, dense.rows, dense.columns) == (1, 4, 8, 3)
  assert dense.norm_flops == 2 * 4**2 * (8 + 3)
  assert dense.gram_flops == 2 * 8 * 3
  assert dense.emitted_bytes == 4 * (4 * 8 + 4 * 3)
  assert table.norm_flops == 2 * 4**2 * 8
  assert out.norm_flops == out.gram_flops == 2 * (3 + 2)
  assert costs['position'].norm_flops == 2 * 4 * 8


def test_the_table_has_a_line_for_each_leaf():
  lines = describe(losses, *problem()).splitlines()
  assert len(lines) == 2 + 5
  assert '| table | 11x8 | factored | 1 | 4 | 11 x 8 |' in '\n'.join(lines)
