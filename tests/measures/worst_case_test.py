"""Worst-case flatness: corners of boxes, thresholds of margins, symmetries."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from small_networks import MODEL, X, scaled_up, trained

from research.measures import Trained, examples
from research.measures.worst_case import ascended, largest_boxes, worst_case


def pure(start, end, x, labels):
  return worst_case(Trained(MODEL, start, end, x, labels, jax.random.key(0)))


compiled = jax.jit(pure)


def measured(*args):
  return jax.tree.map(float, compiled(*args))


def test_of_a_linear_loss_the_ascent_ends_at_the_worst_corner():
  slope = jnp.array([3.0, -0.1, 2.0, -5.0])
  box = jnp.array([1.0, 0.5, 2.0, 0.0])
  end = ascended(lambda w: slope @ w, jnp.ones(4), box)
  np.testing.assert_allclose(end, 1 + box * jnp.sign(slope), rtol=1e-6)


def test_no_step_leaves_the_box():
  loss = lambda w: jnp.sum(jnp.cos(7 * w))  # noqa: E731
  w = jnp.linspace(-1, 1, 9)
  end = ascended(loss, w, 0.3 * jnp.ones(9))
  assert jnp.max(jnp.abs(end - w)) <= 0.3 + 1e-6
  assert loss(end) > loss(w)


def test_of_a_linear_classifier_the_box_is_a_margin_over_a_norm():
  """Positive inputs, all of class 0: one corner is the worst of all examples."""
  rng = np.random.default_rng(0)
  x, kernel = rng.uniform(0.1, 1, (50, 4)), np.stack([rng.uniform(0.2, 1, 4), np.zeros(4)], 1)
  ratios = x @ kernel[:, 0] / (2 * x.sum(1))
  relative = x @ kernel[:, 0] / (x @ (np.abs(kernel).sum(1) + 2e-3))
  batch = {'inputs': jnp.asarray(x, jnp.float32), 'labels': jnp.zeros(50, jnp.int32)}
  params = jnp.asarray(kernel, jnp.float32)
  linear = lambda w, x: x @ w  # noqa: E731
  plain, aware = map(float, jax.jit(lambda w: largest_boxes(linear, w, batch))(params))
  assert plain == pytest.approx(np.sort(ratios)[5], rel=0.022)  # the sixth is one too many
  assert aware == pytest.approx(np.sort(relative)[5], rel=0.022)
  labels, key = batch['labels'], jax.random.key(0)
  it = Trained(
    MODEL._replace(apply=linear), jnp.zeros((4, 2)), params, batch['inputs'], labels, key
  )
  found = jax.tree.map(float, jax.jit(lambda w: worst_case(it._replace(final=w)))(params))
  assert found['worst_case/flatness'] == pytest.approx(1 / np.sqrt(50) / plain, rel=1e-5)
  assert found['worst_case/mag_flatness'] == pytest.approx(1 / np.sqrt(50) / aware, rel=1e-5)
  mu = np.sum(kernel**2) * np.log(16) / (2 * plain**2) + np.log(50 / plain) + 10
  assert found['worst_case/orig'] == pytest.approx(np.sqrt(mu / 50), rel=1e-5)
  assert found['worst_case/init'] == pytest.approx(np.sqrt(mu / 50), rel=1e-5)

  def loss(margins):
    return np.mean(np.log1p(np.exp(-margins)))

  margins = x @ kernel[:, 0]
  worst = margins - 1e-3 * x @ (np.abs(kernel).sum(1) + 2)
  expected = 100 * (loss(worst) - loss(margins)) / (1 + loss(margins))
  assert found['worst_case/keskar'] == pytest.approx(expected, rel=1e-3)


def test_the_order_of_the_examples_does_not_matter():
  found = measured(*trained()[1:5])
  moved = measured(*trained(order=np.random.default_rng(0).permutation(40))[1:5])
  for name, value in found.items():
    assert moved[name] == pytest.approx(value, rel=1e-3)


def test_how_many_examples_are_looked_at_at_once_does_not_matter(monkeypatch):
  it = trained()
  found = measured(*it[1:5])
  monkeypatch.setattr(examples, 'CHUNK', 7)
  in_chunks = jax.jit(lambda *args: pure(*args))(*it[1:5])
  for name, value in found.items():
    assert in_chunks[name] == pytest.approx(value, rel=1e-3)


def test_networks_together_are_networks_one_by_one():
  networks = [trained(seed) for seed in range(3)]
  stacked = jax.tree.map(lambda *xs: jnp.stack(xs), *(it[1:5] for it in networks))
  together = jax.jit(jax.vmap(pure, in_axes=(0, 0, None, 0)))(*stacked[:2], X, stacked[3])
  for r, it in enumerate(networks):
    for name, value in measured(*it[1:5]).items():
      assert float(together[name][r]) == pytest.approx(value, rel=1e-3), name


def test_scaling_a_relu_layer_and_the_next_is_seen_by_the_plain_box_alone():
  it = trained(2)
  found, moved = measured(*it[1:5]), measured(*it._replace(final=scaled_up(it.final))[1:5])
  aware, plain = 'worst_case/mag_flatness', 'worst_case/flatness'
  assert moved[aware] == pytest.approx(found[aware], rel=0.03)
  assert moved[plain] > 1.5 * found[plain]


def test_what_has_diverged_is_nan_and_no_examples_are_refused():
  it = trained()
  final = jax.tree.map(lambda x: x.at[0].set(jnp.nan), it.final)
  assert all(np.isnan(x) for x in measured(*it._replace(final=final)[1:5]).values())
  with pytest.raises(ValueError, match='^labels must'):
    worst_case(it._replace(inputs=X[:0]))
