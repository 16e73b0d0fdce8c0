"""The authors' values, spherical harmonics counted one degree at a time, and what must not matter."""

import dataclasses
import math
from math import comb

import numpy as np
import pytest
from scipy.special import gamma

from research.theory.difficulty import Classification, classification, control, few_shot, on_sphere

MNIST = Classification(n=60_000, m=14, radius=17.179, delta=2.39871, epsilon=1e-3, n_classes=10)
SVHN = Classification(n=73_257, m=19, radius=53.869, delta=1.57670, epsilon=1e-2, n_classes=10)
CIFAR = Classification(n=50_000, m=27, radius=54.916, delta=2.75064, epsilon=1e-2, n_classes=10)
IMAGENET = Classification(n=1_280_901, m=48, radius=943.592, delta=65, epsilon=0.1, n_classes=1000)
OMNIGLOT = {'m_within': 22, 'm_across': 29, 'radius': 49.406, 'delta': 5.47723, 'epsilon': 1e-2}
FINE = {'delta': 1e-3, 'epsilon': 1e-3}


@pytest.mark.parametrize(
  ('task', 'bits'), [(MNIST, 1.49e16), (SVHN, 1.21e31), (CIFAR, 3.44e32), (IMAGENET, 3.58e41)]
)
def test_image_classification_is_the_authors(task, bits):
  assert classification(task).bits == pytest.approx(bits, rel=0.01)


def test_terms_of_mnist_are_the_authors():
  found = classification(MNIST)
  assert found.cutoff == pytest.approx(45.00, abs=0.01)
  assert found.degree == pytest.approx(38.97, abs=0.01)
  assert 2**found.log2_count == pytest.approx(4.13e12, rel=1e-3)
  assert found.bits_per_dim == pytest.approx(19.98, abs=0.01)
  assert 2**found.log2_dim == pytest.approx(2 * 9 * 10 * 4.13e12, rel=1e-3)
  free = 2**found.log2_dim - 9 * 60_000
  assert 2**found.log2_unconstrained == pytest.approx(free, rel=1e-12)
  assert found.bits == pytest.approx(free * found.bits_per_dim, rel=1e-9)


def test_few_shot_is_the_authors_for_any_number_of_sets_that_there_may_be():
  for n in (1e35, 7e40, 1e45):
    assert few_shot(n=n, **OMNIGLOT).bits == pytest.approx(1.79e145, rel=0.01)


@pytest.mark.parametrize(
  ('n_seen', 'bits'),
  [*enumerate((4.41e9, 3.33e17, 1.46e25, 4.69e32, 1.19e40), start=1)],
)
def test_cartpole_is_the_authors(n_seen, bits):
  found = control(n=1e4, m=2 * n_seen, n_actions=1, **FINE)
  assert found.bits == pytest.approx(bits, rel=0.01)
  count = 2 * (2 * np.pi / 1e-3) ** (2 * n_seen) * np.pi**n_seen / gamma(n_seen + 1) - 1e4
  each = np.log2(4 * np.pi**2 / np.sqrt(3)) + 0.5 * np.log2(n_seen) - 2 * np.log2(1e-3)
  expected = count * (each - np.log2(1e4) / (2 * n_seen))
  assert found.bits == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(
  ('m', 'n_actions', 'bits'), [(6, 2, 2.91e25), (15, 4, 7.61e58), (17, 6, 1.72e66)]
)
def test_locomotion_is_the_authors(m, n_actions, bits):
  assert control(n=1e6, m=m, n_actions=n_actions, **FINE).bits == pytest.approx(bits, rel=0.01)


def test_sweeps_are_the_authors():
  def imagenet(**changed):
    return classification(dataclasses.replace(IMAGENET, **changed)).bits

  assert imagenet(n=1e2) == pytest.approx(3.62e41, rel=0.01)
  assert imagenet(n=1e19) == pytest.approx(3.46e41, rel=0.01)
  for m, bits in ((60, 5.02e44), (80, 1.47e48), (99, 1.09e50)):
    assert imagenet(m=m) == pytest.approx(bits, rel=0.01)
  for epsilon, bits in ((0.1, 2.07e25), (1e-8, 5.03e25)):
    found = control(n=1e6, m=6, n_actions=2, delta=1e-3, epsilon=epsilon)
    assert found.bits == pytest.approx(bits, rel=0.01)


def harmonics(m, degree):
  """How many harmonics of a degree a sphere of m dimensions has: polynomials less multiples of r^2."""
  return comb(m + degree, m) - (comb(m + degree - 2, m) if degree >= 2 else 0)


@pytest.mark.parametrize('m', [1, 2, 3, 14, 60])
@pytest.mark.parametrize('degree', [1, 2, 7, 40])
def test_eigenfunctions_are_counted_degree_by_degree(m, degree):
  cutoff = math.sqrt(degree * (degree + m - 1))
  found = on_sphere(n=1, m=m, radius=1, delta=2 * np.pi / cutoff, epsilon=1, log2_outputs=0)
  assert found.degree == pytest.approx(degree, rel=1e-12)
  assert 2**found.log2_count == pytest.approx(sum(harmonics(m, k) for k in range(degree + 1)))


