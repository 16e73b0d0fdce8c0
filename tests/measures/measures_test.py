"""Families that read parameters and margins: by hand, against NumPy, and what must leave them alone."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from research.measures import MEASURES, Trained
from research.measures.margins import margins_of, percentile
from research.measures.scaling import scaled
from research.models import Model, make_model

FAMILIES = ('counts', 'margins', 'norms', 'frobenius', 'spectral', 'exact_spectral', 'path')
SIGNED = ('margins/minus_margin', 'margins/minus_normalized')
N = 20


@functools.partial(jax.jit, static_argnums=(0, 1, 2))
def compiled(model, families, many, *arrays):
  initial, final, inputs, labels, key = arrays

  def of(initial, final, labels, key):
    given = Trained(model, initial, final, inputs, labels, key)
    return {k: v for name in families for k, v in MEASURES[name](given).items()}

  return (jax.vmap(of) if many else of)(initial, final, labels, key)


def compute(trained, families=FAMILIES, many=False):
  """All measures of the families, of one network or along the first axis of all but the inputs."""
  found = compiled(trained.model, families, many, *trained[1:])
  return {name: np.asarray(value) for name, value in found.items()}


def network(name='mlp', shape=(4, 4, 1), bias=0.3, seed=0, **kwargs):
  """A network and its start, with biases that are not zero, and labels most of which it predicts."""
  model = make_model(3, name=name, **kwargs)
  inputs = jax.random.normal(jax.random.key(9), (N, *shape))
  keys = jax.random.split(jax.random.key(seed), 3)
  initial, final = (model.init(key, inputs) for key in keys[:2])
  if bias:
    final = jax.tree.map(lambda x: x + bias if x.ndim == 1 else x, final)
  labels = jnp.argmax(model.apply(final, inputs), axis=1).astype(jnp.int32)
  labels = labels.at[0].add(1) % 3
  return Trained(model, initial, final, inputs, labels, keys[2])


def linear(kernels, start=None):
  """A linear network of these kernels without biases, on inputs that are unit vectors."""

  def apply(params, x):
    for i in range(len(kernels)):
      x = x @ params[f'Dense_{i}']['kernel']
    return x

  trees = [
    {f'Dense_{i}': {'kernel': jnp.asarray(k, jnp.float32)} for i, k in enumerate(found)}
    for found in (start or [np.zeros_like(k) for k in kernels], kernels)
  ]
  model = Model(lambda key, x: trees[0], apply, lambda params, x: {'logits': apply(params, x)})
  n = len(kernels[0])
  return Trained(model, *trees, jnp.eye(n), jnp.arange(n) % kernels[-1].shape[1], jax.random.key(0))


def test_one_diagonal_layer_by_hand():
  """W = diag(3, 4) from diag(1, 1), inputs e_1 and e_2: margins 3 and 4, of which 3 is the least."""
  found = compute(linear([np.diag([3.0, 4.0])], [np.eye(2)]))
  log, n = np.log, 2
  roots = {
    'counts/params': 4,
    'counts/vc': 4 * 2,
    'margins/inverse_sq': 1 / 9,
    'norms/length': 5,
    'norms/distance': np.sqrt(13),
    'norms/sq_frobenius': 25,
    'norms/sq_frobenius_distance': 13,
    'spectral/stable_rank': 25 / 16,
    'spectral/sq_distance': 9,
  }
  logs = {
    'frobenius/log_product': 25,
    'frobenius/log_product_over_margin': 25 / 9,
    'frobenius/log_sum': 25,
    'spectral/log_product': 16,
    'spectral/log_product_over_margin': 16 / 9,
    'spectral/log_init_main': 13 / 9,
    'spectral/log_origin_main': 25 / 9,
    'path/log_norm': 25,
    'path/log_norm_over_margin': 25 / 9,
  }
  plain = {'margins/minus_margin': -3, 'margins/minus_normalized': -3 / 4}
  for name, value in roots.items():
    assert found[name] == pytest.approx(np.sqrt(value / n), rel=1e-5), name
  for name, value in logs.items():
    assert found[name] == pytest.approx((log(value) - log(n)) / 2, abs=1e-5), name
  for name, value in plain.items():
    assert found[name] == pytest.approx(value, rel=1e-5), name


def test_products_of_diagonal_matrices():
  found = compute(linear([np.diag([1.0, 2.0]), np.diag([5.0, 3.0]), np.diag([1.0, 1.0])]))
  two = np.log(2)
  product, of_frobenius = 4 * 25, 5 * 34 * 2
  assert found['spectral/log_product'] == pytest.approx((np.log(product) - two) / 2, abs=1e-5)
  expected = np.log(3) + np.log(product) / 3
  assert found['spectral/log_sum'] == pytest.approx((expected - two) / 2, abs=1e-5)
  expected = np.log(3) + np.log(of_frobenius / 25) / 3  # the least margin is 5
  found_sum = found['frobenius/log_sum_over_margin']
  assert found_sum == pytest.approx((expected - two) / 2, abs=1e-5)
  assert found['spectral/stable_rank'] == pytest.approx(np.sqrt((5 / 4 + 34 / 25 + 2) / 2))


def slow(trained, exact=False):
  """The same numbers in NumPy, layer by layer, with full singular value decompositions."""
  params = [jax.tree.map(np.float64, tree) for tree in (trained.initial, trained.final)]
  first, last = params
  found, n = {}, len(trained.inputs)
  logits = np.asarray(trained.model.apply(trained.final, trained.inputs), np.float64)
  gaps = sorted(
    z[y] - max(v for c, v in enumerate(z) if c != y)
    for z, y in zip(logits, np.asarray(trained.labels), strict=True)
  )
  gamma = gaps[n // 10 - 1]
  shapes = trained.model.capture(trained.final, trained.inputs)
  fro, spec, way_fro, way_spec = [], [], [], []
  for name in last:
    pair = [last[name]['kernel'], last[name]['kernel'] - first[name]['kernel']]
    tops = []
    for kernel in pair:
      if exact and kernel.ndim == 4:
        waves = np.fft.fft2(kernel, shapes[name].shape[1:3], axes=(0, 1))
        tops.append(np.linalg.svd(waves, compute_uv=False).max())
      else:
        rows = np.stack([kernel[..., o].ravel() for o in range(kernel.shape[-1])])
        tops.append(np.linalg.svd(rows, compute_uv=False).max())
    spec.append(tops[0] ** 2)
    way_spec.append(tops[1] ** 2)
    fro.append((pair[0] ** 2).sum())
    way_fro.append((pair[1] ** 2).sum())
  group, depth = 'exact_spectral' if exact else 'spectral', len(spec)
  for name, squares in ((group, spec), ('frobenius', fro)):
    product = np.prod(squares)
    found |= {
      f'{name}/log_product': np.log(np.sqrt(product / n)),
      f'{name}/log_product_over_margin': np.log(np.sqrt(product / gamma**2 / n)),
      f'{name}/log_sum': np.log(np.sqrt(depth * product ** (1 / depth) / n)),
      f'{name}/log_sum_over_margin': np.log(
        np.sqrt(depth * (product / gamma**2) ** (1 / depth) / n)
      ),
    }
  main = np.prod(spec) / gamma**2 / n
  ranks, ways = (sum(a / b for a, b in zip(x, spec, strict=True)) for x in (fro, way_fro))
  leaves = [np.concatenate([x.ravel() for x in jax.tree.leaves(tree)]) for tree in params]
  return found | {
    f'{group}/stable_rank': np.sqrt(ranks / n),
    f'{group}/log_init_main': np.log(main * ways) / 2,
    f'{group}/log_origin_main': np.log(main * ranks) / 2,
    f'{group}/sq_distance': np.sqrt(sum(way_spec) / n),
    'margins/minus_margin': -gamma,
    'margins/inverse_sq': np.sqrt(1 / gamma**2 / n),
    'norms/length': np.sqrt(np.sqrt((leaves[1] ** 2).sum()) / n),
    'norms/distance': np.sqrt(np.sqrt(((leaves[1] - leaves[0]) ** 2).sum()) / n),
    'norms/sq_frobenius': np.sqrt(sum(fro) / n),
    'norms/sq_frobenius_distance': np.sqrt(sum(way_fro) / n),
  }


@pytest.mark.parametrize(
  ('name', 'kwargs'), [('mlp', dict(widths=(5, 4))), ('cnn', dict(widths=(3, 4), dense=(4,)))]
)
def test_measures_are_those_of_a_slow_implementation(name, kwargs):
  trained = network(name, (6, 6, 1), **kwargs)
  found = compute(trained)
  if name == 'cnn':  # the second convolution puts out 3 x 3, so that its kernel is not cut off
    assert found['exact_spectral/log_product'] != found['spectral/log_product']
  for exact in (False, True):
    expected = slow(trained, exact)
    for key, value in expected.items():
      assert found[key] == pytest.approx(value, rel=1e-4, abs=1e-4), key
  for key in found:
    assert found[key].shape == ()
    assert found[key].dtype == np.float32


def path_by_loops(params, n_inputs):
  kernels, biases = ([np.float64(params[k][leaf]) for k in params] for leaf in ('kernel', 'bias'))
  units = [range(n_inputs), *(range(k.shape[1]) for k in kernels)]
  total = 0.0
  for start in range(len(kernels) + 1):  # at an input, or at the bias of the layer before
    for nodes in itertools.product(*units[start:]):
      weight = biases[start - 1][nodes[0]] if start else 1.0
      for layer, pair in enumerate(itertools.pairwise(nodes), start):
        weight *= kernels[layer][pair]
      total += weight**2
  return total


@pytest.mark.parametrize('scale', [1.0, 1e-12, 1e14])
def test_the_path_norm_is_the_sum_over_paths(scale):
  trained = network(shape=(2, 1, 1), widths=(3, 2))
  final = jax.tree.map(lambda x: x * scale, trained.final)
  found = compute(trained._replace(final=final), ('path',))
  expected = np.log(path_by_loops(final, 2) / N) / 2
  assert found['path/log_norm'] == pytest.approx(expected, rel=1e-5)
  if scale > 1:
    squared = jax.tree.map(jnp.square, final)
    assert np.isinf(trained.model.apply(squared, trained.inputs).sum())


def test_path_norms_of_convolutions_stay_in_range():
  for shared in (True, False):
    trained = network('cnn', (4, 4, 1), widths=(2,), dense=(2,), shared=shared, bias=0.0)
    small, large = (
      compute(trained._replace(final=jax.tree.map(lambda x, c=c: x * c, trained.final)), ('path',))
      for c in (1.0, 1e9)
    )
    moved = large['path/log_norm'] - small['path/log_norm']
    assert moved == pytest.approx(3 * np.log(1e9), rel=1e-5)


@pytest.fixture(scope='module')
def relu():
  trained = network(widths=(5, 4), bias=0.0)
  return trained, compute(trained)


def test_relu_layers_may_be_rescaled(relu):
  trained, before = relu
  final = jax.tree.map(lambda x: x, trained.final)
  final['Dense_0']['kernel'] = 4 * final['Dense_0']['kernel']
  final['Dense_2']['kernel'] = final['Dense_2']['kernel'] / 4
  after = compute(trained._replace(final=final))
  same = [k for k in before if 'log_' in k and 'init' not in k] + ['spectral/stable_rank']
  same += [k for k in before if k.startswith(('margins', 'counts'))]
  for name in same:
    assert after[name] == pytest.approx(before[name], rel=1e-4), name
  for name in ('norms/length', 'norms/distance', 'spectral/sq_distance'):
    assert after[name] != pytest.approx(before[name], rel=1e-2), name


def test_units_and_examples_may_be_reordered(relu):
  trained, before = relu
  order = jnp.array([3, 0, 4, 1, 2])
  moved = []
  for tree in (trained.initial, trained.final):
    layers = {name: dict(leaves) for name, leaves in tree.items()}
    layers['Dense_0'] = jax.tree.map(lambda x: x[..., order], layers['Dense_0'])
    layers['Dense_1']['kernel'] = layers['Dense_1']['kernel'][order]
    moved.append(layers)
  after = compute(
    Trained(trained.model, *moved, trained.inputs[::-1], trained.labels[::-1], trained.key)
  )
  for name, value in before.items():
    assert after[name] == pytest.approx(value, rel=1e-4), name


def test_logits_times_c_are_margins_times_c(relu):
  trained, before = relu
  final = {name: dict(leaves) for name, leaves in trained.final.items()}
  final['Dense_2'] = jax.tree.map(lambda x: 3 * x, final['Dense_2'])
  after = compute(trained._replace(final=final))
  assert after['margins/minus_margin'] == pytest.approx(3 * before['margins/minus_margin'])
  assert after['margins/inverse_sq'] == pytest.approx(before['margins/inverse_sq'] / 3)
  assert after['margins/minus_normalized'] == pytest.approx(
    before['margins/minus_normalized'], rel=1e-4
  )
  up = after['frobenius/log_product'] - before['frobenius/log_product']
  assert up == pytest.approx(np.log(3), rel=1e-4)


def test_networks_together_are_as_one_by_one():
  several = [network(seed=seed, widths=(5, 4)) for seed in range(3)]
  stacked = [
    jax.tree.map(lambda *x: jnp.stack(x), *parts)
    for parts in zip(*((t.initial, t.final, t.labels, t.key) for t in several), strict=True)
  ]
  initial, final, labels, key = stacked
  together = compute(
    Trained(several[0].model, initial, final, several[0].inputs, labels, key), many=True
  )
  for i, trained in enumerate(several):
    for name, value in compute(trained).items():
      assert together[name][i] == pytest.approx(value, rel=1e-4), name


def test_deep_and_wide_networks_are_finite():
  trained = network(widths=(512,) * 8, shape=(8, 8, 1))
  found = compute(trained, ('margins', 'norms', 'frobenius', 'spectral', 'path'))
  assert all(np.isfinite(value) for value in found.values())
  assert found['frobenius/log_product'] > 20  # whose exponential squared is beyond float32's digits


def test_a_network_that_did_not_move_has_no_way():
  trained = network(widths=(5,))
  found = compute(trained._replace(initial=trained.final), ('norms', 'spectral'))
  assert found['norms/distance'] == 0
  assert found['norms/sq_frobenius_distance'] == 0
  assert found['spectral/sq_distance'] == 0
  assert found['spectral/log_init_main'] == -np.inf
  assert np.isfinite(found['spectral/log_origin_main'])


def test_counts_by_hand():
  trained = network(widths=(5,))  # 16 x 5 + 5, 5 x 3 + 3
  p, found = 103, MEASURES['counts'](trained)
  assert found['counts/params'] == pytest.approx(np.sqrt(p / N))
  assert found['counts/vc'] == pytest.approx(np.sqrt(2 * p * np.log2(p) / N))


def fixed(logits, labels):
  logits = jnp.asarray(logits, jnp.float32)
  apply = lambda params, x: logits[x[:, 0].astype(int)] * params['kernel'][0, 0]  # noqa: E731
  params = {'kernel': jnp.ones((1, 1))}
  model = Model(lambda key, x: params, apply, lambda params, x: {})
  inputs = jnp.arange(float(len(logits)))[:, None]
  return Trained(model, params, params, inputs, jnp.asarray(labels), jax.random.key(0))


def test_margins_written_down():
  trained = fixed([[1, 0, -1], [0, 5, 2], [2, 2, 0], [0, 1, 4]], [0, 1, 0, 1])
  np.testing.assert_array_equal(margins_of(trained), [1, 3, 0, -3])
  assert percentile(jnp.arange(40.0)[::-1]) == 3  # the fourth of forty
  assert percentile(jnp.arange(5.0)) == 0


@pytest.mark.parametrize('gap', [-2.0, 0.0])
def test_without_a_margin_the_inverse_is_infinite_and_not_its_absolute_value(gap):
  trained = fixed([[gap, 0.0]] * 2 + [[9.0, 0.0]] * 18, [0] * 20)
  found = MEASURES['margins'](trained)
  assert found['margins/minus_margin'] == -gap
  assert found['margins/minus_normalized'] == -gap
  assert found['margins/inverse_sq'] == np.inf
  assert MEASURES['spectral'](trained)['spectral/log_product_over_margin'] == np.inf
  wrong = linear([np.diag([3.0, 4.0])])._replace(labels=jnp.array([1, 0]))
  assert MEASURES['path'](wrong)['path/log_norm_over_margin'] == np.inf
  best = fixed([[9.0, 0.0]] * 20, [0] * 20)
  assert MEASURES['margins'](best)['margins/inverse_sq'] == pytest.approx(1 / 9 / np.sqrt(20))


def test_logits_that_are_not_numbers_are_not_hidden():
  trained = fixed([[np.nan, 0.0]] + [[9.0, 0.0]] * 19, [1] + [0] * 19)
  assert all(np.isnan(value) for value in MEASURES['margins'](trained).values())


def test_scaling():
  for mu in (0.5, 7.0, 1e4):
    assert scaled(jnp.log(mu), 50, log=True) == pytest.approx(
      float(jnp.log(scaled(jnp.float32(mu), 50))), rel=1e-5
    )
  assert scaled(jnp.float32(0), 5) == 0
  assert scaled(-jnp.float32(jnp.inf), 5, log=True) == -np.inf
  assert scaled(jnp.float32(jnp.inf), 5) == np.inf


def test_bad_arguments_are_named():
  trained = network(widths=(5,))
  with pytest.raises(ValueError, match='^model must put out two logits'):
    margins_of(fixed([[1.0]], [0]))
  with pytest.raises(ValueError, match='^initial must have'):
    MEASURES['norms'](trained._replace(initial={'kernel': jnp.zeros(2)}))
  silent = network('cnn', widths=(2,))
  model = silent.model._replace(capture=lambda params, x: {'logits': silent.model.apply(params, x)})
  with pytest.raises(ValueError, match="^model must capture the output .* 'Conv_0'"):
    MEASURES['exact_spectral'](silent._replace(model=model))


@pytest.mark.slow
@pytest.mark.parametrize(
  ('name', 'kwargs'), [('mlp', dict(widths=(6, 5))), ('cnn', dict(widths=(4,), dense=(5,)))]
)
def test_measures_are_those_of_public_code_where_it_is_right(name, kwargs):
  """The formulas of robust-generalization-measures, without biases, which it leaves out of norms.

  One convolution with the inputs' own resolution, a positive margin, and a multiple of ten examples:
  its absolute value, one grid for all layers, and truncated kernels then change nothing.
  """
  trained = network(name, (5, 5, 1), bias=0.0, **kwargs)
  found, m = compute(trained), len(trained.inputs)
  root, log = (lambda v: np.sqrt(v / m)), (lambda v: 0.5 * (v - np.log(m)))
  w, d = [], []
  for layer in trained.final:
    last, first = (np.float64(tree[layer]['kernel']) for tree in (trained.final, trained.initial))
    w.append(last)
    d.append(last - first)
  two = [k.reshape(-1, k.shape[-1]) for k in w], [k.reshape(-1, k.shape[-1]) for k in d]
  fro, way_fro = ([np.linalg.norm(k, 'fro') ** 2 for k in side] for side in two)
  spec, way_spec = ([np.linalg.norm(k, 2) ** 2 for k in side] for side in two)
  z = np.array(trained.model.apply(trained.final, trained.inputs), np.float64)
  own = z[np.arange(m), trained.labels]
  z[np.arange(m), trained.labels] = -np.inf
  gamma = abs(np.partition(own - z.max(axis=1), m // 10 - 1)[m // 10 - 1])
  squared = jax.tree.map(jnp.square, trained.final)
  of_path = float(trained.model.apply(squared, jnp.ones_like(trained.inputs[:1])).sum())
  exact, exact_way = (
    [
      np.linalg.svd(np.fft.fft2(k, (5, 5), axes=(0, 1)), compute_uv=False).max() ** 2
      if k.ndim == 4
      else np.linalg.norm(k, 2) ** 2
      for k in side
    ]
    for side in (w, d)
  )
  expected = {
    'norms/length': root(np.linalg.norm(np.concatenate([k.ravel() for k in w]))),
    'norms/distance': root(np.linalg.norm(np.concatenate([k.ravel() for k in d]))),
    'norms/sq_frobenius': root(np.sum(fro)),
    'norms/sq_frobenius_distance': root(np.sum(way_fro)),
    'margins/inverse_sq': root(1 / gamma**2),
    'path/log_norm': np.log(root(of_path)),
    'path/log_norm_over_margin': np.log(root(of_path / gamma**2)),
  }
  for group, norms, ways in (
    ('spectral', spec, way_spec),
    ('exact_spectral', exact, exact_way),
    ('frobenius', fro, None),
  ):
    depth, product = len(norms), np.log(norms).sum()
    over_margin = product - 2 * np.log(gamma)
    expected |= {
      f'{group}/log_product': log(product),
      f'{group}/log_product_over_margin': log(over_margin),
      f'{group}/log_sum': log(np.log(depth) + product / depth),
      f'{group}/log_sum_over_margin': log(np.log(depth) + over_margin / depth),
    }
    if ways is not None:
      ratio, way_ratio = (np.sum(np.divide(x, norms)) for x in (fro, way_fro))
      expected |= {
        f'{group}/stable_rank': root(ratio),
        f'{group}/log_init_main': log(over_margin + np.log(way_ratio)),
        f'{group}/log_origin_main': log(over_margin + np.log(ratio)),
        f'{group}/sq_distance': root(np.sum(ways)),
      }
  assert {*found} - {*expected} == {'counts/params', 'counts/vc', *SIGNED}
  for key, value in expected.items():
    assert found[key] == pytest.approx(value, rel=1e-4, abs=1e-4), key
