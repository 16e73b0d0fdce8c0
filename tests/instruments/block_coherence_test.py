import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from features import MASKS, rotation, separable

from research import trees
from research.gradients import gradient_statistics
from research.instruments import Network, block_coherence, coherence
from research.losses import make_losses
from research.models import mlp
from research.tasks import Blocks

PREFIX = 'block_coherence'


def setting(q=None, m=37, scale=1.0):
  u, labels = separable(m)
  model = mlp(2, widths=(5, 4), activation='tanh')
  x = jnp.asarray(u if q is None else u @ q)
  params = model.init(jax.random.key(0), x[:1])
  losses = make_losses(model.apply)
  scaled = lambda p, b: scale * losses(p, b)  # noqa: E731
  batch = {'inputs': x, 'labels': jnp.asarray(labels)}
  return Network(scaled, model.apply, Blocks(MASKS, q)), params, batch


def measured(network, params, batch):
  measure = block_coherence().measure
  return jax.device_get(jax.jit(lambda p, b: measure(network, p, b))(params, batch))


def written_down(network, params, batch, q):
  """Gradients of the first kernel, example by example, in the coordinates of the features."""
  rows = []
  for i in range(len(batch['labels'])):
    one = jax.tree.map(lambda x, i=i: x[i : i + 1], batch)
    grads = jax.grad(lambda p, one=one: network.losses(p, one)[0])(params)
    kernel = np.asarray(trees.named_leaves(grads)['Dense_0/kernel'], np.float64)
    rows.append(kernel if q is None else q.astype(np.float64) @ kernel)
  return np.stack(rows)  # [m, d, h]


@pytest.mark.parametrize('q', [None, rotation(6)])
def test_against_the_gradients_written_down(q):
  network, params, batch = setting(q)
  metrics, g = measured(network, params, batch), written_down(network, params, batch, q)
  m, parts = len(g), {name: g[:, mask] for name, mask in MASKS.items()}
  steps = {name: np.sum(part.sum(0) ** 2) for name, part in parts.items()}
  energy = {name: np.sum(part**2) for name, part in parts.items()}
  for name in MASKS:
    expected = {
      'm_coherence': steps[name] / energy[name],
      'alpha_unbiased': (steps[name] / energy[name] - 1) / (m - 1),
      'share': steps[name] / sum(steps.values()),
      'energy': energy[name] / sum(energy.values()),
    }
    for key, value in expected.items():
      assert metrics[f'{PREFIX}/{key}/{name}'] == pytest.approx(value, rel=1e-4), (key, name)


def test_blocks_make_up_the_coherence_of_the_kernel():
  network, params, batch = setting(rotation(6))
  metrics = measured(network, params, batch)
  for key in ('share', 'energy'):
    assert sum(metrics[f'{PREFIX}/{key}/{name}'] for name in MASKS) == pytest.approx(1, rel=1e-5)
  mean = sum(
    metrics[f'{PREFIX}/energy/{name}'] * metrics[f'{PREFIX}/m_coherence/{name}'] for name in MASKS
  )
  assert metrics[f'{PREFIX}/m_coherence'] == pytest.approx(mean, rel=1e-5)

  def of_kernel(kernel, batch):
    return network.losses(trees.with_leaf(params, 'Dense_0/kernel', kernel), batch)

  kernel = trees.named_leaves(params)['Dense_0/kernel']
  stats = gradient_statistics(of_kernel)(kernel, batch)
  whole = coherence(per_layer=False).formula(stats, batch)['coherence/m_coherence']
  assert metrics[f'{PREFIX}/m_coherence'] == pytest.approx(float(whole), rel=1e-4)


def test_a_block_of_noise_is_incoherent_and_a_feature_is_not():
  u, labels = separable(m=2000)
  noise = np.random.default_rng(5).normal(size=(2000, 4)).astype(np.float32)
  network, params, batch = setting()
  batch = {'inputs': jnp.asarray(np.hstack([u[:, :2], noise])), 'labels': jnp.asarray(labels)}
  params = trees.with_leaf(  # what the network says is free of the noise
    params, 'Dense_0/kernel', trees.named_leaves(params)['Dense_0/kernel'].at[2:].set(0)
  )
  metrics = measured(network, params, batch)
  assert 0.2 < metrics[f'{PREFIX}/m_coherence/second'] < 3
  assert metrics[f'{PREFIX}/m_coherence/first'] > 100


def test_neither_scale_nor_order_nor_chunks_matter(monkeypatch):
  network, params, batch = setting()
  expected = measured(network, params, batch)
  order = np.random.default_rng(1).permutation(37)
  moved = jax.tree.map(lambda x: x[order], batch)
  scaled, _, _ = setting(scale=100.0)
  module = sys.modules['research.instruments.block_coherence']
  monkeypatch.setattr(module, 'CHUNK', 8)
  for other in (measured(network, params, moved), measured(scaled, params, batch)):
    for key, value in expected.items():
      assert other[key] == pytest.approx(value, rel=2e-3), key


def test_refuses_what_it_cannot_take_apart():
  network, params, batch = setting()
  with pytest.raises(ValueError, match='needs a network whose first layer, Dense_0, is dense'):
    measured(network, {'Dense_1': params['Dense_1']}, batch)
  with pytest.raises(ValueError, match='needs a task with feature blocks'):
    measured(network._replace(blocks=None), params, batch)
