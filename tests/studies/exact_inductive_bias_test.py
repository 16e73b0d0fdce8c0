"""Every claim of the study on tables where it is true, and on tables where it is false."""

import itertools
import types

import numpy as np
import pandas as pd
import pytest

from research import tables
from research.hypotheses import sampled
from research.models import make_model
from research.studies import across_settings
from research.studies import exact_inductive_bias as study
from research.studies.exact_inductive_bias import (
  fits,
  guesses,
  joining,
  kernels,
  networks,
  training,
)
from research.tasks.split import Split

SEEDS = range(5)


@pytest.fixture(autouse=True)
def _few_bootstrap_samples(monkeypatch):
  monkeypatch.setattr(across_settings, 'SAMPLES', 100)
  monkeypatch.setattr(networks, 'RESAMPLES', 20)


# --- tables in which every claim is true --------------------------------------------------------


def of_kernels(**factors):
  """Bits of every setting; factors of single ones are named by a word of theirs."""
  rows = []
  settings = itertools.product(
    SEEDS, kernels.DATASETS, kernels.N_TRAIN, kernels.KERNELS, ('unit', 'fitted'), kernels.TARGETS
  )
  for seed, dataset, n, kernel, amplitude, target in settings:
    bits = 300 * (2 if dataset == 'cifar10_partial' else 1) * (1 - n / 2000) * (1 + 0.01 * seed)
    bits *= 0.5 if kernel == 'nngp' else 1
    bits *= 0.1 if amplitude == 'fitted' else 1
    words = (dataset, kernel, amplitude, f'n{n}')
    bits *= np.prod([factor for word, factor in factors.items() if word in words])
    rows.append(
      {'seed': seed, 'dataset': dataset, 'n': n, 'kernel': kernel, 'amplitude': amplitude}
      | {'target': target, 'bits': bits, 'chernoff_bits': 0.97 * bits}
    )
  return pd.DataFrame(rows)


def of_outputs(eight=90.0):
  rows = itertools.product(SEEDS, kernels.DATASETS, ('unit', 'fitted'), range(10))
  return pd.DataFrame(
    {'seed': seed, 'dataset': dataset, 'amplitude': amplitude, 'output': j, 'together': 400.0}
    | {'target': 0.05, 'bits': (eight if j == 8 else 40.0) + 0.1 * seed}
    for seed, dataset, amplitude, j in rows
  )


def of_guesses(high=1.5, low=1.0, fit_high=7.5):
  rows = []
  for run, n in (('moons,n=4', 4), ('moons,n=8', 8), ('dominoes,n=8', 8)):
    row = {'run': run, 'n_train': n, 'guesses': 1000, 'fit': 50, 'bits_to_fit': fit_high - 0.2}
    row |= {'fit_low': fit_high - 0.4, 'fit_high': fit_high, 'trained': 200, 'trained_fit': 200}
    row |= {'guessed_error': 0.03, 'trained_error': 0.02, 'target': 0.02, 'bits': low + 0.1}
    rows.append(row | {'bits_low': low, 'bits_high': high if n == 8 else 1.2})
  return pd.DataFrame(rows)


def of_dimensions(grows=1.5):
  rows = itertools.product(SEEDS, enumerate((49, 196, 784)), ('unit', 'fitted'), kernels.TARGETS)
  return pd.DataFrame(
    {'seed': seed, 'dimensions': d, 'amplitude': a, 'target': t, 'bits': grows**i + 0.01 * seed}
    for seed, (i, d), a, t in rows
  )


def of_fits(sampled=0.01, likelihood=0.8, sankaran=0.7, cumulants=0.95, mean_error=1.1):
  rows = []
  for seed, (n, length) in itertools.product(SEEDS, fits.SETTINGS):
    exact = 500 + seed
    rows.append(
      {'seed': seed, 'n': n, 'length': length, 'mean_error': mean_error + 1e-4 * seed}
      | {'exact': exact, 'sampled': exact + sampled * (1 + 0.1 * seed)}
      | {'likelihood': likelihood * exact + 0.1 * seed, 'sankaran': sankaran * exact}
      | {'cumulants': cumulants * exact}
    )
  return pd.DataFrame(rows)


MEANS = {
  'mnist': 0.026,
  'fashion_mnist': 0.032,
  'cifar10': 0.09,
  'n=100': 0.05,
  'n=2000': 0.0195,
  'width=16': 0.035,
  'width=128': 0.0195,
  'depth=1': 0.032,
  'depth=4': 0.0195,
  'signal': 0.04,
  'sgd': 0.035,
  'digits': 0.03,
  'digits_cnn': 0.0152,
}


