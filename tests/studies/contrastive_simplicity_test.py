"""Every claim of the study on tables where it is true and where it is false; what calculates them."""

import calculated
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from calculated import scattered

from research import contrastive
from research.studies import contrastive_simplicity as study
from research.studies.contrastive_simplicity import digits, linear
from research.studies.contrastive_simplicity.probe import probe_accuracy
from research.tasks.subclasses import subclasses


def collapse(**changed):
  arms = {
    ('supervised', 'minimum norm'): dict(subclass_d=0.3),
    ('supervised', 'another minimizer'): dict(subclass_d=3.0, excess=1e-13),
    ('supervised', 'gradient descent'): dict(subclass_d=0.4),
    ('unsupervised', 'minimum norm'): dict(subclass_d=17.0),
    ('joint', 'minimum norm'): dict(class_accuracy=0.99, subclass_accuracy=0.98),
  }
  usual = dict(excess=0.0, class_d=9.0, subclass_d=5.0, class_accuracy=1.0, subclass_accuracy=1.0)
  rows = []
  for (arm, solver), values in arms.items():
    values = {**usual, **values, **changed.get(f'{arm} {solver}'.replace(' ', '_'), {})}
    rows.append({'arm': arm, 'solver': solver, **values})
  return scattered(rows, ('subclass_d', 'class_accuracy', 'subclass_accuracy'), 0.002)


def learned(d=(1.0, 5.0, 0.5), unequal=(1.0, 9.0, 2.0), gain=(0.01, 0.5, 0.1)):
  rows = []
  for majority, of_d in ((0.5, d), (0.75, unequal)):
    for step, value, length in zip((0, 100, 1000), of_d, gain, strict=True):
      row = {'majority': majority, 'step': step, 'subclass_d': value, 'subclass_gain': length}
      rows.append(row)
  return scattered(rows, ('subclass_d', 'subclass_gain'))


def suppressed(narrow=0.52, wide=0.99, resampled=0.99, weaker=0.99):
  rows = []
  for width in linear.WIDTHS:
    accuracy = narrow if width <= 8 else wide
    for arm, value in zip(linear.IRRELEVANTS, (accuracy, resampled, weaker), strict=True):
      rows.append({'arm': arm, 'width': width, 'class_accuracy': value})
  return scattered(rows, ('class_accuracy',), 0.002)


def entropies(factor=1.0, sign=1):
  rows = [
    {'temperature': tau, 'formula': sign * 0.1, 'derivative': sign * factor * 0.1}
    for tau in digits.TEMPERATURES
  ]
  return scattered(rows, ())


def temperatures(
  uniformity=(-3.0, -2.8, -2.0), tolerance=(0.05, 0.06, 0.07), best=(0.8, 0.9, 0.85)
):
  rows = [
    {'temperature': tau, 'uniformity': u, 'tolerance': t, 'probe_accuracy': a}
    for tau, u, t, a in zip((0.07, 0.3, 1.0), uniformity, tolerance, best, strict=True)
  ]
  return scattered(rows, ('uniformity', 'tolerance', 'probe_accuracy'))


def bits(usual=(0.9, 0.85, 0.8, 0.7, 0.5), wide=0.8, warm=0.7):
  rows = []
  for n_bits, accuracy in zip(digits.N_BITS, usual, strict=True):
    for encoder, last in (('usual', accuracy), ('wide', wide), ('warm', warm)):
      value = last if n_bits else 0.9
      rows.append({'encoder': encoder, 'n_bits': n_bits, 'probe_accuracy': value})
  return scattered(rows, ('probe_accuracy',))


