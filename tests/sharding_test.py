"""The mesh, and the two silent errors that wait on it, on eight simulated devices."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType
from jax.sharding import PartitionSpec as Spec

from research import sharding
from research.sharding import EXAMPLES, MEMBERS, make_mesh, mean_over_shards


@pytest.mark.parametrize(
  ('n_devices', 'members', 'examples', 'shape'),
  [
    (1, 5, 32, (1, 1)),
    (2, 8, 32, (2, 1)),
    (2, 3, 32, (1, 2)),
    (2, 3, 5, (1, 1)),
    (8, 8, 32, (8, 1)),
    (8, 64, 32, (8, 1)),
    (8, 1, 32, (1, 8)),
    (8, 2, 32, (2, 4)),
    (8, 12, 32, (4, 2)),
    (8, 6, 2, (2, 2)),
    (8, 3, 5, (1, 1)),
  ],
)
def test_members_come_first_and_the_rest_share_examples(n_devices, members, examples, shape):
  mesh = make_mesh(members, examples, jax.devices()[:n_devices])
  assert (mesh.shape[MEMBERS], mesh.shape[EXAMPLES]) == shape
  assert set(mesh.axis_types) == {AxisType.Explicit}


def test_the_default_is_all_devices():
  assert jax.device_count() == 8
  assert make_mesh(8, 1).size == 8


def test_put_shards_the_leading_dimensions():
  mesh = make_mesh(2, 4)
  placed = sharding.put({'x': np.zeros((2, 8, 3))}, mesh, MEMBERS, EXAMPLES)['x']
  assert {shard.data.shape for shard in placed.addressable_shards} == {(1, 2, 3)}


def data():
  generator = np.random.default_rng(0)
  x, y = generator.normal(size=(16, 3)), generator.normal(size=16)
  return jnp.zeros(3) + 0.5, {'x': jnp.asarray(x, jnp.float32), 'y': jnp.asarray(y, jnp.float32)}


def mean_loss(w, batch):
  return jnp.mean(jnp.square(batch['x'] @ w - batch['y']))


def on_mesh(function, n_devices, out_specs):
  mesh = make_mesh(1, n_devices, jax.devices()[:n_devices])
  specs = (Spec(), Spec(EXAMPLES))
  return jax.jit(jax.shard_map(function, mesh=mesh, in_specs=specs, out_specs=out_specs))


def put(n_devices, w, batch):
  mesh = make_mesh(1, n_devices, jax.devices()[:n_devices])
  return sharding.put(w, mesh), sharding.put(batch, mesh, EXAMPLES)


@pytest.mark.parametrize('n_devices', [1, 2, 8])
def test_the_mean_over_shards_is_the_mean_and_its_gradient_the_gradient(n_devices):
  w, batch = data()
  value_and_grad = mean_over_shards(
    lambda w, shard: jnp.concatenate(
      [x.reshape(-1) for x in jax.value_and_grad(mean_loss)(w, shard)]
    )
  )
  got = on_mesh(value_and_grad, n_devices, Spec())(*put(n_devices, w, batch))
  loss, grads = jax.value_and_grad(mean_loss)(w, batch)
  np.testing.assert_allclose(got, [loss, *grads], rtol=1e-5)


@pytest.mark.parametrize('n_devices', [1, 2, 8])
def test_without_the_cast_to_varying_gradients_are_too_large_by_the_number_of_devices(n_devices):
  """What JAX does by itself, and the reason for `vary`: the test fails when JAX changes that."""
  w, batch = data()

  def naive(w, shard):
    return jax.lax.pmean(jax.grad(mean_loss)(w, shard), EXAMPLES)

  got = on_mesh(naive, n_devices, Spec())(*put(n_devices, w, batch))
  np.testing.assert_allclose(got, n_devices * jax.grad(mean_loss)(w, batch), rtol=1e-5)


def test_without_an_axis_nothing_is_lifted():
  assert mean_over_shards(mean_loss, None) is mean_loss


def test_what_varies_already_may_be_cast_again():
  w, batch = data()
  twice = lambda w, shard: jax.lax.pmean(  # noqa: E731
    mean_loss(sharding.vary(sharding.vary(w, EXAMPLES), EXAMPLES), shard), EXAMPLES
  )
  got = on_mesh(twice, 8, Spec())(*put(8, w, batch))
  np.testing.assert_allclose(got, mean_loss(w, batch), rtol=1e-6)


def test_a_first_carry_varies_like_the_tree():
  w, batch = data()

  def running_sum(w, shard):
    zero = sharding.zeros_varying_like(shard, (), jnp.float32)
    total, _ = jax.lax.scan(lambda carry, y: (carry + y, None), zero, shard['y'])
    return jax.lax.psum(total, EXAMPLES)

  got = on_mesh(running_sum, 8, Spec())(*put(8, w, batch))
  np.testing.assert_allclose(got, jnp.sum(batch['y']), rtol=1e-5)
  zero = functools.partial(sharding.zeros_varying_like, {'w': w}, (2,), jnp.float32)
  np.testing.assert_array_equal(jax.jit(zero)(), [0, 0])


@pytest.mark.parametrize(
  ('members', 'examples', 'per_member', 'shape'),
  [
    (8, 32, 1, (8, 1)),
    (8, 32, 2, (4, 2)),
    (8, 32, 8, (1, 8)),
    (3, 32, 4, (1, 4)),
    (6, 8, 2, (2, 2)),
  ],
)
def test_a_config_may_choose_how_many_devices_share_a_member(members, examples, per_member, shape):
  mesh = make_mesh(members, examples, devices_per_member=per_member)
  assert (mesh.shape[MEMBERS], mesh.shape[EXAMPLES]) == shape


@pytest.mark.parametrize(
  ('examples', 'per_member', 'message'),
  [(32, 3, 'must divide the 8 devices'), (20, 8, 'must divide the 20 examples'), (32, 16, 'the 8')],
)
def test_devices_that_cannot_share_are_refused(examples, per_member, message):
  with pytest.raises(ValueError, match=rf'population.devices_per_member={per_member} .*{message}'):
    make_mesh(8, examples, devices_per_member=per_member)


class Device:
  """Of another process."""

  def __init__(self, process_index):
    self.process_index = process_index


def test_a_process_without_work_is_refused():
  devices = [Device(0), Device(0), Device(1), Device(1)]
  with pytest.raises(ValueError, match='2 of 4 devices, and leave process 1 without any'):
    make_mesh(2, 1, devices)


def test_what_one_process_holds_is_everywhere_as_it_is():
  placed = sharding.put({'x': np.arange(8.0)}, make_mesh(8, 1), MEMBERS)
  assert sharding.everywhere(placed) is placed
