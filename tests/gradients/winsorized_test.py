"""Winsorized means of gradients, and medians of means, against NumPy on gradients in float64."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import PartitionSpec as Spec
from reference import gradients_in_float64, relative_error
from small_losses import convolve, draw, integers

from research import sharding, trees
from research.gradients import BatchCoupledError, mean_gradient, winsorized
from research.gradients.median_of_means import median_of_means
from research.gradients.plan import make_plan
from research.gradients.winsorized import winsorized_mean

M = 24  # examples


def tied(p, x):
  """Both uses of one kernel add up before anything is cut off."""
  return jnp.tanh(x @ p['kernel']) @ p['kernel'].T


def parts(p, x):
  """Two groups of one leaf, of disjoint entries, and a third part that is not used."""
  return jnp.tanh(x @ p['kernel'][:, :3]) @ p['kernel'][:, 4:].T


def attend(p, tokens):
  h = p['table'][tokens]
  return jax.nn.softmax(h @ h.T) @ h @ p['table'].T


NETWORKS = {  # name: (params, example) -> outputs, shape of the examples or the examples, shapes
  'MLP': (
    lambda p, x: jnp.tanh(x @ p['hidden'] + p['bias']) @ p['out'],
    (5,),
    dict(hidden=(5, 7), bias=(7,), out=(7, 3)),
  ),
  'tokens': (lambda p, x: jnp.tanh(x @ p['a']) @ p['b'], (6, 4), dict(a=(4, 5), b=(5, 2))),
  'CNN': (
    lambda p, x: jnp.tanh(convolve(x, p['kernel'])).mean((0, 1)) @ p['out'],
    (6, 6, 2),
    dict(kernel=(3, 3, 2, 4), out=(4, 3)),
  ),
  'tied weights': (tied, (4,), dict(kernel=(4, 6))),
  'parts of a leaf': (parts, (4,), dict(kernel=(4, 7))),
  'look-up': (
    lambda p, i: p['table'][i].mean(0) @ p['out'],
    integers(0, 9, M, 5),
    dict(table=(9, 4), out=(4, 2)),
  ),
  'tied embedding': (attend, integers(0, 5, M, 4), dict(table=(5, 3))),
  'copied': (
    lambda p, x: x @ (p['kernel'] / jnp.linalg.norm(p['kernel'])) * p['gain'],
    (5,),
    dict(kernel=(5, 4), gain=(4,)),
  ),
  'scan over layers': (
    lambda p, x: jax.lax.scan(lambda h, w: (jnp.tanh(h @ w), None), x, p['layers'])[0],
    (4,),
    dict(layers=(3, 4, 4)),
  ),
}


def problem(name, m=M, seed=0):
  function, x, shapes = NETWORKS[name]
  batch = draw(seed + 1, x=(m, *x))['x'] if isinstance(x, tuple) else x[:m]
  batch = batch if batch.dtype == jnp.int32 else 1.5 * batch

  def loss(params, example):
    return jnp.mean(jnp.square(jnp.tanh(function(params, example)) + 0.5))

  return jax.vmap(loss, (None, 0)), draw(seed, **shapes), batch


def by_sorting(gradients, k):
  """{leaf: [m, p]} -> {leaf: [p]}: the k smallest and largest overwritten, in float64."""
  found = {}
  for leaf, g in gradients.items():
    g = np.sort(g, axis=0)
    g[:k], g[len(g) - k :] = g[k], g[len(g) - k - 1]
    found[leaf] = g.mean(0)
  return found


def assert_close(actual, expected, tolerance=2e-6):
  actual = trees.named_leaves(actual)
  assert actual.keys() == expected.keys()
  for leaf, x in expected.items():
    assert relative_error(np.ravel(actual[leaf]), np.ravel(x)) <= tolerance, leaf


@pytest.mark.parametrize('percent', [0, 5, 20, 49])
@pytest.mark.parametrize('name', NETWORKS)
def test_agrees_with_sorting_in_float64(name, percent):
  losses, params, batch = problem(name)
  loss, mean = jax.jit(winsorized_mean(losses, percent=percent))(params, batch)
  values, gradients = gradients_in_float64(losses, params, batch)
  k = {0: 0, 5: 1, 20: 5, 49: 11}[percent]
  assert_close(mean, by_sorting(gradients, k))
  np.testing.assert_allclose(loss, values.mean(), rtol=1e-6)


def test_what_the_networks_are_there_for():
  """Two terms of one group, two groups of one leaf, and leaves that are copied."""
  groups = {name: make_plan(*problem(name)).groups for name in NETWORKS}
  assert [len(group.terms) for group in groups['tied weights']] == [2]
  assert len(groups['parts of a leaf']) == 2
  assert len(groups['copied']) == 2
  assert not any(group.terms for group in groups['copied'])
  assert any(term.sparse for group in groups['look-up'] for term in group.terms)


@pytest.mark.parametrize(('m', 'percent', 'k'), [(100, 1, 1), (100, 2, 2), (100, 8, 8), (3, 49, 1)])
def test_bounds_are_the_nearest_percentiles(m, percent, k):
  """With losses whose gradients are the data."""
  x = np.random.default_rng(0).normal(size=(m, 6)).astype(np.float32)
  losses = lambda w, x: jnp.sum(x * w[None], axis=1)  # noqa: E731
  _, mean = jax.jit(winsorized_mean(losses, percent=percent))(jnp.zeros(6), jnp.asarray(x))
  bounds = np.percentile(x, [percent, 100 - percent], axis=0, method='nearest')
  np.testing.assert_allclose(mean, np.clip(x, *bounds).mean(0), atol=1e-6)
  np.testing.assert_allclose(bounds[0], np.sort(x, axis=0)[k], rtol=0)


def test_one_example_moves_nothing_however_strange():
  losses = lambda w, x: x @ w  # noqa: E731
  x = jnp.ones((10, 4)).at[3].set(jnp.asarray([1e30, -1e30, jnp.inf, -jnp.inf]))
  _, mean = jax.jit(winsorized_mean(losses, percent=10))(jnp.zeros(4), x)
  np.testing.assert_array_equal(mean, 1.0)


def test_a_percentage_of_less_than_one_example_is_refused():
  with pytest.raises(
    ValueError, match=r'^percent=2 of 20 examples clips none; take 0, or more than 2.63$'
  ):
    winsorized_mean(lambda w, x: x @ w, percent=2)(jnp.zeros(4), jnp.ones((20, 4)))


def test_nans_stay():
  losses = lambda w, x: x @ w  # noqa: E731
  for i in (0, 5, 9):
    x = jnp.ones((10, 3)).at[i, 1].set(jnp.nan)
    _, mean = jax.jit(winsorized_mean(losses, percent=20))(jnp.zeros(3), x)
    np.testing.assert_array_equal(np.isnan(mean), [False, True, False])


@pytest.mark.parametrize('rule', ['winsorized', 'median'])
def test_without_a_robust_part_it_is_the_mean_gradient(rule):
  losses, params, batch = problem('CNN')
  gradient = {
    'winsorized': winsorized_mean(losses, percent=0),
    'median': median_of_means(losses, n_groups=1),
  }[rule]
  expected = jax.jit(mean_gradient(losses))(params, batch)
  jax.tree.map(
    lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6),
    jax.jit(gradient)(params, batch),
    expected,
  )


def test_the_order_of_the_examples_and_the_scale_of_the_loss():
  losses, params, batch = problem('MLP')
  expected = jax.jit(winsorized_mean(losses, percent=10))(params, batch)[1]
  order = np.random.default_rng(0).permutation(M)
  shuffled = jax.jit(winsorized_mean(losses, percent=10))(params, batch[order])[1]
  assert_close(shuffled, expected)
  tripled = lambda params, batch: 3.0 * losses(params, batch)  # noqa: E731
  scaled = jax.jit(winsorized_mean(tripled, percent=10))(params, batch)[1]
  assert_close(scaled, jax.tree.map(lambda x: 3.0 * x, expected))


@pytest.mark.parametrize('name', ['MLP', 'CNN', 'look-up', 'copied'])
def test_the_size_of_blocks(name, monkeypatch):
  losses, params, batch = problem(name)
  expected = jax.jit(winsorized_mean(losses, percent=10))(params, batch)[1]
  monkeypatch.setitem(winsorized.BLOCK_BYTES, 'cpu', 2500)
  monkeypatch.setitem(winsorized.COORDINATES, 'cpu', 5)
  narrow = jax.jit(lambda *arguments: winsorized_mean(losses, percent=10)(*arguments))
  assert_close(narrow(params, batch)[1], expected)


RULES = {'winsorized': functools.partial(winsorized_mean, percent=10), 'median': median_of_means}


@pytest.mark.parametrize('rule', RULES)
@pytest.mark.parametrize('name', ['MLP', 'CNN', 'tied embedding'])
def test_vmap_over_a_population(name, rule):
  make = RULES[rule]
  losses = problem(name)[0]
  members = [problem(name, seed=seed)[1:] for seed in range(3)]
  stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *members)
  found = jax.jit(jax.vmap(make(losses)))(*stacked)[1]
  for i, member in enumerate(members):
    expected = jax.jit(make(losses))(*member)[1]
    assert_close(jax.tree.map(lambda x, i=i: x[i], found), expected, 1e-5)


@pytest.mark.parametrize('rule', RULES)
def test_a_population_on_a_mesh(rule):
  make, losses = RULES[rule], problem('CNN')[0]
  members = [problem('CNN', seed=seed)[1:] for seed in range(2)]
  params, batch = jax.tree.map(lambda *leaves: jnp.stack(leaves), *members)
  axes = sharding.MEMBERS, sharding.EXAMPLES
  mesh = sharding.make_mesh(2, M, jax.devices()[:4])
  everyone = jax.shard_map(
    jax.vmap(make(losses, axis=sharding.EXAMPLES)),
    mesh=mesh,
    in_specs=(Spec(axes[0]), Spec(*axes)),
    out_specs=Spec(axes[0]),
  )
  arguments = sharding.put(params, mesh, axes[0]), sharding.put(batch, mesh, *axes)
  found = jax.device_get(jax.jit(everyone)(*arguments)[1])
  for i, member in enumerate(members):
    expected = jax.jit(make(losses))(*member)[1]
    assert_close(jax.tree.map(lambda x, i=i: x[i], found), expected, 1e-5)


def on_devices(make, name, n_devices):
  losses, params, batch = problem(name)
  axis = sharding.EXAMPLES
  mesh = sharding.make_mesh(1, M, jax.devices()[:n_devices])
  everywhere = jax.shard_map(
    make(losses, axis=axis), mesh=mesh, in_specs=(Spec(), Spec(axis)), out_specs=Spec()
  )
  return jax.jit(everywhere)(sharding.put(params, mesh), sharding.put(batch, mesh, axis))


@pytest.mark.parametrize('n_devices', [1, 2, 8])
@pytest.mark.parametrize('percent', [0, 10])
@pytest.mark.parametrize('name', ['MLP', 'CNN', 'look-up', 'copied'])
def test_devices_winsorize_the_whole_batch(name, percent, n_devices):
  make = functools.partial(winsorized_mean, percent=percent)
  losses, params, batch = problem(name)
  loss, mean = on_devices(make, name, n_devices)
  expected = jax.jit(make(losses))(params, batch)
  np.testing.assert_allclose(loss, expected[0], rtol=1e-6)
  assert_close(mean, expected[1], 1e-5)


@pytest.mark.parametrize('n_devices', [1, 2, 8])
@pytest.mark.parametrize('n_groups', [1, 2, 3, 8, 24])
def test_devices_take_the_median_of_the_parts_of_the_whole_batch(n_groups, n_devices):
  make = functools.partial(median_of_means, n_groups=n_groups)
  losses, params, batch = problem('MLP')
  loss, found = on_devices(make, 'MLP', n_devices)
  expected = jax.jit(make(losses))(params, batch)
  np.testing.assert_allclose(loss, expected[0], rtol=1e-6)
  assert_close(found, expected[1], 1e-5)


@pytest.mark.parametrize('n_groups', [2, 3, 4, 24])
@pytest.mark.parametrize('name', ['MLP', 'CNN', 'look-up'])
def test_the_median_of_means_agrees_with_numpy(name, n_groups):
  losses, params, batch = problem(name)
  _, gradients = gradients_in_float64(losses, params, batch)
  means = {leaf: g.reshape(n_groups, -1, g.shape[1]).mean(1) for leaf, g in gradients.items()}
  found = jax.jit(median_of_means(losses, n_groups=n_groups))(params, batch)[1]
  assert_close(found, {leaf: np.median(g, axis=0) for leaf, g in means.items()}, 1e-5)


def test_one_strange_part_does_not_count():
  losses = lambda w, x: x @ w  # noqa: E731
  x = jnp.ones((9, 3)).at[4].set(jnp.asarray([1e30, -jnp.inf, jnp.inf]))
  _, found = jax.jit(median_of_means(losses))(jnp.zeros(3), x)
  np.testing.assert_array_equal(found, 1.0)


@pytest.mark.parametrize('make', RULES.values(), ids=RULES.keys())
def test_converges_without_compiling_again(make):
  """Least squares, of which a tenth of the targets are wildly wrong."""
  generator = np.random.default_rng(0)
  x, w = generator.normal(size=(30, 3)).astype(np.float32), np.float32([1.0, -2.0, 0.5])
  batch = {'x': jnp.asarray(x), 'y': jnp.asarray(x @ w).at[:2].add(1e4)}
  losses = lambda w, batch: 0.5 * jnp.square(batch['x'] @ w - batch['y'])  # noqa: E731
  step = jax.jit(lambda w: w - 0.1 * make(losses)(w, batch)[1])
  there = jnp.zeros(3)
  for _ in range(300):
    there = step(there)
  assert step._cache_size() == 1
  np.testing.assert_allclose(there, w, atol=0.3)
  plain = np.linalg.lstsq(x, np.asarray(batch['y']), rcond=None)[0]
  assert np.abs(plain - w).max() > 100


def test_refusals():
  losses, params, batch = problem('MLP')
  coupled = lambda params, batch: losses(params, batch) - jnp.mean(losses(params, batch))  # noqa: E731
  for percent in (-1, 50, float('nan')):
    with pytest.raises(ValueError, match='percent must lie in'):
      winsorized_mean(losses, percent=percent)
  for percent in (0, 10):
    with pytest.raises(BatchCoupledError):
      winsorized_mean(coupled, percent=percent)(params, batch)
  with pytest.raises(ValueError, match='empty'):
    winsorized_mean(losses, percent=10)(params, batch[:0])
  with pytest.raises(ValueError, match='n_groups must be at least 1'):
    median_of_means(losses, n_groups=0)
  with pytest.raises(ValueError, match='n_groups=5 does not divide the 24 examples'):
    median_of_means(losses, n_groups=5)(params, batch)