TRUE = {
  'class_collapse': collapse(),
  'learned_and_unlearned': learned(),
  'suppression': suppressed(),
  'entropy_of_weights': entropies(),
  'temperature': temperatures(),
  'shared_bits': bits(),
}
FALSE = {
  'minimum_norm_collapses': collapse(supervised_minimum_norm=dict(subclass_d=1.2)),
  'not_all_minimizers_collapse': collapse(supervised_another_minimizer=dict(subclass_d=0.9)),
  'unsupervised_keeps_subclasses': collapse(unsupervised_minimum_norm=dict(subclass_d=2.5)),
  'joint_loss_keeps_both': collapse(joint_minimum_norm=dict(subclass_accuracy=0.9)),
  'gradient_descent_collapses': collapse(supervised_gradient_descent=dict(subclass_d=1.2)),
  'subclasses_are_learned_and_unlearned': learned(d=(3.0, 5.0, 0.5)),
  'unequal_subclasses_are_learned_and_unlearned': learned(unequal=(1.0, 9.0, 6.0)),
  'subclass_weights_are_unlearned': learned(gain=(0.01, 0.15, 0.1)),
  'strong_features_suppress_the_class': suppressed(narrow=0.8),
  'augmentation_cures_suppression': suppressed(resampled=0.8),
  'weaker_features_do_not_suppress': suppressed(weaker=0.9),
  'entropy_grows_as_variance': entropies(factor=1.01),
  'low_temperature_is_uniform': temperatures(uniformity=(-2.0, -2.0, -2.0)),
  'high_temperature_is_tolerant': temperatures(tolerance=(0.07, 0.06, 0.05)),
  'middle_temperature_is_best': temperatures(best=(0.8, 0.9, 0.92)),
  'shared_bits_suppress_digits': bits(usual=(0.9, 0.89, 0.88, 0.87, 0.85)),
  'every_bit_suppresses_more': bits(usual=(0.9, 0.85, 0.8, 0.8, 0.5)),
  'width_relieves_suppression': bits(wide=0.5),
  'warmth_relieves_suppression': bits(warm=0.4),
}


def test_every_claim_has_tables_where_it_is_false():
  calculated.check_that_all_are_judged(study, TRUE, FALSE)


@pytest.mark.parametrize('claim', study.CLAIMS, ids=lambda claim: claim.name)
def test_claims_hold_where_they_are_true_and_fail_where_they_are_false(claim):
  calculated.check_claim(claim, TRUE, FALSE)


def test_another_minimizer_must_have_the_same_loss():
  table = collapse(supervised_another_minimizer=dict(excess=1e-6))
  assert linear.not_all_minimizers_collapse(table).holds is False


def test_an_entropy_that_falls_is_no_evidence():
  assert digits.entropy_grows_as_variance(entropies(sign=-1)).holds is False


def test_the_weaker_side_decides():
  assert digits.middle_temperature_is_best(temperatures(best=(0.95, 0.9, 0.8))).holds is False
  assert linear.joint_loss_keeps_both(
    collapse(joint_minimum_norm=dict(class_accuracy=0.9))
  ).ours == pytest.approx(0.9, rel=0.01)
  assert linear.subclasses_are_learned_and_unlearned(learned(d=(1.0, 5.0, 4.0))).holds is False


def test_figures_and_reading_take_the_tables():
  calculated.check_figures_and_reading(study, TRUE, "d' = 0.3 under")


# --- calculations -------------------------------------------------------------------------------


@pytest.fixture(scope='module')
def small():
  """All tables that train, of two seeds, small and short."""
  with pytest.MonkeyPatch.context() as patch:
    patch.setattr(linear, 'N', 20)
    patch.setattr(linear, 'DIM', 80)
    patch.setattr(linear, 'STEPS', (0, 1, 400))
    patch.setattr(linear, 'WIDTHS', (8, 9))
    patch.setattr(digits, 'TEMPERATURES', (0.1, 1.0))
    patch.setattr(digits, 'N_BITS', (0, 3))
    patch.setattr(digits, 'BATCH', 16)
    patch.setattr(digits, 'HIDDEN', 8)
    patch.setattr(digits, 'ENCODERS', {name: (0.3, 4) for name in digits.ENCODERS})
    patch.setattr(linear, 'N_SUPPRESSED', 100)
    yield {
      'class_collapse': linear.class_collapse((0, 1)),
      'learned_and_unlearned': linear.learned_and_unlearned((0, 1)),
      'suppression': linear.suppression((0, 1)),
      'temperature': digits.temperature((0, 1), steps=2),
      'shared_bits': digits.shared_bits((0, 1), steps=2),
    }


@pytest.mark.parametrize('name', [name for name in TRUE if name != 'entropy_of_weights'])
def test_calculations_give_the_columns_that_claims_read(small, name):
  calculated.check_columns(small[name], TRUE[name])


