"""What a linear classifier explains, against scikit-learn's ridge refitted without each example."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.linear_model import Ridge

from research.measures import Trained
from research.measures.linear import left_out_fits, linear
from research.models import make_model

MODEL = make_model(3, name='mlp', widths=())
X = jax.random.normal(jax.random.key(0), (150, 5)) + 1


def trained(labels, seed=0, order=None, model=MODEL):
  final = model.init(jax.random.key(seed), X[:1])
  order = np.arange(150) if order is None else order
  return Trained(model, None, final, X[order], labels[order], jax.random.key(0))


def pure(params, x, labels):
  return linear(Trained(MODEL, None, params, x, labels, jax.random.key(0)))


compiled = jax.jit(pure)


def measured(it):
  found = jax.tree.map(float, compiled(it.final, it.inputs, it.labels))
  return {name.removeprefix('linear/'): value for name, value in found.items()}


def own_labels(seed=0):
  return jnp.argmax(MODEL.apply(MODEL.init(jax.random.key(seed), X[:1]), X), axis=-1)


@pytest.mark.parametrize(('m', 'd'), [(15, 4), (6, 9)])
def test_what_is_left_out_is_what_refitting_without_it_predicts(m, d):
  rng = np.random.default_rng(m)
  x, y = rng.normal(2, 1, (m, d)), rng.normal(1, 1, (m, 2))
  ridge = 0.3 * np.sum((x - x.mean(0)) ** 2) / min(m, d)
  expected = []
  for i in range(m):
    kept = np.arange(m) != i
    expected.append(Ridge(alpha=ridge).fit(x[kept], y[kept]).predict(x[i : i + 1])[0])
  found = left_out_fits(jnp.asarray(x, jnp.float32), jnp.asarray(y, jnp.float32), jnp.array(0.3))
  np.testing.assert_allclose(found, expected, rtol=2e-3, atol=2e-3)


def test_a_linear_network_is_linear_and_random_labels_leave_nothing():
  found = measured(trained(own_labels()))
  assert found['minus_explained'] == pytest.approx(-1, abs=0.01)
  assert found['minus_agreement'] < -0.75
  assert found['minus_performance_correlation'] < -0.4
  labels = jax.random.randint(jax.random.key(5), (150,), 0, 3)
  random = measured(trained(labels))
  assert random['minus_performance_correlation'] == pytest.approx(0, abs=0.1)
  assert random['minus_explained'] == pytest.approx(-1, abs=0.01)  # of the function, not its labels


def test_a_function_that_is_not_linear_is_not():
  model = MODEL._replace(apply=lambda p, x: jnp.cos(20 * x[:, :3]))
  it = trained(own_labels(), model=model)
  found = jax.jit(lambda labels: linear(it._replace(labels=labels)))(it.labels)
  assert float(found['linear/minus_explained']) > -0.2


def test_information_is_that_of_the_house():
  """The network knows its labels: what it shares and what is beyond add up to their entropy."""
  labels = own_labels(1)
  found = measured(trained(labels, seed=1))
  p = np.bincount(labels) / 150
  entropy = -np.sum(p[p > 0] * np.log2(p[p > 0]))
  total = found['information_beyond'] - found['minus_performance_correlation']
  assert total == pytest.approx(entropy, abs=0.05)
  assert found['information_beyond'] > 0


def test_order_does_not_matter_and_networks_together_are_networks_one_by_one():
  networks = [trained(own_labels(seed + 7), seed) for seed in range(3)]
  alone = [measured(it) for it in networks]
  order = np.random.default_rng(0).permutation(150)
  moved = measured(trained(own_labels(7), 0, order))
  final, labels = (
    jax.tree.map(lambda *xs: jnp.stack(xs), *(getattr(it, field) for it in networks))
    for field in ('final', 'labels')
  )
  together = jax.jit(jax.vmap(pure, in_axes=(0, None, 0)))(final, X, labels)
  for name, value in alone[0].items():
    assert moved[name] == pytest.approx(value, rel=1e-3), name
    for r in range(3):
      of_r = float(together[f'linear/{name}'][r])
      assert of_r == pytest.approx(alone[r][name], rel=1e-3, abs=1e-4), name


def test_what_has_diverged_is_nan():
  it = trained(own_labels())
  final = jax.tree.map(lambda x: x.at[0].set(jnp.nan), it.final)
  assert all(np.isnan(x) for x in measured(it._replace(final=final)).values())
