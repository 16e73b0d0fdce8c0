"""What has no per-example gradients is refused, in words; what is odd but has them is measured."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from research.gradients import BatchCoupledError, gradient_statistics


def losses(params, batch):
  return jnp.square(jnp.tanh(batch['x']) @ params['w'] - 1)


def problem(m=6):
  keys = jax.random.split(jax.random.key(0))
  return {'w': jax.random.normal(keys[0], (4,))}, {'x': jax.random.normal(keys[1], (m, 4))}


def by_size(params, batch):
  return losses(params, batch) / len(batch['x'])


def by_place(params, batch):
  return losses(params, batch) * (1.0 + jnp.arange(len(batch['x'])))


def by_one_key(params, batch):
  kept = jax.random.bernoulli(jax.random.key(1), 0.5, batch['x'].shape)
  return losses(params, {'x': batch['x'] * kept})


@pytest.mark.parametrize('coupled', [by_size, by_place, by_one_key])
@pytest.mark.parametrize('transform', [jax.jit, lambda f: f])
def test_refuses_what_depends_on_place_or_size(coupled, transform):
  with pytest.raises(BatchCoupledError, match='on its place among them or on their number'):
    transform(gradient_statistics(coupled))(*problem())


def test_refuses_a_coupling_that_hides_behind_zeros():
  def coupled(params, batch):
    h = batch['x'] * params['w'][None]
    return jnp.sum((h - h.mean(0, keepdims=True)) * params['head'][None], axis=1)

  params, batch = problem()
  with pytest.raises(BatchCoupledError):
    gradient_statistics(coupled)(params | {'head': jnp.zeros(4)}, batch)


def test_accepts_losses_that_overflow():
  big = lambda params, batch: jnp.exp(1e3 * jnp.abs(losses(params, batch)) + 1e3)  # noqa: E731
  stats = jax.jit(gradient_statistics(big))(*problem())
  assert np.all(np.isinf(stats.losses))


@pytest.mark.parametrize(
  ('wrong', 'returned'),
  [
    (lambda params, batch: losses(params, batch).mean(), r'\[\]'),
    (lambda params, batch: losses(params, batch)[:, None], r'\[6, 1\]'),
  ],
)
def test_refuses_losses_that_are_not_one_for_each_example(wrong, returned):
  with pytest.raises(
    ValueError, match=rf'a number for each example, \[6\]; they returned {returned}'
  ):
    gradient_statistics(wrong)(*problem())


def test_refuses_arrays_of_different_lengths():
  params, batch = problem()
  with pytest.raises(ValueError, match='must share their first axis'):
    gradient_statistics(losses)(params, batch | {'y': jnp.ones(5)})


def test_refuses_a_direction_that_is_not_like_the_parameters():
  params, batch = problem()
  with pytest.raises(ValueError, match='v is .* not there|w is missing'):
    gradient_statistics(losses)(params, batch, {'v': jnp.ones(4)})
  with pytest.raises(ValueError, match=r'w is \(2, 2\), not \(4,\)'):
    gradient_statistics(losses)(params, batch, {'w': jnp.ones((2, 2))})


def test_refuses_parameters_that_have_no_gradient():
  params, batch = problem()
  with pytest.raises(TypeError, match='n is int32'):
    gradient_statistics(losses)(params | {'n': jnp.arange(3)}, batch)
  with pytest.raises(ValueError, match='depend on none of the parameters'):
    gradient_statistics(lambda params, batch: batch['x'].sum(1))(params, batch)


@pytest.mark.parametrize('dtype', [jnp.uint8, jnp.int8])
def test_indices_of_a_type_too_narrow_for_the_table(dtype):
  table = jax.random.normal(jax.random.key(0), (300, 3))
  batch = {'i': jnp.array([[0, 5], [7, 100], [100, 100]], dtype)}

  def of_rows(params, batch):
    return jnp.sum(jnp.tanh(jnp.take(params, batch['i'], axis=0, mode='clip')), axis=(1, 2))

  mean = gradient_statistics(of_rows)(table, batch).mean_grad
  expected = jax.grad(lambda params: of_rows(params, batch).mean())(table)
  np.testing.assert_allclose(mean, expected, rtol=1e-5, atol=1e-7)


def test_axes_of_length_zero():
  def empty(params, batch):
    nothing = batch['x'][:, :0]
    return losses(params, batch) + nothing @ params['none'] + jnp.sum(nothing, 1) * params['w'][0]

  params, batch = problem()
  stats = gradient_statistics(empty, gram=True)(params | {'none': jnp.zeros(0)}, batch)
  expected = gradient_statistics(losses, gram=True)(params, batch)
  np.testing.assert_allclose(stats.gram, expected.gram, rtol=1e-5)


def test_a_loss_that_is_a_parameter():
  stats = gradient_statistics(
    lambda params, batch: params['w'][: len(batch['x'])] * 0 + params['w'][0]
  )
  with pytest.raises(ValueError, match='a number for each example'):
    stats(*problem())
  constant = lambda params, batch: jnp.broadcast_to(2 * params['w'][1], len(batch['x']))  # noqa: E731
  found = gradient_statistics(constant)(*problem())
  np.testing.assert_allclose(found.mean_grad['w'], [0, 2, 0, 0])
  np.testing.assert_allclose(found.total_sq_norms, 4.0)