@pytest.mark.parametrize('m', [1, 1.5, 14, 9999])
def test_another_unit_gives_the_same_bits(m):
  task = dataclasses.replace(MNIST, m=m)
  other = dataclasses.replace(task, radius=255 * task.radius, delta=255 * task.delta)
  found = classification(task), classification(other)
  assert found[1].log2_bits == pytest.approx(found[0].log2_bits, rel=1e-12)
  assert found[1].log2_wasserstein == pytest.approx(found[0].log2_wasserstein + np.log2(255))


def test_more_data_never_need_more_bits():
  small = dataclasses.replace(MNIST, m=3)
  sizes = np.geomspace(1, 1e9, 40)
  found = [classification(dataclasses.replace(small, n=n)).log2_bits for n in sizes]
  assert np.all(np.diff([x for x in found if np.isfinite(x)]) < 0)
  assert found == sorted(found, reverse=True)


def test_where_data_fix_all_parameters_no_bits_are_needed():
  one = classification(dataclasses.replace(MNIST, m=2))
  enough = 2 ** (one.log2_dim - math.log2(9))
  for n in (enough * (1 + 1e-9), 10 * enough, 1e300):
    found = classification(dataclasses.replace(MNIST, m=2, n=n))
    assert (found.bits, found.log2_bits, found.log10_bits) == (0, -np.inf, -np.inf)
    assert found.log2_unconstrained == -np.inf
    assert np.isfinite(found.bits_per_dim)
  almost = classification(dataclasses.replace(MNIST, m=2, n=enough * (1 - 1e-6)))
  assert almost.bits > 0
  assert 2**almost.log2_unconstrained == pytest.approx(1e-6 * 2**one.log2_dim, rel=1e-3)


def test_where_all_hypotheses_are_good_enough_no_bits_are_needed():
  found = classification(dataclasses.replace(MNIST, epsilon=1e4))
  assert (found.bits, found.log2_bits) == (0, -np.inf)
  assert found.bits_per_dim < 0 < found.log2_unconstrained


def test_nothing_overflows():
  found = on_sphere(n=10, m=10_000, radius=1e5, delta=1e-5, epsilon=1e-9, log2_outputs=3000)
  assert found.bits == np.inf
  assert found.log2_bits == pytest.approx(found.log2_dim + np.log2(found.bits_per_dim), rel=1e-12)
  torus = control(n=1e6, m=10_000, n_actions=3, **FINE)
  assert torus.bits == np.inf
  assert 0 < torus.log2_bits < 1e6
  assert few_shot(n=7e40, **OMNIGLOT).log10_bits == pytest.approx(145.253, abs=0.005)


@pytest.mark.parametrize('m', [1, 2.5, 1e4, 1e12])
def test_the_degree_solves_its_equation(m):
  found = on_sphere(n=1, m=m, radius=1, delta=2 * np.pi / 3, epsilon=1, log2_outputs=0)
  assert found.degree * (found.degree + m - 1) == pytest.approx(9, rel=1e-12)


def test_real_dimensions_lie_between_integers():
  found = [classification(dataclasses.replace(MNIST, m=m)).log2_bits for m in (14, 14.3, 14.5, 15)]
  assert found == sorted(found)
  slope = np.diff(found) / [0.3, 0.2, 0.5]
  assert slope.max() < 1.05 * slope.min()


@pytest.mark.parametrize(
  ('call', 'begins'),
  [
    (lambda: classification(dataclasses.replace(MNIST, n=0)), 'n must be at least 1'),
    (lambda: classification(dataclasses.replace(MNIST, n=np.nan)), 'n must be at least 1'),
    (lambda: classification(dataclasses.replace(MNIST, m=0.9)), 'm must be at least 1'),
    (lambda: classification(dataclasses.replace(MNIST, m=np.inf)), 'm must be at least 1'),
    (lambda: classification(dataclasses.replace(MNIST, delta=0)), 'delta must be positive'),
    (lambda: classification(dataclasses.replace(MNIST, radius=-1)), 'radius must be positive'),
    (lambda: classification(dataclasses.replace(MNIST, epsilon=np.nan)), 'epsilon must be pos'),
    (lambda: classification(dataclasses.replace(MNIST, n_classes=1)), 'n_classes must be at least'),
    (lambda: few_shot(n=1, **(OMNIGLOT | {'m_within': 0})), 'm_within must be at least 1'),
    (lambda: few_shot(n=1, ways=1, **OMNIGLOT), 'ways must be at least 2'),
    (lambda: few_shot(n=1, **(OMNIGLOT | {'delta': 0})), 'delta must be positive'),
    (lambda: control(n=1, m=2, n_actions=0, **FINE), 'n_actions must be at least 1'),
    (lambda: control(n=0.5, m=2, n_actions=1, **FINE), 'n must be at least 1'),
    (lambda: control(n=1, m=0, n_actions=1, **FINE), 'm must be at least 1'),
  ],
)
def test_what_is_out_of_range_is_named(call, begins):
  with pytest.raises(ValueError, match=f'^{begins}'):
    call()
