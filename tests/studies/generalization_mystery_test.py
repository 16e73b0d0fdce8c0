"""Every claim of the study on tables where it is true, and on tables where it is false."""

import numpy as np
import pandas as pd
import pytest

from research.configuration import ConfigError
from research.studies import across_settings
from research.studies import generalization_mystery as study
from research.studies.generalization_mystery import (
  averaging,
  bound,
  difficulty,
  exact,
  labels,
  layers,
  noise,
  prediction,
)

STEPS = [0, 1, 3, 10, 30, 100, 300, 1000]  # 10 steps are an epoch
NOISE, M = 'task.label_noise', 'coherence/m_coherence'


@pytest.fixture(autouse=True)
def _few_bootstrap_samples(monkeypatch):
  monkeypatch.setattr(across_settings, 'SAMPLES', 200)


def runs(arms, n_members=6, spread=0.02, seed=0):
  """The tidy table of arms: settings, then curves with a value for each of STEPS, or one for all."""
  generator = np.random.default_rng(seed)
  rows = []
  for run, (settings, curves) in enumerate(arms):
    for member in range(n_members):
      for i, step in enumerate(STEPS):
        row = {'run': str(run), **settings, 'step': step, 'member': member}
        row['train/epoch'] = step / 10
        for name, curve in curves.items():
          value = curve[i] if isinstance(curve, list) else curve
          scatter = np.exp(spread * generator.normal())
          row[name] = value if value == 1.0 else value * scatter  # what is fitted is fitted
        rows.append(row)
  return pd.DataFrame(rows)


# --- what takes no training ---------------------------------------------------------------------

DIMENSIONS, CORRECTION = exact.six_dimensions(), exact.batch_correction()


def test_the_example_in_six_dimensions_is_the_papers():
  for labels_of, (m_coherence, w, test_error) in exact.PAPER.items():
    row = DIMENSIONS.set_index('labels').loc[labels_of]
    assert row['m_coherence'] == pytest.approx(m_coherence)
    np.testing.assert_allclose(row['w'], w, atol=1e-5)
    assert row['test_error'] == pytest.approx(test_error, abs=1e-5)


# --- tables in which every claim is true --------------------------------------------------------

REAL, RANDOM = [20, 30, 30, 30, 20, 8, 1.3, 1.2], [4, 3, 3, 2, 2, 4.5, 3, 1.4]
FIT_REAL = [0.1, 0.5, 0.8, 0.9, 0.95, 1.0, 1.0, 1.0]
FIT_RANDOM = [0.1, 0.1, 0.1, 0.1, 0.2, 0.5, 0.8, 1.0]


def label_runs(real=None, random=None, names=({'task.name': 'x', 'model.name': 'y'},)):
  arms = []
  for settings in names:
    for noisy, curve, fit in ((0.0, real or REAL, FIT_REAL), (1.0, random or RANDOM, FIT_RANDOM)):
      curves = {M: curve, 'coherence/alpha': list(np.array(curve) / 50)}
      arms.append(({**settings, NOISE: noisy}, {**curves, 'train/accuracy': fit}))
  return runs(arms, spread=0.01)


def noise_runs(early=(30, 20, 12, 8, 3), **of_half):
  """Label noise 0 to 1 in quarters; the middle arm may be changed."""
  arms = []
  for noisy, level in zip((0.0, 0.25, 0.5, 0.75, 1.0), early, strict=True):
    curve = [level, level, level, level, level, 4.5 if noisy == 1 else level, 3, 1.2]
    curves = {M: curve, 'coherence/alpha': list(np.array(curve) / 50)}
    curves |= {f'batch_coherence/{name}': curve for name in ('m_coherence', 'm_coherence_theorem')}
    curves['train/accuracy'] = FIT_REAL if noisy < 0.5 else FIT_RANDOM
    if noisy == 0.5:
      curves['groups/share/pristine'] = [0.8] * 5 + [0.5, 0.3, 0.2]
      curves['groups/share/corrupt'] = [0.2] * 5 + [0.5, 0.7, 0.8]
      curves['train/accuracy_pristine'] = [0.1, 0.3, 0.5, 0.8, 0.9, 0.95, 1.0, 1.0]
      curves['train/accuracy_corrupt'] = [0.1, 0.1, 0.1, 0.1, 0.2, 0.4, 0.8, 1.0]
      curves |= of_half
    arms.append(({NOISE: noisy}, curves))
  return runs(arms, spread=0.01)


