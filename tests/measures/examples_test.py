"""Which examples measures look at."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from research.measures import Trained
from research.measures.examples import examples, spaced
from research.models import make_model

MODEL = make_model(2, name='mlp', widths=())


def trained(n, labels=None):
  inputs = jnp.arange(2.0 * n).reshape(n, 2)
  labels = jnp.arange(n) % 2 if labels is None else labels
  return Trained(MODEL, None, None, inputs, labels, jax.random.key(0))


@pytest.mark.parametrize(('n', 'most'), [(1, 3), (3, 3), (10, 3), (101, 100), (1000, 512)])
def test_rows_are_distinct_and_reach_from_the_first_to_the_last(n, most):
  rows = spaced(n, most)
  assert len(set(rows.tolist())) == len(rows) == min(n, most)
  assert (rows[0], rows[-1]) == (0, n - 1)
  assert np.all(np.diff(rows) > 0)


@pytest.mark.parametrize('most', [4, 20, None])
def test_inputs_keep_their_labels(most):
  found = jax.jit(lambda labels: examples(trained(20, labels), most))(jnp.arange(20))
  np.testing.assert_array_equal(found['inputs'][:, 0], 2.0 * found['labels'])
  assert len(found['labels']) == min(20, most or 20)


def test_bad_arguments_are_named():
  with pytest.raises(ValueError, match='^most must'):
    examples(trained(3), 0)
  with pytest.raises(ValueError, match='^labels must'):
    examples(trained(3, jnp.arange(2)))
  with pytest.raises(ValueError, match='^labels must'):
    examples(trained(0))
