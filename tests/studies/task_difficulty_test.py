"""Every claim of the study on tables where it is true and where it is false; what calculates them."""

import dataclasses

import numpy as np
import pytest
from calculated import scattered
from scipy.spatial.distance import cdist

from research import rngs
from research.studies import task_difficulty as study
from research.studies.task_difficulty import manifolds, measured, published, sweeps
from research.theory import extremes
from research.theory.difficulty import classification
from research.theory.neighbours import nearest
from research.theory.separation import closest_random_pairs

PUBLISHED, SWEEPS = published.published(), sweeps.sweeps()


def images(**changed):
  usual = {
    'mnist': dict(radius=17.179046, delta=2.3987085, m=14.2, log10_bits=16.3),
    'fashion_mnist': dict(radius=22.0, delta=2.0, m=15.0, log10_bits=17.0),
    'cifar10_partial': dict(radius=54.915679, delta=3.4, m=27.2, log10_bits=32.0),
    'digits': dict(radius=4.8, delta=0.8, m=9.0, log10_bits=9.0),
  }
  rows = []
  for name, values in usual.items():
    values = values | changed.get(name, {})
    row = {'dataset': name, **values, 'delta_textbook': 1.03 * values['delta']}
    row |= {'log10_bits_rounded': values['log10_bits'] + 0.1}
    row |= {'log10_bits_of_m_low': 0.0, 'log10_bits_of_m_high': 0.2}
    row |= {'log10_bits_of_radius_low': 0.0, 'log10_bits_of_radius_high': 0.2}
    row |= {'log10_bits_low': 5.0, 'log10_bits_high': 40.0, 'log10_bits_extrapolated': 17.5}
    rows.append(row | changed.get(name, {}) | changed.get('all', {}))
  return scattered(
    rows, ('m', 'log10_bits_of_m_high', 'log10_bits_of_radius_high', 'delta_textbook'), 0.002
  )


def samples(least=0.4):
  gains = dict(zip(measured.LARGE, (least, 1.0, 2.0), strict=True))
  rows = [
    {'dataset': name, 'n': n, 'log10_bits': 10 + gains[name] * i}
    for name in measured.LARGE
    for i, n in enumerate(measured.SAMPLES)
  ]
  return scattered(rows, ('log10_bits',), 1e-3)


def spheres(**changed):
  """Found by m, n, noise."""
  usual = {
    (2, 20_000, 0.0): dict(pooled=2.0, averaged_biased=2.0 * 4 / 3, delta=0.2001),
    (2, 20_000, 0.05): dict(pooled=20.0),
    (5, 20_000, 0.0): dict(pooled=5.1),
    (27, 2_000, 0.0): dict(pooled=17.0),
    (27, 20_000, 0.0): dict(pooled=20.0, delta=0.3, delta_code=0.4, delta_textbook=0.32),
  }
  rows = []
  for (m, n, noise), values in usual.items():
    row = {'m': m, 'n': n, 'noise': noise, 'gap': 0.2, **values}
    rows.append(row | changed.get(f'of_{m}_{n}_{noise:g}'.replace('.', '_'), {}))
  return scattered(rows, ('pooled', 'averaged_biased', 'delta_code', 'delta_textbook'), 0.002)


def swept(edit):
  """The sweeps, with the difficulties of some rows replaced: edit(row) -> log10_bits."""
  table = SWEEPS.copy()
  table['log10_bits'] = [edit(row) for _, row in table.iterrows()]
  return table


def straight(row):
  """A bit of everything where all claims on sweeps are true: exponential in m, little in n."""
  factor = np.log2(row['factor'])
  slopes = {'m': 60 * row['factor'], 'resolution': 4 * factor, 'n': -3e-4 * factor}
  return 50 + slopes.get(row['swept'], factor)


def power(row):
  return 50 * np.log(row['value']) if row['swept'] == 'm' else straight(row)


def falling(row):
  return row['log10_bits'] if row['swept'] == 'm' else straight(row)


def steep(row):
  return 70 * np.log2(row['factor']) if row['swept'] == 'resolution' else straight(row)


def steeper_by_half(row):
  return 10 * np.log2(row['factor']) if row['swept'] == 'resolution' else straight(row)


def helpful(row):
  return -2 * np.log2(row['factor']) if row['swept'] == 'n' else straight(row)


def with_bits(**changed):
  """The published table with other difficulties."""
  bits = PUBLISHED.set_index('task')['log10_bits'].to_dict() | changed
  return PUBLISHED.assign(log10_bits=[bits[task] for task in PUBLISHED['task']])


