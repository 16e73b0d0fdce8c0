"""Every claim of the study on tables where it is true and where it is false; what calculates them."""

import functools
import itertools

import calculated
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from calculated import scattered

from research import rngs
from research.studies import universality_lens as study
from research.studies.universality_lens import (
  complexity,
  images,
  labels,
  networks,
  predictives,
  regret,
)
from research.theory import boolean, weight

MASSES = (0.08, 3e-4, 1e-5)  # of the targets of networks; the last target is random


def regrets(factor=0.95, random=180.0, code=42.0, union=0.6, costs=(1, 1, 1), late=0.95):
  rows = []
  for i, n in itertools.product(range(4), (100, 400)):
    bound = -np.log(MASSES[i]) * costs[i] if i < 3 else 200.0
    row = {'target': i, 'kind': 'network' if i < 3 else 'random', 'level': 0.1, 'n': n}
    row |= {'mass': MASSES[i] if i < 3 else 0.0, 'weight': MASSES[i] if i < 3 else 0.0, 'draw': 0}
    row['regret'] = (factor if n == 400 else late) * bound if i < 3 else random
    row |= {'bound': bound, 'table_code': code, 'soft_bound': bound, 'radius': 0, 'functions': 9}
    row['sample_bound'] = bound
    rows.append(row | {'rise': union})
  table = scattered(rows, ('regret', 'table_code', 'rise'), 0.005)
  return table.assign(union=table['regret'] + table['rise'])


def widths(wide=8.1, bound=8.2):
  rows = []
  for width, (i, cost) in itertools.product(regret.WIDTHS, enumerate((2.5, 8.0, 200.0))):
    value = wide if i == 1 and width == 256 else cost
    row = {'target': i, 'kind': 'random' if i == 2 else 'network', 'level': 0.1 if i < 2 else 0.0}
    row |= {'width': width, 'regret': value, 'bound': bound if i == 1 else 2.6, 'soft_bound': 2.6}
    row |= {'parameters': 8 * width + 1, 'weight': 0.1, 'functions': 9, 'radius': 0}
    rows.append(row)
  return scattered(rows, ('regret',))


def correlations(**changed):
  found = {name: -0.5 for name in complexity.MEASURES} | changed
  rows = [{'measure': k, 'correlation': v, 'functions': 500} for k, v in found.items()]
  return scattered(rows, ('correlation',))


def envelope(highest=(-4.0, -12.0, -15.0), above=0):
  rows = []
  for value, top in zip((6.0, 20.0, 30.0), highest, strict=True):
    row = {'complexity': value, 'functions': 50, 'slope': 0.7, 'highest': top, 'weight': 0.1}
    rows.append(row | {'line': -4 - 0.7 * (value - 6), 'above': above})
  return scattered(rows, ('highest',))


def initializations(ordered=(15.0, 9.0), chaotic=(50.0, 70.0), border=40.0, cost=12.0):
  rows = []
  for i, depth in enumerate((1, 4)):
    for scale, value in ((0.5, ordered[i]), (1.0, border), (4.0, chaotic[i])):
      row = {'depth': depth, 'scale': scale, 'lempel_ziv': value, 'regret': 8.0, 'constant': 0.1}
      row |= {'functions': 9, 'sensitivity': 1.0, 'collision': 0.1, 'weight': 0.1}
      rows.append(row | {'regret': cost if scale == 4 else 8.0})
  return scattered(rows, ('lempel_ziv', 'regret'))


def excesses(**changed):
  found = dict(mixture=0.05, functions=0.04, langevin=0.051, sgld=0.052, ensemble=0.9)
  found |= {'map ensemble': 0.07, 'one network': 1.1} | changed
  rows = []
  for n, (arm, value) in itertools.product(predictives.N_TRAIN, found.items()):
    value = value if n == 64 or arm not in changed else 0.051 if 'ense' not in arm else value
    row = {'n_train': n, 'arm': arm, 'excess': value, 'effective_networks': 400.0}
    rows.append(row | {'error_of_mixture': 0.001})
  return scattered(rows, ('excess',))


