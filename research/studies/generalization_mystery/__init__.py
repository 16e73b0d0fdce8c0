"""On the Generalization Mystery in Deep Learning (Chatterjee & Zielinski 2022), and its precursors.

Coherent gradients (Chatterjee 2020), making coherence out of nothing at all (Chatterjee & Zielinski
2020), weak and strong gradient directions (Zielinski, Krishnan & Chatterjee 2020). One file for each
question:

  exact        what can be computed without training: the six-dimensional example, the batch correction
  labels       real and random labels on three datasets, with four kinds of networks
  noise        label noise from none to all; pristine and corrupt examples
  layers       convolutions, dense layers, and why they differ
  difficulty   easy and hard examples
  averaging    winsorized gradients, medians of gradients
  bound        the stability bound along a run
  prediction   beyond the paper: does early coherence predict the generalization gap?

Networks of equal seed start alike and see the examples in the same order, so arms are compared in
pairs. Errors are over seeds (in `prediction`, over settings): they say nothing about other datasets.
"""

from collections.abc import Mapping

import pandas as pd

from research.figures import arms_by_layer, cells, coherence, easy_and_hard, groups
from research.figures import averaging as averaging_figure
from research.figures import bound as bound_figure
from research.figures import prediction as prediction_figure
from research.studies.claim import Claim
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
from research.studies.plan import Experiment

TITLE = 'On the Generalization Mystery in Deep Learning: coherent gradients'

_CONFIGS = 'configs/generalization_mystery'
EXPERIMENTS = {
  'noise': Experiment(
    config=f'{_CONFIGS}/noise.py',
    instruments=('coherence', 'group_coherence', 'batch_coherence'),
  ),
  'labels': Experiment(config=f'{_CONFIGS}/labels.py', instruments=('coherence',)),
  'layers': Experiment(config=f'{_CONFIGS}/layers.py', instruments=('coherence',)),
  'reference': Experiment(config=f'{_CONFIGS}/reference.py'),
  'easy_and_hard': Experiment(
    config=f'{_CONFIGS}/easy_and_hard.py',
    instruments=('coherence',),
    prepare=difficulty.easy_and_hard,
  ),
  'averaging': Experiment(config=f'{_CONFIGS}/averaging.py'),
  'bound': Experiment(
    config=f'{_CONFIGS}/bound.py', instruments=('coherence', 'gradient_norms', 'sharpness')
  ),
  'prediction': Experiment(config=f'{_CONFIGS}/prediction.py', instruments=('coherence',)),
}
CALCULATIONS = {'six_dimensions': exact.six_dimensions, 'batch_correction': exact.batch_correction}
MEASUREMENTS = {}


def _bound_figure(table: pd.DataFrame):
  """With the bound itself, the mean over networks of its log10."""
  means = bound.bounds(table).mean(axis=1)
  return bound_figure.figure(table, dict(zip(means.index.astype(float), means, strict=True)))


FIGURES = {
  'noise': (coherence.figure, 'noise'),
  'groups': (groups.figure, 'noise'),
  'labels': (cells.figure, 'labels'),
  'layers': (arms_by_layer.figure, 'layers'),
  'easy_and_hard': (easy_and_hard.figure, 'easy_and_hard'),
  'averaging': (averaging_figure.figure, 'averaging'),
  'bound': (_bound_figure, 'bound'),
  'prediction': (prediction_figure.figure, 'prediction'),
}

ICLR, MAKING, WEAK, MYSTERY = (
  'Chatterjee 2020',
  'Chatterjee & Zielinski 2020',
  'Zielinski et al. 2020',
  'Chatterjee & Zielinski 2022',
)


def _claim(judge, source: str, paper: str, *reads: str) -> Claim:
  return Claim(judge=judge, reads=reads, source=source, paper=paper)


