"""Every claim of the study on tables where it is true and where it is false; what calculates them."""

import calculated
import numpy as np
import pytest
from calculated import scattered
from scipy import stats

from research.studies import wide_and_deep as study
from research.studies.wide_and_deep import networks, points, singular


def classified(**changed):
  usual = dict(accuracy=0.92, as_hilbert=0.985, as_nearest=0.93, as_majority=0.6)
  of = {
    'best': dict(accuracy=0.94),
    'hilbert': dict(as_hilbert=1.0),
    'nearest': dict(accuracy=0.9),
    'majority': dict(accuracy=0.6),
    'cubic': {},
    'covariance': {},
    'sine': {},
    'square': dict(accuracy=0.9, as_nearest=1.0),
    'constant': dict(accuracy=0.6, as_majority=1.0),
  }
  rows = [
    {'classifier': name, **usual, **values, **changed.get(name, {})} for name, values in of.items()
  ]
  return scattered(rows, [*usual], 0.0003)


def voted(shallow=0.7, deep=0.9, vast=0.97):
  shares = dict(zip(networks.DEPTHS['relu'][1], (shallow, shallow, 0.8, deep, vast), strict=True))
  rows = [{'network': 'relu', 'depth': depth, 'share': share} for depth, share in shares.items()]
  rows += [
    {'network': 'constant', 'depth': d, 'share': 0.98} for d in networks.DEPTHS['constant'][1]
  ]
  return scattered(rows, ('share',))


def errors(last=0.01):
  excess = np.linspace(0.05, last, len(singular.SIZES))
  rows = [
    {'classifier': name, 'n': n, 'excess': e}
    for name in ('singular', 'hilbert', 'nearest', 'majority')
    for n, e in zip(singular.SIZES, excess, strict=True)
  ]
  return scattered(rows, ('excess',))


def by_exponent(half=0.9, other=0.88, hilbert=0.9):
  rows = [
    {'dim': dim, 'exponent': q, 'accuracy': half if q == dim / 2 else other, 'hilbert': hilbert}
    for dim in (1, 2, 3)
    for q in singular.EXPONENTS
  ]
  return scattered(rows, ('accuracy', 'hilbert'), 0.001)


TRUE = {
  'networks': classified(),
  'depths': voted(),
  'sizes': errors(),
  'exponents': by_exponent(),
}
FALSE = {
  'singular_networks_say_what_hilbert_says': classified(sine=dict(as_hilbert=0.96)),
  'singular_networks_are_as_accurate_as_hilbert': classified(cubic=dict(accuracy=0.94)),
  'singular_networks_beat_the_nearest_neighbour': classified(sine=dict(accuracy=0.899)),
  'the_covariance_says_what_hilbert_says': classified(covariance=dict(as_hilbert=0.96)),
  'without_slope_the_nearest_neighbour_decides': classified(square=dict(as_nearest=0.98)),
  'with_a_constant_the_majority_decides': classified(constant=dict(as_majority=0.98)),
  'more_examples_bring_the_best_error': errors(last=0.06),
  'half_the_dimension_is_hilbert': by_exponent(hilbert=0.92),
  'no_other_exponent_is_better': by_exponent(other=0.91),
  'relu_networks_drift_to_the_majority': voted(shallow=0.9),
  'relu_networks_of_usual_depth_do_not_vote': voted(deep=0.97),
}


def test_every_claim_has_tables_where_it_is_false():
  calculated.check_that_all_are_judged(study, TRUE, FALSE)


@pytest.mark.parametrize('claim', study.CLAIMS, ids=lambda claim: claim.name)
def test_claims_hold_where_they_are_true_and_fail_where_they_are_false(claim):
  calculated.check_claim(claim, TRUE, FALSE)


def test_figures_and_reading_take_the_tables():
  calculated.check_figures_and_reading(study, TRUE, 'and the majority on 0.')


# --- calculations -------------------------------------------------------------------------------


@pytest.fixture(scope='module')
def small():
  with pytest.MonkeyPatch.context() as patch:
    patch.setattr(networks, 'N_TRAIN', 60)
    patch.setattr(networks, 'N_TEST', 50)
    patch.setattr(networks, 'N_DEPTHS', 20)
    patch.setattr(
      networks, 'DEPTHS', {name: (made[0], (10, 20)) for name, made in networks.DEPTHS.items()}
    )
    patch.setattr(singular, 'N_TEST', 50)
    patch.setattr(singular, 'SIZES', (20, 40))
    patch.setattr(singular, 'N_EXPONENTS', 40)
    yield {name: calculation((0, 1)) for name, calculation in study.CALCULATIONS.items()}


@pytest.mark.parametrize('name', TRUE)
def test_calculations_give_the_columns_that_claims_read(small, name):
  calculated.check_columns(small[name], TRUE[name])


def test_small_networks_come_to_their_rules(small):
  means = small['networks'].groupby('classifier').mean()
  assert means['as_nearest']['square'] == 1
  assert means['as_majority']['constant'] == 1
  assert means['accuracy']['best'] > means['accuracy']['majority']
  shares = small['depths'].groupby(['network', 'depth'])['share'].mean()
  assert shares['constant', 20] > 0.9 > shares['relu', 10]


@pytest.mark.parametrize('dim', points.CLASSES)
def test_points_lie_on_the_sphere_and_labels_are_what_the_densities_make_likely(dim):
  sample = points.draw(0, 5, 4000, dim)
  assert sample.cross.shape == (4000, 5)
  assert sample.gram.shape == (5, 5)
  assert (np.diag(sample.gram) == 0).all()
  assert np.mean(sample.labels == 1) == pytest.approx(points.SHARE, abs=0.03)
  right = np.mean(sample.best == sample.labels)
  assert right > 0.8
  # The posterior's own mean confidence is the accuracy of what it says, if both are right.
  rng = np.random.default_rng(1)
  labels = rng.uniform(size=4000) < points.SHARE
  first, second = (stats.dirichlet(a) for a in points.CLASSES[dim])
  drawn = np.where(labels[:, None], first.rvs(4000, rng), second.rvs(4000, rng)).T
  a, b = points.SHARE * first.pdf(drawn), (1 - points.SHARE) * second.pdf(drawn)
  assert right == pytest.approx(np.mean(np.maximum(a, b) / (a + b)), abs=0.02)
