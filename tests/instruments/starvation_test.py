"""Features of the tangent kernel, against full Jacobians and singular values of inputs."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from reference import in_double

from research import sharding
from research.gradients import BatchCoupledError
from research.instruments import make_measure
from research.instruments.instrument import Network
from research.instruments.starvation import _ritz_pairs, starvation
from research.theory.starvation import features, response


def no_losses(params, batch):
  raise AssertionError('no losses are asked for')


def apply(params, x):
  return jnp.tanh(x @ params['a'] + params['b'][None]) @ params['c']


def linear(params, x):
  return x @ params


@functools.cache
def problem(m=96, seed=0):
  rng = np.random.default_rng(seed)
  normal = lambda *shape: jnp.asarray(rng.normal(size=shape), jnp.float32)  # noqa: E731
  params = {'a': normal(5, 6), 'b': normal(6), 'c': normal(6, 2)}
  inputs = normal(m, 5) * jnp.asarray([3, 2, 1.5, 1, 0.7], jnp.float32)[None]
  return params, {'inputs': inputs, 'labels': jnp.asarray(rng.integers(0, 2, m))}


@functools.cache
def compiled(apply=apply, **kwargs):
  return jax.jit(make_measure([starvation(**kwargs)], Network(no_losses, apply)))


def measured(params, batch, apply=apply, **kwargs):
  """Strengths [k], responses [k] and the share."""
  metrics = compiled(apply, **kwargs)(params, batch)
  k = (len(metrics) - 1) // 2
  rows = (
    [metrics[f'starvation/{name}/{j}'] for j in range(k)] for name in ('strength', 'response')
  )
  return *(np.array(row) for row in rows), np.array(metrics['starvation/share'])


def assert_same(here, there, rtol=1e-4):
  for a, b in zip(here, there, strict=True):
    np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol * np.abs(b).max())


def by_jacobian(params, batch, apply=apply):
  """The same of all features, out of the Jacobian [m, P] in float64."""
  with jax.enable_x64(True):
    params, inputs = in_double((params, batch['inputs']))
    outputs = lambda params: apply(params, inputs) @ np.array([-1.0, 1.0])  # noqa: E731
    f, rows = np.asarray(outputs(params)), jax.jit(jax.jacobian(outputs))(params)
    rows = [np.asarray(x).reshape(len(f), -1) for x in jax.tree.leaves(rows)]
  signs, jacobian = 2.0 * np.asarray(batch['labels']) - 1, np.concatenate(rows, axis=1)
  strengths, basis = features(jacobian @ jacobian.T, signs)
  z = response(basis, signs, f)
  return strengths, z, np.cumsum(z**2) / np.sum(f**2)


def test_agrees_with_the_full_jacobian_of_a_network():
  params, batch = problem()
  strengths, z, shares = by_jacobian(params, batch)
  assert_same(measured(params, batch), (strengths[:8], z[:8], shares[7]), rtol=1e-4)
  with jax.enable_x64(True):
    found = measured(*in_double((params, batch)), n_features=20)
  assert_same(found, (strengths[:20], z[:20], shares[19]), rtol=1e-8)


@pytest.mark.parametrize('method', ['exact', 'randomized'])
def test_of_a_linear_model_strengths_are_singular_values_of_the_inputs(method):
  """Five inputs make five features; of eight that are asked for, three do not exist."""
  _, batch = problem()
  w = jnp.asarray(np.random.default_rng(1).normal(size=(5, 2)), jnp.float32)
  x, signs = np.asarray(batch['inputs'], np.float64), 2 * np.asarray(batch['labels']) - 1
  u, s, _ = np.linalg.svd(signs[:, None] * x, full_matrices=False)
  u = u * np.sign(u.sum(axis=0))[None]
  expected = u.T @ (signs * (x @ (w[:, 1] - w[:, 0])))
  strengths, z, share = measured(w, batch, linear, method=method)
  assert_same((strengths[:5], z[:5], share), (np.sqrt(2) * s, expected, 1.0), rtol=1e-4)
  assert np.all(strengths[5:] < 2e-3 * strengths[0])
  np.testing.assert_allclose(z[5:], 0, atol=1e-3 * np.abs(z).max())


def test_eigenvalues_below_zero_are_rounding():
  """Nine examples of five inputs: four features do not exist, some by a little less than zero."""
  _, batch = problem(9)
  strengths, z, _ = measured(jnp.ones((5, 2)), batch, linear, n_features=9)
  assert np.all(strengths[5:] >= 0)
  assert np.all(np.isfinite(z))


def test_randomized_agrees_with_exact():
  params, batch = problem()
  exact = measured(params, batch)
  assert_same(measured(params, batch, method='randomized'), exact, rtol=1e-3)
  rough, _, _ = measured(params, batch, method='randomized', n_blocks=1)
  assert np.all(rough < 0.99 * exact[0])  # never too large, and the blocks matter


def test_randomized_is_exact_where_the_blocks_fill_the_sample():
  params, batch = problem()
  found = measured(params, batch, method='randomized', n_blocks=99)  # eight, of twelve each, fit
  assert_same(found, measured(params, batch), rtol=1e-4)


def test_vectors_stay_orthonormal_where_the_operator_is_exhausted():
  """Of rank 3, it is exhausted within the first of five blocks of four."""
  rng = np.random.default_rng(0)
  rows = jnp.asarray(np.linalg.qr(rng.normal(size=(20, 20)))[0][:3], jnp.float32)
  product = lambda v: rows.T @ (jnp.asarray([9.0, 4.0, 1e-2]) * (rows @ v))  # noqa: E731
  first = jnp.asarray(rng.normal(size=(4, 20)), jnp.float32)
  values, vectors = _ritz_pairs(product, first, 5)
  np.testing.assert_allclose(values[::-1][:3], [9, 4, 1e-2], rtol=1e-4)
  np.testing.assert_allclose(values[:-3], 0, atol=1e-5)
  np.testing.assert_allclose(vectors.T @ vectors, np.eye(20), atol=1e-5)


@pytest.mark.parametrize('method', ['exact', 'randomized'])
def test_neither_order_nor_names_matter(method):
  params, batch = problem()
  rng = np.random.default_rng(0)
  here = measured(params, batch, method=method)
  order, units = rng.permutation(96), rng.permutation(6)
  shuffled = jax.tree.map(lambda x: x[order], batch)
  assert_same(measured(params, shuffled, method=method), here, rtol=2e-3)
  permuted = {'a': params['a'][:, units], 'b': params['b'][units], 'c': params['c'][units]}
  assert_same(measured(permuted, batch, method=method), here, rtol=1e-3)
  swapped = {**params, 'c': params['c'][:, ::-1]}, {**batch, 'labels': 1 - batch['labels']}
  assert_same(measured(*swapped, method=method), here, rtol=1e-3)


def scaled(params, x):
  return 7 * apply(params, x)


def test_the_scale_of_the_outputs_scales_strengths_and_responses():
  params, batch = problem()
  strengths, z, share = measured(params, batch)
  assert_same(measured(params, batch, scaled), (7 * strengths, 7 * z, share))


def test_zero_outputs_have_no_share():
  params, batch = problem()
  strengths, z, share = measured({**params, 'c': 0 * params['c']}, batch)
  assert np.isnan(share)
  assert np.all(z == 0)
  assert np.all(strengths[:6] > 0)  # of the last layer


@pytest.mark.parametrize('method', ['exact', 'randomized'])
def test_nan_in_nan_out(method):
  params, batch = problem()
  for values in measured(jax.tree.map(lambda x: jnp.nan * x, params), batch, method=method):
    assert np.all(np.isnan(values))


@pytest.mark.parametrize('method', ['exact', 'randomized'])
def test_a_population_on_two_devices_gives_the_same(method):
  params, batch = problem()
  expected = compiled(method=method)(params, batch)
  both = jax.tree.map(lambda x: jnp.stack([2 * x, x]), params)
  mesh = sharding.make_mesh(1, 96, jax.devices()[:2])
  measure = make_measure([starvation(method=method)], Network(no_losses, apply), sharding.EXAMPLES)
  specs = (jax.P(), jax.P(sharding.EXAMPLES))
  of_both = jax.shard_map(
    jax.vmap(measure, (0, None)), mesh=mesh, in_specs=specs, out_specs=jax.P()
  )
  found = jax.jit(of_both)(sharding.put(both, mesh), sharding.put(batch, mesh, sharding.EXAMPLES))
  assert set(found) == set(expected)
  for name, value in expected.items():
    np.testing.assert_allclose(found[name][1], value, rtol=2e-3, atol=1e-2, err_msg=name)
    assert abs(found[name][0] - value) > 1e-4, name


def flops(function, *args):
  return jax.jit(function).lower(*args).compile().cost_analysis()['flops']


@pytest.mark.parametrize('method', ['exact', 'randomized'])
def test_costs_what_it_says(method, monkeypatch):
  """XLA's own count, over that of one gradient of the mean loss; 2 m wide layers."""
  monkeypatch.setattr(lax, 'scan', functools.partial(lax.scan, unroll=True))  # or bodies count once
  rng, m = np.random.default_rng(0), 32
  params = [jnp.asarray(rng.normal(size=s), jnp.float32) for s in ((64, 64), (64, 64), (64, 2))]
  batch = {'inputs': jnp.ones((m, 64)), 'labels': jnp.zeros(m, int)}

  def apply(params, x):
    return jax.nn.relu(jax.nn.relu(x @ params[0]) @ params[1]) @ params[2]

  def mean_loss(params, batch):
    logits = jax.nn.log_softmax(apply(params, batch['inputs']))
    return -jnp.mean(jnp.take_along_axis(logits, batch['labels'][:, None], 1))

  it = starvation(method=method, n_features=4, n_blocks=2)
  measure = make_measure([it], Network(no_losses, apply))
  price = flops(measure, params, batch) / flops(jax.grad(mean_loss), params, batch)
  assert 0.85 * it.price <= price <= 1.15 * it.price, price


def three_classes(params, x):
  return jnp.concatenate([apply(params, x)] * 2, axis=1)[:, :3]


def coupled(params, x):
  return apply(params, x - jnp.mean(x, axis=0)[None])


@pytest.mark.parametrize('method', ['exact', 'randomized'])
def test_what_it_cannot_measure_is_refused(method):
  params, batch = problem()
  with pytest.raises(ValueError, match=r'^starvation.n_features is for tasks of two classes'):
    measured(params, batch, three_classes, method=method)
  with pytest.raises(ValueError, match=r'^starvation.n_features=97 takes a sample of at least'):
    measured(params, batch, n_features=97, method=method)
  with pytest.raises(BatchCoupledError):
    measured(params, batch, coupled, method=method)


@pytest.mark.parametrize(
  ('kwargs', 'message'),
  [
    (dict(n_features=0), 'n_features must be at least 1, not 0'),
    (dict(n_blocks=0), 'n_blocks must be at least 1, not 0'),
    (dict(method='fast'), 'method must be one of exact, randomized, not fast'),
  ],
)
def test_senseless_arguments_are_refused(kwargs, message):
  with pytest.raises(ValueError, match=f'^{message}'):
    starvation(**kwargs)
