"""A network that breaks down is named and masked, and harms no other."""

import json
import logging

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from research import configuration, loop, main, workdirs
from research.checkpoints import Checkpoints
from research.divergence import Divergence, first_nonfinite
from research.population import Population
from research.records import read_metrics

CONFIG = 'configs/coherence/digits.py:smoke'
OVERRIDES = [
  'training.total_steps=30',
  'training.checkpoint_every=4',
  'training.log_every=3',
  'population.size=3',
]


def load(*overrides):
  return configuration.load(CONFIG, [*OVERRIDES, *overrides])


def train(workdir, *overrides):
  return loop.train_and_evaluate(load(*overrides), workdir)


def rows_of(workdir):
  return [json.loads(line) for line in (workdir / 'metrics.jsonl').read_text().splitlines()]


def newest(workdir, *overrides):
  """The step and the state, as NumPy arrays, of the newest checkpoint."""
  with Checkpoints(workdir / 'checkpoints') as checkpoints:
    step, state = checkpoints.restore_latest(loop.build(load(*overrides)).abstract_state())
  return step, jax.device_get(state)


@pytest.fixture
def break_member(monkeypatch):
  """`break_member(member, at)`: from step `at` on, a parameter of the member is NaN."""
  step = Population.step

  def broken(member, at):
    def step_of_broken(self, state, number):
      if number in at:
        leaves, tree = jax.tree.flatten(state.params)
        values = np.array(leaves[1])
        values[member, 0, 0] = np.nan
        leaves[1] = jax.device_put(values, leaves[1].sharding)
        state = state.replace(params=jax.tree.unflatten(tree, leaves))
      return step(self, state, number)

    monkeypatch.setattr(Population, 'step', step_of_broken)

  return broken


@pytest.fixture(scope='module')
def whole(tmp_path_factory):
  workdir = tmp_path_factory.mktemp('whole')
  assert train(workdir)
  return workdir


def test_the_first_of_some_scalars_that_is_not_finite():
  code = lambda *values: int(first_nonfinite([jnp.float32(x) for x in values]))  # noqa: E731
  assert code(1, 2) == 0
  assert code(1, np.inf, np.nan) == 2
  assert code(np.nan, 1) == 1


def test_one_broken_network_is_named_and_masked_and_the_others_are_as_without_it(
  whole, tmp_path, break_member, caplog
):
  break_member(1, [13])
  assert train(tmp_path)
  found = workdirs.read_json(tmp_path / 'diverged.json')
  assert found == {'1': {'step': 13, 'leaf': 'the gradient of Dense_0/bias'}}
  assert workdirs.read_json(tmp_path / 'DONE') == {'steps': 30, 'resumed_at': 0, 'diverged': found}
  assert caplog.text.count('the network of seed 1 has diverged: at step 13') == 1
  for row, expected in zip(rows_of(tmp_path), rows_of(whole), strict=True):
    assert row.keys() - {'nonfinite'} == expected.keys()
    masked = row['step'] > 13
    arrays = {name for name, value in expected.items() if isinstance(value, list)}
    assert set(row.get('nonfinite', [])) == (arrays if masked else set())
    for name in arrays:
      assert [row[name][i] for i in (0, 2)] == [expected[name][i] for i in (0, 2)]
      assert row[name][1] == (None if masked else expected[name][1])
  (_, here), (_, there) = newest(tmp_path), newest(whole)
  for a, b in zip(jax.tree.leaves(here.params), jax.tree.leaves(there.params), strict=True):
    np.testing.assert_array_equal(a[[0, 2]], b[[0, 2]])
    assert np.isnan(a[1]).any()
  table = read_metrics(tmp_path)
  assert table[(table['member'] == 1) & (table['step'] > 13)]['train/loss'].isna().all()


def test_a_masked_network_stays_masked_whatever_it_gives():
  seen = Divergence('/nowhere', [5, 6], ['a', 'b'], 0)
  seen.found = {'6': {'step': 3, 'leaf': 'a'}}
  row = {'x': jnp.array([1, 2]), 'scalar': 7}
  assert seen.masked(3, row) is row
  masked = seen.masked(4, row)
  np.testing.assert_array_equal(masked['x'], [1, np.nan])
  assert masked['scalar'] == 7