def of_images(overconfidence=0.02, apart=0.005, **changed):
  found = {'sgld': 0.3, 'ensemble': 0.9, 'map ensemble': 0.4, 'one network': 1.5} | changed
  rows = []
  for n, (arm, value) in itertools.product((100, 400), found.items()):
    value = value if n == 400 or arm not in changed else 0.5
    row = {'n_train': n, 'arm': arm, 'excess': value, 'overconfidence': 0.2, 'error': 0.1}
    row |= {'overconfidence': overconfidence if n == 400 and arm == 'sgld' else -0.01}
    rows.append(row | {'apart': apart if n == 100 else 0.004})
  return scattered(rows, ('excess', 'overconfidence', 'apart'))


def weights(bits=(2.4, 3.2, 3.5), error=0.02, coarse=0.02):
  rows = []
  for share, value in zip((0.0, 0.5, 1.0), bits, strict=True):
    row = {'redrawn': share, 'bits': value, 'error': error if share == 0.5 else 0.01, 'fit': 2.0}
    rows.append(row | {'shift': coarse if share == 0.5 else -0.01})
  table = scattered(rows, ('bits', 'error', 'shift'), 0.002)
  return table.assign(coarse=table['bits'] + table['shift'])


TRUE = {
  'regrets': regrets(),
  'widths': widths(),
  'correlations': correlations(),
  'envelope': envelope(),
  'initializations': initializations(),
  'predictives': excesses(),
  'images': of_images(),
  'weights': weights(),
}
FALSE = {
  'regret_is_below_the_bound': regrets(late=1.02),
  'regret_grows_with_rarity': regrets(costs=(3, 1, 0.5)),
  'regret_is_the_log_weight': regrets(factor=0.8),
  'random_tables_cost_more_than_a_table_code': regrets(random=41.0),
  'all_tables_cost_little_more': regrets(union=0.8),
  'equal_weights_cost_more': regrets(code=8.0),
  'width_changes_little': widths(wide=10.5),
  'regret_follows_the_weight_across_widths': widths(bound=10.0),
  'simple_functions_weigh_more': correlations(lempel_ziv=0.1),
  'polynomials_of_low_degree_weigh_more': correlations(algebraic_degree=0.1),
  'smooth_functions_weigh_more': correlations(fourier_entropy=0.1),
  'largest_weight_falls_with_complexity': envelope(highest=(-15.0, -12.0, -4.0)),
  'weight_is_bounded_by_complexity': envelope(above=5),
  'chaos_makes_functions_complex': initializations(border=75.0),
  'depth_acts_both_ways': initializations(ordered=(15.0, 16.0)),
  'chaos_makes_a_simple_target_dear': initializations(cost=7.0),
  'langevin_finds_the_mixture': excesses(langevin=0.07),
  'minibatches_do_not_spoil_it': excesses(sgld=0.03),
  'langevin_beats_the_ensemble': excesses(ensemble=0.04),
  'an_ensemble_of_maxima_is_no_mixture': excesses(**{'map ensemble': 0.03}),
  'samples_beat_the_ensemble_on_images': of_images(ensemble=0.29),
  'maxima_are_worse_on_images': of_images(**{'map ensemble': 0.29}),
  'samples_are_calibrated_on_images': of_images(overconfidence=-0.06),
  'chains_agree_on_images': of_images(apart=0.03),
  'redrawn_labels_weigh_less': weights(bits=(3.3, 3.2, 3.5)),
  'random_labels_weigh_no_more_than_by_chance': weights(bits=(2.4, 3.2, 3.3)),
  'chains_agree_on_weights': weights(error=0.06),
  'temperatures_suffice': weights(coarse=-0.06),
}


def test_every_claim_has_tables_where_it_is_false():
  calculated.check_that_all_are_judged(study, TRUE, FALSE)


@pytest.mark.parametrize('claim', study.CLAIMS, ids=lambda claim: claim.name)
def test_claims_hold_where_they_are_true_and_fail_where_they_are_false(claim):
  calculated.check_claim(claim, TRUE, FALSE)


def test_either_side_decides():
  assert not complexity.depth_acts_both_ways(initializations(chaotic=(50.0, 40.0))).holds
  assert not complexity.smooth_functions_weigh_more(correlations(sensitivity=0.1)).holds
  assert not regret.width_changes_little(widths(wide=5.5)).holds
  assert regret.width_changes_little(widths(wide=5.5)).ours == pytest.approx(-1.25, abs=0.05)


def test_all_shares_of_redrawn_labels_decide():
  assert not labels.redrawn_labels_weigh_less(weights(bits=(2.4, 3.6, 3.5))).holds
  assert not images.samples_are_calibrated_on_images(of_images(overconfidence=0.06)).holds
  assert not labels.temperatures_suffice(weights(coarse=0.06)).holds
  assert images.chains_agree_on_images(TRUE['images']).ours == pytest.approx(0.005, rel=0.02)


