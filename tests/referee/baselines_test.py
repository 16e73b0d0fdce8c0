"""Draws of the baselines: their means, their variances, and whose they are."""

import numpy as np
import pandas as pd
import pytest
from zoo import HYPERPARAMETERS, zoo

from research.referee import baselines


def many(table, k=150):
  made = [baselines.with_baselines(table, HYPERPARAMETERS, seed) for seed in range(k)]
  return {name: np.stack([t[name] for t in made]) for name in baselines.NAMES}


@pytest.mark.parametrize('label_noise', [None, 0.25])
def test_means_and_variances_are_those_stated(label_noise):
  table = zoo(n_seeds=1, n_test=400)
  test_error, moves = table['gap'].to_numpy(), 1.0
  if label_noise is not None:
    test_error, moves = 0.6 * test_error, 1 - label_noise
    table = table.assign(label_noise=label_noise, test_error=test_error)
  found = many(table)
  variances = {
    baselines.ORACLE: 0.02**2,
    baselines.REMEASURED: moves**2 * test_error * (1 - test_error) / 400,
    baselines.RANDOM: 1,
  }
  for name, draws in found.items():
    expected = 0 if name == baselines.RANDOM else table['gap']
    error = np.sqrt(np.broadcast_to(variances[name], draws.shape[1:]) / len(draws))
    assert np.all(np.abs(draws.mean(axis=0) - expected) < 4 * error)
    ratio = draws.var(axis=0) / variances[name]
    assert abs(ratio.mean() - 1) < 0.1


def test_a_network_gets_the_same_wherever_it_stands():
  table = zoo()
  found = baselines.with_baselines(table.sample(frac=1, random_state=0), HYPERPARAMETERS)
  expected = baselines.with_baselines(table, HYPERPARAMETERS)
  pd.testing.assert_frame_equal(found.sort_index(), expected)
  assert not np.allclose(
    expected[baselines.ORACLE] - expected['gap'], 0.02 * expected[baselines.RANDOM]
  )


def test_a_perfect_network_is_measured_perfect_again():
  table = baselines.with_baselines(zoo().assign(gap=-0.1), HYPERPARAMETERS)
  assert (table[baselines.REMEASURED] == -0.1).all()


@pytest.mark.parametrize(
  ('message', 'change'),
  [
    ('networks must not have', {'baseline/oracle': 1}),
    ('test_error must', {'test_error': 1.5}),
    ('label_noise must', {'label_noise': np.nan}),
  ],
)
def test_bad_arguments_are_named(message, change):
  with pytest.raises(ValueError, match=f'^{message}'):
    baselines.with_baselines(zoo().assign(**change), HYPERPARAMETERS)
