"""Every claim of the study on tables where it is true, and on tables where it is false."""

import numpy as np
import pandas as pd
import pytest

from research.studies import pitfalls as study
from research.studies.pitfalls import (
  attacks,
  coherence,
  dominoes,
  generalization,
  interventions,
  natural,
  numbers,
  slabs,
)

STEPS = [0, 1, 10, 100, 1000]
QUANTILES = dict(zip(slabs.QUANTILES, (-4.0, -2.0, 0.0, 2.0, 4.0), strict=True))


def runs(arms, n_members=6, spread=0.001, seed=0):
  """The tidy table of named runs: curves with a value for each of STEPS, or one for all."""
  generator = np.random.default_rng(seed)
  rows = []
  for run, curves in arms.items():
    for member in range(n_members):
      for i, step in enumerate(STEPS):
        row = {'run': run, 'step': step, 'member': member, 'seed': member}
        for name, curve in curves.items():
          value = curve[i] if isinstance(curve, list) else curve
          row[name] = value + spread * generator.normal()
        rows.append(row)
  return pd.DataFrame(rows)


def changed(arms, **changes):
  """Arms with some of the curves of some runs changed."""
  return {run: {**curves, **changes.get(run, {})} for run, curves in arms.items()}


# --- tables in which every claim is true --------------------------------------------------------


def reliance(simple, other, start=2, chance=0.5, metric='auc', full=1.0):
  """A network that learns one feature, at a step; the other never matters."""
  learned = [chance] * start + [full] * (len(STEPS) - start)
  curves = {f'reliance/standard/{metric}': learned, f'reliance/random/{simple}/{metric}': chance}
  curves |= {f'reliance/only/{simple}/{metric}': learned}
  return curves | {f'reliance/random/{other}/{metric}': learned}


def logits(simple):
  """Classes 20 nats apart, and none where the simple feature is randomized."""
  curves = {}
  for seen, distance in (('standard', 20), (f'only/{simple}', 20), (f'random/{simple}', 0)):
    for label, sign in ((0, -0.5), (1, 0.5)):
      for q, value in QUANTILES.items():
        curves[f'reliance/{seen}/class{label}/{q}'] = sign * distance + value
  return curves


def attacked(simple, share, universal):
  curves = {'adversarial/accuracy': 0.0, f'adversarial/share/{simple}': share}
  return curves | {'universal/accuracy': universal, f'universal/share/{simple}': 0.99}


SLABS = {
  'lms5': reliance('linear', 'slab5') | logits('linear') | attacked('linear', 0.997, 0.007),
  'lms7': reliance('linear', 'slab7') | logits('linear') | attacked('linear', 0.997, 0.007),
  'ms57': reliance('slab5', 'slab7', start=4) | logits('slab5') | attacked('slab5', 0.99, 0.06),
  'lms5_averaged': attacked('linear', 0.997, 0.007),
  'lsn': reliance('linear', 'slab3'),
}
OF_NOISY = reliance('noisy_linear', 'slab7', metric='accuracy', full=0.949)
GENERALIZATION = {
  run: OF_NOISY | {'test/accuracy': 0.948, 'train/accuracy': 0.994}
  for run in ('100x1', '100x2', '300x1', '300x2')
} | {'ms7': {'test/accuracy': 1.0}}
INTERVENTIONS = {
  run: reliance('linear', 'slab5')
  for run in (
    *('none', 'ensemble', 'adversarial', 'spectral_decoupling', 'weight_decay', 'dropout'),
    *('strong_decoupling', 'low_rate', 'high_rate'),
  )
} | {'without_linear': reliance('slab5', 'noise')}
OF_DOMINOES = reliance('top', 'bottom') | {'test/accuracy': 0.998}
DOMINOES = {
  run: OF_DOMINOES for run in ('cifar', 'fashion', 'cifar_ensemble', 'cifar_adversarial')
} | {run: reliance('bottom', 'top') for run in ('cifar_randomized', 'fashion_randomized')}
DOMINOES['cifar_adversarial'] = OF_DOMINOES | {'adversarial/accuracy': 0.985}
ALPHA = 'block_coherence/alpha_unbiased'
COHERENCE = {
  run: reliance(simple, other)
  | {f'{ALPHA}/{simple}': [0.3, 0.3, 0.1, 0.1, 0.1], f'{ALPHA}/{other}': [0.1, 0.1, 0.4, 0.4, 0.4]}
  for run, (simple, other) in coherence.PAIRS.items()
}


def known(labels=(0.0, 0.1, 0.6, 1.4, 1.6), left=(0.0, 0.0, 0.02, 0.3, 0.4), neighbours=0.2):
  """Bits: of the labels, beyond a linear classifier, beyond neighbours; all in nothing by chance."""
  labels, left = np.array(labels), np.array(left)
  curves = {natural.LABELS: labels, 'simplicity/performance_correlation/linear': labels - left}
  curves |= {'simplicity/information_beyond/linear': left + 0.01}
  curves |= {'simplicity/information_beyond/nearest5': neighbours * labels + left + 0.01}
  curves = {name: [*map(float, curve)] for name, curve in curves.items()}
  return curves | {
    f'simplicity/information_beyond_null/{name}': 0.01 for name in ('linear', 'nearest5')
  }


