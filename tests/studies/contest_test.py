"""Every claim of the contest where it is true and where it is false; how networks are read."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

from research import configuration, loop, rank
from research.studies import contest as study
from research.studies.contest import claims, ranking, zoo

NAMES = (
  'training/minus_early_coherence',
  'gradients/minus_coherence',
  'evidence/labels_nngp',
  'evidence/function_nngp',
  'linear/minus_explained',
  'speed/log_steps',
  'exact_spectral/log_product_over_margin',
  'norms/distance',
  'pac_bayes/mag_flatness',
  'population/disagreement',
  'baseline/oracle',
  'baseline/remeasured',
  'baseline/random',
)


def board():
  """A leaderboard on which every claim holds."""
  rows = []
  for name in NAMES:
    base = name.startswith('baseline/')
    tau = {'baseline/oracle': 0.9, 'baseline/remeasured': 0.95}.get(name, 0.4)
    tau = -0.3 if name.startswith('exact_spectral/') else tau
    psi = {'norms/distance': 0.1, 'population/disagreement': 0.8}.get(name, 0.4)
    psi = 0.1 if name.startswith('exact_spectral/') else psi
    row = {'measure': name, 'baseline': base, 'computed': 500, 'networks': 500, 'rank': 1}
    row |= {'tau': tau, 'tau_within': tau, 'psi': psi, 'sign_error_mean': 0.3}
    row['sign_error_max'] = 0.55 if base else 0.8
    row |= {'information': 0.1, 'worst': 'width 32 to 128', 'psi_of_network': 0.6 if base else 0.1}
    for score in ('tau', 'tau_within', 'psi', 'sign_error_mean', 'sign_error_max'):
      row |= {f'{score}_low': row[score] - 0.03, f'{score}_high': row[score] + 0.03}
    rows.append(row)
  return pd.DataFrame(rows)


FALSE = {
  'the_gaps_can_be_told_apart': {('baseline/remeasured', 'tau'): 0.9},
  'no_measure_knows_the_gap': {('norms/distance', 'tau'): 0.88},
  'no_measure_is_robust': {('norms/distance', 'sign_error_max'): 0.6},
  'what_ranks_best_knows_the_sample': {('baseline/remeasured', 'psi_of_network'): 0.15},
  'products_of_norms_mislead': {('exact_spectral/log_product_over_margin', 'tau'): -0.01},
  'flatness_is_better_than_norms': {('norms/distance', 'psi'): 0.35},
  'early_coherence_ranks_networks': {('training/minus_early_coherence', 'tau'): 0.02},
  'early_coherence_ranks_within_a_sample': {('training/minus_early_coherence', 'tau_within'): 0.02},
  'final_coherence_ranks_within_a_sample': {('gradients/minus_coherence', 'tau_within'): -0.4},
  'evidence_ranks_networks': {('evidence/labels_nngp', 'tau'): 0.0},
  'evidence_of_the_function_ranks_within_a_sample': {('evidence/function_nngp', 'tau_within'): 0.0},
  'simplicity_ranks_networks': {('linear/minus_explained', 'tau'): 0.0},
  'simplicity_ranks_within_a_sample': {('linear/minus_explained', 'tau_within'): 0.0},
  'flatness_ranks_within_a_sample': {('pac_bayes/mag_flatness', 'tau_within'): 0.0},
  'slow_training_generalizes_worse': {('speed/log_steps', 'tau_within'): -0.1},
  'disagreement_ranks_networks': {('population/disagreement', 'psi'): 0.5},
}


@pytest.mark.parametrize('name', FALSE)
def test_what_the_leaderboard_says(name):
  judge = getattr(claims, name)
  assert judge(board()).holds is True
  assert judge(board_with(FALSE[name])).holds is False
  assert judge(pd.DataFrame()).holds is None


def board_with(changed):
  table = board()
  for (name, score), value in changed.items():
    row = table['measure'] == name
    table.loc[row, score] = value
    table.loc[row, f'{score}_low'], table.loc[row, f'{score}_high'] = value - 0.03, value + 0.03
  return table


def test_every_claim_on_the_leaderboard_has_a_table_where_it_is_false():
  read = {it.judge.__name__ for it in study.CLAIMS if it.reads == ('leaderboard',)}
  assert read == {*FALSE}


def test_a_measure_that_could_not_be_computed_is_not_judged():
  empty = board_with({('evidence/labels_nngp', 'tau'): np.nan})
  assert claims.evidence_ranks_networks(empty).holds is None


@pytest.mark.parametrize(('ratio', 'holds'), [(1.0, True), (1.2, False), (0.8, False)])
def test_disagreement_is_compared_with_the_error_of_clean_networks(ratio, holds):
  rows = []
  for setting in range(30):
    for seed in range(2):
      for noise in (0.0, 0.2):
        error = 0.1 + 0.005 * setting
        row = {'run': f'{setting}', 'learning_rate': 1.0, 'weight_decay': 0.0, 'n_train': 128}
        row |= {'label_noise': noise, 'reached': True, 'seed': seed, 'test_error': error}
        rows.append(row | {'population/disagreement': error * (ratio if noise == 0 else 9)})
  found = claims.disagreement_is_the_error(pd.DataFrame(rows))
  assert found.holds is holds
  np.testing.assert_allclose(found.ours, ratio)
  assert found.n == 30


@pytest.mark.parametrize(('ridge', 'holds'), [(0.8, True), (0.5, False)])
def test_combinations_are_judged_on_datasets_that_were_left_out(ridge, holds):
  rows = []
  for axis, values in (('dataset', 'abc'), ('width', 'de')):
    for i, value in enumerate(values):
      for name, tau in (('ridge', ridge), ('isotonic', 0.4), ('best', 0.5), ('mean', 0.3)):
        tau += 0.01 * i * (name == 'ridge')
        rows.append(
          {'axis': axis, 'left_out': value, 'predictor': name, 'tau': tau, 'chosen': name}
        )
  assert claims.combinations_transfer_to_other_datasets(pd.DataFrame(rows)).holds is holds
  assert claims.combinations_transfer_to_other_datasets(pd.DataFrame()).holds is None


def test_a_measure_is_left_out_only_if_it_says_what_another_says():
  nan = [np.nan] * 3
  columns = {'a/x': [1, 2, 3], 'a/again': [1, 2, 3], 'b/lost': nan, 'b/too': nan, 'c/y': [1, 2, 4]}
  columns |= {'b/infinite': [np.inf] * 3, 'b/bound': [np.inf] * 3}
  columns |= {'d/part': [1, np.nan, 3], 'd/again': [1, np.nan, 3], 'gap': [1, 2, 3]}
  same = ['b/lost', 'b/too', 'b/infinite', 'b/bound']
  assert zoo.distinct(pd.DataFrame(columns)) == ['a/x', *same[:2], 'c/y', *same[2:], 'd/part']


def test_how_training_went_is_read_until_each_network_stopped():
  steps = [0, 1, 10, 100]
  alpha = {0: [0.9, 0.5, 0.3, 0.1], 1: [0.8, 0.4, 0.2, np.nan]}
  stopped = {0: 100.0, 1: 10.0}
  record = pd.DataFrame(
    [
      {
        'member': member,
        'step': step,
        'train/epoch': step / 5,
        'coherence/alpha_unbiased': value,
        'noise/scale': 10.0 * step,
        'train/stopped_at': stopped[member] if step == 100 else np.nan,
      }
      for member, values in alpha.items()
      for step, value in zip(steps, values, strict=True)
    ]
  )
  found = zoo.of_record(record)
  np.testing.assert_allclose(found['speed/log_steps'], np.log([100, 10]))
  # from step 1 to 10, epochs 0.2 to 2, by the trapezoidal rule; step 0 is before training
  np.testing.assert_allclose(found['training/minus_early_coherence'], [-0.4, -0.3])
  np.testing.assert_allclose(found['training/minus_peak_coherence'], [-0.5, -0.4])
  np.testing.assert_allclose(found['training/minus_area_of_coherence'], [-0.3, -0.3])
  np.testing.assert_allclose(found['training/early_noise_scale'], [55, 55])


@pytest.fixture(scope='module')
def runs(tmp_path_factory):
  """Two small runs that have reached their level, and one family of measures."""
  root = tmp_path_factory.mktemp('zoo')
  for width in (8, 16):
    own = [f'model.widths=({width},)', 'training.total_steps=100', 'training.stop_loss=2.0']
    config = configuration.load('configs/contest/zoo.py:smoke', own)
    loop.train_and_evaluate(config, root / f'width={width}')
  return root


def size(trained):
  return {'mine/size': jnp.float32(sum(leaf.size for leaf in jax.tree.leaves(trained.final)))}


def test_networks_have_their_settings_their_gap_and_their_measures(runs):
  table = zoo.networks(sorted(runs.iterdir()), {'mine': size})
  assert len(table) == 16
  assert table.groupby(['width', 'label_noise', 'n_train']).size().eq(2).all()
  assert set(table['learning_rate']) == {1.0}
  assert table['mine/size'].nunique() == 2
  assert table['n_test'].eq(360).all()
  pairs = table.groupby(['width', 'label_noise', 'n_train'])['population/disagreement']
  assert pairs.nunique().eq(1).all()
  assert not {*zoo.names_of_measures(table)} & {*zoo.KNOWN}
  steps, epochs = (np.exp(table[f'speed/log_{unit}']) for unit in ('steps', 'epochs'))
  np.testing.assert_allclose(steps / epochs, table['n_train'] / 32)
  assert zoo.judged(table.assign(reached=[True, False] * 8)).index.tolist() == [*range(8)]


def test_what_is_kept_is_not_measured_again(runs, monkeypatch, capsys):
  first = zoo.networks(sorted(runs.iterdir()), {'mine': size})
  capsys.readouterr()

  def never(*_):
    raise AssertionError('restored again')

  monkeypatch.setattr(zoo.measured, 'networks', never)
  again = zoo.networks(sorted(runs.iterdir()), {'mine': size})
  pd.testing.assert_frame_equal(first, again)
  assert 'measuring' not in capsys.readouterr().out


def test_the_referees_tables_come_out_of_a_zoo(runs, monkeypatch):
  monkeypatch.setattr(zoo, 'MEASURES', {'mine': size})
  monkeypatch.setattr(ranking, 'RESAMPLES', 5)
  monkeypatch.setattr(ranking, '_networks', lambda paths: zoo.networks(paths, {'mine': size}))
  paths = sorted(runs.iterdir())
  found = ranking.leaderboard(paths)
  assert 'mine/size' in set(found['measure'])
  assert {'baseline/oracle', 'population/disagreement'} <= set(found['measure'])
  assert set(ranking.environments(paths)['axis']) <= {'width', 'label_noise', 'n_train'}
  assert set(ranking.left_out(paths)['axis']) == {'width', 'label_noise', 'n_train'}
  monkeypatch.setattr(ranking, 'FEWEST', 100)
  assert ranking.leaderboard(paths).empty


def test_a_measure_of_ones_own_is_guarded_and_ranked(runs, tmp_path, monkeypatch, capsys):
  mine = tmp_path / 'mine.py'
  mine.write_text(
    'import jax\n'
    'import jax.numpy as jnp\n'
    'def total(trained):\n'
    '  return {"mine/total": sum(jnp.sum(jnp.abs(x)) for x in jax.tree.leaves(trained.final)),'
    ' "mine/nan": jnp.array(jnp.nan)}\n'
    'MEASURES = {"total": total}\n'
  )
  monkeypatch.setattr('research.measures.MEASURES', {'mine': size})
  monkeypatch.setattr(zoo, 'MEASURES', {'mine': size})
  assert rank.main([str(runs), f'--measures={mine}', '--top=2']) == 0
  out = capsys.readouterr().out
  assert 'mine/total: p = ' in out
  assert 'mine/nan: not defined' in out
  assert '* ' in next(line for line in out.splitlines() if line.split()[1:2] == ['mine/total'])


def test_a_measure_that_was_changed_is_measured_again_and_needs_a_name_of_its_own(
  runs, tmp_path, monkeypatch, capsys
):
  monkeypatch.setattr('research.measures.MEASURES', {'mine': size})
  mine, ranks = tmp_path / 'mine.py', []
  body = 'import jax.numpy as jnp\ndef f(t): return {{"{}": {}}}\nMEASURES = {{"f": f}}\n'
  for value in ('1.0 * len(t.labels)', '-1.0 * len(t.labels)'):
    mine.write_text(body.format('own/n', value))
    assert rank.main([str(runs), f'--measures={mine}']) == 0
    row = next(it for it in capsys.readouterr().out.splitlines() if 'own/n ' in it and '*' in it)
    ranks.append(float(row.split()[4]))
  assert ranks[0] == -ranks[1] != 0
  mine.write_text(body.format('gap', '1.0'))
  assert rank.main([str(runs), f'--measures={mine}']) == 2
  assert 'gap is taken' in capsys.readouterr().err


@pytest.mark.parametrize(
  ('arguments', 'message'),
  [
    (['{tmp}'], 'no folders of finished runs in'),
    (['{runs}', '--measures={tmp}/none.py'], 'no file'),
    (['{runs}', '--measures={tmp}/empty.py'], 'must define MEASURES'),
    (['{runs}', '--measures={tmp}/broken.py'], 'mend'),
    (['{runs}', '--measures={tmp}/vector.py'], "the measure 'f' must return {name: scalar}"),
    (['{runs}', '--measures={tmp}/bare.py'], "the measure 'f' must return {name: scalar}"),
    (['{runs}', '--measures={tmp}/raises.py'], "the measure 'f' fails when it is traced: KeyError"),
    ([], 'the following arguments are required: runs'),
  ],
)
def test_what_cannot_be_ranked_is_refused(runs, tmp_path, capsys, arguments, message):
  (tmp_path / 'empty.py').write_text('x = 1\n')
  (tmp_path / 'broken.py').write_text('def f(:\n')
  for name, value in (
    ('vector', '{"v": t.labels}'),
    ('bare', 't.labels[0]'),
    ('raises', '{}["k"]'),
  ):
    text = f'def f(t):\n  return {value}\nMEASURES = {{"f": f}}\n'
    (tmp_path / f'{name}.py').write_text(text)
  arguments = [argument.format(tmp=tmp_path, runs=runs) for argument in arguments]
  try:
    code = rank.main(arguments)
  except SystemExit as stop:
    code = stop.code
  assert code == 2
  assert message in capsys.readouterr().err


def test_tables_survive_being_written(tmp_path):
  rows = board().to_dict('records')
  text = json.dumps(rows, default=lambda value: value.tolist())
  assert len(study.summary({'leaderboard': pd.DataFrame(json.loads(text))})) == len(NAMES)