def test_one_excess_among_all_data_decides():
  table = regrets()
  table.loc[3, 'regret'] = table.loc[3, 'sample_bound'] + 1e-6
  assert regret.regret_is_below_the_bound(table).holds is False
  table.loc[3, 'regret'] = table.loc[3, 'sample_bound'] + 1e-12
  assert regret.regret_is_below_the_bound(table).holds is True


def test_a_target_that_the_sample_lacks_has_no_log_weight():
  table = regrets()
  lacking = table.assign(weight=table['weight'].where(table['target'] != 2, 0.0))
  assert regret.regret_is_the_log_weight(lacking).ours == pytest.approx(0.95, abs=0.02)


def test_nothing_is_known_of_samplers_where_the_mixture_is_uncertain():
  for judge in (predictives.langevin_finds_the_mixture, predictives.minibatches_do_not_spoil_it):
    assert judge(TRUE['predictives'].assign(error_of_mixture=0.003)).holds is None


def test_figures_and_reading_take_the_tables():
  calculated.check_figures_and_reading(
    study, TRUE, '11.5', 'for a random truth table 180 (bound 200), where a table code pays 42'
  )


# --- calculations -------------------------------------------------------------------------------


@pytest.fixture(scope='module')
def small():
  """Each table by its name, of two replicates, from few and narrow networks."""
  caches = (
    networks.prior,
    networks.halves,
    regret.targets,
    predictives._logits,
    predictives._potential,
    images.losses,
    images._potential,
  )

  def clear():
    for cache in caches:
      cache.cache_clear()

  with pytest.MonkeyPatch.context() as patch:
    clear()
    patch.setattr(networks, 'N_NETWORKS', 2000)
    patch.setattr(networks, 'WIDTH', 4)
    patch.setattr(regret, 'WIDTHS', (4,))
    patch.setattr(complexity, 'WIDTH', 4)
    patch.setattr(regret, 'N_OF_WIDTH', 300)
    patch.setattr(regret, 'LEVELS', (1e-1, 3e-3))
    patch.setattr(complexity, 'N_OF_SCALE', 200)
    patch.setattr(complexity, 'N_RANDOM_TABLES', 50)
    patch.setattr(complexity, 'OFTEN', 2)
    patch.setattr(complexity, 'DEPTHS', (1,))
    patch.setattr(complexity, 'SCALES', (1.0,))
    patch.setattr(predictives, 'N_NETWORKS', 500)
    patch.setattr(predictives, 'N_TRAIN', (8,))
    patch.setattr(predictives, 'N_CHAINS', 2)
    patch.setattr(predictives, 'N_MEMBERS', 2)
    patch.setattr(predictives, 'N_SAMPLES', 2)
    patch.setattr(predictives, 'BURN_IN', 2)
    patch.setattr(predictives, 'STEPS', 50)
    patch.setattr(images, 'N_TRAIN', (20,))
    patch.setattr(images, 'WIDTH', 4)
    patch.setattr(images, 'N_CHAINS', 2)
    patch.setattr(images, 'N_MEMBERS', 2)
    patch.setattr(images, 'N_SAMPLES', 2)
    patch.setattr(images, 'BURN_IN', 2)
    patch.setattr(images, 'STEPS', 50)
    patch.setattr(labels, 'N_LABELS', 20)
    patch.setattr(labels, 'SHARES', (0.0, 1.0))
    patch.setattr(labels, 'N_BETAS', 5)
    patch.setattr(labels, 'WEIGHING', {'burn_in': 2, 'n_samples': 4})
    calculations = {
      'regrets': functools.partial(regret.regrets, n_draws=2),
      'widths': functools.partial(regret.widths, n_draws=1),
    }
    yield functools.cache(lambda name: (study.CALCULATIONS | calculations)[name]((0, 1)))
    clear()


@pytest.mark.parametrize('name', [*TRUE])
def test_calculations_give_the_columns_that_claims_read(small, name):
  calculated.check_columns(small(name), {*TRUE[name]} - {'rise', 'shift'})


