"""The Pitfalls of Simplicity Bias in Neural Networks (Shah et al. 2020), and what coherence adds.

Networks that could use many features of equal worth use the simplest alone. One file for each question:

  slabs           synthetic data: which features, of logits as well, and when
  attacks         adversarial and universal perturbations
  generalization  what simplicity bias costs where the simple feature is noisy
  interventions   ensembles, adversarial training and others: does anything help?
  dominoes        MNIST above CIFAR and above Fashion-MNIST
  coherence       ours: is the feature that is learned the one whose gradients agree?
  natural         what a linear classifier explains of natural images (Nakkiran et al. 2019)
  numbers         the paper's numbers beside ours

Networks of equal seed start alike and see the examples in the same order. Errors are over seeds; all
networks of a run have one test set, whose own error is in the tolerances (`numbers`).
"""

from collections.abc import Mapping

import pandas as pd

from research.figures import block_coherence, explained, logit_differences, reliance
from research.studies.claim import Claim
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
from research.studies.plan import Experiment

TITLE = 'The Pitfalls of Simplicity Bias in Neural Networks'

_CONFIGS = 'configs/pitfalls'
EXPERIMENTS = {
  'slabs': Experiment(
    config=f'{_CONFIGS}/slabs.py', instruments=('reliance', 'adversarial', 'universal')
  ),
  'generalization': Experiment(config=f'{_CONFIGS}/generalization.py', instruments=('reliance',)),
  'interventions': Experiment(config=f'{_CONFIGS}/interventions.py', instruments=('reliance',)),
  'dominoes': Experiment(config=f'{_CONFIGS}/dominoes.py', instruments=('reliance',)),
  'coherence': Experiment(
    config=f'{_CONFIGS}/coherence.py', instruments=('reliance', 'block_coherence')
  ),
  'natural': Experiment(config=f'{_CONFIGS}/natural.py', instruments=('simple_explanation',)),
}
CALCULATIONS = {}
MEASUREMENTS = {}

FIGURES = {
  'slabs': (reliance.figure, 'slabs'),
  'logits': (logit_differences.figure, 'slabs'),
  'generalization': (reliance.figure, 'generalization'),
  'interventions': (reliance.figure, 'interventions'),
  'dominoes': (reliance.figure, 'dominoes'),
  'dominoes_logits': (logit_differences.figure, 'dominoes'),
  'coherence': (block_coherence.figure, 'coherence'),
  'natural': (explained.figure, 'natural'),
}

SHAH, OURS, NAKKIRAN = 'Shah et al. 2020', 'ours, beyond the paper', 'Nakkiran et al. 2019'
CODE = f'{SHAH}, code'


def _claim(judge, reads: str, source: str, paper: str) -> Claim:
  return Claim(judge=judge, reads=(reads,), source=source, paper=paper)


