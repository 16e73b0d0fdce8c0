"""Gradient Starvation: A Learning Proclivity in Neural Networks (Pezeshki et al. 2021).

Where a feature suffices to fit the labels, the gradient that would teach another one dies: the other
starves. Spectral decoupling, a penalty on the outputs in place of the parameters, is to prevent it.
One file for each question:

  toy            two examples, two features: exact
  features       two features of the moons, while networks train
  interventions  which of ten ways of training bend the boundary between the moons
  boundaries     the shape of that boundary, and its tilt
  colored_mnist  table 1: colour and shape; and what Adam's memory has to do with it
  blanks         figure 4: the same networks on images without colour or shape

Networks of equal seed start alike, and see the same data: arms are compared in pairs. Data and flips
of the tasks are one draw: errors are over seeds of the networks.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from research.figures import blanks as blanks_figure
from research.figures import boundaries as boundaries_figure
from research.figures import colored_mnist as colored_mnist_figure
from research.figures import starvation as starvation_figure
from research.studies.claim import Claim
from research.studies.gradient_starvation import (
  blanks,
  boundaries,
  colored_mnist,
  features,
  interventions,
  toy,
)
from research.studies.plan import Experiment

TITLE = 'Gradient Starvation: A Learning Proclivity in Neural Networks'

_CONFIGS = 'configs/gradient_starvation'
EXPERIMENTS = {
  'margins': Experiment(config=f'{_CONFIGS}/margins.py', instruments=('reliance',)),
  'features': Experiment(config=f'{_CONFIGS}/features.py', instruments=('starvation',)),
  'interventions': Experiment(config=f'{_CONFIGS}/interventions.py', instruments=('reliance',)),
  'colored_mnist': Experiment(config=f'{_CONFIGS}/colored_mnist.py'),
}
CALCULATIONS = {'toy': toy.responses}
# Tables of trained networks: {name: (run directories -> table, whose runs)}.
MEASUREMENTS = {
  'responses': (features.responses, 'features'),
  'boundaries': (boundaries.measured, 'interventions'),
  'blanks': (blanks.measured, 'colored_mnist'),
}


def _boundaries_figure(table: pd.DataFrame):
  """The boundary of each way of training: of each network, and of the mean of their outputs (thick)."""
  first = table.iloc[0]
  by_run = table.groupby('run', sort=False)['logits']
  logits = {str(run): np.stack([*map(np.asarray, own)]) for run, own in by_run}
  examples = (np.asarray(first['inputs']), np.asarray(first['labels']))
  return boundaries_figure.figure(np.asarray(first['axis']), logits, *examples)


FIGURES = {
  'starvation': (starvation_figure.figure, 'features'),
  'boundaries': (_boundaries_figure, 'boundaries'),
  'colored_mnist': (colored_mnist_figure.figure, 'colored_mnist'),
  'blanks': (blanks_figure.figure, 'blanks'),
}

MISSING = (
  'Table 2, CelebA, is not here: its images are not at hand; nor is batch normalization in figure 3.'
  ' Of figure 4 the numbers were not found. All networks of an arm see one draw of the data. The'
  ' hyper-parameters of Colored MNIST are those of the authors, who chose them by the test set, whose'
  ' colours mislead.'
)
PAPER, CODE = 'Pezeshki et al. 2021', "the authors' code"
_FIGURE_4 = (f'figure 4, from {CODE}', 'direction only; its numbers were not found')


def _claim(judge, source: str, paper: str, *reads: str) -> Claim:
  return Claim(judge=judge, reads=reads, source=f'{PAPER}, {source}', paper=paper)


def _check(judge, paper: str, *reads: str) -> Claim:
  return Claim(judge=judge, reads=reads, source='a check of ours', paper=paper)


CLAIMS = (
  _claim(toy.strong_feature_starves_the_weak, 'figure 6', 'falls', 'toy'),
  _claim(toy.decoupling_frees_the_weak, 'figure 6', 'constant', 'toy'),
  _claim(interventions.line_suffices_where_it_can, 'figure 1', 'the boundary is a line', 'margins'),
  _claim(interventions.curve_is_learned_where_it_must_be, 'figure 1', 'it is a curve', 'margins'),
  _claim(features.weak_feature_starves, 'figure 2', 'starves; not in numbers', 'responses'),
  _claim(features.decoupling_feeds_it, 'figure 2', 'learned; not in numbers', 'responses'),
  _claim(
    features.decoupling_feeds_it_by_the_kernel_of_the_moment,
    'figure 2; the basis is ours',
    'learned; not in numbers',
    'features',
  ),
  _claim(interventions.decoupling_uses_the_curve, 'figure 3', 'curved', 'interventions'),
  _claim(
    interventions.half_the_penalty_uses_it_too,
    f'equation of spectral decoupling against {CODE}',
    'not compared',
    'interventions',
  ),
  _claim(interventions.weight_decay_does_not, 'figure 3', 'not curved', 'interventions'),
  _claim(interventions.adam_does_not, 'figure 3', 'not curved', 'interventions'),
  _claim(interventions.rotation_does_not, 'figure 3', 'not curved', 'interventions'),
  _claim(interventions.dropout_does_not, 'figure 3', 'not curved', 'interventions'),
  _claim(interventions.depth_does_not, 'figure 3', 'not curved', 'interventions'),
  _claim(interventions.early_stopping_does_not, 'figures 1 and 3', 'not curved', 'interventions'),
  _check(interventions.no_moment_of_plain_training_does, 'not discussed', 'interventions'),
  _claim(interventions.decoupling_curves_the_boundary, 'figure 3', 'curved', 'boundaries'),
  _claim(interventions.decoupling_widens_the_margin, 'figure 3', 'a large margin', 'boundaries'),
  _claim(interventions.nothing_else_curves_the_boundary, 'figure 3', 'not curved', 'boundaries'),
  _claim(
    interventions.decoupling_keeps_its_distance,
    'figure 3, there of the margin',
    'a large margin',
    'boundaries',
  ),
  Claim(
    judge=interventions.weight_decay_turns_the_boundary,
    reads=('boundaries',),
    source='Tanay & Griffin 2016, there of linear classifiers',
    paper='direction only: less tilted',
  ),
  _claim(
    colored_mnist.plain_training_follows_the_color, 'table 1', '0.237 ± 0.008', 'colored_mnist'
  ),
  _claim(
    colored_mnist.decoupling_learns_the_shape,
    'table 1',
    '0.684 - 0.237 = 0.447',
    'colored_mnist',
  ),
  _claim(
    colored_mnist.decoupling_is_as_good_as_irm,
    'table 1',
    '0.684 - 0.671 = 0.013',
    'colored_mnist',
  ),
  _check(colored_mnist.decoupling_survives_new_moments, 'not discussed', 'colored_mnist'),
  _check(colored_mnist.decoupling_survives_the_full_rate, 'not discussed', 'colored_mnist'),
  _check(colored_mnist.schedule_makes_the_difference, 'not discussed', 'colored_mnist'),
  _check(colored_mnist.early_stopping_does_not_learn_the_shape, 'not discussed', 'colored_mnist'),
  _claim(
    colored_mnist.table_1_of_plain_training,
    f'table 1, from {CODE}',
    'train 91.08 ± 0.43, test 23.70 ± 0.76',
    'colored_mnist',
  ),
  _claim(
    colored_mnist.table_1_of_decoupling,
    f'table 1, from {CODE}',
    'train 70.04 ± 0.91, test 68.40 ± 1.24',
    'colored_mnist',
  ),
  _claim(
    colored_mnist.table_1_of_irm,
    f'table 1, from {CODE}',
    'train 70.54 ± 0.67, test 67.08 ± 1.47',
    'colored_mnist',
  ),
  _claim(blanks.decoupling_reads_gray_digits, *_FIGURE_4, 'blanks'),
  _claim(blanks.plain_training_follows_the_color_of_blanks, *_FIGURE_4, 'blanks'),
  _claim(blanks.plain_training_is_surer_of_color_than_of_shape, *_FIGURE_4, 'blanks'),
  _claim(blanks.decoupling_is_surer_of_shape_than_of_color, *_FIGURE_4, 'blanks'),
  _check(blanks.nobody_is_sure_of_nothing, 'not found', 'blanks'),
)


def summary(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
  """One row for each experiment, for the terminal."""
  rows = {
    name: {
      'runs': tables[name]['run'].nunique(),
      'networks': len(tables[name][['run', 'member']].drop_duplicates()),
    }
    for name in EXPERIMENTS
    if name in tables
  }
  return pd.DataFrame.from_dict(rows, orient='index').rename_axis('experiment')


def reading(tables: Mapping[str, pd.DataFrame]) -> str:
  """What is missing, and what table 1 depends on."""
  if 'colored_mnist' not in tables:
    return MISSING
  return f'{MISSING} {colored_mnist.reading(tables["colored_mnist"])}'