def test_bounds_and_regrets_are_in_order(small):
  table = small('regrets')
  assert (table['soft_bound'] <= table['bound'] + 1e-9).all()
  assert regret.regret_is_below_the_bound(table).holds
  alone = table[table['radius'] == 0]
  np.testing.assert_allclose(alone['sample_bound'], alone['bound'])
  assert (table['radius'] > 0).any()
  assert (table['union'] <= table[['regret', 'table_code']].min(axis=1) + np.log(2) + 1e-9).all()
  known = table[table['weight'] > 0]
  assert (known['regret'] <= -np.log(known['weight']) + 1e-9).all()
  assert (table['table_code'] <= 64 * np.log(2) + 1e-9).all()
  heaviest = table[table['target'] == 0]
  assert heaviest['mass'].between(0.02, 0.4).all()
  # the mass of a replicate is what the others have
  own = heaviest.groupby('seed')[['weight', 'mass']].first()
  np.testing.assert_allclose(own['mass'], own['weight'].iloc[::-1])


def test_targets_are_functions_of_networks_and_random_tables(small):
  del small  # its settings
  found = regret.targets()
  assert [target['kind'] for target in found] == ['network'] * 4 + ['random'] * 3
  assert len({target['table'].tobytes() for target in found}) == 7
  prior = networks.usual_prior(networks.SELECTION)
  for target in found[:4]:
    share = networks.weight_of(prior, target['table'])
    assert target['level'] / 4 < share < target['level'] * 4
  assert networks.weight_of(prior, found[-1]['table']) == 0


def test_examples_are_noisy_prefixes():
  table = np.arange(64, dtype=np.uint8) % 2
  few, many = regret.examples(table, (50, 20_000), 0, 1, 2)
  assert few.sum() == 50
  assert (few <= many).all()
  wrong = many[table == 0, 1].sum() + many[table == 1, 0].sum()
  assert wrong / 20_000 == pytest.approx(networks.FLIP, abs=0.01)
  assert many.sum(axis=1).min() > 200
  other = regret.examples(table, (50,), 0, 1, 3)[0]
  assert (other != few).any()


def test_networks_are_what_they_say():
  model, x = networks.gaussian_mlp((40, 30), 'tanh', 1.5, 0.5), networks.inputs()
  params = jax.jit(model.init)(rngs.named_key(0, 'init'), x)
  h = x
  for i, (fan_in, fan_out) in enumerate(((6, 40), (40, 30), (30, 1))):
    kernel, bias = (np.asarray(params[f'Dense_{i}'][name]) for name in ('kernel', 'bias'))
    assert kernel.shape == (fan_in, fan_out)
    assert np.std(kernel) == pytest.approx(1, abs=0.15 if i < 2 else 0.5)
    assert fan_out == 1 or np.std(bias) == pytest.approx(1, abs=0.4)
    h = (np.tanh(h) if i else h) @ kernel * 1.5 / np.sqrt(fan_in) + 0.5 * bias
  logits = np.asarray(jax.jit(model.apply)(params, x))
  np.testing.assert_allclose(logits[:, 1], h[:, 0], rtol=1e-4, atol=1e-4)
  assert not logits[:, 0].any()
  table = networks.tables(model, 0, 1)[0]
  np.testing.assert_array_equal(table, h[:, 0] > 0)
  assert networks.gaussian_mlp((40, 30), 'tanh', 1.5, 0.5) is model
  assert {*np.unique(x)} == {-1.0, 1.0}


def test_functions_are_chosen_by_one_half_of_the_networks_and_weighed_by_the_other(small):
  del small
  computed = networks.tables(networks.usual(), 1, networks.N_NETWORKS)
  first, second = computed[:1000], computed[1000:]
  kept, counts = complexity._often(1)
  assert len(kept.tables) == np.sum(weight.prior_of(first).counts >= complexity.OFTEN) > 5
  for row, own, other in zip(kept.tables, kept.counts, counts, strict=True):
    assert own == np.sum((first == row).all(axis=1)) >= complexity.OFTEN
    assert other == np.sum((second == row).all(axis=1))


def test_the_bound_by_complexity_goes_through_the_heaviest_function(small):
  for _, rows in small('envelope').groupby('seed'):
    constant = rows[rows['complexity'] == 6]
    prior, _ = networks.halves(int(rows['seed'].iloc[0]))
    assert boolean.lempel_ziv(prior.tables[:1]) == 6
    share = prior.counts[0] / prior.counts.sum()
    assert constant['line'].item() == pytest.approx(np.log2(share), abs=1e-9)
    assert (rows['above'] <= rows['functions']).all()
    slopes = np.diff(rows['line']) / np.diff(rows['complexity'])
    np.testing.assert_allclose(slopes, -rows['slope'].iloc[0])


