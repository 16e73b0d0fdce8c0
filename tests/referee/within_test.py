"""Tau among networks of one kind of sample, against SciPy's on every stratum."""

import numpy as np
import pytest
from scipy import stats
from zoo import HYPERPARAMETERS, noisy, zoo

from research.referee.within import within

SHARED = ['n_train', 'optimizer']


def taus(table, measures, **options):
  return within(table, measures, HYPERPARAMETERS, SHARED, **options)


def test_it_is_the_mean_of_scipys_tau_over_strata():
  table, measures = noisy(zoo(noise=0.1), 4)
  found = taus(table, measures, n_resamples=2)
  for name in measures:
    parts = [part.dropna(subset=name) for _, part in table.groupby(SHARED)]
    expected = np.mean([stats.kendalltau(part[name], part['gap']).statistic for part in parts])
    assert found.loc[name, 'tau_within'] == pytest.approx(expected)


def test_what_knows_the_sample_alone_ranks_all_networks_and_none_within():
  table = zoo(noise=0.001)
  table['sample'] = -np.log(table['n_train']) + 0.1 * (table['optimizer'] == 'adam')
  table['gap_again'] = np.exp(table['gap']) + table['n_train']  # increasing in each stratum
  assert stats.kendalltau(table['sample'], table['gap']).statistic > 0.6
  found = taus(table, ['sample', 'gap_again'], n_resamples=50)
  assert found.loc['sample'].tolist() == [0, 0, 0]
  assert found.loc['gap_again'].tolist() == pytest.approx([1, 1, 1])


def test_the_order_of_the_rows_does_not_matter():
  table, measures = noisy(zoo(noise=0.1), 2)
  shuffled = table.sample(frac=1, random_state=0)
  np.testing.assert_allclose(taus(shuffled, measures), taus(table, measures))


def test_noise_is_within_its_interval_of_zero():
  rng, inside = np.random.default_rng(0), 0
  for world in range(40):
    table = zoo(seed=world, noise=0.05)
    table['noise'] = rng.normal(size=len(table))
    row = taus(table, ['noise'], n_resamples=60, seed=world).loc['noise']
    inside += row['tau_within_low'] <= 0 <= row['tau_within_high']
  assert inside >= 32


@pytest.mark.parametrize('shared', [[], ['seed'], ['n_train', 'colour']])
def test_what_is_shared_must_be_hyperparameters(shared):
  with pytest.raises(ValueError, match='shared must name some'):
    within(zoo(), ['gap'], HYPERPARAMETERS, shared)