def of_networks(size=200, train=0.001, **means):
  """Losses of populations whose errors are Gaussian, 3 % about their means."""
  generator = np.random.default_rng(0)
  rows = []
  for run, mean in (MEANS | {key.replace('_is', '='): m for key, m in means.items()}).items():
    errors = mean * (1 + 0.03 * generator.normal(size=size))
    rows += [
      {'run': run, 'step': 600, 'member': member, 'test/loss': 5 * error, 'train/loss': 5 * train}
      for member, error in enumerate(errors)
    ]
  return pd.DataFrame(rows)


def of_matched(bits=500.0):
  forms = itertools.product(('rbf', 'nngp', 'ntk'), ('unit', 'fitted'))
  return pd.DataFrame(
    {'kernel': kernel, 'amplitude': amplitude, 'bits': bits + i, 'mean_error': 0.05}
    | {'target': 0.026}
    for i, (kernel, amplitude) in enumerate(forms)
  )


def of_curves(ambiguity=0.3):
  return pd.DataFrame(
    {'run': 'mnist', 'fit': 200, 'good': 40, 'spread': spread, 'ambiguity': ambiguity}
    | {'discrepancy': ambiguity / 3}
    for spread in networks.SPREADS
  )


def of_training(end=1.4, best=30.0, fits_at=100):
  """Bits that rise, and fall again; a training error that falls below FITS at a step."""
  rows = []
  for member, step in itertools.product(SEEDS, (0, 10, 100, 300, 600)):
    bits = {0: 0.0, 10: best / 2, 100: best, 300: end + 1, 600: end}[step] + 0.1 * member
    train = 0.2 if step < fits_at else 0.001
    rows.append(
      {'run': 'mnist', 'step': step, 'member': member, 'train/loss': train}
      | {training.BITS: bits, training.LACKING: 50 - bits}
    )
  return pd.DataFrame(rows)


def of_settings(sign=-1.0, noise=1.0, sign_within=1.0, train=0.001):
  """Coherence early, and errors that go with it: over label noises, and within each."""
  generator, rows = np.random.default_rng(1), []
  settings = itertools.product((0.0, 0.15, 0.3), range(8))
  for label_noise, place in settings:
    of_noise, of_place = noise * label_noise / 0.3, 0.05 * place
    high = of_noise + of_place
    coherence = 0.1 * np.exp(0.8 * sign * (of_noise + sign_within * of_place))
    errors = 0.04 * (1 + 0.5 * high) * (1 + 0.05 * generator.normal(size=40))
    for member, step in itertools.product(range(40), (0, 10, 20, 30, 40)):
      rows.append(
        {'run': f'{label_noise}/{place}', 'task.label_noise': label_noise, 'step': step}
        | {'member': member, 'train/epoch': step / 10, 'test/accuracy': 0.5, 'train/accuracy': 1.0}
        | {joining.COHERENCE: coherence, 'test/loss': 5 * errors[member], 'train/loss': 5 * train}
      )
  return pd.DataFrame(rows)


def true_tables():
  return {
    'kernels': of_kernels(),
    'dimension': of_dimensions(),
    'outputs': of_outputs(),
    'guesses': of_guesses(),
    'fit': of_fits(),
    'matched': of_matched(),
    'networks': of_networks(),
    'curves': of_curves(),
    'training': of_training(),
    'joining': of_settings(),
  }