def layer_runs(**changed):
  alphas = {
    'convolutional': dict(Conv_0=0.2, Conv_1=0.1, Dense_0=0.05, Dense_1=0.05),
    'shuffled_pixels': dict(Conv_0=0.15, Conv_1=0.08, Dense_0=0.05, Dense_1=0.05),
    'locally_connected': dict(
      LocallyConnected_0=0.03, LocallyConnected_1=0.03, Dense_0=0.05, Dense_1=0.05
    ),
  }
  for run, values in changed.items():
    alphas[run] |= values
  arms = [({}, {layers.PREFIX + name: it for name, it in a.items()}) for a in alphas.values()]
  return named(runs(arms), alphas)


def side_runs(easy=(0.99, 30.0), hard=(0.5, 5.0)):
  arms = [({}, {'test/accuracy': test, M: m}) for test, m in (easy, hard)]
  return named(runs(arms), ('easy', 'hard'))


def averaging_runs(train=(1.0, 0.9, 0.5, 0.45, 0.4, 0.8, 0.7, 0.95), **changed):
  names = [*averaging.WINSORIZED, *averaging.MEDIANS, 'mean_of_three']
  values = {
    'train/accuracy': train,
    'train/accuracy_corrupt': (0.99, 0.8, 0.5, 0.3, 0.15, 0.7, 0.6, 0.9),
    'test/accuracy': (0.6, 0.62, 0.65, 0.7, 0.72, 0.65, 0.66, 0.6),
  } | changed
  arms = [({NOISE: 0.5}, {key: it[i] for key, it in values.items()}) for i in range(len(names))]
  return named(runs(arms, spread=0.001), names)


def bound_runs(
  norms=(5.0, 10.0, 20.0), sharpness=0.5, alpha=0.5, looseness=0.5, test=(0.9, 0.5, 0.2)
):
  """Networks whose bound exceeds the gap of the losses by a factor of 10 to the looseness."""
  arms = []
  for noisy, norm, accuracy in zip((0.0, 0.5, 1.0), norms, test, strict=True):
    curves = {'gradient_norms/max': norm, 'sharpness/max_eigenvalue': sharpness}
    curves |= {'coherence/alpha': alpha, M: 1000 * alpha, 'train/loss': 0.0}
    curves |= {'train/accuracy': 1.0, 'test/accuracy': accuracy}
    arms.append(({NOISE: noisy, bound.RATE: 0.1}, curves))
  table = runs(arms, spread=0.001)
  gap = 10 ** (bound.bounds(table).loc[0.0].mean() - looseness)
  return table.assign(**{'test/loss': gap})


def setting_runs(gap=lambda coherence, loss: 0.5 - 5 * coherence, n=24):
  generator = np.random.default_rng(1)
  arms = []
  for i in range(n):
    coherence, loss = generator.uniform(0, 0.05), generator.uniform(0, 2)
    test = 1 - gap(coherence, loss) - 0.01 * generator.uniform()
    curves = {'coherence/alpha_unbiased': coherence, 'train/loss': loss, 'train/accuracy': 1.0}
    noisy = (0.0, 0.25, 0.5)[i % 3]
    clean = (test - noisy / 10) / (1 - noisy)
    arms.append(({NOISE: noisy}, curves | {'test/accuracy': clean}))
  return runs(arms, n_members=2, spread=1e-4)


def named(table, names):
  return table.assign(run=[list(names)[int(run)] for run in table['run']])


