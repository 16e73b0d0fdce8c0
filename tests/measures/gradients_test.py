"""Measures of gradients, against loops over examples."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from research.losses import make_losses
from research.measures import Trained
from research.measures.gradients import gradients
from research.models import make_model

MODEL = make_model(3, name='mlp', widths=(6,))
X = jax.random.normal(jax.random.key(0), (20, 4))
LOSSES = make_losses(MODEL.apply)


def trained(seed=0, order=None):
  keys = jax.random.split(jax.random.key(seed), 3)
  start, end = (MODEL.init(k, X[:1]) for k in keys[:2])
  labels = jax.random.randint(keys[2], (20,), 0, 3)
  order = np.arange(20) if order is None else order
  return Trained(MODEL, start, end, X[order], labels[order], jax.random.key(0))


def pure(start, end, x, labels):
  return gradients(Trained(MODEL, start, end, x, labels, jax.random.key(0)))


compiled = jax.jit(pure)


def measured(it):
  found = jax.tree.map(float, compiled(*it[1:5]))
  return {name.removeprefix('gradients/'): value for name, value in found.items()}


def rows(params, it):
  flat, unravel = ravel_pytree(params)
  losses = lambda w: LOSSES(unravel(w), {'inputs': it.inputs, 'labels': it.labels})  # noqa: E731
  return np.asarray(jax.jit(jax.jacobian(losses))(flat), np.float64)


def coherence_of(g):
  """Products of distinct pairs over squared norms, one pair after another."""
  m = len(g)
  pairs = sum(g[i] @ g[j] for i in range(m) for j in range(m) if i != j)
  return pairs / ((m - 1) * sum(x @ x for x in g))


def test_they_are_what_loops_give():
  it = trained()
  found, m = measured(it), 20
  g, start = rows(it.final, it), rows(it.initial, it)
  norms, pairs = np.linalg.norm(g, axis=1), [(i, j) for i in range(m) for j in range(m) if i != j]
  varies = g.std(0) > 1e-6
  trace = g.var(0, ddof=1).sum()
  signal = np.sum(g.mean(0) ** 2) - trace / m
  eigenvalues = np.linalg.eigvalsh((g / norms[:, None]) @ (g / norms[:, None]).T / m)
  eigenvalues = eigenvalues[eigenvalues > 1e-12]
  expected = {
    'minus_coherence': -coherence_of(g),
    'minus_initial_coherence': -coherence_of(start),
    'minus_gsnr': -np.mean(g.mean(0)[varies] ** 2 / g.var(0)[varies]),
    'minus_stiffness_cosine': -np.mean([g[i] @ g[j] / norms[i] / norms[j] for i, j in pairs]),
    'minus_stiffness_sign': -np.mean([np.sign(g[i] @ g[j]) for i, j in pairs]),
    'noise_scale': trace / signal if signal > 0 else np.nan,
    'g_vendi': np.exp(-np.sum(eigenvalues * np.log(eigenvalues))),
    'variance': trace,
    'norm': np.linalg.norm(g.mean(0)),
    'mean_norm': norms.mean(),
    'max_norm': norms.max(),
    'initial_norm': np.linalg.norm(start.mean(0)),
  }
  assert expected.keys() == found.keys()
  for name, value in expected.items():
    assert found[name] == pytest.approx(value, rel=1e-3, nan_ok=True), name


def test_one_class_is_more_coherent_than_labels_at_random():
  it = trained(1)
  one = measured(it._replace(labels=jnp.zeros(20, jnp.int32)))
  assert one['minus_initial_coherence'] < measured(it)['minus_initial_coherence'] - 0.1


def test_order_does_not_matter_and_networks_together_are_networks_one_by_one():
  networks = [trained(seed) for seed in range(3)]
  alone = [measured(it) for it in networks]
  moved = measured(trained(0, order=np.random.default_rng(0).permutation(20)))
  start, end, labels = (
    jax.tree.map(lambda *xs: jnp.stack(xs), *(getattr(it, field) for it in networks))
    for field in ('initial', 'final', 'labels')
  )
  together = jax.jit(jax.vmap(pure, in_axes=(0, 0, None, 0)))(start, end, X, labels)
  for name, value in alone[0].items():
    assert moved[name] == pytest.approx(value, rel=1e-3, nan_ok=True), name
    for r in range(3):
      of_r = float(together[f'gradients/{name}'][r])
      assert of_r == pytest.approx(alone[r][name], rel=1e-3, nan_ok=True), name