CLAIMS = (
  _claim(
    slabs.lms5_relies_on_the_linear_feature, 'slabs', f'{CODE}, LMS-5', 'AUC 1.000, .507, 1.000'
  ),
  _claim(slabs.ms57_relies_on_the_5_slab, 'slabs', f'{CODE}, MS-(5,7)', 'AUC 1.000, .502, 1.000'),
  _claim(
    slabs.lms7_relies_on_the_linear_feature, 'slabs', f'{SHAH}, LMS-7', 'likewise; values not found'
  ),
  _claim(slabs.logits_ignore_complex_features, 'slabs', f'{SHAH}, logits', 'essentially the same'),
  _claim(slabs.logits_are_shuffled_with_the_simple_feature, 'slabs', f'{SHAH}, logits', 'shuffled'),
  _claim(
    slabs.complex_features_are_never_used, 'slabs', f'{SHAH}; early stopping', 'does not help'
  ),
  _claim(
    slabs.simpler_features_are_learned_sooner,
    'slabs',
    f'{CODE}, training logs',
    'before step 5,000; between 10,000 and 15,000',
  ),
  _claim(attacks.lms5_attacks_are_the_papers, 'slabs', f'{CODE}, LMS-5', '0, share .997; .0066'),
  _claim(attacks.averaged_steps_fool_it_too, 'slabs', f'{CODE}, LMS-5', '.0066'),
  _claim(
    slabs.lsn_relies_on_the_linear_feature,
    'slabs',
    f'{SHAH}, Theorem 1 (as recalled)',
    'the linear coordinate alone',
  ),
  _claim(attacks.ms57_attacks_are_the_papers, 'slabs', f'{CODE}, MS-(5,7)', '0, share .991; .0656'),
  _claim(
    attacks.universal_perturbations_lie_in_the_simple_feature,
    'slabs',
    SHAH,
    'nearly all; the share printed is not theirs',
  ),
  _claim(attacks.one_perturbation_fools_the_network, 'slabs', f'{CODE}, LMS-5', '.0066'),
  _claim(
    generalization.noisy_linear_feature_limits_accuracy,
    'generalization',
    f'{CODE}, noisy LMS-7',
    '.949, .497, .949; train .995',
  ),
  _claim(generalization.slabs_alone_are_learned, 'generalization', f'{CODE}, MS-7', '1.000'),
  _claim(
    generalization.no_width_or_depth_does_better,
    'generalization',
    f'{SHAH}, widths 100 to 300, 1 or 2 layers',
    'about 95 %',
  ),
  _claim(
    generalization.no_width_or_depth_uses_the_slabs, 'generalization', SHAH, 'chance; .497 for one'
  ),
  _claim(
    generalization.overparametrized_networks_memorize_the_noise,
    'generalization',
    f'{CODE}, noisy LMS-7',
    '.995 - .949 = .046',
  ),
  _claim(
    interventions.ensembles_do_not_help,
    'interventions',
    f'{CODE}, ensemble of 3',
    'AUC 1.000, .507, 1.000',
  ),
  _claim(
    interventions.adversarial_training_does_not_help,
    'interventions',
    f'{SHAH}, there on MNIST-CIFAR',
    'does not help',
  ),
  _claim(interventions.spectral_decoupling_does_not_help, 'interventions', OURS, 'not tried'),
  _claim(interventions.weight_decay_does_not_help, 'interventions', OURS, 'not found'),
  _claim(interventions.dropout_does_not_help, 'interventions', OURS, 'not found'),
  _claim(
    interventions.learning_rates_do_not_help,
    'interventions',
    f'{CODE}, text, of noisy LMS-7',
    'robust to a wide range',
  ),
  _claim(interventions.early_stopping_does_not_help, 'interventions', OURS, 'not discussed'),
  _claim(
    interventions.complex_features_can_be_learned, 'interventions', 'a control of ours', 'yes'
  ),
  _claim(
    dominoes.mnist_cifar_relies_on_mnist,
    'dominoes',
    f'{CODE}, ResNet-50',
    'AUC 1.000, .494, 1.000; accuracy .998',
  ),
  _claim(dominoes.mnist_fashion_relies_on_mnist, 'dominoes', OURS, 'not tried'),
  _claim(dominoes.other_half_can_be_learned, 'dominoes', 'a control of ours', 'yes'),
  _claim(
    dominoes.ensembles_of_cnns_do_not_help,
    'dominoes',
    f'{CODE}, ensemble of 3 ResNet-50',
    'AUC 1.000, .502, 1.000',
  ),
  _claim(
    dominoes.adversarially_trained_cnns_rely_on_mnist,
    'dominoes',
    f'{CODE}, ResNet-50',
    'AUC 1.000, .508, 1.000',
  ),
  _claim(coherence.simpler_block_is_relied_on, 'coherence', SHAH, 'the simplest'),
  _claim(coherence.linear_block_is_more_coherent, 'coherence', OURS, 'none'),
  _claim(coherence.simpler_slab_is_more_coherent, 'coherence', OURS, 'none'),
  _claim(coherence.digits_are_more_coherent, 'coherence', OURS, 'none'),
  _claim(coherence.initial_coherence_names_the_block_that_is_learned, 'coherence', OURS, 'none'),
  _claim(
    natural.linear_classifier_explains_what_is_learned_first,
    'natural',
    f'{NAKKIRAN}, figures',
    'nearly all',
  ),
  _claim(natural.later_the_network_knows_more, 'natural', f'{NAKKIRAN}, figures', 'grows'),
  _claim(natural.linear_part_is_not_forgotten, 'natural', f'{NAKKIRAN}, figures', 'kept'),
  _claim(natural.linear_classifier_explains_more_than_neighbours, 'natural', OURS, 'none'),
)


def summary(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
  """The rows of the paper's table, its numbers and ours side by side, for the terminal."""
  return numbers.side_by_side(tables)


def reading(tables: Mapping[str, pd.DataFrame]) -> str:
  """What the errors are of, and what is missing."""
  return (
    'Errors are over five networks, which share one draw of the data and one rotation. The paper trains'
    ' a ResNet-50 on MNIST-CIFAR with 10,000 images, here it is a small CNN and 3,000; its tables by'
    ' architecture, and its attacks on images, are not here.'
  )
