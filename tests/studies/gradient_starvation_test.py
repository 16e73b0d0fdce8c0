"""Every claim of the study on tables where it is true, and on tables where it is false."""

import jax
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from research import configuration, loop
from research.records import read_metrics
from research.restored import restored
from research.studies import gradient_starvation as study
from research.studies.gradient_starvation import (
  blanks,
  boundaries,
  colored_mnist,
  features,
  interventions,
  toy,
)
from research.studies.gradient_starvation.interventions import STANDARD, WITHOUT_CURVE


def runs(arms, steps=(0, 50, 100), n_members=5, spread=0.003, seed=0, settings=None):
  """The tidy table of `{run: {metric: value, or one for each step}}`, with scatter over members."""
  generator = np.random.default_rng(seed)
  rows = []
  for run, metrics in arms.items():
    for member in range(n_members):
      scatter = {name: spread * generator.normal() for name in metrics}
      for i, step in enumerate(steps):
        row = {'run': run, 'step': step, 'member': member, 'seed': member, **(settings or {})}
        for name, value in metrics.items():
          row[name] = (value[i] if isinstance(value, tuple) else value) + scatter[name]
        rows.append(row)
  return pd.DataFrame(rows)


# --- tables in which every claim is true --------------------------------------------------------

TOY = toy.responses()
LOST = {  # of test accuracy, without the curved coordinate
  'erm': 0.001,
  'stopped_early': 0.002,
  'weight_decay': 0.003,
  'adam_slow': 0.002,
  'adam_fast': 0.004,
  'rotated': 0.001,
  'dropout': 0.005,
  'five_layers': 0.006,
  'spectral_decoupling': 0.05,
  'spectral_decoupling_half': 0.04,
}
AREAS = {run: 0.02 + lost for run, lost in LOST.items()} | {'spectral_decoupling': 0.1}
ACCURACIES = {  # train and test
  'erm': ((0.85, 0.9, 0.91), (0.1, 0.2, 0.237)),
  'official': ((0.85, 0.9, 0.7), (0.1, 0.2, 0.684)),
  'reset': ((0.85, 0.75, 0.72), (0.1, 0.58, 0.6)),
  'unscaled': ((0.85, 0.75, 0.72), (0.1, 0.5, 0.59)),
  'irm': ((0.85, 0.9, 0.705), (0.1, 0.2, 0.671)),
}
BLANKS = {  # accuracy and entropy on gray digits, coloured blanks and gray blanks
  'erm': ((0.55, 0.6), (0.1, 0.1), (0.5, 0.69)),
  'official': ((0.65, 0.5), (0.1, 0.6), (0.5, 0.68)),
}
SCHEDULED = {'reset': ((0.9,) * 3, (0.1, 0.58, 0.3)), 'unscaled': ((0.9,) * 3, (0.1, 0.5, 0.24))}


def margin_runs(separable=0.001, overlapping=0.2):
  lost = {'separable': separable, 'overlapping': overlapping}
  return runs({run: {STANDARD: 0.98, WITHOUT_CURVE: 0.98 - it} for run, it in lost.items()})


def intervention_runs(**changed):
  """Accuracies without and with the curved coordinate exchanged; the scatter is that of the latter."""
  table = runs({run: {WITHOUT_CURVE: 1 - it} for run, it in {**LOST, **changed}.items()})
  return table.assign(**{STANDARD: 1.0})


def response_runs(prefix, **changed):
  weak = {'overlapping': 2.0, 'separable': 1.0, 'spectral_decoupling': 3.0, **changed}
  return runs(
    {run: {f'{prefix}/1': -10.0, f'{prefix}/6': value} for run, value in weak.items()}, spread=0.1
  )


def boundary_runs(margins=(0.14, 0.31), means=(0.6, 0.8), angles=(30.0, 25.0), **changed):
  """Margins and their means of plain training and decoupling, angles of plain and of weight decay."""
  smallest, mean = (
    dict.fromkeys(AREAS, it[0]) | {'spectral_decoupling': it[1]} for it in (margins, means)
  )
  angle = dict.fromkeys(AREAS, angles[0]) | {'weight_decay': angles[1]}
  arms = {
    run: {
      'nonlinear_area': area,
      'smallest_margin': smallest[run],
      'mean_margin': mean[run],
      'boundary/angle': angle[run],
      'boundary/strength': 1.0,
    }
    for run, area in {**AREAS, **changed}.items()
  }
  return runs(arms, steps=(0,))


