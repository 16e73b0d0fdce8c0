"""How many bits generalization takes, from the task alone (Boopathy et al. 2023): is it measurable?

The difficulty is a closed form in a few numbers. Nothing here is trained. One file for each question:

  published   what the paper's own numbers give
  sweeps      how the difficulty follows from each of them
  measured    what they are on images that we have
  manifolds   what their estimators find where the truth is known
"""

from collections.abc import Mapping

import pandas as pd

from research.figures import difficulty
from research.studies import plan
from research.studies.claim import Claim
from research.studies.task_difficulty import manifolds, measured, published, sweeps

TITLE = 'How difficult is a task? Bits of inductive bias, and how well they can be measured'

EXPERIMENTS = {}
CALCULATIONS = {
  'published': published.published,
  'sweeps': sweeps.sweeps,
  'measured': measured.measured,
  'samples': measured.samples,
  'estimators': manifolds.estimators,
}
MEASUREMENTS = {}
FIGURES = {'difficulty': (difficulty.figure, *CALCULATIONS)}

PAPER, OURS = 'Boopathy et al. 2023', 'a question of ours for Boopathy et al. 2023'


def _claim(judge, reads: str, paper: str = 'none', source: str = '') -> Claim:
  return Claim(
    judge=judge, reads=(reads,), source=source or (OURS if paper == 'none' else PAPER), paper=paper
  )


CLAIMS = (
  _claim(published.formula_gives_the_figure, 'published', '1e16 to 1e145 bits', f'{PAPER}, blog'),
  _claim(published.images_are_ordered, 'published', 'direction only: MNIST, CIFAR-10, ImageNet'),
  _claim(published.partial_observation_is_harder, 'published', 'direction only: MDP, POMDP'),
  _claim(published.few_shot_is_hardest, 'published', 'direction only: few-shot is harder'),
  _claim(sweeps.exponential_in_dimension, 'sweeps', 'direction only: exponential'),
  _claim(sweeps.dimension_always_adds, 'sweeps'),
  _claim(sweeps.dimension_above_resolution, 'sweeps', 'direction only: m, then the rest'),
  _claim(
    sweeps.dimension_far_above_resolution, 'sweeps', 'direction only: exponential, polynomial'
  ),
  _claim(sweeps.resolution_far_above_samples, 'sweeps', 'direction only: n hardly matters'),
  _claim(sweeps.data_hardly_help, 'sweeps', '3.6e41 to 3.4e41 bits', f'{PAPER}, blog, fig. 7'),
  _claim(measured.radius_is_the_papers, 'measured', '17.179046 and 54.915679', f'{PAPER}, code'),
  _claim(measured.delta_is_the_least_distance, 'measured', '2.39870848', f'{PAPER}, code'),
  _claim(measured.dimensions_are_the_papers, 'measured', '14 and 27', f'{PAPER}, code'),
  _claim(measured.cifar_has_more_dimensions, 'measured', '27 against 14', f'{PAPER}, code'),
  _claim(measured.cifar_is_harder, 'measured', '3.4e32 against 1.5e16 bits'),
  _claim(measured.bits_are_the_papers, 'measured', '1.5e16 and 3.4e32 bits'),
  _claim(measured.rounding_is_harmless, 'measured'),
  _claim(measured.anchors_hardly_matter, 'measured'),
  _claim(measured.radii_hardly_matter, 'measured'),
  _claim(measured.extrapolation_finds_the_least_distance, 'measured'),
  _claim(measured.larger_samples_are_harder, 'samples'),
  _claim(manifolds.few_dimensions_are_found, 'estimators'),
  _claim(manifolds.many_dimensions_are_found, 'estimators'),
  _claim(manifolds.more_data_do_not_cure_it, 'estimators'),
  _claim(manifolds.bias_costs_decades, 'estimators'),
  _claim(manifolds.own_denominator_is_worse, 'estimators'),
  _claim(manifolds.noise_looks_like_dimensions, 'estimators'),
  _claim(manifolds.gap_is_found_in_few_dimensions, 'estimators'),
  _claim(manifolds.gap_is_found_in_many_dimensions, 'estimators'),
  _claim(manifolds.textbook_is_nearer, 'estimators'),
)


def summary(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
  """One row for each calculation, for the terminal."""
  return plan.sizes_of(CALCULATIONS, tables)


def reading(tables: Mapping[str, pd.DataFrame]) -> str:
  """The difficulties measured, and what they rest on, in one paragraph."""
  if 'measured' not in tables:
    return ''
  means = tables['measured'].groupby('dataset', sort=False).mean(numeric_only=True)
  parts = [
    f'{name} 1e{row["log10_bits"]:.1f} (m = {row["m"]:.1f}, delta = {row["delta"]:.3g}, '
    f'R = {row["radius"]:.4g}; extrapolated 1e{row["log10_bits_extrapolated"]:.1f}, '
    f'interval 1e{row["log10_bits_low"]:.1f} to 1e{row["log10_bits_high"]:.1f})'
    for name, row in means.iterrows()
  ]
  return (
    f'Bits, from our own measurements of the training images: {", ".join(parts)}. Means over seeds; '
    'with the delta that random pairs extrapolate to, and intervals of that, of m over its anchors and '
    'of the R of as many other images, not of their bias. cifar10_partial is 20,000 of 50,000 images.'
  )