TRUE = {
  'published': PUBLISHED,
  'sweeps': swept(straight),
  'measured': images(),
  'samples': samples(),
  'estimators': spheres(),
}
FALSE = {
  'formula_gives_the_figure': with_bits(Hopper=60.1),
  'images_are_ordered': with_bits(MNIST=33.0),
  'partial_observation_is_harder': with_bits(**{'Cartpole, T = 4': 25.0}),
  'few_shot_is_hardest': with_bits(Omniglot=41.0),
  'exponential_in_dimension': swept(power),
  'dimension_always_adds': swept(falling),
  'dimension_above_resolution': swept(steep),
  'dimension_far_above_resolution': swept(steeper_by_half),
  'resolution_far_above_samples': swept(helpful),
  'data_hardly_help': swept(helpful),
  'radius_is_the_papers': images(cifar10_partial=dict(radius=54.92)),
  'delta_is_the_least_distance': images(mnist=dict(delta=2.399)),
  'dimensions_are_the_papers': images(cifar10_partial=dict(m=28.5)),
  'cifar_has_more_dimensions': images(mnist=dict(m=27.3)),
  'cifar_is_harder': images(mnist=dict(log10_bits=32.5)),
  'bits_are_the_papers': images(cifar10_partial=dict(log10_bits=31.0)),
  'rounding_is_harmless': images(digits=dict(log10_bits_rounded=8.6)),
  'anchors_hardly_matter': images(digits=dict(log10_bits_of_m_high=0.4)),
  'radii_hardly_matter': images(digits=dict(log10_bits_of_radius_high=0.4)),
  'extrapolation_finds_the_least_distance': images(digits=dict(delta_textbook=0.9)),
  'larger_samples_are_harder': samples(least=0.0),
  'few_dimensions_are_found': spheres(of_5_20000_0=dict(pooled=5.6)),
  'many_dimensions_are_found': TRUE['estimators'],
  'more_data_do_not_cure_it': spheres(of_27_20000_0=dict(pooled=23.0)),
  'bias_costs_decades': spheres(of_27_20000_0=dict(pooled=26.0)),
  'own_denominator_is_worse': spheres(of_2_20000_0=dict(averaged_biased=2.0)),
  'noise_looks_like_dimensions': spheres(of_2_20000_0_05=dict(pooled=9.0)),
  'gap_is_found_in_few_dimensions': spheres(of_2_20000_0=dict(delta=0.203)),
  'gap_is_found_in_many_dimensions': spheres(of_27_20000_0=dict(delta=0.41)),
  'textbook_is_nearer': spheres(of_27_20000_0=dict(delta_code=0.31)),
}
# True where another of the same table is not.
TRUE_INSTEAD = {
  'many_dimensions_are_found': spheres(of_27_20000_0=dict(pooled=27.1)),
}


def test_every_claim_has_tables_where_it_is_false():
  assert {*FALSE} == {claim.name for claim in study.CLAIMS}
  assert {*TRUE} == {*study.CALCULATIONS}
  assert not study.EXPERIMENTS


@pytest.mark.parametrize('claim', study.CLAIMS, ids=lambda claim: claim.name)
def test_claims_hold_where_they_are_true_and_fail_where_they_are_false(claim):
  assert len(claim.reads) == 1
  table = TRUE_INSTEAD.get(claim.name, TRUE[claim.reads[0]])
  verdict = claim.verdict({claim.reads[0]: table})
  assert verdict.holds is True, verdict
  assert verdict.n > 0
  assert claim.verdict({claim.reads[0]: FALSE[claim.name]}).holds is False
  assert claim.text.endswith('.')


def test_the_worse_of_several_decides():
  both = images(mnist=dict(log10_bits=14.0), cifar10_partial=dict(log10_bits=32.5))
  assert measured.bits_are_the_papers(both).ours == pytest.approx(14.0 - 16.17, abs=0.01)
  assert 'digits' in measured.anchors_hardly_matter(FALSE['anchors_hardly_matter']).note
  assert measured.rounding_is_harmless(FALSE['rounding_is_harmless']).ours == pytest.approx(10**0.4)


def test_figures_and_reading_take_the_tables():
  for draw, *reads in study.FIGURES.values():
    assert draw(*(TRUE[name] for name in reads)).axes
  assert 'mnist 1e16.3 (m = 14.2, delta = 2.4, R = 17.18; extrapolated 1e17.5' in study.reading(
    TRUE
  )
  assert study.reading({}) == ''
  assert study.summary(TRUE)['seeds'].to_dict() == {
    'published': 0,
    'sweeps': 0,
    'measured': 5,
    'samples': 5,
    'estimators': 5,
  }