def blank_runs(**changed):
  names = ('digit/gray', 'blank/colored', 'blank/gray')
  arms = {}
  for run, values in {**BLANKS, **changed}.items():
    of_images = dict(zip(names, values, strict=True))
    arms[run] = {f'accuracy/{name}': accuracy for name, (accuracy, _) in of_images.items()}
    arms[run] |= {f'entropy/{name}': entropy for name, (_, entropy) in of_images.items()}
  return runs(arms, steps=(0,))


def color_runs(n_train=colored_mnist.N_TRAIN, **changed):
  arms = {
    run: {'train/accuracy': train, 'test/accuracy': test}
    for run, (train, test) in {**ACCURACIES, **changed}.items()
  }
  return runs(arms, settings={colored_mnist.KEY: n_train})


TRUE = {
  'toy': TOY,
  'margins': margin_runs(),
  'features': response_runs('starvation/response'),
  'responses': response_runs('response'),
  'interventions': intervention_runs(),
  'boundaries': boundary_runs(),
  'colored_mnist': color_runs(),
  'blanks': blank_runs(),
}
# What no table with the others in it can show: the schedule matters only if the penalty is not enough.
TRUE_OF = {
  colored_mnist.schedule_makes_the_difference: {'colored_mnist': color_runs(**SCHEDULED)},
}


def early(lost):
  """Plain training that uses the curved coordinate, at first, when it is right already."""
  table = intervention_runs()
  at_first = (table['run'] == 'erm') & (table['step'] == 50)
  table.loc[at_first, WITHOUT_CURVE] = 1 - lost
  return {'interventions': table}