NATURAL = {run: known() for run in natural.RUNS}

TRUE = {
  'slabs': runs(SLABS),
  'generalization': runs(GENERALIZATION),
  'interventions': runs(INTERVENTIONS),
  'dominoes': runs(DOMINOES),
  'coherence': runs(COHERENCE),
  'natural': runs(NATURAL),
}


# --- and for each claim one in which it is false ------------------------------------------------


def without(experiment, arms, **changes):
  return {experiment: runs(changed(arms, **changes))}


def helped(run):
  return without('interventions', INTERVENTIONS, **{run: {'reliance/random/linear/auc': 0.8}})


FALSE = {
  slabs.lms5_relies_on_the_linear_feature: without(
    'slabs', SLABS, lms5={'reliance/random/linear/auc': 0.55}
  ),
  slabs.ms57_relies_on_the_5_slab: without('slabs', SLABS, ms57={'reliance/only/slab5/auc': 0.9}),
  slabs.lms7_relies_on_the_linear_feature: without(
    'slabs', SLABS, lms7={'reliance/random/linear/auc': 0.4}
  ),
  slabs.logits_ignore_complex_features: without(
    'slabs', SLABS, lms7={'reliance/only/linear/class1/q95': 30.0}
  ),
  slabs.logits_are_shuffled_with_the_simple_feature: without(
    'slabs', SLABS, ms57={'reliance/random/slab5/class1/q25': 10.0}
  ),
  slabs.complex_features_are_never_used: without(
    'slabs', SLABS, lms5={'reliance/random/linear/auc': [0.5, 0.5, 0.7, 0.5, 0.5]}
  ),
  slabs.simpler_features_are_learned_sooner: without(
    'slabs', SLABS, ms57=reliance('slab5', 'slab7')
  ),
  attacks.lms5_attacks_are_the_papers: without('slabs', SLABS, lms5={'adversarial/accuracy': 0.1}),
  attacks.ms57_attacks_are_the_papers: without(
    'slabs', SLABS, ms57={'adversarial/share/slab5': 0.5}
  ),
  attacks.universal_perturbations_lie_in_the_simple_feature: without(
    'slabs', SLABS, ms57={'universal/share/slab5': 0.9}
  ),
  attacks.one_perturbation_fools_the_network: without(
    'slabs', SLABS, lms7={'universal/accuracy': 0.4}
  ),
  attacks.averaged_steps_fool_it_too: without(
    'slabs', SLABS, lms5_averaged={'universal/accuracy': 0.2}
  ),
  slabs.lsn_relies_on_the_linear_feature: without(
    'slabs', SLABS, lsn={'reliance/random/linear/auc': 0.7}
  ),
  generalization.noisy_linear_feature_limits_accuracy: without(
    'generalization', GENERALIZATION, **{'300x2': {'train/accuracy': 0.95}}
  ),
  generalization.slabs_alone_are_learned: without(
    'generalization', GENERALIZATION, ms7={'test/accuracy': 0.9}
  ),
  generalization.no_width_or_depth_does_better: without(
    'generalization', GENERALIZATION, **{'100x1': {'test/accuracy': 0.99}}
  ),
  generalization.no_width_or_depth_uses_the_slabs: without(
    'generalization', GENERALIZATION, **{'300x1': {generalization.NOISY: 0.6}}
  ),
  generalization.overparametrized_networks_memorize_the_noise: without(
    'generalization', GENERALIZATION, **{'300x2': {'train/accuracy': 0.95}}
  ),
  interventions.ensembles_do_not_help: helped('ensemble'),
  interventions.adversarial_training_does_not_help: helped('adversarial'),
  interventions.spectral_decoupling_does_not_help: helped('strong_decoupling'),
  interventions.weight_decay_does_not_help: helped('weight_decay'),
  interventions.dropout_does_not_help: helped('dropout'),
  interventions.learning_rates_do_not_help: helped('high_rate'),
  interventions.early_stopping_does_not_help: without(
    'interventions', INTERVENTIONS, none={'reliance/random/linear/auc': [0.5, 0.7, 0.5, 0.5, 0.5]}
  ),
  interventions.complex_features_can_be_learned: without(
    'interventions', INTERVENTIONS, without_linear={'reliance/standard/auc': 0.6}
  ),
  dominoes.mnist_cifar_relies_on_mnist: without(
    'dominoes', DOMINOES, cifar={'reliance/random/top/auc': 0.7}
  ),
  dominoes.mnist_fashion_relies_on_mnist: without(
    'dominoes', DOMINOES, fashion={'reliance/random/top/auc': 0.7}
  ),
  dominoes.other_half_can_be_learned: without(
    'dominoes', DOMINOES, cifar_randomized={'reliance/random/top/auc': 0.5}
  ),
  dominoes.ensembles_of_cnns_do_not_help: without(
    'dominoes', DOMINOES, cifar_ensemble={'reliance/random/top/auc': 0.7}
  ),
  dominoes.adversarially_trained_cnns_rely_on_mnist: without(
    'dominoes', DOMINOES, cifar_adversarial={'reliance/random/top/auc': 0.7}
  ),
  coherence.simpler_block_is_relied_on: without(
    'coherence', COHERENCE, slab5_slab7=reliance('slab7', 'slab5')
  ),
  coherence.linear_block_is_more_coherent: without(
    'coherence', COHERENCE, linear_slab5={f'{ALPHA}/linear': 0.05}
  ),
  coherence.simpler_slab_is_more_coherent: without(
    'coherence', COHERENCE, slab5_slab7={f'{ALPHA}/slab5': 0.1}
  ),
  coherence.digits_are_more_coherent: without(
    'coherence', COHERENCE, mnist_cifar={f'{ALPHA}/bottom': 0.5}
  ),
  coherence.initial_coherence_names_the_block_that_is_learned: without(
    'coherence', COHERENCE, slab5_slab7={f'{ALPHA}/slab5': [0.0, 0.3, 0.3, 0.3, 0.3]}
  ),
  natural.linear_classifier_explains_what_is_learned_first: {
    'natural': runs(NATURAL | {'cifar10': known(left=(0.0, 0.0, 0.3, 0.4, 0.5))})
  },
  natural.later_the_network_knows_more: {
    'natural': runs(NATURAL | {'mnist': known(left=(0.0, 0.0, 0.02, 0.03, 0.03))})
  },
  natural.linear_part_is_not_forgotten: {
    'natural': runs(NATURAL | {'mnist': known(left=(0.0, 0.0, 0.02, 0.2, 0.9))})
  },
  natural.linear_classifier_explains_more_than_neighbours: {
    'natural': runs(NATURAL | {'mnist': known(neighbours=0.0)})
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
    assert {*claim.reads} <= {*study.EXPERIMENTS}
    assert claim.source
    assert claim.paper
    assert claim.text.endswith('.')


# --- what they are made of ----------------------------------------------------------------------


def test_the_papers_numbers_are_beside_ours():
  shown = study.summary(TRUE)
  row = shown.loc[('LMS-5, AUC', 'linear randomized')]
  assert row['paper'] == 0.507
  assert row['ours'] == pytest.approx(0.5, abs=0.01)
  assert row['n'] == 6
  assert len(shown) == sum(map(len, numbers.TABLES.values()))
  of_one = study.summary({'dominoes': TRUE['dominoes']})
  assert {title for title, _ in of_one.index} == {
    title for title in numbers.TABLES if title.startswith('MNIST')
  }
  assert study.summary({}).empty


def test_a_network_that_learned_nothing_is_no_network_that_learned_late():
  arms = changed(SLABS, ms57={'reliance/standard/auc': 0.5})
  verdict = slabs.simpler_features_are_learned_sooner(runs(arms))
  assert verdict.holds is None
  assert verdict.n == 0


def test_adversarial_training_that_failed_says_nothing_of_what_is_relied_on():
  arms = changed(DOMINOES, cifar_adversarial={'reliance/standard/auc': 0.55})
  verdict = dominoes.adversarially_trained_cnns_rely_on_mnist(runs(arms))
  assert verdict.holds is None
  assert 'learned nothing' in verdict.note


def test_what_is_left_is_less_what_shuffled_predictions_leave():
  curves = known()
  null = {f'simplicity/information_beyond_null/{name}': 0.06 for name in ('linear', 'nearest5')}
  inflated = {
    name: [value + 0.05 for value in curve] if '/information_beyond/' in name else curve
    for name, curve in curves.items()
  }
  plain, corrected = (
    natural._left(runs({'mnist': arm}), 'mnist', 'linear').mean()
    for arm in (curves, inflated | null)
  )
  assert corrected == pytest.approx(plain, abs=0.01)


def test_coherence_is_that_before_learning():
  """Later it may be the other way round, as it is in these tables."""
  before = coherence._before(TRUE['coherence'], 'linear_slab5', 'slab5')
  np.testing.assert_allclose(before, 0.1, atol=0.01)
  never = runs(changed(COHERENCE, linear_slab5={'reliance/standard/auc': 0.5}))
  assert coherence._before(never, 'linear_slab5', 'slab5').mean() == pytest.approx(0.4, abs=0.01)


@pytest.mark.parametrize('name', study.EXPERIMENTS)
@pytest.mark.parametrize('scale', ['smoke', 'cpu', 'full'])
def test_configs_measure_what_the_claims_read(name, scale, monkeypatch):
  from research.studies.plan import Plan

  monkeypatch.chdir(__file__.rpartition('/tests/')[0])
  source = {name: f'{study.EXPERIMENTS[name].config}:{scale}'}
  plan = Plan(experiments={name: study.EXPERIMENTS[name]}, sources=source, overrides=[])
  assert len(plan.configs(name)) >= 3
