"""Members with settings of their own are the networks that runs of these settings train."""

import dataclasses

import jax
import numpy as np
import pytest

from research import configuration, loop
from research.restored import restored
from research.tables import load_runs
from research.tasks import make_task
from research.variation import Vary, epochs, groups, targets

CONFIG = 'configs/coherence/digits.py:smoke'
BASE = [
  'training.total_steps=20',
  'training.batch_size=16',
  'training.checkpoint_every=8',
  'evaluation.every=10',
  'task.n_train=96',
  'probe.size=32',
  'seed=5',
]


def train(workdir, *overrides):
  assert loop.train_and_evaluate(configuration.load(CONFIG, [*BASE, *overrides]), workdir)
  return load_runs(workdir)


def final_leaves(workdir):
  return jax.device_get(jax.tree.leaves(restored(workdir)[2].params))


def member(table, seed):
  """The record of one network, without what tells where it was one of many."""
  rows = table[table['seed'] == seed].drop(columns=['run', 'member'])
  return rows.set_index('step').select_dtypes('number').sort_index(axis=1)


@pytest.mark.parametrize(
  ('optimizer', 'varied'),
  [
    ([], {'optimizer.learning_rate': (0.02, 0.1), 'task.label_noise': (0.0, 0.5)}),
    (
      ['optimizer.momentum=0.9', 'optimizer.schedule=cosine', 'optimizer.warmup_steps=5'],
      {'optimizer.learning_rate': (0.02, 0.1), 'optimizer.weight_decay': (0.0, 0.1)},
    ),
    (
      ['optimizer.name=adamw', 'optimizer.clip_norm=0.5'],
      {'optimizer.learning_rate': (0.002, 0.01), 'optimizer.weight_decay': (0.0, 0.1)},
    ),
  ],
)
def test_a_member_is_the_network_that_a_run_of_its_settings_trains(tmp_path, optimizer, varied):
  (one, ones), (other, others) = varied.items()
  name = lambda key: f'vary.{key.rpartition(".")[2]}'  # noqa: E731
  together = train(
    tmp_path / 'all',
    *optimizer,
    'population.size=4',
    f'{name(one)}={ones}',
    f'{name(other)}={others}',
  )
  params = final_leaves(tmp_path / 'all')
  for r in (1, 2):  # each value of both once
    a, b = ones[r // 2], others[r % 2]
    own = [*optimizer, 'population.size=1', f'seed={5 + r}', f'{one}={a}', f'{other}={b}']
    alone = train(tmp_path / str(r), *own)
    row = together[together['seed'] == 5 + r].iloc[0]
    assert (row[one], row[other]) == (a, b)
    here, there = (member(table, 5 + r) for table in (together, alone))
    shared = sorted({*here} & {*there} - {one, other})
    assert {'coherence/alpha', 'train/batch_loss'} <= {*shared}
    np.testing.assert_allclose(here[shared], there[shared], rtol=2e-3, atol=1e-4)
    for mine, its in zip(params, final_leaves(tmp_path / str(r)), strict=True):
      np.testing.assert_allclose(mine[r], its[0], rtol=1e-3, atol=1e-5)


def test_a_member_with_fewer_examples_sees_these_alone(tmp_path, monkeypatch):
  """Alone, it is normalized by the statistics of its own examples; here, by those of all."""
  noisy = ['task.label_noise=0.5', 'evaluation.chunk_size=40']
  together = train(tmp_path / 'all', 'population.size=2', 'vary.n_train=(48,80)', *noisy)
  whole = make_task('digits', n_train=96, n_test=None)
  build = loop.make_task

  def with_statistics_of_all(**section):
    return dataclasses.replace(build(**section), mean=whole.mean, std=whole.std)

  monkeypatch.setattr(loop, 'make_task', with_statistics_of_all)
  for r, n in enumerate((48, 80)):
    own = ['population.size=1', f'seed={5 + r}', f'task.n_train={n}', *noisy]
    alone = member(train(tmp_path / str(n), *own), 5 + r)
    here = member(together, 5 + r)
    shared = sorted({*here} & {*alone} - {'task.n_train'})
    np.testing.assert_allclose(here[shared], alone[shared], rtol=2e-3, atol=1e-4)
    assert here['train/epoch'].iloc[-1] == 20 / (n // 16)


def test_the_last_key_changes_fastest_and_combinations_take_turns():
  vary = Vary(learning_rate=(0.1, 0.2), n_train=(10, 20, 30))
  values = vary.of_members(12)
  np.testing.assert_array_equal(values['learning_rate'][:6], [0.1, 0.1, 0.1, 0.2, 0.2, 0.2])
  np.testing.assert_array_equal(values['n_train'], [10, 20, 30] * 4)
  assert Vary().of_members(3) == {}


def test_what_lies_behind_a_members_examples_weighs_nothing():
  task = make_task('digits', n_train=60, n_test=20, label_noise=0.5)
  tasks = Vary(n_train=(20, 60), label_noise=(0.0, 0.5)).tasks(task, 4)
  found = targets(task, tasks, [1, 2, 3, 4])
  assert found['labels'].shape == (4, 60)
  np.testing.assert_array_equal(found['corrupt'].sum(1), [0, 0, 10, 30])
  np.testing.assert_array_equal(found['labels'][2][20:], task.train.labels[20:])
  np.testing.assert_array_equal(found['labels'][3], task.train_labels(4))
  of = groups(tasks, found['corrupt'], 40)
  np.testing.assert_array_equal(of['all'].sum(1), [20, 40, 20, 40])
  np.testing.assert_array_equal(of['corrupt'].sum(1) + of['pristine'].sum(1), of['all'].sum(1))
  np.testing.assert_array_equal(epochs(tasks, 12, 10), [6, 2, 6, 2])
  assert epochs([task], 12, 10) == 2


@pytest.mark.parametrize(
  ('overrides', 'message'),
  [
    (['vary.learning_rate=(0.1,0.2)', 'population.size=3'], 'population.size must be a multiple'),
    (['vary.learning_rate=(0.1,-1.0)'], 'vary.learning_rate must be positive'),
    (['vary.label_noise=(0.5,1.5)'], 'vary.label_noise must be at least 0 and at most 1'),
    (['vary.weight_decay=(0.1,0.1)'], 'vary.weight_decay must give each value once'),
    (['vary.n_train=(50,100)'], 'vary.n_train must be at most task.n_train=96'),
    (['vary.n_train=(24,96)'], 'probe.size=32 exceeds the 24'),
    (['vary.n_train=(8,96)', 'probe.size=8'], 'training.batch_size=16 exceeds the 8'),
    (['vary.momentum=(0.1,)'], "unknown config key 'vary.momentum'"),
    (['training.stop_loss=0'], 'training.stop_loss'),
    (['training.stop_every=0'], 'training.stop_every must be at least 1'),
  ],
)
def test_what_cannot_be_dealt_out_is_refused_before_anything_is_made(tmp_path, overrides, message):
  with pytest.raises(configuration.ConfigError, match=message):
    train(tmp_path / 'run', 'population.size=4', *overrides)
  assert not (tmp_path / 'run').exists()


def test_references_need_one_set_of_labels():
  own = [
    'instruments.simple_explanation.every=10',
    'vary.label_noise=(0.0,0.5)',
    'population.size=2',
  ]
  config = configuration.load(CONFIG, [*BASE, *own])
  with pytest.raises(configuration.ConfigError, match=r'not with vary\.label_noise'):
    loop.build(config)


def test_tables_have_the_settings_of_members_beside_those_of_runs(tmp_path):
  train(tmp_path / 'a', 'population.size=2', 'vary.learning_rate=(0.1,0.2)')
  train(tmp_path / 'b', 'population.size=2', 'seed=9', 'optimizer.learning_rate=0.3')
  table = load_runs(tmp_path)
  of_seed = table.groupby('seed')['optimizer.learning_rate'].agg(set).to_dict()
  assert of_seed == {5: {0.1}, 6: {0.2}, 9: {0.3}, 10: {0.3}}