FALSE = {
  toy.strong_feature_starves_the_weak: {'toy': TOY.assign(**{'ridge/z2': TOY['decoupled/z2']})},
  toy.decoupling_frees_the_weak: {
    'toy': TOY.assign(**{'decoupled/z2_by_descent': TOY['ridge/z2']})
  },
  interventions.line_suffices_where_it_can: {'margins': margin_runs(separable=0.05)},
  interventions.curve_is_learned_where_it_must_be: {'margins': margin_runs(overlapping=0.0)},
  features.weak_feature_starves: {'responses': response_runs('response', separable=2.5)},
  features.decoupling_feeds_it: {'responses': response_runs('response', separable=3.5)},
  features.decoupling_feeds_it_by_the_kernel_of_the_moment: {
    'features': response_runs('starvation/response', separable=3.5)
  },
  interventions.decoupling_uses_the_curve: {
    'interventions': intervention_runs(spectral_decoupling=0.001)
  },
  interventions.half_the_penalty_uses_it_too: {
    'interventions': intervention_runs(spectral_decoupling_half=0.001)
  },
  interventions.weight_decay_does_not: {'interventions': intervention_runs(weight_decay=0.04)},
  interventions.adam_does_not: {'interventions': intervention_runs(adam_fast=0.04)},
  interventions.rotation_does_not: {'interventions': intervention_runs(rotated=0.04)},
  interventions.dropout_does_not: {'interventions': intervention_runs(dropout=0.04)},
  interventions.depth_does_not: {'interventions': intervention_runs(five_layers=0.04)},
  interventions.early_stopping_does_not: {'interventions': intervention_runs(stopped_early=0.04)},
  interventions.no_moment_of_plain_training_does: early(0.04),
  interventions.decoupling_curves_the_boundary: {
    'boundaries': boundary_runs(spectral_decoupling=0.03)
  },
  interventions.decoupling_widens_the_margin: {'boundaries': boundary_runs(margins=(0.14, 0.16))},
  interventions.nothing_else_curves_the_boundary: {'boundaries': boundary_runs(dropout=0.09)},
  interventions.decoupling_keeps_its_distance: {'boundaries': boundary_runs(means=(0.8, 0.75))},
  interventions.weight_decay_turns_the_boundary: {'boundaries': boundary_runs(angles=(30.0, 31.0))},
  blanks.decoupling_reads_gray_digits: {
    'blanks': blank_runs(erm=((0.66, 0.6), (0.1, 0.1), (0.5, 0.69)))
  },
  blanks.plain_training_follows_the_color_of_blanks: {
    'blanks': blank_runs(erm=((0.55, 0.6), (0.5, 0.1), (0.5, 0.69)))
  },
  blanks.plain_training_is_surer_of_color_than_of_shape: {
    'blanks': blank_runs(erm=((0.55, 0.05), (0.1, 0.1), (0.5, 0.69)))
  },
  blanks.decoupling_is_surer_of_shape_than_of_color: {
    'blanks': blank_runs(official=((0.65, 0.5), (0.1, 0.4), (0.5, 0.68)))
  },
  blanks.nobody_is_sure_of_nothing: {
    'blanks': blank_runs(official=((0.65, 0.5), (0.1, 0.6), (0.5, 0.5)))
  },
  colored_mnist.plain_training_follows_the_color: {
    'colored_mnist': color_runs(erm=((0.9,) * 3, (0.5, 0.5, 0.55)))
  },
  colored_mnist.decoupling_learns_the_shape: {
    'colored_mnist': color_runs(official=((0.7,) * 3, (0.1, 0.6, 0.4)))
  },
  colored_mnist.decoupling_is_as_good_as_irm: {
    'colored_mnist': color_runs(irm=((0.7,) * 3, (0.1, 0.6, 0.75)))
  },
  colored_mnist.decoupling_survives_new_moments: {'colored_mnist': color_runs(**SCHEDULED)},
  colored_mnist.decoupling_survives_the_full_rate: {'colored_mnist': color_runs(**SCHEDULED)},
  colored_mnist.schedule_makes_the_difference: {'colored_mnist': color_runs()},
  colored_mnist.early_stopping_does_not_learn_the_shape: {
    'colored_mnist': color_runs(erm=((0.9,) * 3, (0.1, 0.6, 0.237)))
  },
  colored_mnist.table_1_of_plain_training: {
    'colored_mnist': color_runs(erm=((0.9,) * 3, (0.1, 0.2, 0.3)))
  },
  colored_mnist.table_1_of_decoupling: {
    'colored_mnist': color_runs(official=((0.77,) * 3, (0.1, 0.6, 0.684)))
  },
  colored_mnist.table_1_of_irm: {'colored_mnist': color_runs(irm=((0.705,) * 3, (0.1, 0.6, 0.6)))},
}
CLAIMS = {claim.judge: claim for claim in study.CLAIMS}


@pytest.mark.parametrize('judge', CLAIMS, ids=lambda judge: judge.__name__)
def test_a_claim_holds_where_it_is_true(judge):
  verdict = CLAIMS[judge].verdict(TRUE | TRUE_OF.get(judge, {}))
  assert verdict.holds, verdict


@pytest.mark.parametrize('judge', CLAIMS, ids=lambda judge: judge.__name__)
def test_a_claim_fails_where_it_is_false(judge):
  verdict = CLAIMS[judge].verdict(TRUE | FALSE[judge])
  assert verdict.holds is not None
  assert not verdict.holds, verdict


def test_every_claim_reads_what_the_study_has():
  for claim in study.CLAIMS:
    assert {*claim.reads} <= {*study.EXPERIMENTS, *study.CALCULATIONS, *study.MEASUREMENTS}
    assert claim.source
    assert claim.paper
    assert claim.text.endswith('.')
  drawn = {reads for _, reads in study.FIGURES.values()}
  assert drawn <= {*study.EXPERIMENTS, *study.MEASUREMENTS}
  assert {reads for _, reads in study.MEASUREMENTS.values()} <= {*study.EXPERIMENTS}


def test_fewer_examples_than_the_papers_do_not_measure_its_table():
  for table in (color_runs(n_train=3_000), color_runs().drop(columns=colored_mnist.KEY)):
    verdict = colored_mnist.table_1_of_decoupling(table)
    assert verdict.holds is None
    assert verdict.ours == pytest.approx(0.684, abs=0.01)
    assert colored_mnist.decoupling_is_as_good_as_irm(table).holds is None


