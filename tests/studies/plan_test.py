"""What a study runs, and that experiments may go on from the outcome of others."""

import pathlib

import numpy as np
import pandas as pd
import pytest

from research.configuration import ConfigError
from research.studies import plan

CONFIG = """
from ml_collections import ConfigDict

def get_config(scale='cpu'):
  c = ConfigDict()
  c.task = dict(name='digits', n_train=20, n_test=10)
  c.model = dict(name='mlp', widths=(4,))
  c.training = dict(total_steps=2, batch_size=5)
  c.population = dict(size=2)
  c.probe = dict(size=10)
  c.instruments = dict(coherence=dict(every=1))
  return c

def sweep(scale='cpu'):
  return {'small': {}} if scale == 'smoke' else {'small': {}, 'wide': {'model.widths': (8,)}}
"""


@pytest.fixture
def config(tmp_path):
  (tmp_path / 'config.py').write_text(CONFIG)
  return str(tmp_path / 'config.py')


def planned(config, scale='cpu', overrides=(), **experiments):
  sources = dict.fromkeys(experiments, f'{config}:{scale}')
  return plan.Plan(experiments=experiments, sources=sources, overrides=list(overrides))


def test_runs_are_made_once_and_counted(config, tmp_path):
  root, it = tmp_path / 'study', planned(config, first=plan.Experiment(config=config))
  assert plan.finished(it, root) == {}
  assert plan.run(it, root)
  workdirs = plan.finished(it, root)
  assert workdirs == {'first': [root / 'first' / 'small', root / 'first' / 'wide']}
  assert not plan.run(it, root)
  costs = plan.costs(workdirs)['first']
  assert (costs['runs'], costs['networks']) == (2, 4)
  assert sorted(plan.load(workdirs)['first']['run'].unique()) == ['small', 'wide']


def test_the_scale_chooses_the_arms(config):
  it = planned(config, 'smoke', first=plan.Experiment(config=config))
  assert list(it.configs('first')) == ['small']


def test_an_experiment_goes_on_from_the_outcome_of_another(config, tmp_path):
  def prepare(root: pathlib.Path):
    assert (root / 'first' / 'small' / 'DONE').exists()
    np.savez(root / 'rows.npz', train=np.arange(10), test=np.arange(10, 14))
    return {'small': {'task.rows': str(root / 'rows.npz'), 'task.n_train': 10, 'task.n_test': 4}}

  it = planned(
    config,
    'smoke',
    first=plan.Experiment(config=config),
    second=plan.Experiment(config=config, prepare=prepare),
  )
  plan.run(it, tmp_path / 'study')
  assert (tmp_path / 'study' / 'second' / 'small' / 'DONE').exists()


def test_all_configs_are_checked_before_anything_runs(config, tmp_path):
  it = planned(
    config,
    first=plan.Experiment(config=config),
    second=plan.Experiment(config=config, instruments=('stiffness',)),
  )
  with pytest.raises(ConfigError, match=r'this study reads instruments\.stiffness'):
    plan.run(it, tmp_path / 'study')
  assert not (tmp_path / 'study').exists()


def test_what_is_out_of_range_in_the_last_run_stops_the_first(config, tmp_path):
  overrides = ['optimizer.momentum=0.9', 'optimizer.median=m3']
  it = planned(config, overrides=overrides, first=plan.Experiment(config=config))
  with pytest.raises(ConfigError, match=r'^optimizer\.momentum must be 0 with median='):
    plan.run(it, tmp_path / 'study')
  assert not (tmp_path / 'study').exists()


def test_runs_of_other_seeds_are_not_mixed(config, tmp_path):
  root, experiment = tmp_path / 'study', plan.Experiment(config=config)
  plan.run(planned(config, 'smoke', first=experiment), root)
  other = planned(config, 'smoke', ['seed=7'], first=experiment)
  with pytest.raises(ConfigError, match='holds a run with seed=0, not 7'):
    plan.finished(other, root)


@pytest.mark.parametrize(('text', 'seed', 'size'), [('5', 0, 5), ('100:105', 100, 5)])
def test_seeds(text, seed, size):
  assert plan.seed_overrides(text) == [f'seed={seed}', f'population.size={size}']


@pytest.mark.parametrize('text', ['', '0', 'x', '-1', '5:5', '5:', ':'])
def test_seeds_that_are_none(text):
  with pytest.raises(ValueError, match='--seeds must be'):
    plan.seed_overrides(text)


def test_calculations_are_made_once_and_kept(tmp_path):
  calls = []

  def table():
    calls.append(1)
    rows = {'name': ['a', 'b'], 'value': [np.float32(0.1), np.nan], 'w': [(1.0, 2.0), (3.0, 4.0)]}
    return pd.DataFrame(rows).assign(n=np.arange(2))

  assert plan.calculate({'first': table}, tmp_path)
  assert not plan.calculate({'first': table}, tmp_path)
  assert len(calls) == 1
  found = plan.calculated(['first', 'second'], tmp_path)
  assert set(found) == {'first'}
  read = plan.load(found)['first']
  assert read['name'].tolist() == ['a', 'b']
  assert read['value'][0] == np.float32(0.1)
  assert np.isnan(read['value'][1])
  assert read['w'].tolist() == [[1.0, 2.0], [3.0, 4.0]]
  assert read['n'].tolist() == [0, 1]
  cost = plan.costs(found)['first']
  assert (cost['runs'], cost['networks']) == (0, 0)
  assert plan.attempts(found['first'][0])[0]['versions']


def test_a_calculation_that_failed_is_made_again(tmp_path):
  def broken():
    raise RuntimeError('no')

  with pytest.raises(RuntimeError):
    plan.calculate({'it': broken}, tmp_path)
  assert plan.calculated(['it'], tmp_path) == {}
  assert plan.calculate({'it': lambda: pd.DataFrame({'x': [1]})}, tmp_path)


def test_a_table_of_runs_is_made_again_when_the_runs_are(config, tmp_path):
  it, made = planned(config, 'smoke', first=plan.Experiment(config=config)), []
  plan.run(it, tmp_path)
  of = {'table': plan.finished(it, tmp_path)['first']}
  table = {'table': lambda: pd.DataFrame({'x': [made.append(1)]})}
  assert plan.calculate(table, tmp_path, of)
  assert not plan.calculate(table, tmp_path, of)
  environment = of['table'][0] / 'environment.json'
  environment.write_text(environment.read_text().replace('"started": "2', '"started": "1'))
  assert plan.calculate(table, tmp_path, of)
  assert len(made) == 2