TRUE = {
  'six_dimensions': DIMENSIONS,
  'batch_correction': CORRECTION,
  'labels': label_runs(),
  'noise': noise_runs(),
  'layers': layer_runs(),
  'easy_and_hard': side_runs(),
  'averaging': averaging_runs(),
  'bound': bound_runs(),
  'prediction': setting_runs(),
}
FLAT = [3, 3, 3, 3, 3, 2.5, 2, 1.4]
FALSE = {
  exact.shared_direction_makes_gradients_coherent: {
    'six_dimensions': DIMENSIONS.assign(m_coherence=[2.4, 1.0])
  },
  exact.coherent_directions_win: {'six_dimensions': DIMENSIONS.assign(test_error=[0.05, 1.0])},
  exact.batches_give_the_coherence_of_examples: {
    'batch_correction': CORRECTION.assign(**{'batches/alpha': 1.05 * CORRECTION['batches/alpha']})
  },
  exact.theorem_errs_where_samples_are_small: {
    'batch_correction': CORRECTION.assign(**{'batches/alpha_theorem': CORRECTION['batches/alpha']})
  },
  labels.real_exceeds_random_early: {'labels': label_runs(random=[15] * 8)},
  labels.random_labels_peak_in_mid_training: {'labels': label_runs(random=FLAT)},
  labels.random_labels_stay_below_five: {'labels': label_runs(random=[4, 3, 3, 2, 2, 9, 3, 1.4])},
  labels.interpolation_ends_coherence: {'labels': label_runs(real=[30] * 8)},
  noise.coherence_falls_with_label_noise: {'noise': noise_runs(early=(30, 20, 12, 13, 3))},
  noise.pristine_examples_lead_early: {'noise': noise_runs(**{'groups/share/pristine': 0.5})},
  noise.corrupt_examples_take_over_late: {'noise': noise_runs(**{'groups/share/corrupt': 0.45})},
  noise.pristine_examples_are_learned_first: {
    'noise': noise_runs(
      **{'train/accuracy_pristine': FIT_RANDOM, 'train/accuracy_corrupt': FIT_RANDOM}
    )
  },
  noise.batches_of_networks_give_their_coherence: {
    'noise': noise_runs().assign(**{'batch_coherence/m_coherence': 4.0})
  },
  layers.convolutions_are_more_coherent: {'layers': layer_runs(convolutional={'Dense_0': 2.0})},
  layers.weight_sharing_makes_layers_coherent: {
    'layers': layer_runs(locally_connected={'LocallyConnected_1': 0.12})
  },
  layers.neighbouring_pixels_make_convolutions_coherent: {
    'layers': layer_runs(shuffled_pixels={'Conv_1': 0.12})
  },
  difficulty.easy_examples_generalize_better: {'easy_and_hard': side_runs(easy=(0.4, 30.0))},
  difficulty.easy_examples_are_more_coherent: {'easy_and_hard': side_runs(easy=(0.99, 4.0))},
  averaging.winsorizing_closes_the_gap: {
    'averaging': averaging_runs(train=(1.0, 0.9, 0.5, 0.6, 0.4, 0.8, 0.7, 0.95))
  },
  averaging.winsorizing_fits_fewer_corrupt_labels: {
    'averaging': averaging_runs(
      **{'train/accuracy_corrupt': (0.99, 0.8, 0.5, 0.6, 0.15, 0.7, 0.6, 0.9)}
    )
  },
  averaging.winsorizing_keeps_training_proper: {
    'averaging': averaging_runs(train=(1.0, 0.9, 0.7, 0.45, 0.4, 0.8, 0.7, 0.95))
  },
  averaging.winsorizing_keeps_test_accuracy: {
    'averaging': averaging_runs(**{'test/accuracy': (0.6, 0.62, 0.65, 0.7, 0.5, 0.65, 0.66, 0.6)})
  },
  averaging.medians_close_the_gap: {
    'averaging': averaging_runs(train=(0.9, 0.8, 0.5, 0.45, 0.4, 0.8, 1.0, 0.95))
  },
  averaging.medians_keep_test_accuracy: {
    'averaging': averaging_runs(**{'test/accuracy': (0.6, 0.62, 0.65, 0.7, 0.72, 0.55, 0.66, 0.6)})
  },
  bound.bound_grows_with_label_noise: {'bound': bound_runs(norms=(5.0, 10.0, 8.0))},
  bound.bound_is_tight: {'bound': bound_runs(looseness=3.0)},
  bound.coherence_matters_in_the_bound: {'bound': bound_runs(alpha=0.01)},
  prediction.early_coherence_predicts_the_gap: {
    'prediction': setting_runs(lambda coherence, loss: 0.1 + 5 * coherence)
  },
  prediction.early_coherence_beats_the_training_loss: {
    'prediction': setting_runs(lambda coherence, loss: 0.1 + 0.3 * loss)
  },
  prediction.coherence_predicts_at_equal_label_noise: {
    'prediction': setting_runs(lambda coherence, loss: 0.1 + 0.3 * loss)
  },
}
CLAIMS = {claim.judge: claim for claim in study.CLAIMS}


@pytest.mark.parametrize('judge', CLAIMS, ids=lambda judge: judge.__name__)
def test_a_claim_holds_where_it_is_true(judge):
  verdict = CLAIMS[judge].verdict(TRUE)
  assert verdict.holds, verdict