def test_a_moment_at_which_plain_training_errs_is_no_moment_to_stop_at():
  table = early(0.04)['interventions']
  table[STANDARD] = table[STANDARD].where(table['step'] == 100, 0.9)
  table[WITHOUT_CURVE] = table[WITHOUT_CURVE].where(table['step'] == 100, 0.5)
  assert interventions.no_moment_of_plain_training_does(table).holds


def test_the_toy_is_the_papers():
  """Against the values of gradient descent on the paper's two examples, to three digits."""
  z2 = TOY.set_index('strength')['ridge/z2']
  np.testing.assert_allclose(
    [z2[s] for s in (2.0, 3.0, 4.0, 5.0, 6.0)], [1.640, 1.583, 1.467, 1.329, 1.185], atol=6e-4
  )


def test_the_reading_has_every_arm():
  text = study.reading(TRUE)
  assert all(f'{arm}: ' in text for arm in ACCURACIES)
  assert 'CelebA' in study.reading({})


# --- the shape of a boundary --------------------------------------------------------------------

AXIS = np.linspace(-2, 2, 81)
FIRST, SECOND = np.meshgrid(AXIS, AXIS, indexing='ij')


@pytest.mark.parametrize('angle', [0.0, 0.5, np.pi / 2])
def test_a_line_leaves_no_area_and_the_distance_to_it(angle):
  """To the distance between directions for an angle that is none of them."""
  normal = np.array([np.cos(angle), np.sin(angle)])
  logits = normal[0] * FIRST + normal[1] * SECOND - 0.3
  assert boundaries.nonlinear_area(logits, AXIS) <= (0.02 if angle == 0.5 else 0)
  inputs = np.array([[1.0, 0.2], [-1.0, 0.3], [0.5, 1.5]])
  right = np.ones(3, bool)
  expected = np.abs(inputs @ normal - 0.3)
  assert boundaries.distances(logits, AXIS, inputs, right) == pytest.approx(expected, abs=0.01)


def test_the_area_of_a_disk_is_that_disk_or_less():
  """No line does better than to leave a disk in the middle out; of half of the plane, it does."""
  disk = 1.0 - FIRST**2 - SECOND**2
  assert boundaries.nonlinear_area(disk, AXIS) == pytest.approx((disk > 0).mean(), abs=1e-3)
  assert boundaries.nonlinear_area(-disk, AXIS) == pytest.approx((disk > 0).mean(), abs=1e-3)


def test_the_area_beside_a_wave_is_what_every_line_leaves():
  """Against all lines through two points of a coarse grid, counted one by one."""
  axis = np.linspace(-1, 1, 9)
  first, second = np.meshgrid(axis, axis, indexing='ij')
  logits = first - 0.6 * np.sin(3 * second)
  positive, least = logits > 0, 1.0
  for angle in np.linspace(0, np.pi, 61):
    for offset in np.linspace(-1.5, 1.5, 121):
      side = np.cos(angle) * first + np.sin(angle) * second > offset
      least = min(least, (side != positive).mean(), (side == positive).mean())
  assert boundaries.nonlinear_area(logits, axis, directions=720) == pytest.approx(least, abs=0.013)
  assert boundaries.nonlinear_area(logits, axis, directions=720) > 0.05


def test_the_distances_to_a_circle():
  """Whose distance is known, and which is not on the grid; examples on the wrong side count below 0."""
  logits = FIRST**2 + SECOND**2 - 1
  inputs = np.array([[0.0, 0.3], [1.6, 0.0], [0.0, 1.4]])
  right = np.array([True, True, True])
  apart = boundaries.distances(logits, AXIS, inputs, right)
  np.testing.assert_allclose(apart, [0.7, 0.6, 0.4], atol=0.002)
  wrong = boundaries.distances(logits, AXIS, inputs, np.array([True, False, True]))
  np.testing.assert_allclose(wrong, apart * [1, -1, 1])
  assert (boundaries.distances(np.ones_like(FIRST), AXIS, inputs, right) == np.inf).all()


# --- trained networks ---------------------------------------------------------------------------


@pytest.fixture(scope='module')
def workdir(tmp_path_factory):
  """A run of two small networks on turned moons."""
  workdir = tmp_path_factory.mktemp('runs') / 'rotated'
  overrides = ['task.rotation=45.0', 'population.size=2', 'instruments.reliance=none']
  config = configuration.load('configs/gradient_starvation/margins.py:smoke', overrides)
  loop.train_and_evaluate(config, workdir)
  return workdir


