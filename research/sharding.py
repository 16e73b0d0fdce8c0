"""One Explicit mesh: the members of a population along one axis, examples along the other.

Everything that runs on the mesh runs inside `jax.shard_map`, where two silent errors wait, both met
here and tested on simulated devices. On an Auto mesh, `jit(vmap(grad(conv)))` over a sharded batch
is wrong on every device but the first; an Explicit mesh refuses. Inside `shard_map`, the gradient
with respect to parameters that are replicated over an axis is summed over that axis, until the
parameters are cast to varying.
"""

import functools
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding
from jax.sharding import PartitionSpec as Spec

MEMBERS, EXAMPLES = 'members', 'examples'


def make_mesh(
  n_members: int,
  n_examples: int,
  devices: list[Any] | None = None,
  devices_per_member: int | None = None,
) -> Mesh:
  """The mesh `[members, examples]` that uses as many devices as divide the work evenly.

  Members come first, since they never communicate; what devices remain share each member's
  examples, or as many as `devices_per_member` says, and members the others. `n_examples` is the
  greatest common divisor of the batch sizes that will be sharded.

  Raises:
    ValueError: examples or devices do not divide by `devices_per_member`; or a process would have no
      device to work on.
  """
  devices = jax.devices() if devices is None else devices
  if devices_per_member is None:
    over_members = math.gcd(n_members, len(devices))
    over_examples = math.gcd(n_examples, len(devices) // over_members)
  else:
    over_examples = devices_per_member
    for count, what in ((len(devices), 'devices'), (n_examples, 'examples of batch and probe')):
      if count % over_examples:
        raise ValueError(
          f'population.devices_per_member={over_examples} must divide the {count} {what}'
        )
    over_members = math.gcd(n_members, len(devices) // over_examples)
  used = devices[: over_members * over_examples]
  idle = {it.process_index for it in devices} - {it.process_index for it in used}
  if idle:
    raise ValueError(
      f'population.size={n_members} and batches divide over {len(used)} of {len(devices)} devices, and'
      f' leave process {min(idle)} without any; choose sizes that {len(devices)} divides'
    )
  return jax.make_mesh(
    (over_members, over_examples),
    (MEMBERS, EXAMPLES),
    axis_types=(AxisType.Explicit, AxisType.Explicit),
    devices=used,
  )


def put(tree: Any, mesh: Mesh, *axes: str | None) -> Any:
  """Places every array of a tree on the mesh, its leading dimensions sharded over `axes`.

  Where devices belong to several processes, each has the whole array on its host, the same in all, and
  places the shards of its own devices: nothing is sent.
  """
  sharding = NamedSharding(mesh, Spec(*axes))
  if sharding.is_fully_addressable:
    return jax.device_put(tree, sharding)
  return jax.tree.map(
    lambda x: jax.make_array_from_callback(np.shape(x), sharding, lambda at: np.asarray(x)[at]),
    tree,
  )


def everywhere(tree: Any) -> Any:
  """The same arrays, whole on every device where they are spread over several processes.

  So that each process can read them. With one process, as they are: it can read all devices.
  """
  spread = [x for x in jax.tree.leaves(tree) if not x.is_fully_addressable]
  if not spread:
    return tree
  return _replicate(tree, NamedSharding(spread[0].sharding.mesh, Spec()))


@functools.partial(jax.jit, static_argnums=1)
def _replicate(tree: Any, sharding: NamedSharding) -> Any:
  return jax.tree.map(lambda x: jax.sharding.reshard(x, sharding), tree)


def vary(tree: Any, axis: str) -> Any:
  """Casts a tree to varying over a mesh axis: gradients with respect to it stay on their device."""

  def cast(x):
    return x if axis in _varying(x) else jax.lax.pcast(x, axis, to='varying')

  return jax.tree.map(cast, tree)


def _varying(x: jax.Array) -> frozenset[str]:
  return jax.typeof(x).manual_axis_type.varying


def zeros_varying_like(tree: Any, shape: tuple[int, ...], dtype: Any) -> jax.Array:
  """Zeros that vary over every mesh axis that an array of the tree varies over (a first carry)."""
  zeros = jnp.zeros(shape, dtype)
  axes = frozenset[str]().union(*map(_varying, jax.tree.leaves(tree)))
  return jax.lax.pcast(zeros, tuple(axes), to='varying') if axes else zeros


def mean_over_shards(local_mean: Callable, axis: str | None = EXAMPLES) -> Callable:
  """Lifts `f(params, shard) -> mean over the shard` to the mean over all shards along `axis`.

  For use inside `shard_map`. Shards are of equal size, so the mean of the means is the mean; its
  gradients, taken inside `f`, are averaged like its values. With `axis=None`, f itself.
  """
  if axis is None:
    return local_mean
  return lambda params, shard: jax.lax.pmean(local_mean(vary(params, axis), shard), axis)