# The table that a claim reads, made false.
FALSE = {
  'more_examples_leave_less_to_bring': ('kernels', lambda: of_kernels(n1000=10)),
  'cifar_takes_more_than_mnist': ('kernels', lambda: of_kernels(mnist=3)),
  'kernels_of_networks_bring_more': ('kernels', lambda: of_kernels(nngp=4)),
  'amplitude_matters_more_than_examples': ('kernels', lambda: of_kernels(fitted=9)),
  'chernoff_is_close': (
    'kernels',
    lambda: of_kernels().assign(chernoff_bits=lambda t: 0.9 * t['bits']),
  ),
  'exact_values_are_far_below_the_bound': ('kernels', lambda: of_kernels(mnist=1e9)),
  'more_dimensions_take_more': ('dimension', lambda: of_dimensions(0.9)),
  'one_is_cheaper_than_eight': ('outputs', lambda: of_outputs(39.0)),
  'fitting_is_what_matters': ('guesses', lambda: of_guesses(high=2.5)),
  'structured_labels_are_cheap': ('guesses', lambda: of_guesses(fit_high=8.2)),
  'saddlepoint_is_exact_enough': ('fit', lambda: of_fits(sampled=-1)),
  'paper_fit_understates_the_bits': ('fit', lambda: of_fits(likelihood=0.99)),
  'paper_fit_understates_where_kernels_learn': ('fit', lambda: of_fits(likelihood=0.95)),
  'paper_fallback_is_worse': ('fit', lambda: of_fits(sankaran=0.85)),
  'cumulants_fit_better_than_likelihood': ('fit', lambda: of_fits(cumulants=1.3)),
  'short_lengths_learn_nothing': ('fit', lambda: of_fits(mean_error=1.0)),
  'networks_bring_more_than_kernels': ('matched', lambda: of_matched(0.1)),
  'more_examples_leave_networks_less': ('networks', lambda: of_networks(n_is2000=0.0265)),
  'natural_images_take_more': ('networks', lambda: of_networks(cifar10=0.0255)),
  'fashion_takes_more': ('networks', lambda: of_networks(fashion_mnist=0.0255)),
  'wider_networks_bring_more': ('networks', lambda: of_networks(width_is16=0.0195)),
  'deeper_networks_bring_more': ('networks', lambda: of_networks(depth_is1=0.0195)),
  'convolutions_bring_more': ('networks', lambda: of_networks(digits=0.0152)),
  'optimizers_differ': ('networks', lambda: of_networks(sgd=0.0255)),
  'initializations_differ': ('networks', lambda: of_networks(signal=0.0255)),
  'fits_foretell_other_networks': ('networks', lambda: half_apart()),
  'good_networks_disagree': ('curves', lambda: of_curves(0.05)),
  'finished_networks_are_typical': ('training', lambda: of_training(end=8.0)),
  'early_networks_are_better_than_finished_ones': ('training', lambda: of_training(best=3.0)),
  'most_bits_come_before_the_fit': ('training', lambda: of_training(end=60.0)),
  'coherence_and_bits_go_together': ('joining', lambda: of_settings(sign=1.0)),
  'they_go_together_at_equal_label_noise': ('joining', lambda: of_settings(sign_within=-1.0)),
  'coherence_and_errors_go_together': ('joining', lambda: of_settings(sign=1.0)),
  'label_noise_takes_bits': ('joining', lambda: of_settings(noise=-1.0)),
}
CLAIMS = {claim.name: claim for claim in study.CLAIMS}


def half_apart():
  """Every other network is far better: of no law that the others show."""
  table = of_networks()
  better = (table['member'] % 2 == 1) & (table['member'] < 80)
  table.loc[better, 'test/loss'] *= 0.5
  return table


@pytest.mark.parametrize('name', CLAIMS)
def test_a_claim_holds_where_it_is_true(name):
  verdict = CLAIMS[name].verdict(true_tables())
  assert verdict.holds is True, verdict
  assert len(CLAIMS[name].text) > 40


@pytest.mark.parametrize('name', CLAIMS)
def test_a_claim_fails_where_it_is_false(name):
  table, make = FALSE[name]
  assert table in CLAIMS[name].reads
  verdict = CLAIMS[name].verdict(true_tables() | {table: make()})
  assert verdict.holds is False, verdict


def test_where_nothing_fits_nothing_is_claimed():
  unfit = {'networks': of_networks(train=0.09), 'joining': of_settings(train=0.09)}
  unfit['curves'] = pd.DataFrame([], columns=networks.COLUMNS)
  unfit['matched'] = of_matched()[:0]
  unfit['guesses'] = of_guesses().assign(bits=np.nan)
  for name, claim in CLAIMS.items():
    if {*claim.reads} & {*unfit} and name != 'structured_labels_are_cheap':
      verdict = claim.verdict(true_tables() | unfit)
      assert verdict.holds is None, name
      assert verdict.note


def test_settings_that_are_lost_are_not_passed_over():
  table = of_settings()
  table.loc[table['task.label_noise'] == 0.3, 'train/loss'] = 1.0
  for claim in study.CLAIMS:
    if claim.reads == ('joining',):
      verdict = claim.verdict({'joining': table})
      assert verdict.holds is None, claim.name
      assert '8 settings could not be measured' in verdict.note