def test_the_other_minimizer_has_the_least_loss_and_descent_comes_close(small):
  table = small['class_collapse'].set_index(['arm', 'solver']).sort_index()
  for solver, error in (('minimum norm', 1e-12), ('another minimizer', 1e-9)):
    np.testing.assert_allclose(table.loc[('supervised', solver), 'excess'], 0, atol=error)
  assert (table['excess'] > -1e-6).all()
  assert table.loc[('supervised', 'gradient descent'), 'excess'].max() < 0.5
  np.testing.assert_allclose(table.loc[('supervised', 'minimum norm'), 'loss'], -2, rtol=1e-9)


def test_descent_follows_the_gradient():
  rng = np.random.default_rng(0)
  a, m = (x + x.T for x in rng.normal(size=(2, 4, 4)))
  start = 0.1 * rng.normal(size=(1, 2, 4))
  one, two = linear._trajectory(
    jnp.asarray(start), jnp.asarray(a)[None], jnp.asarray(m), jnp.array([1, 1])
  )
  for before, after in ((start[0], one[0]), (one[0], two[0])):
    slope = jax.grad(contrastive.linear_loss)(jnp.asarray(before), a, m)
    np.testing.assert_allclose(after, before - linear.RATE * slope, rtol=1e-4, atol=1e-6)


def test_discriminability_is_that_of_samples():
  rng = np.random.default_rng(0)
  w = rng.normal(size=(3, 6))
  data = subclasses(0, 60_000, dim=6, n_views=1, noise=linear.NOISE)
  f = data.views[:, 0] @ w.T
  found = []
  for label in (0, 1):
    sides = [f[(data.labels == label) & (data.subclasses == side)] for side in (0, 1)]
    line = sides[1].mean(0) - sides[0].mean(0)
    low, high = (side @ line for side in sides)
    found.append((high.mean() - low.mean()) / np.sqrt((low.var() + high.var()) / 2))
  kept = linear._kept(w)
  assert kept['subclass_d'] == pytest.approx(np.mean(found), rel=0.02)
  sides = [f[data.labels == label] for label in (0, 1)]
  line = sides[1].mean(0) - sides[0].mean(0)
  low, high = (side @ line for side in sides)
  expected = (high.mean() - low.mean()) / np.sqrt((low.var() + high.var()) / 2)
  assert kept['class_d'] == pytest.approx(expected, rel=0.02)
  assert linear.discriminability(np.zeros(2), np.eye(2)) == 0


def test_the_probe_finds_what_is_linear_and_no_more():
  rng = np.random.default_rng(0)
  x = rng.normal(size=(2, 4000, 3))
  labels = (x[..., 0] > 0).astype(int) + 5
  accuracy = probe_accuracy(x[0], labels[0], x[1], labels[1])
  assert accuracy > 0.97
  rotation, _ = np.linalg.qr(rng.normal(size=(3, 3)))
  moved = 1e-3 * x @ rotation + 7
  assert probe_accuracy(moved[0], labels[0], moved[1], labels[1]) == pytest.approx(
    accuracy, abs=1e-3
  )
  corners = (x[..., 0] * x[..., 1] > 0).astype(int)
  assert probe_accuracy(x[0], corners[0], x[1], corners[1]) < 0.6
  assert probe_accuracy(0 * x[0], labels[0], 0 * x[1], labels[1]) == pytest.approx(0.5, abs=0.05)


def test_views_share_their_bits_and_shift_their_digits():
  images = jnp.zeros((40, 66)).at[:, 27].set(1).at[:20, 64:].set(1)  # a pixel in row 3, column 3
  views = np.asarray(jax.jit(digits._view)(jax.random.key(0), images))
  np.testing.assert_array_equal(views[:, 64:], images[:, 64:])
  pixels = np.argmax(views[:, :64], axis=1)
  assert {*pixels} <= {8 * row + column for row in (2, 3, 4) for column in (2, 3, 4)}
  assert len({*pixels}) > 4


def test_bits_that_are_not_shown_are_zero():
  images = digits._with_bits('test', 0, 2)
  np.testing.assert_array_equal(images[:, :64], digits._pixels('test'))
  assert set(np.unique(images[:, 64:66])) == {0, 1}
  assert not images[:, 66:].any()


def test_entropy_of_weights_is_exact():
  verdict = digits.entropy_grows_as_variance(digits.entropy_of_weights((0, 1)))
  assert verdict.holds