def test_the_mixture_is_bayes_rule():
  rng = np.random.default_rng(0)
  logits, x, y = rng.normal(size=(5, 64)) * 2, np.array([3, 3, 9]), np.array([1, 0, 1])
  p = 1 / (1 + np.exp(-logits))
  f = np.where(logits > 0, 0.9, 0.1)
  soft, hard = (q[:, 3] * (1 - q[:, 3]) * q[:, 9] for q in (p, f))
  found, size = predictives._mixture(logits, x, y)
  np.testing.assert_allclose(found['mixture'], soft / soft.sum() @ p)
  np.testing.assert_allclose(found['functions'], hard / hard.sum() @ f)
  assert size == pytest.approx(soft.sum() ** 2 / np.sum(soft**2))


def test_excess_is_a_divergence():
  table = np.arange(64, dtype=np.uint8) % 2
  truth = np.where(table, 0.9, 0.1)
  assert predictives._excess(truth, table) == pytest.approx(0, abs=1e-12)
  expected = weight.divergence(64, 64, 0.1)
  assert predictives._excess(1 - truth, table) == pytest.approx(float(expected))
  assert np.isfinite(predictives._excess(np.zeros(64), table))


def test_training_lowers_the_potential(small):
  """Members that were trained fit better than those that were not, and the prior holds them back."""
  del small
  data = {'inputs': jnp.asarray(networks.inputs()[:8]), 'labels': jnp.ones(8, jnp.int32)}
  keys = jax.random.split(jax.random.key(0), 2)
  free, held = (
    np.asarray(predictives._members(predictives._potential(None, scale), data, keys))
    for scale in (1e6, 1.0)
  )
  assert free[:, :8].mean() > 0.8
  assert free.shape == (2, 64)
  assert held[:, :8].mean() < free[:, :8].mean()


def test_networks_of_several_outputs_give_each_a_logit():
  model = networks.gaussian_mlp((4,), 'tanh', 1.0, 0.5, 3)
  x = np.random.default_rng(0).normal(size=(5, 6)).astype(np.float32)
  params = jax.jit(model.init)(rngs.named_key(0, 'init'), x)
  assert params['Dense_1']['kernel'].shape == (4, 3)
  captured = jax.jit(model.capture)(params, x)
  np.testing.assert_array_equal(captured['logits'], captured['Dense_1'])


def test_digits_are_nested_and_noisy_by_the_share():
  few, many, noisy = (images.examples(3, *of) for of in ((50, 0.0), (400, 0.0), (400, 0.5)))
  np.testing.assert_array_equal(few['inputs'], many['inputs'][:50])
  np.testing.assert_array_equal(few['labels'], many['labels'][:50])
  changed = np.mean(np.asarray(noisy['labels'] != many['labels']))
  assert changed == pytest.approx(0.45, abs=0.08)
  assert np.mean(many['inputs']) == pytest.approx(0, abs=0.05)
  assert np.std(many['inputs']) == pytest.approx(1, abs=0.05)
  assert (np.asarray(images.examples(4, 50, 0.0)['inputs']) != few['inputs']).any()


def test_predictions_of_digits_are_judged_over_the_noise():
  y = np.array([3, 7, 7])
  exact = images._judged(images._truth(y), y)
  assert exact == pytest.approx({'excess': 0, 'overconfidence': 0, 'error': 0}, abs=1e-12)
  uniform = images._judged(np.full((3, 10), 0.1), y)
  own, other = 0.82, 0.02
  expected = np.log(10) + own * np.log(own) + 9 * other * np.log(other)
  assert uniform['excess'] == pytest.approx(expected)
  sure = images._judged(np.eye(10)[[3, 7, 1]], y)
  assert sure['error'] == pytest.approx(1 / 3)
  assert sure['overconfidence'] == pytest.approx(1 - (own + own + other) / 3)
  assert np.isfinite(sure['excess'])


def test_samples_of_the_posterior_lose_less_on_the_labels_than_these_weigh(small):
  table = small('weights')
  assert (table['bits'] > 0).all()
  assert (table['error'] > 0).all()
  assert (table['fit'] < table['bits']).all()  # the mean of L rises with the temperature's inverse