def test_the_law_of_finished_networks_goes_to_the_instrument(monkeypatch, tmp_path):
  made = of_networks().assign(seed=0)
  monkeypatch.setattr(
    training,
    'tables',
    types.SimpleNamespace(load_runs=lambda root, only: made[made['run'] == 'mnist']),
  )
  (overrides,) = training.law_of_finished(tmp_path).values()
  degrees, noncentrality, scale = overrides['instruments.inductive_bias.law']
  errors = made.loc[made['run'] == 'mnist', 'test/loss'] / 5
  np.testing.assert_allclose(scale * (degrees + noncentrality), errors.mean(), rtol=1e-6)
  np.testing.assert_allclose(
    2 * scale**2 * (degrees + 2 * noncentrality), errors.var(ddof=1), rtol=1e-6
  )
  np.testing.assert_allclose(overrides['instruments.inductive_bias.target'], errors.min())
  assert tables is not training.tables


# --- calculations -------------------------------------------------------------------------------


class FewDigits:
  """A task of which `drawn` can draw."""

  def __init__(self):
    generator = np.random.default_rng(0)
    self.n_classes, self.mean, self.std = 10, np.zeros(1), np.ones(1)
    self.train, self.test = (
      type('Split', (), {'inputs': x, 'labels': y, '__len__': lambda s: len(s.labels)})()
      for x, y in (
        (generator.uniform(0, 255, size=(n, 8, 8, 1)), generator.integers(0, 10, n))
        for n in (60, 40)
      )
    )

  def normalize(self, x):
    return (x - 100) / 50


@pytest.fixture
def small(monkeypatch):
  for module in (kernels, fits, networks):
    monkeypatch.setattr(module, 'make_task', lambda *_, **__: FewDigits())
  monkeypatch.setattr(kernels, 'N_TRAIN', (10, 20))
  monkeypatch.setattr(kernels, 'N_TEST', 8)
  monkeypatch.setattr(fits, 'N_TEST', 8)
  monkeypatch.setattr(kernels, 'LARGE', (30, 10))
  monkeypatch.setattr(fits, 'N_SAMPLES', 200)
  monkeypatch.setattr(fits, 'N_TAIL', 200)
  monkeypatch.setattr(fits, 'SETTINGS', ((10, 1.0),))


def test_drawing_is_a_function_of_the_seed(small):
  task = FewDigits()
  one, again, other = (kernels.drawn(task, seed, 12, 5) for seed in (1, 1, 2))
  np.testing.assert_array_equal(one.inputs, again.inputs)
  assert not np.array_equal(one.inputs, other.inputs)
  assert len(np.unique(one.inputs, axis=0)) == 12  # without replacement
  pooled = kernels.drawn(task, 1, 12, 5, pooling=4)
  np.testing.assert_allclose(
    pooled.inputs[:, 0], one.inputs.reshape(12, 8, 8)[:, :4, :4].mean((1, 2))
  )
  np.testing.assert_array_equal(pooled.targets, one.targets)
  pixels = kernels.drawn(task, 1, 12, 5, pixels=True)
  np.testing.assert_allclose(one.inputs, (255 * pixels.inputs - 100) / 50)
  np.testing.assert_allclose(one.test_inputs, (255 * pixels.test_inputs - 100) / 50)
  assert 0 <= pixels.inputs.min() < pixels.inputs.max() <= 1
  everything = kernels.sample(task, slice(None), slice(None))
  np.testing.assert_allclose(
    everything.test_inputs, task.normalize(task.test.inputs).reshape(40, -1)
  )


def test_calculations_give_the_columns_that_claims_read(small, monkeypatch):
  made = {
    'kernels': kernels.by_kernel(range(2)),
    'dimension': kernels.by_dimension(range(2), n=10),
    'outputs': kernels.by_output(range(2), n=10),
    'fit': fits.paper_fit(range(2)),
  }
  true = true_tables()
  for name, table in made.items():
    assert {*true[name]} <= {*table}, name
    assert np.isfinite(table.select_dtypes('number')).all().all(), name
  large = kernels.large()
  assert (large['seconds'] > 0).all()
  rows = made['kernels']
  assert (rows['chernoff_bits'] <= rows['bits'] + 1e-9).all()
  same = rows.groupby(['seed', 'dataset', 'n', 'kernel', 'amplitude'])['bits']
  assert same.apply(lambda bits: (np.diff(bits) <= 0).all()).all()  # higher targets, fewer bits


