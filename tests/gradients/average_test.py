"""The average of a config section is the function that it names."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from research.gradients import make_average, mean_gradient
from research.gradients.median_of_means import median_of_means
from research.gradients.winsorized import winsorized_mean


def losses(w, batch):
  return jnp.square(batch['x'] @ w - 1.0)


BATCH = {'x': jax.random.normal(jax.random.key(0), (12, 4))}
W = jnp.arange(4.0)


def test_the_default_is_the_mean_itself():
  assert make_average() is mean_gradient


@pytest.mark.parametrize(
  ('section', 'expected'),
  [
    ({'name': 'winsorized', 'percent': 20.0}, winsorized_mean(losses, percent=20.0)),
    ({'name': 'median_of_means', 'n_groups': 4}, median_of_means(losses, n_groups=4)),
  ],
)
def test_names_and_arguments_reach_their_functions(section, expected):
  found = jax.tree.leaves(make_average(**section)(losses)(W, BATCH))
  np.testing.assert_array_equal(found[1], expected(W, BATCH)[1])
  assert np.abs(found[1] - mean_gradient(losses)(W, BATCH)[1]).max() > 1e-3


def test_out_of_range():
  with pytest.raises(ValueError, match=r'^percent must lie in \[0, 50\), not 50$'):
    make_average(percent=50)
  with pytest.raises(ValueError, match=r'^n_groups must be at least 1, not 0$'):
    make_average(n_groups=0)