@pytest.mark.parametrize('at', [9, pytest.param(21, marks=pytest.mark.slow)])
def test_what_diverged_is_known_after_a_crash(tmp_path, break_member, monkeypatch, at):
  """At step 9 before the checkpoint that the run goes on from, step 20; at step 21 after it."""
  break_member(1, [at])
  train(tmp_path / 'straight')
  save = Checkpoints.save

  def crash(self, step, state):
    if step == 24:
      raise RuntimeError('crash')
    save(self, step, state)

  with monkeypatch.context() as patch:
    patch.setattr(Checkpoints, 'save', crash)
    with pytest.raises(RuntimeError, match='crash'):
      train(tmp_path / 'parts')
  assert str(at) in (tmp_path / 'parts' / 'diverged.json').read_text()
  train(tmp_path / 'parts')
  for name in ('metrics.jsonl', 'diverged.json'):
    here, there = (tmp_path / run / name for run in ('parts', 'straight'))
    assert here.read_bytes() == there.read_bytes()
  assert workdirs.read_json(tmp_path / 'parts' / 'DONE')['resumed_at'] == 20


HUGE = 'optimizer.learning_rate=1e19'


def test_a_huge_learning_rate_ends_the_run_at_its_step_with_the_last_good_checkpoint(
  tmp_path, capsys, monkeypatch
):
  monkeypatch.setattr('research.command_line.cache_programs', lambda: None)
  flags = [f'--config={CONFIG}', f'--workdir={tmp_path}']
  flags += [f'--config.{it}' for it in (*OVERRIDES, HUGE, 'training.checkpoint_every=1')]
  assert main.main(flags) == 3
  errors = capsys.readouterr().err
  assert f'genlab: 3 of 3 networks diverged: see {tmp_path / "diverged.json"}\n' in errors
  done = workdirs.read_json(tmp_path / 'DONE')
  assert 1 <= done['steps'] < 10
  assert done['diverged'].keys() == {'0', '1', '2'}
  assert max(it['step'] for it in done['diverged'].values()) == done['steps']
  assert {it['leaf'].startswith('the gradient of Dense_') for it in done['diverged'].values()} == {
    True
  }
  assert rows_of(tmp_path)[-1]['step'] <= done['steps']
  step, state = newest(tmp_path, HUGE, 'training.checkpoint_every=1')
  assert step <= done['steps']
  assert any(np.isfinite(x).all() for x in jax.tree.leaves(state.params))
  before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob('*')}
  assert main.main(flags) == 3
  assert 'is done already' in capsys.readouterr().out
  assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob('*')} == before


def test_nothing_is_recorded_past_the_end(tmp_path):
  train(tmp_path, HUGE, 'training.checkpoint_every=1000', 'training.log_every=1')
  done = workdirs.read_json(tmp_path / 'DONE')
  assert done['steps'] < 10
  assert [row['step'] for row in rows_of(tmp_path)] == [*range(done['steps'] + 1)]
  assert not (tmp_path / 'checkpoints').exists()


def test_an_update_that_overflows_is_found_before_it_is_saved(tmp_path, caplog):
  caplog.set_level(logging.WARNING)
  train(tmp_path, 'optimizer.learning_rate=1e38', 'optimizer.weight_decay=1e30')
  done = workdirs.read_json(tmp_path / 'DONE')
  assert done['steps'] < 4
  assert not (tmp_path / 'checkpoints').exists()


def test_a_state_that_is_not_finite_is_not_saved(tmp_path):
  seen = Divergence(tmp_path, [0, 1], ['w'], 0)
  state = {'momentum': jnp.array([[0.0], [1.0]]), 'params': jnp.array([[1.0], [jnp.inf]])}
  assert seen.look_at(8, state | {'count': jnp.array([1, 2])}) is None
  assert seen.found == {'1': {'step': 7, 'leaf': 'params'}}
  seen.note(9, jnp.array([0, 1]))
  seen.note(10, jnp.array([1, 1]))
  assert seen.look() == 10
  assert seen.found['0'] == {'step': 10, 'leaf': 'the gradient of w'}
