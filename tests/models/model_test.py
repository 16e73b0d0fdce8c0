import jax
import jax.numpy as jnp
import numpy as np
import pytest

from research.models import model

nn = model.nn
X = jnp.arange(6.0).reshape(2, 3)


class Twice(nn.Module):
  """A layer that is used twice, next to one without parameters."""

  @nn.compact
  def __call__(self, x):
    layer = nn.Dense(3)
    return layer(nn.Dropout(0.5, deterministic=True)(layer(x)))


def test_a_layer_used_again_has_an_entry_for_each_use():
  twice = model.from_linen(Twice())
  params = twice.init(jax.random.key(0), X)
  activations = twice.capture(params, X)
  assert list(activations) == ['Dense_0', 'Dense_0:1', 'Dropout_0', 'logits']
  once = X @ params['Dense_0']['kernel']
  np.testing.assert_allclose(activations['Dense_0'], once, rtol=1e-5)
  np.testing.assert_allclose(
    activations['Dense_0:1'], once @ params['Dense_0']['kernel'], rtol=1e-5
  )


def test_a_module_that_is_a_layer_has_logits_alone():
  dense = model.from_linen(nn.Dense(4))
  assert list(dense.capture(dense.init(jax.random.key(0), X), X)) == ['logits']


def test_other_collections_are_refused():
  running = model.from_linen(nn.BatchNorm(use_running_average=False))
  with pytest.raises(ValueError, match=r'no collection but params, not batch_stats'):
    running.init(jax.random.key(0), X)


def test_init_runs_no_forward_pass():
  dense = model.from_linen(nn.Dense(4))
  compiled = jax.jit(dense.init).lower(jax.random.key(0), X).compile().as_text()
  assert 'dot(' not in compiled
  applied = jax.jit(dense.apply).lower(dense.init(jax.random.key(0), X), X).compile().as_text()
  assert 'dot(' in applied


def test_a_number_must_be_positive():
  model.check_positive(width=1, widths=(1, 2), none=())
  with pytest.raises(ValueError, match=r'^width must be positive, not -1$'):
    model.check_positive(n=1, width=-1)
  with pytest.raises(ValueError, match=r'^widths must be positive, not \(3, 0\)$'):
    model.check_positive(widths=(3, 0))


def test_a_choice_must_be_one_of_the_choices():
  model.check_choice(('a', 'b'), letter='b')
  with pytest.raises(ValueError, match=r'^letter must be one of a, b, not c$'):
    model.check_choice(('a', 'b'), letter='c')
