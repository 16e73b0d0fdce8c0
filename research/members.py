"""Lifting a function of one network to all networks of a population, on all devices.

Members lie along the leading axis of every array, sharded over the `members` axis of the mesh; what
devices remain share each member's examples along `examples`.
"""

from collections.abc import Callable
from typing import Literal

import jax
from jax import lax
from jax.sharding import Mesh
from jax.sharding import PartitionSpec as Spec

from research import trees
from research.models import Model
from research.sharding import EXAMPLES, MEMBERS

# How an argument lies: one per member; per member and example; per example; the same for all.
MEMBER = Spec(MEMBERS)
MEMBER_EXAMPLE = Spec(MEMBERS, EXAMPLES)
EXAMPLE = Spec(EXAMPLES)
SHARED = Spec()


def over_members(
  function: Callable,
  mesh: Mesh,
  specs: tuple[Spec, ...],
  advance: Literal['vmap', 'scan'],
  donate: tuple[int, ...] = (),
) -> Callable:
  """Lifts a function of one member to all members on the mesh, and compiles it.

  Args:
    function: of one member; each of its values, the same on all shards of its examples, gets a
      leading [R]. At least its first argument belongs to the member.
    mesh: the mesh `[members, examples]` of `research.sharding`.
    specs: how each argument lies: MEMBER, MEMBER_EXAMPLE, EXAMPLE or SHARED.
    advance: `vmap`: the members of a device together; `scan`: one after another in the same program,
      which bounds temporary memory by that of one member. The results agree to rounding.
    donate: positions of arguments whose memory the result may take.
  """
  owned = [spec in (MEMBER, MEMBER_EXAMPLE) for spec in specs]

  def on_device(*args):
    own = [arg for arg, is_own in zip(args, owned, strict=True) if is_own]

    def of_member(own):
      queue = iter(own)
      return function(
        *(next(queue) if is_own else arg for arg, is_own in zip(args, owned, strict=True))
      )

    if jax.tree.leaves(own)[0].shape[0] == 1:  # one member costs what it costs without a population
      alone = of_member(jax.tree.map(lambda x: x[0], own))
      return jax.tree.map(lambda x: x[None], alone)
    return jax.vmap(of_member)(own) if advance == 'vmap' else lax.map(of_member, own)

  mapped = jax.shard_map(on_device, mesh=mesh, in_specs=specs, out_specs=MEMBER)
  return jax.jit(mapped, donate_argnums=donate)


def fastest_advance(model: Model, example: jax.Array) -> Literal['vmap', 'scan']:
  """How members advance fastest: together, but on the CPU one after another if examples are large.

  Images under convolutions, or sequences under attention, fill the cores with one member, and more at
  once overflow the caches. They are known by a kernel of four or more dimensions, or a norm's scale.
  Measured in `benchmarks/population.py`; LOG.md holds the figures.
  """
  params = jax.eval_shape(model.init, jax.random.key(0), example)
  leaves = trees.named_leaves(params).items()
  large = any(leaf.ndim >= 4 or name.endswith('/scale') for name, leaf in leaves)
  return 'scan' if large and jax.default_backend() == 'cpu' else 'vmap'