def test_planes_are_in_the_coordinates_of_the_task(workdir):
  """Against the networks' own logits where they are asked for them, one by one, at turned inputs."""
  population, _, state = restored(workdir)
  found = boundaries.plane(population, state.params)
  for member, i, j in ((0, 3, 90), (1, 50, 7)):
    params = jax.tree.map(lambda x, member=member: x[member], jax.device_get(state.params))
    u = np.array([[found.axis[i], found.axis[j]]])
    turn = np.array([[1, -1], [1, 1]]) / np.sqrt(2)
    logits = np.asarray(population.model.apply(params, np.float32(u @ turn)))[0]
    assert found.logits[member, i, j] == pytest.approx(logits[1] - logits[0], abs=1e-5)
  assert np.abs(found.inputs).max() < boundaries.BOX[1]


def test_tables_of_trained_networks_have_a_row_for_each(workdir):
  geometry, responses = boundaries.measured([workdir]), features.responses([workdir])
  for table in (geometry, responses):
    assert table[['run', 'member']].to_numpy().tolist() == [['rotated', 0], ['rotated', 1]]
  assert geometry['nonlinear_area'].between(0, 0.5).all()
  drawn = study.FIGURES['boundaries'][0](geometry)
  assert len(drawn.axes) == 1


def test_the_tilt_is_that_of_each_network_and_the_same_for_turned_inputs(workdir):
  """Against a normal from finite differences in the coordinates of the task, and the class means."""
  population, _, state = restored(workdir)
  geometry, task = boundaries.measured([workdir]), population.task
  for member in (0, 1):
    params = jax.tree.map(lambda x, member=member: x[member], jax.device_get(state.params))

    def f(u, params=params):
      logits = np.asarray(population.model.apply(params, task.normalize(np.float32(u))))
      return logits[:, 1] - logits[:, 0]

    u, y, h = task.train.inputs.astype(float), task.train.labels, 1e-3
    slopes = np.stack([f(u + h * e) - f(u - h * e) for e in np.eye(2)], axis=1)
    normal = (slopes / np.linalg.norm(slopes, axis=1, keepdims=True)).mean(0)
    means = u[y == 1].mean(0) - u[y == 0].mean(0)
    cosine = normal @ means / np.linalg.norm(normal) / np.linalg.norm(means)
    angle = geometry['boundary/angle'][member]
    assert angle == pytest.approx(np.degrees(np.arccos(cosine)), abs=0.5)


def test_what_is_drawn_is_the_grid_that_was_measured(workdir, monkeypatch):
  drawn = []
  monkeypatch.setattr(study.boundaries_figure, 'figure', lambda *args: drawn.extend(args))
  population, _, state = restored(workdir)
  found = boundaries.plane(population, state.params)
  study.FIGURES['boundaries'][0](boundaries.measured([workdir]))
  np.testing.assert_allclose(drawn[0], found.axis[::2], atol=1e-3)
  np.testing.assert_allclose(drawn[1]['rotated'], found.logits[:, ::2, ::2], atol=1e-3)
  np.testing.assert_allclose(drawn[2], found.inputs, atol=1e-3)
  np.testing.assert_array_equal(drawn[3], found.labels)


def test_all_responses_together_are_the_outputs(workdir, monkeypatch):
  """The basis is orthogonal: of all 300 features, squares of responses add up to those of outputs."""
  monkeypatch.setattr(features, 'N_FEATURES', 300)
  z = features.responses([workdir]).filter(like='response/').to_numpy()
  population, _, state = restored(workdir)
  f = boundaries.plane(population, state.params).of_inputs
  np.testing.assert_allclose((z**2).sum(axis=1), (f**2).sum(axis=1), rtol=1e-6)