def test_all_outputs_at_once_take_fewer_bits_than_each_of_them(small):
  """Where each output reaches the target, their mean does."""
  for _, rows in kernels.by_output(range(2), n=20).groupby(['seed', 'dataset', 'amplitude']):
    assert rows['output'].tolist() == [*range(10)]
    assert rows['together'].iloc[0] < rows['bits'].sum()
    assert rows['bits'].min() < rows['together'].iloc[0]


def test_an_output_alone_is_a_task_of_one_output(small):
  data = kernels.drawn(FewDigits(), 0, 20, 8)
  rows = kernels.by_output(range(1), n=20)
  kernel = kernels.forms.rbf(kernels.forms.median_distance(data.inputs))
  alone = data._replace(targets=data.targets[:, [3]], test_targets=data.test_targets[:, [3]])
  expected = -kernels.laws(kernel, alone)['unit'].log_probability(0.05) / np.log(2)
  found = rows.query("dataset == 'mnist' and amplitude == 'unit' and output == 3")['bits'].item()
  np.testing.assert_allclose(found, expected)


class TwoClasses:
  """A finished run on four points of the line, of which the sign is the class."""

  def __init__(self, accuracies):
    x = np.array([[-2.0], [-1.0], [1.0], [2.0]], np.float32)
    self.train = self.test = Split(x, (x[:, 0] > 0).astype(np.int32))
    self.task, self.model = self, make_model(2, name='mlp', widths=(3,))
    self.accuracies = accuracies

  def normalize(self, x):
    return x

  def evaluate(self, state):
    del state
    train, test = self.accuracies
    return {'train/accuracy': np.asarray(train), 'test/accuracy': np.asarray(test)}


def test_guesses_are_counted_beside_the_networks_that_fit(monkeypatch, tmp_path):
  monkeypatch.setattr(guesses, 'N_GUESSES', 300)
  finished = TwoClasses(([1.0, 0.75, 1.0, 1.0], [0.75, 0.0, 1.0, 0.75]))
  monkeypatch.setattr(guesses, 'restored', lambda path: (finished, 0, None))
  row = guesses.guesses([tmp_path / 'here']).iloc[0]
  logits = np.concatenate(
    [*sampled(finished.model, finished.train.inputs, guesses.FIRST + np.arange(300))]
  )
  right = (logits.argmax(-1) == finished.train.labels).mean(1)
  assert row['run'] == 'here'
  assert row['fit'] == (right == 1).sum() > 10
  assert row['bits_to_fit'] == pytest.approx(-np.log2((right == 1).mean()))
  assert row['fit_low'] < row['bits_to_fit'] < row['fit_high']
  assert (row['trained'], row['trained_fit']) == (4, 3)
  assert row['trained_error'] == pytest.approx(0.5 / 3)
  assert row['target'] == pytest.approx(0.25 + 0.125)
  assert (row['guessed_error'], row['bits']) == (0, 0)  # the test set is the training set
  assert row['bits_high'] > 0


def test_without_a_network_that_fits_there_are_no_bits(monkeypatch, tmp_path):
  monkeypatch.setattr(guesses, 'N_GUESSES', 20)
  finished = TwoClasses(([0.5, 0.75], [0.5, 0.5]))
  monkeypatch.setattr(guesses, 'restored', lambda path: (finished, 0, None))
  table = guesses.guesses([tmp_path / 'here'])
  assert table['bits'].isna().all()
  verdict = guesses.fitting_is_what_matters(table)
  assert verdict.holds is None
  assert 'here' in verdict.note


def test_the_dearest_training_set_decides():
  verdict = guesses.fitting_is_what_matters(of_guesses(high=5.0, low=2.5))
  assert verdict.holds is False
  assert 'contradicted' in verdict.note
  assert 'n=8' in verdict.note
  assert 'not shown' in guesses.fitting_is_what_matters(of_guesses(high=2.5)).note


def test_summary_and_reading():
  made = true_tables()
  curves = made['curves'].assign(networks=200, mean_error=0.02)
  assert 'ambiguity_within_a_point' in study.summary(made | {'curves': curves})
  assert len(study.summary({'kernels': made['kernels']})) == 1
  assert 'took 12 seconds' in study.reading({'large': pd.DataFrame({'seconds': [12.0]})})
  assert 'seconds' not in study.reading({})
