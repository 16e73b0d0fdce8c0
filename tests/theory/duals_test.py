"""Dual activations against closed forms, polynomials, quadrature and numerical derivatives."""

import numpy as np
import pytest
from scipy import special

from research.theory import duals

R = np.array([1e-3, 0.05, 0.3, 0.5, 0.9, 0.999])
BETA = 2 * 0.7 / (1 + 2 * 0.7)


def of_relu(r):
  angle = np.arccos(r)
  return (np.sin(angle) + (np.pi - angle) * np.cos(angle)) / np.pi


CLOSED = {
  'relu': (duals.relu(), of_relu),
  'erf': (duals.erf(0.7), lambda r: np.arcsin(BETA * r) / np.arcsin(BETA)),
  'sine': (duals.sine(1.3), lambda r: np.sinh(1.69 * r) / np.sinh(1.69)),
  'cubic': (duals.power_series([0.1, 0.2, 0, 0.7]), lambda r: 0.1 + 0.2 * r + 0.7 * r**3),
}


@pytest.mark.parametrize('name', CLOSED)
def test_values_and_slopes_are_those_of_closed_forms(name):
  dual, closed = CLOSED[name]
  np.testing.assert_allclose(np.exp(dual.log_value(np.log(R))), closed(R), rtol=1e-12)
  slopes = (closed(R + 1e-6) - closed(R - 1e-6)) / 2e-6
  np.testing.assert_allclose(np.exp(dual.log_slope(np.log(R))), slopes, rtol=1e-7)
  assert dual.log_value(np.zeros(1))[0] == 0
  assert dual.value_at_0 == pytest.approx(closed(0.0))
  assert dual.slope_at_0 == pytest.approx((closed(1e-8) - closed(0)) / 1e-8, rel=1e-6)
  h = 1e-10 if name == 'relu' else 1e-6
  assert dual.slope_at_1 == pytest.approx((closed(1) - closed(1 - h)) / h, rel=1e-4)
  np.testing.assert_allclose(
    np.exp(dual.log_value(np.array([-np.inf])))[0], closed(0.0), atol=1e-15
  )
  slope_at_0 = np.exp(dual.log_slope(np.array([-np.inf])))[0]
  assert slope_at_0 == pytest.approx(dual.slope_at_0)


def test_logs_keep_their_digits_at_both_ends():
  dual = duals.power_series([0, 0, 0.5, 0.5])
  tiny = np.array([-1e-300, -1e-20, -1e-3])
  expected = np.array([-2.5e-300, -2.5e-20, np.log(0.5 * np.exp(-2e-3) + 0.5 * np.exp(-3e-3))])
  np.testing.assert_allclose(dual.log_value(tiny), expected, rtol=1e-12)
  assert dual.log_value(np.array([-1e6]))[0] == pytest.approx(-2e6 + np.log(0.5), rel=1e-14)
  assert dual.log_slope(np.array([-1e6]))[0] == pytest.approx(-1e6, rel=1e-12)


def test_gaps_of_relus_keep_their_digits():
  """1 - v = (1 - r) - (sin t - t cos t) / pi, and with t^2 = 2 (1 - r) the latter is t^3 / 3 pi."""
  gaps = np.array([1e-12, 1e-9])
  lost = (2 * gaps) ** 1.5 / (3 * np.pi)
  found = -np.expm1(duals.relu().log_value(np.log1p(-gaps)))
  np.testing.assert_allclose(gaps - found, lost, rtol=1e-5)
  around = 1 - np.cos(np.array([0.0099999, 0.0100001]))  # where a series takes over
  low, high = -np.expm1(duals.relu().log_value(np.log1p(-around)))
  assert (high - low) / (around[1] - around[0]) == pytest.approx(1 - 0.01 / np.pi, rel=1e-6)


@pytest.mark.parametrize('exponent', [0.3, 0.5, 0.75, 1.0, 2.5, 5.0])
def test_singular_duals_have_the_exponent_asked_for(exponent):
  dual = duals.singular(exponent)
  assert -np.log(dual.slope_at_0) / np.log(dual.slope_at_1) == pytest.approx(exponent)
  assert dual.value_at_0 == 0


@pytest.mark.parametrize(('exponent', 'power'), [(1.0, 3), (0.5, 7)])
def test_published_duals_come_out(exponent, power):
  value = np.exp(duals.singular(exponent).log_value(np.log(R)))
  np.testing.assert_allclose(value, R**power / 2 + R / 2, rtol=1e-12)


@pytest.mark.parametrize('scale', [1.0, 7.0])
def test_hermite_coefficients_give_closed_forms(scale):
  pairs = (
    (lambda u: scale * np.sin(1.3 * u), duals.sine(1.3)),
    (lambda u: scale * special.erf(np.sqrt(0.7) * u), duals.erf(0.7)),
  )
  for activation, closed in pairs:
    dual = duals.of_activation(activation)
    np.testing.assert_allclose(dual.log_value(np.log(R)), closed.log_value(np.log(R)), rtol=1e-7)
    assert dual.slope_at_1 == pytest.approx(closed.slope_at_1, rel=1e-6)


def test_a_dual_is_the_mean_product_of_activations():
  u = np.random.default_rng(0).normal(size=(2, 400_000))
  r = 0.6
  products = np.tanh(u[0]) * np.tanh(r * u[0] + np.sqrt(1 - r**2) * u[1]) / np.mean(np.tanh(u) ** 2)
  error = 4 * products.std() / np.sqrt(products.size)
  assert np.exp(duals.of_activation(np.tanh).log_value(np.log(r))) == pytest.approx(
    products.mean(), abs=error
  )


@pytest.mark.parametrize(
  ('name', 'make'),
  [
    ('coefficients', lambda: duals.power_series([0.5, 0.6])),
    ('coefficients', lambda: duals.power_series([1.5, -0.5])),
    ('coefficients', lambda: duals.power_series([1.0])),
    ('coefficients', lambda: duals.power_series([np.nan, 1])),
    ('exponent', lambda: duals.singular(0.1)),
    ('frequency', lambda: duals.sine(0)),
    ('variance', lambda: duals.erf(4)),
    ('degree', lambda: duals.of_activation(np.tanh, 0)),
    ('activation', lambda: duals.of_activation(np.abs)),
    ('activation', lambda: duals.of_activation(np.zeros_like)),
  ],
)
def test_bad_arguments_are_named(name, make):
  with pytest.raises(ValueError, match=f'^{name} must'):
    make()