def test_responses_are_in_the_basis_of_the_kernel_at_initialization(workdir):
  """Against the left singular vectors of the Jacobian itself, of one network."""
  population, _, state = restored(workdir)
  train = population.task.train
  both = jax.device_get((population.init().params, state.params))
  start, end = (jax.tree.map(lambda x: x[0], params) for params in both)

  def f(params):
    logits = population.model.apply(params, population.task.normalize(train.inputs))
    return logits[:, 1] - logits[:, 0]

  signs = 2 * train.labels - 1
  jacobian = [np.asarray(leaf).reshape(300, -1) for leaf in jax.tree.leaves(jax.jacrev(f)(start))]
  basis, _, _ = np.linalg.svd(signs[:, None] * np.concatenate(jacobian, axis=1).astype(float))
  z = basis.T @ (signs * np.asarray(f(end), float))
  found = features.responses([workdir]).filter(like='response/').to_numpy()[0]
  np.testing.assert_allclose(found[:4], np.abs(z[:4]), rtol=1e-3, atol=1e-4)


# --- without colour or shape --------------------------------------------------------------------


def test_entropy_is_scipys_and_knows_certainty():
  f = np.array([0.0, -1.0, 3.0, -40.0, 800.0])
  labels = np.array([0, 1, 1, 0, 1])
  for one, label in zip(f, labels, strict=True):
    p = 1 / (1 + np.exp(-one))
    accuracy, entropy = blanks.judged(np.array([one]), np.array([label]))
    assert entropy == pytest.approx(stats.bernoulli(p).entropy(), abs=1e-15)
    assert accuracy == ((one > 0) == label)
  assert blanks.judged(np.zeros(3), labels[:3])[1] == pytest.approx(np.log(2))
  assert blanks.judged(np.array([60.0]), np.array([1]))[1] == pytest.approx(61 * np.exp(-60))
  order = np.array([3, 1, 4, 0, 2])
  whole = blanks.judged(f, labels)
  assert whole[0] == pytest.approx(0.8)
  assert blanks.judged(f[order], labels[order]) == pytest.approx(whole)
  assert blanks.judged(-f[1:], 1 - labels[1:]) == pytest.approx(blanks.judged(f[1:], labels[1:]))
  assert np.isnan(blanks.judged(np.array([np.nan, 1.0]), labels[:2])).all()


@pytest.fixture(scope='module')
def colored(tmp_path_factory):
  """A run of two small networks on coloured digits."""
  workdir = tmp_path_factory.mktemp('runs') / 'erm'
  overrides = ['task.images=digits', 'task.train_split=train', 'task.test_split=test']
  overrides += ['training.total_steps=30', 'optimizer.learning_rate=0.01']
  config = configuration.load('configs/gradient_starvation/colored_mnist.py:smoke', overrides)
  loop.train_and_evaluate(config, workdir)
  return workdir


def test_four_images_of_each(colored):
  """Pixel by pixel: half of the intensity in either channel; the mean of all, in the same channel."""
  task = restored(colored)[0].task
  seen, x = blanks.images(task), task.test.inputs / 16
  assert {*seen} == {*blanks.IMAGES}
  mean = x.sum() / (len(x) * 4 * 4)
  for i, channel in enumerate(x.sum((1, 2)).argmax(1)):
    digit = x[i, :, :, channel]
    np.testing.assert_allclose(seen['digit/colored'][i], x[i], rtol=1e-6)
    for c in (0, 1):
      np.testing.assert_allclose(seen['digit/gray'][i, :, :, c], digit / 2, rtol=1e-6)
      np.testing.assert_allclose(seen['blank/gray'][i, :, :, c], mean / 2, rtol=1e-5)
      in_color = mean if c == channel else 0
      np.testing.assert_allclose(seen['blank/colored'][i, :, :, c], in_color, rtol=1e-5)


def test_images_as_they_are_are_those_of_the_record(colored):
  """And blank ones of one colour are all alike: networks are right on one class of either colour."""
  found = blanks.measured([colored])
  assert found[['run', 'member', 'step']].to_numpy().tolist() == [['erm', 0, 30], ['erm', 1, 30]]
  table = read_metrics(colored)
  recorded = table[table['step'] == 30]
  np.testing.assert_allclose(found['accuracy/digit/colored'], recorded['test/accuracy'], rtol=1e-6)
  labels = restored(colored)[0].task.test.labels
  for accuracy in found['accuracy/blank/gray']:
    assert accuracy in (labels.mean(), 1 - labels.mean())
  assert found['accuracy/digit/gray'].nunique() == 2
  assert found.filter(like='entropy/').stack().between(0, np.log(2)).all()
