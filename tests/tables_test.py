import json

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from research.records import Records
from research.tables import band, load_runs


def make_run(workdir, config, n_members=3, steps=(0, 10)):
  workdir.mkdir(parents=True)
  (workdir / 'config.json').write_text(json.dumps(config))
  with Records(workdir) as records:
    for step in steps:
      losses = step + np.arange(n_members, dtype=float)
      records.write(step, {'train/loss': losses})


def test_columns_are_the_settings_that_differ_and_the_noise(tmp_path):
  task = {'name': 'digits', 'label_noise': 0.0}
  make_run(tmp_path / 'b', {'seed': 1, 'model': {'widths': [8]}, 'task': task, 'loop': {'t': 3}})
  make_run(tmp_path / 'deep/a', {'seed': 1, 'model': {'widths': [8, 8]}, 'task': task, 'extra': {}})
  (tmp_path / 'not_a_run').mkdir()
  (tmp_path / 'not_a_run/config.json').write_text('{}')
  make_run(tmp_path / 'just_begun', {'seed': 2}, steps=())
  table = load_runs(tmp_path)
  settings = ['extra', 'loop.t', 'model.widths', 'task.label_noise', 'task.name']
  assert list(table.columns) == ['run', 'seed', *settings, 'step', 'member', 'train/loss']
  assert list(table['seed'][:6]) == [1, 2, 3] * 2
  assert list(table['run']) == ['b'] * 6 + ['deep/a'] * 6
  assert list(table['member'][:6]) == [0, 1, 2] * 2
  assert list(table['step'][:6]) == [0] * 3 + [10] * 3
  assert set(table['model.widths']) == {(8,), (8, 8)}
  assert table['loop.t'].count() == 6
  assert list(table['train/loss'][:6]) == [0, 1, 2, 10, 11, 12]


def test_a_network_counts_once(tmp_path):
  """Runs of three members with seeds 0 and 1 share two networks; with 0 and 3, none."""
  for name, seed in (('a', 0), ('b', 1), ('c', 3)):
    config = {'seed': seed, 'task': {'label_noise': 0.0}}
    make_run(tmp_path / name, config, n_members=3)
  table = load_runs(tmp_path)
  assert list(band(table[table['run'] != 'b'], 'train/loss', 'task.label_noise')['n']) == [6, 6]
  with pytest.raises(ValueError, match='equal seed'):
    band(table, 'train/loss', 'task.label_noise')


def test_root_may_be_the_run_itself(tmp_path):
  make_run(tmp_path / 'run', {'task': {'name': 'slabs'}})
  table = load_runs(tmp_path / 'run')
  assert set(table['run']) == {'.'}
  assert set(table['task.name']) == {'slabs'}


def test_no_runs_is_said_in_one_line(tmp_path):
  with pytest.raises(FileNotFoundError, match='no runs') as error:
    load_runs(tmp_path / 'nothing')
  assert str(tmp_path / 'nothing') in str(error.value)
  assert '\n' not in str(error.value)


def test_band_is_that_of_students_t(tmp_path):
  make_run(tmp_path / 'a', {'noise': 0.0}, n_members=4)
  make_run(tmp_path / 'b', {'noise': 0.5}, n_members=7)
  curves = band(load_runs(tmp_path), 'train/loss', 'noise')
  assert list(curves.columns) == ['noise', 'step', 'mean', 'stderr', 'low', 'high', 'n']
  assert list(curves['n']) == [4, 4, 7, 7]
  losses = 10 + np.arange(7.0)
  last = curves.iloc[-1]
  expected = stats.ttest_1samp(losses, 0).confidence_interval(0.95)
  np.testing.assert_allclose([last['low'], last['high']], expected)
  np.testing.assert_allclose(last['stderr'], stats.sem(losses))
  assert last['mean'] == losses.mean()


def test_band_covers_its_share_of_means():
  rng = np.random.default_rng(0)
  values = rng.normal(size=(4000, 3))
  steps, members = np.indices(values.shape)
  columns = {'step': steps.ravel(), 'member': members.ravel(), 'x': values.ravel()}
  curve = band(pd.DataFrame(columns), 'x', [])
  covered = ((curve['low'] < 0) & (curve['high'] > 0)).mean()
  assert abs(covered - 0.95) < 0.015


def test_band_of_one_member_is_nan_and_of_none_is_absent():
  table = pd.DataFrame({'run': 'a', 'step': [0, 1], 'member': 0, 'x': [2.0, np.nan]})
  curve = band(table, 'x', ['run'])
  assert list(curve['step']) == [0]
  assert curve['mean'][0] == 2
  assert curve[['stderr', 'low', 'high']].isna().all(axis=None)


def test_settings_that_a_run_lacks_still_make_a_curve():
  table = pd.DataFrame({'noise': [None, 'a'], 'step': 0, 'member': 0, 'x': [1.0, 2.0]})
  assert len(band(table, 'x', 'noise')) == 2


def test_unknown_metric_lists_those_there_are():
  table = pd.DataFrame({'step': [0], 'member': 0, 'train/loss': 1.0})
  with pytest.raises(KeyError, match=r"no column 'loss'; there are .*train/loss"):
    band(table, 'loss', [])


def test_a_band_of_logarithms_is_that_of_the_logarithms(tmp_path):
  make_run(tmp_path / 'a', {'task': {'label_noise': 0.0}}, n_members=4)
  table = load_runs(tmp_path)
  table['train/loss'] += 1
  logs = table.assign(**{'train/loss': np.log(table['train/loss'])})
  here, there = (
    band(t, 'train/loss', 'task.label_noise', log=log) for t, log in ((table, True), (logs, False))
  )
  for name in ('mean', 'low', 'high'):
    np.testing.assert_allclose(np.log(here[name]), there[name])