@pytest.mark.parametrize('judge', CLAIMS, ids=lambda judge: judge.__name__)
def test_a_claim_fails_where_it_is_false(judge):
  verdict = CLAIMS[judge].verdict(TRUE | FALSE[judge])
  assert verdict.holds is not None
  assert not verdict.holds, verdict


def test_every_claim_reads_what_the_study_has():
  for claim in study.CLAIMS:
    assert {*claim.reads} <= {*study.EXPERIMENTS, *study.CALCULATIONS}
    assert claim.source
    assert claim.paper
    assert claim.text.endswith('.')
  assert {reads for _, reads in study.FIGURES.values()} <= {*study.EXPERIMENTS}


# --- closed forms -------------------------------------------------------------------------------


def test_the_bound_is_the_sum_of_the_theorem():
  """Against the sum and the products written down, with an alpha that changes along the run."""
  curve = bound_runs(alpha=0.3).query('`task.label_noise` == 0 and member == 0')
  lipschitz, sharp = curve['gradient_norms/max'].max(), curve['sharpness/max_eigenvalue'].max()
  m = (curve[M] / curve['coherence/alpha']).median()
  total = 0.0
  for t in range(1, 1001):
    alpha = np.interp(t - 1, curve['step'], curve['coherence/alpha'])
    total += (1 + 0.1 * sharp) ** (1000 - t) * 0.1 * np.sqrt(2 * (1 - alpha))
  assert bound.stability_bound(curve) == pytest.approx(np.log10(lipschitz**2 / m * total))


def test_a_gap_above_the_bound_is_no_tight_bound():
  assert not bound.bound_is_tight(bound_runs(looseness=-0.5)).holds


def test_a_bound_that_grows_while_the_gap_falls_orders_nothing():
  assert not bound.bound_grows_with_label_noise(bound_runs(test=(0.1, 0.5, 0.2))).holds


def test_a_lost_network_has_no_bound():
  table = bound_runs()
  lost = (table['member'] == 0) & (table['step'] > 10)
  table['coherence/alpha'] = table['coherence/alpha'].where(~lost)
  assert bound.bounds(table).isna().sum(axis=1).tolist() == [1, 1, 1]


def test_networks_that_never_fit_so_much_are_not_passed_over():
  table = noise_runs()
  slow = (table[NOISE] == 0.5) & (table['member'] == 0) & (table['train/accuracy'] > 0.7)
  table['train/accuracy'] = table['train/accuracy'].where(~slow, 0.7)
  assert noise.corrupt_examples_take_over_late(table).holds is None


def test_the_sides_of_a_split_do_not_overlap_and_are_equal(tmp_path, monkeypatch):
  (tmp_path / 'reference').mkdir()
  right = np.random.default_rng(0).uniform(size=100) < 0.8
  monkeypatch.setattr(difficulty, '_right', lambda workdir: right)
  overrides = difficulty.easy_and_hard(tmp_path)
  sides = {side: np.load(it['task.rows']) for side, it in overrides.items()}
  for side, kind in (('easy', True), ('hard', False)):
    rows = np.concatenate([sides[side]['train'], sides[side]['test']])
    assert len(np.unique(rows)) == len(rows) == min(right.sum(), (~right).sum())
    assert (right[rows] == kind).all()
  assert len(sides['easy']['train']) == len(sides['hard']['train'])
  monkeypatch.setattr(difficulty, '_right', lambda workdir: ~right)  # the split stays as it is
  assert difficulty.easy_and_hard(tmp_path) == overrides
  np.testing.assert_array_equal(
    np.load(overrides['easy']['task.rows'])['train'], sides['easy']['train']
  )


def test_without_a_finished_reference_there_is_no_split(tmp_path, monkeypatch):
  with pytest.raises(ConfigError, match='two_epochs is not done'):
    difficulty.easy_and_hard(tmp_path)
  monkeypatch.setattr(difficulty, '_right', lambda workdir: np.ones(100, bool))
  with pytest.raises(ConfigError, match='leaves 0 examples on one side'):
    difficulty.easy_and_hard(tmp_path)


def test_the_reading_names_every_network():
  text = study.reading(TRUE)
  assert 'mnist mlp' in text
  assert 'x y 4.' in text
  assert study.reading({}) == ''