# --- calculations -------------------------------------------------------------------------------


def test_all_tasks_of_the_paper_are_there_with_their_terms():
  table = PUBLISHED.set_index('task')
  assert len(table) == 13
  assert not table.isna().any(axis=None)
  assert 10 ** table['log10_bits']['Omniglot'] == pytest.approx(1.79e145, rel=0.01)
  assert 10 ** table['log10_bits']['SVHN'] == pytest.approx(1.21e31, rel=0.01)
  assert 10 ** table['log10_bits']['Cartpole, T = 5'] == pytest.approx(1.19e40, rel=0.01)


@pytest.mark.parametrize(
  ('swept', 'field', 'value'),
  [
    ('m', 'm', 28),
    ('resolution', 'delta', 2.3987085 / 2),
    ('n', 'n', 120_000),
    ('accuracy', 'epsilon', 5e-4),
    ('classes', 'n_classes', 20),
  ],
)
def test_sweeps_change_one_input(swept, field, value):
  rows = SWEEPS[(SWEEPS['task'] == 'MNIST') & (SWEEPS['swept'] == swept)].set_index('factor')
  task = published.IMAGES['MNIST']
  assert rows['log10_bits'][1.0] == pytest.approx(classification(task).log10_bits, rel=1e-12)
  changed = classification(dataclasses.replace(task, **{field: value})).log10_bits
  assert rows['log10_bits'][2.0] == pytest.approx(changed, rel=1e-12)


def test_the_papers_own_sweeps_are_part_of_them():
  rows = SWEEPS[SWEEPS['task'] == 'ImageNet'].set_index(['swept', 'value'])['log10_bits']
  for swept, value, bits in (
    ('n', 1e2, 3.62e41),
    ('n', 1e19, 3.46e41),
    ('m', 60, 5.02e44),
    ('m', 99, 1.09e50),
  ):
    assert 10 ** rows[(swept, value)] == pytest.approx(bits, rel=0.01)


@pytest.fixture(scope='module')
def small():
  """Digits alone in the place of all datasets; few anchors, pairs and points."""
  with pytest.MonkeyPatch.context() as patch:
    patch.setattr(measured, 'ERRORS', {'digits': 1e-3})
    patch.setattr(measured, 'LARGE', ('digits',))
    patch.setattr(measured, 'N_ANCHORS', 100)
    patch.setattr(measured, 'N_PAIRS', 20_000)
    patch.setattr(measured, 'N_CLOSEST', 50)
    patch.setattr(measured, 'N_RESAMPLES', 40)
    patch.setattr(measured, 'SAMPLES', (100, 300))
    patch.setattr(manifolds, 'SIZES', (100, 300))
    patch.setattr(manifolds, 'DIMENSIONS', (2, 5))
    patch.setattr(manifolds, 'NOISES', {2: (0.05,)})
    patch.setattr(manifolds, 'N_ANCHORS', 60)
    patch.setattr(manifolds, 'N_PAIRS', 3000)
    patch.setattr(manifolds, 'N_CLOSEST', 20)
    yield {
      'measured': measured.measured((0, 1)),
      'samples': measured.samples((0, 1)),
      'estimators': manifolds.estimators((0, 1)),
    }


@pytest.mark.parametrize('name', ['measured', 'samples', 'estimators'])
def test_calculations_give_the_columns_that_claims_read(small, name):
  table = small[name]
  assert {*TRUE[name]} <= {*table}
  assert table['seed'].nunique() == 2
  first, second = (table.loc[table['seed'] == seed] for seed in (0, 1))
  random = 'pooled' if name == 'estimators' else 'm'
  assert (first[random].to_numpy() != second[random].to_numpy()).all()
  if name != 'estimators':
    assert np.isfinite(table.select_dtypes('number')).all(axis=None)


