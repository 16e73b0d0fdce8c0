"""Which examples measures look at."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from research.measures import Trained
from research.measures import examples as examples_file
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


MLP = make_model(3, name='mlp', widths=(64, 64))
PARAMS = MLP.init(jax.random.key(0), jnp.ones((1, 5)))


def loss(chunk, inputs):
  """The mean of squared logits by one chunk's worth of examples at a time, compiled."""

  def mean(params, inputs):
    return jnp.mean(jnp.square(examples_file.apply_in_chunks(MLP)(params, inputs)))

  with pytest.MonkeyPatch.context() as patch:
    patch.setattr(examples_file, 'CHUNK', chunk)
    return jax.jit(jax.value_and_grad(mean)).lower(PARAMS, inputs).compile()


@pytest.mark.parametrize('chunk', [1, 7, 11, 22])
def test_chunks_change_neither_logits_nor_gradients(chunk):
  inputs = jax.random.normal(jax.random.key(1), (22, 5))
  found, whole = (loss(size, inputs)(PARAMS, inputs) for size in (chunk, 100))
  jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6), found, whole)


def test_the_memory_is_that_of_a_chunk():
  inputs = jnp.ones((8192, 5))
  found, whole = (loss(size, inputs).memory_analysis().temp_size_in_bytes for size in (64, 10_000))
  assert found < whole / 10


def test_examples_that_depend_on_each_other_are_not_parted(monkeypatch):
  monkeypatch.setattr(examples_file, 'CHUNK', 4)
  coupled = MLP._replace(
    apply=lambda params, x: x - jnp.mean(x, axis=0, keepdims=True), per_example=False
  )
  x = jax.random.normal(jax.random.key(2), (10, 5))
  apply = examples_file.apply_in_chunks
  np.testing.assert_array_equal(apply(coupled)(PARAMS, x), x - jnp.mean(x, axis=0, keepdims=True))
  assert np.max(np.abs(apply(coupled._replace(per_example=True))(PARAMS, x))) > 0.1


def test_bad_arguments_are_named():
  with pytest.raises(ValueError, match='^most must'):
    examples(trained(3), 0)
  with pytest.raises(ValueError, match='^labels must'):
    examples(trained(3, jnp.arange(2)))
  with pytest.raises(ValueError, match='^labels must'):
    examples(trained(0))
