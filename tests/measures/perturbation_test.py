"""The largest noise, against a plain bisection and against a probit."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import optimize, stats

from research.measures.perturbation import Search, correct, largest_noise, perturbed
from research.models import make_model

MODEL = make_model(3, name='mlp', widths=(8,))
X = jax.random.normal(jax.random.key(0), (40, 5))


def network(seed):
  params = MODEL.init(jax.random.key(seed), X[:1])
  labels = jnp.argmax(MODEL.apply(params, X), axis=-1).at[:3].set(0)  # a few of them wrong
  return params, labels


def plain(params):
  return lambda sigma: jax.tree.map(lambda x: sigma * jnp.ones_like(x), params)


def search_of(params, labels, key, search):
  n_correct = lambda p: correct(MODEL.apply, p, X, labels)  # noqa: E731
  return largest_noise(n_correct, len(X), params, plain(params), key, search)


compiled = jax.jit(search_of, static_argnums=3)


@jax.jit
def predicted_under_noise(params, sigma, key):
  return jnp.argmax(MODEL.apply(perturbed(params, plain(params)(sigma), key), X), axis=-1)


def by_loops(params, labels, key, search):
  """Plain bisection: every size sees every draw."""

  def accuracy(sigma, k):
    return np.mean(predicted_under_noise(params, sigma, jax.random.fold_in(key, k)) == labels)

  low, high, before = 0.0, search.largest, accuracy(0.0, 0)
  for _ in range(search.depth):
    if high - low <= search.tolerance * high:
      break
    middle = (low + high) / 2
    drops = [before - accuracy(middle, k) for k in range(search.draws)]
    if np.mean(drops) <= search.drop + 1e-9:
      low = middle
    else:
      high = middle
  return low


@pytest.mark.parametrize(
  'search',
  [Search(depth=8, draws=4), Search(depth=5, draws=1, largest=0.7, drop=0.2, tolerance=0.0)],
)
def test_it_is_what_a_plain_bisection_finds(search):
  found = []
  for seed in range(3):
    params, labels = network(seed)
    key = jax.random.key(100 + seed)
    found.append(float(compiled(params, labels, key, search)))
    assert found[-1] == pytest.approx(by_loops(params, labels, key, search), abs=1e-7)
  assert len(set(found)) > 1


def test_of_a_linear_classifier_it_is_where_the_probit_says():
  """Noise on the difference of two logits is normal, with deviation sqrt(2) sigma |x|."""
  rng = np.random.default_rng(0)
  x = rng.normal(size=(300, 4))
  kernel = rng.normal(size=(4, 2))
  labels = np.argmax(x @ kernel, axis=1)
  margins = np.abs(x @ (kernel[:, 0] - kernel[:, 1])) / np.linalg.norm(x, axis=1)

  def drop(sigma):
    return np.mean(stats.norm.cdf(-margins / (np.sqrt(2) * sigma))) - 0.1

  expected = optimize.brentq(drop, 1e-3, 10.0)
  params = jnp.asarray(kernel, jnp.float32)
  n_correct = lambda w: correct(lambda w, x: x @ w, w, jnp.asarray(x, jnp.float32), labels)  # noqa: E731
  search = Search(draws=100)
  found = jax.jit(lambda w: largest_noise(n_correct, 300, w, plain(w), jax.random.key(0), search))
  assert float(found(params)) == pytest.approx(expected, rel=0.08)


def test_no_draw_is_taken_that_cannot_turn_the_verdict():
  params, labels = network(0)
  calls = []

  def n_correct(p):
    jax.debug.callback(lambda: calls.append(1))
    return correct(MODEL.apply, p, X, labels)

  def ruined(p):
    jax.debug.callback(lambda: calls.append(1))
    return jnp.where(jnp.all(p['Dense_0']['kernel'] == params['Dense_0']['kernel']), 40, 0)

  search, key = Search(depth=8, draws=10, tolerance=0.0), jax.random.key(1)
  run = jax.jit(lambda p: largest_noise(n_correct, 40, p, plain(p), key, search))
  jax.block_until_ready(run(params))
  jax.effects_barrier()
  assert 8 < len(calls) < 70
  calls.clear()
  run = jax.jit(lambda p: largest_noise(ruined, 40, p, plain(p), key, search))
  jax.block_until_ready(run(params))
  jax.effects_barrier()
  assert len(calls) == 1 + 8 * 2  # of ten, a second one lost is one too many


def test_the_ends_of_the_range():
  params, _ = network(0)
  key = jax.random.key(0)

  def found(n_correct):
    search = Search(depth=6, tolerance=0.0)
    return largest_noise(n_correct, 40, params, plain(params), key, search)

  same = lambda p: jnp.all(p['Dense_0']['kernel'] == params['Dense_0']['kernel'])  # noqa: E731
  assert found(lambda p: jnp.where(same(p), 40, 0)) == 0.0
  assert found(lambda p: jnp.array(40)) == 2 - 2 / 2**6


def test_networks_together_are_networks_one_by_one():
  networks = [network(seed) for seed in range(3)]
  search = Search(depth=8, draws=4)
  params, labels = jax.tree.map(lambda *xs: jnp.stack(xs), *networks)
  keys = jax.random.split(jax.random.key(3), 3)
  together = jax.jit(jax.vmap(lambda p, y, k: search_of(p, y, k, search)))(params, labels, keys)
  alone = [compiled(*it, key, search) for it, key in zip(networks, keys, strict=True)]
  np.testing.assert_array_equal(together, alone)
  np.testing.assert_array_equal(alone[0], compiled(*networks[0], keys[0], search))


def test_noise_has_the_deviations_asked_for_and_leaves_are_independent():
  params = {'a': jnp.zeros(20_000), 'b': jnp.ones(20_000)}
  noisy = perturbed(params, {'a': jnp.full(20_000, 2.0), 'b': jnp.zeros(20_000)}, jax.random.key(0))
  assert np.std(noisy['a']) == pytest.approx(2.0, rel=0.03)
  np.testing.assert_array_equal(noisy['b'], 1.0)
  both = perturbed(params, jax.tree.map(jnp.ones_like, params), jax.random.key(0))
  assert abs(np.corrcoef(both['a'], both['b'])[0, 1]) < 0.03


@pytest.mark.parametrize(
  ('name', 'search'),
  [
    ('drop', Search(drop=-0.1)),
    ('drop', Search(drop=1.1)),
    ('largest', Search(largest=0.0)),
    ('depth', Search(depth=0)),
    ('depth', Search(draws=0)),
    ('tolerance', Search(tolerance=1.0)),
  ],
)
def test_bad_arguments_are_named(name, search):
  params, labels = network(0)
  with pytest.raises(ValueError, match=f'^{name}'):
    search_of(params, labels, jax.random.key(0), search)