def test_what_is_measured_is_what_the_parts_give(small):
  images, labels, _ = measured._load('digits')
  distances = cdist(images, images)
  apart = np.where(labels[:, None] != labels[None], distances, np.inf)
  row = small['measured'].iloc[0]
  assert (row['n'], row['radius']) == (1437, pytest.approx(np.linalg.norm(images, axis=1).max()))
  assert row['delta'] == pytest.approx(apart.min(), rel=1e-5)
  assert row['m'] == pytest.approx(small['measured'].iloc[1]['m'], rel=0.2)
  for of, mid in (('m', 'm'), ('log10_bits_of_m', 'log10_bits')):
    assert row[f'{of}_low'] < row[mid] < row[f'{of}_high']
  lengths = np.sort(np.linalg.norm(images, axis=1))
  assert lengths[-40] < row['radius_low'] < row['radius_high'] < 1.2 * lengths[-1]
  reach = row['log10_bits_of_radius_high'] - row['log10_bits_of_radius_low']
  assert 0 < reach < row['log10_bits_high'] - row['log10_bits_low']
  task = dataclasses.replace(
    published.IMAGES['MNIST'], n=1437, m=row['m'], radius=row['radius'], delta=row['delta']
  )
  assert row['log10_bits'] == pytest.approx(classification(task).log10_bits, rel=1e-9)
  rounded = classification(dataclasses.replace(task, m=round(row['m']))).log10_bits
  assert row['log10_bits_rounded'] == pytest.approx(rounded, rel=1e-9)


def test_a_resample_without_an_estimate_widens_the_interval():
  known = np.arange(1.0, 101.0)
  assert measured._interval('m', known) == {'m_low': 3.0, 'm_high': 98.0}
  assert measured._interval('m', [*known, np.nan]) == {'m_low': 2.0, 'm_high': 99.0}
  assert measured._interval('m', [*known, *[np.nan] * 9]) == {'m_low': -np.inf, 'm_high': np.inf}
  task = published.IMAGES['MNIST']
  assert measured._log10_bits(task, 14.0, 0.0) == np.inf
  assert np.isnan(measured._log10_bits(task, 14.0, np.nan))
  assert np.isnan(measured._log10_bits(task, 14.0, 2.0, np.nan))
  assert measured._log10_bits(task, 14.0, radius=20.0) > measured._log10_bits(task, 14.0)
  assert measured._log10_bits(task, 14.0, 2.0) > measured._log10_bits(task, 14.0)


def test_both_forms_of_the_tail_are_extrapolated_to_the_same_pairs(small):
  row = small['estimators'].dropna().iloc[0]
  seed, m, n = (int(row[name]) for name in ('seed', 'm', 'n'))
  points, labels = manifolds.spheres(seed, m, n, gap=manifolds.GAP)
  drawn = rngs.named_generator(seed, f'manifolds/pairs/{m}/{n}')
  closest = closest_random_pairs(points, labels, 3000, 21, drawn)
  tail = extremes.tail(1 / closest, 3000)
  for form in ('code', 'textbook'):
    expected = 1 / extremes.extrapolated(tail, np.sum(labels == 0) * np.sum(labels == 1), form=form)
    assert row[f'delta_{form}'] == pytest.approx(expected)


def test_anchors_of_two_seeds_are_apart(small, monkeypatch):
  seen = []
  monkeypatch.setattr(measured, 'N_PAIRS', 200)
  monkeypatch.setattr(measured, 'N_CLOSEST', 20)
  monkeypatch.setattr(
    measured, 'nearest', lambda x, anchors, k: seen.append(anchors) or nearest(x, anchors, k)
  )
  measured._rows('digits', (0, 1, 2))
  assert len({*seen[0]}) == 3 * 100


def test_repeated_images_are_left_out(monkeypatch):
  split = measured.digits.load('train')
  twice = dataclasses.replace(
    split,
    inputs=np.concatenate([split.inputs, split.inputs[:7]]),
    labels=np.concatenate([split.labels, split.labels[:7]]),
  )
  monkeypatch.setattr(measured.digits, 'load', lambda name: twice)
  images, labels, n_classes = measured._load('digits')
  assert (len(images), len(labels), n_classes) == (1437, 1437, 10)
  np.testing.assert_array_equal(labels, split.labels)
  assert images.max() == 1
  assert images.dtype == np.float32


def test_spheres_are_what_they_say():
  points, labels = manifolds.spheres(0, 5, 400, gap=0.3)
  low, high = points[labels == 0].astype(float), points[labels == 1].astype(float)
  assert len(low) == len(high)
  np.testing.assert_allclose(np.linalg.norm(low, axis=1), 1, rtol=1e-5)
  np.testing.assert_allclose(np.linalg.norm(high, axis=1), np.sqrt(1.09), rtol=1e-5)
  assert np.linalg.matrix_rank(points, tol=1e-3) == 7
  assert np.linalg.norm(low[:, None] - high[None], axis=2).min() >= 0.3 - 1e-6
  alike, _ = manifolds.spheres(0, 5, 400)
  np.testing.assert_allclose(alike[labels == 0], low, atol=1e-6)
  noisy, _ = manifolds.spheres(0, 5, 400, noise=0.05)
  assert np.std(noisy - alike) == pytest.approx(0.05, rel=0.05)
