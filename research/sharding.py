"""One Explicit mesh: the members of a population along one axis, examples along the other.

Everything that runs on the mesh runs inside `jax.shard_map`, where two silent errors wait, both met
here and tested on simulated devices. On an Auto mesh, `jit(vmap(grad(conv)))` over a sharded batch
is wrong on every device but the first; an Explicit mesh refuses. Inside `shard_map`, the gradient
with respect to parameters that are replicated over an axis is summed over that axis, until the
parameters are cast to varying.
"""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import AxisType, Mesh, NamedSharding
from jax.sharding import PartitionSpec as Spec

MEMBERS, EXAMPLES = 'members', 'examples'


def make_mesh(n_members: int, n_examples: int, devices: list[Any] | None = None) -> Mesh:
  """The mesh `[members, examples]` that uses as many devices as divide the work evenly.

  Members come first, since they never communicate; what devices remain share each member's
  examples. `n_examples` is the greatest common divisor of the batch sizes that will be sharded.
  """
  devices = jax.devices() if devices is None else devices
  over_members = math.gcd(n_members, len(devices))
  over_examples = math.gcd(n_examples, len(devices) // over_members)
  return jax.make_mesh(
    (over_members, over_examples),
    (MEMBERS, EXAMPLES),
    axis_types=(AxisType.Explicit, AxisType.Explicit),
    devices=devices[: over_members * over_examples],
  )


def put(tree: Any, mesh: Mesh, *axes: str | None) -> Any:
  """Places every array of a tree on the mesh, its leading dimensions sharded over `axes`."""
  sharding = NamedSharding(mesh, Spec(*axes))
  return jax.tree.map(lambda x: jax.device_put(x, sharding), tree)


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
