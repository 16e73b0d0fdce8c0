import jax
import jax.numpy as jnp
import numpy as np
import pytest

from research.instruments import Network
from research.instruments.inductive_bias import inductive_bias
from research.theory.quadratic_forms import QuadraticForm

LAWS = ((50.0, 300.0, 2e-4), (1000.0, 0.1, 1e-3), (10.0, 0.0, 0.1))


def network():
  apply = lambda params, inputs: params * inputs  # noqa: E731
  return Network(lambda *_: jnp.zeros(()), apply)


def measured(law, error, target=0.01):
  """A network whose only output misses each label, class 0, by the root of the error."""
  batch = {'inputs': jnp.ones((4, 1)), 'labels': jnp.zeros(4, jnp.int32)}
  measure = inductive_bias(law=law, target=target).measure
  return jax.jit(lambda p: measure(network(), p, batch))(jnp.float32(1 + error**0.5))


@pytest.mark.parametrize('law', LAWS)
def test_bits_are_those_of_the_law(law):
  k, a, s = law
  form = QuadraticForm(np.array([s]), np.array([k]), np.array([s * a]))
  mean, variance, _ = form.cumulants()
  for share in (1.3, 1.0, 1 - 0.02 * variance**0.5 / mean, 0.9, 0.5, 0.1, 0.01):
    found = measured(law, share * mean)
    np.testing.assert_allclose(found['inductive_bias/error'], share * mean, rtol=1e-4)
    truth = -form.log_probability(float(found['inductive_bias/error'])) / np.log(2)
    np.testing.assert_allclose(found['inductive_bias/bits'], truth, rtol=0.02, atol=1e-3)


def test_what_is_lacking_ends_at_the_target():
  law = LAWS[0]
  np.testing.assert_allclose(measured(law, 0.01)['inductive_bias/lacking'], 0, atol=0.02)
  lacking = [float(measured(law, e)['inductive_bias/lacking']) for e in (0.2, 0.07, 0.02, 0.005)]
  assert lacking == sorted(lacking, reverse=True)
  assert lacking[-1] < 0


def test_of_several_outputs_and_any_order():
  generator = np.random.default_rng(0)
  inputs = jnp.asarray(generator.normal(size=(6, 3)), jnp.float32)
  labels = jnp.asarray([0, 1, 2, 0, 1, 2])
  measure = inductive_bias(law=(20.0, 5.0, 0.05), target=0.1).measure
  found = measure(network(), jnp.float32(0.5), {'inputs': inputs, 'labels': labels})
  error = np.mean((0.5 * np.asarray(inputs) - np.eye(3)[labels]) ** 2)
  np.testing.assert_allclose(found['inductive_bias/error'], error, rtol=1e-5)
  order = generator.permutation(6)
  again = measure(network(), jnp.float32(0.5), {'inputs': inputs[order], 'labels': labels[order]})
  np.testing.assert_allclose(again['inductive_bias/bits'], found['inductive_bias/bits'], rtol=1e-4)


def test_without_a_law_there_is_the_error_alone():
  found = measured((), 0.04)
  assert [*found] == ['inductive_bias/error']
  np.testing.assert_allclose(found['inductive_bias/error'], 0.04, rtol=1e-5)


def test_nan_is_not_hidden():
  found = measured(LAWS[0], np.nan)
  assert len(found) == 3
  assert all(np.isnan(value) for value in found.values())


@pytest.mark.parametrize(
  ('arguments', 'message'),
  [
    ({'law': (1.0, 2.0), 'target': 0.1}, 'law must be degrees'),
    ({'law': (0.0, 2.0, 1.0), 'target': 0.1}, 'law must be degrees'),
    ({'law': (1.0, -2.0, 1.0), 'target': 0.1}, 'law must be degrees'),
    ({'law': (1.0, 2.0, 1.0), 'target': 0.0}, 'target must be positive'),
  ],
)
def test_bad_arguments_are_refused(arguments, message):
  with pytest.raises(ValueError, match=message):
    inductive_bias(**arguments)
