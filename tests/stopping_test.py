"""Members stop at a level of the training loss, each by itself, and keep every bit from then on."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from crashes import crash_at

from research import configuration, loop
from research.restored import restored
from research.stopping import Stoppable, stoppable
from research.tables import load_runs
from research.workdirs import read_json

CONFIG = 'configs/coherence/digits.py:smoke'
BASE = [
  'training.total_steps=200',
  'training.stop_loss=0.5',
  'training.stop_every=10',
  'training.checkpoint_every=16',
  'vary.learning_rate=(0.03,0.3)',
]


def train(workdir, *overrides):
  assert loop.train_and_evaluate(configuration.load(CONFIG, [*BASE, *overrides]), workdir)
  return load_runs(workdir)


def final_leaves(workdir):
  return jax.device_get(jax.tree.leaves(restored(workdir)[2].params))


@pytest.fixture(scope='module')
def stopped(tmp_path_factory):
  workdir = tmp_path_factory.mktemp('stopped')
  return workdir, train(workdir, 'population.size=4')


def test_the_run_ends_when_all_have_stopped(stopped):
  workdir, table = stopped
  last = table[table['step'] == table['step'].max()]
  assert last['train/stopped_at'].max() == last['step'].iloc[0] < 200
  assert read_json(workdir / 'DONE')['steps'] == last['step'].iloc[0]
  assert (last['train/stopped_at'] % 10 == 0).all()
  assert last['train/stopped_at'].nunique() > 1
  assert (last['train/loss'] <= 0.5).all()
  slow, fast = (last[last['optimizer.learning_rate'] == lr] for lr in (0.03, 0.3))
  assert fast['train/stopped_at'].max() < slow['train/stopped_at'].min()


def test_the_others_do_not_matter_and_nothing_moves_after(stopped, tmp_path):
  """Alone, a member stops at the same step, with the same parameters; there the run ends."""
  workdir, table = stopped
  last = table[table['step'] == table['step'].max()].set_index('member')
  params = final_leaves(workdir)
  for r in (0, 1):
    own = [f'seed={r}', 'population.size=1', 'vary.learning_rate=()']
    rate = last.loc[r, 'optimizer.learning_rate']
    alone = train(tmp_path / str(r), *own, f'optimizer.learning_rate={rate}')
    assert alone['step'].max() == last.loc[r, 'train/stopped_at']
    for mine, its in zip(params, final_leaves(tmp_path / str(r)), strict=True):
      np.testing.assert_allclose(mine[r], its[0], rtol=1e-3, atol=1e-5)


def test_a_crash_loses_nothing(stopped, tmp_path):
  with crash_at(stopped[1]['train/stopped_at'].min() + 7):
    train(tmp_path, 'population.size=4')
  train(tmp_path, 'population.size=4')
  assert (tmp_path / 'metrics.jsonl').read_bytes() == (stopped[0] / 'metrics.jsonl').read_bytes()


def test_a_network_that_diverges_is_not_waited_for(tmp_path):
  table = train(tmp_path, 'population.size=2', 'vary.learning_rate=(0.3,1e30)')
  last = table[table['step'] == table['step'].max()]
  assert last['step'].iloc[0] < 200
  assert last['train/stopped_at'].notna().tolist() == [True, False]


def test_the_last_step_is_looked_at_too(tmp_path):
  table = train(
    tmp_path, 'population.size=2', 'training.stop_every=500', 'training.total_steps=120'
  )
  last = table[table['step'] == 120]
  assert (last['train/stopped_at'].notna() == (last['train/loss'] <= 0.5)).all()
  assert last['train/stopped_at'].eq(120).any()


def test_what_never_gets_there_goes_on_to_the_end(tmp_path):
  table = train(tmp_path, 'population.size=2', 'training.stop_loss=1e-9', 'training.total_steps=20')
  assert table['step'].max() == 20
  assert table['train/stopped_at'].isna().all()


def test_until_it_stops_it_is_the_optimizer_itself_and_then_moves_nothing():
  tx = optax.chain(optax.trace(0.9), optax.add_decayed_weights(0.1), optax.scale(-0.1))
  params, grads = {'w': jnp.arange(3.0)}, {'w': jnp.array([0.1, -0.2, 0.3])}
  plain, state = tx.init(params), stoppable(tx).init(params)
  for _ in range(3):
    a, plain = tx.update(grads, plain, params)
    b, state = stoppable(tx).update(grads, state, params)
    np.testing.assert_array_equal(a['w'], b['w'])
  state = state._replace(stopped_at=jnp.int32(3))
  broken = {'w': jnp.array([jnp.nan, jnp.inf, 1.0])}
  moved, after = stoppable(tx).update(broken, state, params)
  np.testing.assert_array_equal(moved['w'], np.zeros(3))
  assert isinstance(after, Stoppable)
  jax.tree.map(np.testing.assert_array_equal, after, state)