CLAIMS = (
  _claim(
    exact.shared_direction_makes_gradients_coherent,
    f'{MYSTERY}, the example of Section 1',
    '2.5 and 1',
    'six_dimensions',
  ),
  _claim(
    exact.coherent_directions_win,
    f'{MYSTERY}, the example of Section 1',
    'test errors 0.04 and 1',
    'six_dimensions',
  ),
  _claim(
    labels.real_exceeds_random_early,
    f'{MYSTERY}, ResNet-50 on ImageNet, m = 50,000',
    'about 40 against less than 5: a ratio above 8',
    *('labels', 'noise'),
  ),
  _claim(
    labels.random_labels_peak_in_mid_training,
    f'{MAKING} (version 1), ImageNet',
    'rises in mid-training, to 100 to 1,000 at m = 40,356',
    *('labels', 'noise'),
  ),
  _claim(
    labels.random_labels_stay_below_five,
    f'{MYSTERY}, ResNet-50 on ImageNet, m = 50,000',
    'usually below 5',
    *('labels', 'noise'),
  ),
  _claim(
    labels.interpolation_ends_coherence, f'{MYSTERY}, Section 5', 'tends to 1', 'labels', 'noise'
  ),
  _claim(
    noise.coherence_falls_with_label_noise, f'{ICLR}; {MAKING}', 'falls with label noise', 'noise'
  ),
  _claim(noise.pristine_examples_lead_early, f'{ICLR}, MNIST', 'f_p about 0.7 early', 'noise'),
  _claim(
    noise.corrupt_examples_take_over_late, f'{ICLR}, MNIST', 'corrupt take over late', 'noise'
  ),
  _claim(noise.pristine_examples_are_learned_first, f'{ICLR}, MNIST', 'pristine first', 'noise'),
  _claim(
    layers.convolutions_are_more_coherent,
    f'{MAKING}, ResNet-18',
    'convolutions above dense layers',
    'layers',
  ),
  _claim(
    layers.weight_sharing_makes_layers_coherent,
    f'{MAKING}; the test is ours',
    'the explanation given',
    'layers',
  ),
  _claim(
    layers.neighbouring_pixels_make_convolutions_coherent, 'a control of ours', 'none', 'layers'
  ),
  _claim(
    difficulty.easy_examples_generalize_better,
    f'{WEAK}, ImageNet',
    'easy better than hard; values not found',
    'easy_and_hard',
  ),
  _claim(
    difficulty.easy_examples_are_more_coherent,
    f'{WEAK}, the explanation given',
    'easy more coherent',
    'easy_and_hard',
  ),
  _claim(averaging.winsorizing_closes_the_gap, f'{ICLR}, MNIST', 'falls in c', 'averaging'),
  _claim(
    averaging.winsorizing_fits_fewer_corrupt_labels, f'{ICLR}, MNIST', 'falls in c', 'averaging'
  ),
  _claim(
    averaging.winsorizing_keeps_training_proper,
    f'{ICLR}, MNIST',
    'for c > 1 at or below proper accuracy',
    'averaging',
  ),
  _claim(averaging.winsorizing_keeps_test_accuracy, f'{ICLR}, MNIST', 'kept', 'averaging'),
  _claim(
    averaging.medians_close_the_gap, f'{WEAK}, ImageNet', 'smaller; values not found', 'averaging'
  ),
  _claim(averaging.medians_keep_test_accuracy, f'{WEAK}, ImageNet', 'about kept', 'averaging'),
  _claim(
    exact.batches_give_the_coherence_of_examples,
    f'{MYSTERY}, the theorem on batches; the correction is ours',
    'equal in the limit of large samples',
    'batch_correction',
  ),
  _claim(
    exact.theorem_errs_where_samples_are_small,
    'a check of ours, of the theorem on batches',
    'not discussed',
    'batch_correction',
  ),
  _claim(
    noise.batches_of_networks_give_their_coherence,
    f'{MYSTERY}, the theorem on batches; the correction is ours',
    'equal',
    'noise',
  ),
  _claim(bound.bound_grows_with_label_noise, f'{MYSTERY}, Theorem 1', 'qualitative', 'bound'),
  _claim(bound.bound_is_tight, f'{MYSTERY}, Theorem 1', 'not claimed: qualitative only', 'bound'),
  _claim(
    bound.coherence_matters_in_the_bound,
    f'{MYSTERY}, Theorem 1',
    'high coherence early lowers it',
    'bound',
  ),
  _claim(
    prediction.early_coherence_predicts_the_gap, 'beyond the paper', 'suggested', 'prediction'
  ),
  _claim(
    prediction.early_coherence_beats_the_training_loss, 'beyond the paper', 'none', 'prediction'
  ),
  _claim(
    prediction.coherence_predicts_at_equal_label_noise, 'beyond the paper', 'none', 'prediction'
  ),
)


def summary(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
  """One row for each experiment, for the terminal."""
  rows = {
    name: {
      'runs': table['run'].nunique(),
      'networks': len(table[['run', 'member']].drop_duplicates()),
    }
    for name, table in tables.items()
    if name in EXPERIMENTS
  }
  return pd.DataFrame.from_dict(rows, orient='index').rename_axis('experiment')


def reading(tables: Mapping[str, pd.DataFrame]) -> str:
  """How coherent random labels are: the answer to three readings that exclude each other."""
  return labels.reading(tables)
