"""The loss of one example without the axes of length one that a batch of one leaves behind.

A model that is given one example as a batch of one carries an axis of length 1 through all of its
program. Under `vmap` over m examples it becomes [m, 1, ...], for which XLA picks other layouts and
copies between them: up to 15 % of a training step. Here the program is traced again with each array
stored without its unit axes, wherever a primitive is known to allow that.
"""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn

from research.gradients.equations import (
  CALLS,
  ELEMENTWISE,
  REDUCTIONS,
  REMATS,
  bind,
  inner,
  parts_of_scan,
  walk,
)


def without_unit_axes(closed: ClosedJaxpr) -> ClosedJaxpr:
  """The same function of the same arguments, as another program."""

  def function(*arguments):
    return _run(closed.jaxpr, closed.consts, arguments)

  return jax.make_jaxpr(function)(*(atom.aval for atom in closed.jaxpr.invars))


def _run(jaxpr: Jaxpr, constants: Sequence[Any], arguments: Sequence[Any]) -> list[Any]:
  def results(_, equation, operands):
    return [_squeezed(x) for x in _results(equation, operands)]

  found = walk(jaxpr, map(_squeezed, constants), map(_squeezed, arguments), results)
  return [_whole(x, atom) for x, atom in zip(found, jaxpr.outvars, strict=True)]


def _results(equation: JaxprEqn, operands: list[Any]) -> list[Any]:
  name, params = equation.primitive.name, equation.params
  shapes = [atom.aval.shape for atom in equation.invars]  # pyright: ignore
  if name in ELEMENTWISE and params.get('sharding') is None:
    result = equation.outvars[0].aval.shape  # pyright: ignore
    if all(len(shape) in (0, len(result)) for shape in shapes):
      kept = _kept(result)  # an operand may still have length 1 there, and be broadcast
      operands = [
        _reshaped(x, [s[k] for k in kept if s]) for x, s in zip(operands, shapes, strict=True)
      ]
      return bind(equation, operands)
  if name in REDUCTIONS and params.get('out_sharding') is None:
    kept = _kept(shapes[0])
    axes = tuple(kept.index(axis) for axis in params['axes'] if axis in kept)
    return bind(equation, operands, axes=axes) if axes else operands
  if name == 'broadcast_in_dim' and params.get('sharding') is None and len(operands) == 1:
    kept = _kept(params['shape'])
    axes = zip(params['broadcast_dimensions'], shapes[0], strict=True)
    to = tuple(kept.index(axis) for axis, size in axes if size != 1)
    return bind(equation, operands, shape=_shape(params['shape']), broadcast_dimensions=to)
  if name == 'transpose':
    kept = _kept(shapes[0])
    order = tuple(kept.index(axis) for axis in params['permutation'] if axis in kept)
    return bind(equation, operands, permutation=order)
  if name == 'dot_general' and params.get('out_sharding') is None:
    return _product(equation, operands)

  operands = [_whole(x, atom) for x, atom in zip(operands, equation.invars, strict=True)]
  if name in CALLS:
    jaxpr, constants = inner(equation)
    if name not in REMATS:
      return _run(jaxpr, constants, operands)
    settings = {key: params[key] for key in ('prevent_cse', 'policy')}
    return jax.checkpoint(lambda *xs: _run(jaxpr, constants, xs), **settings)(*operands)
  if name == 'scan':
    return scan_again(equation, operands, lambda *xs: _run(*inner(equation), xs))
  return bind(equation, operands)


def _product(equation: JaxprEqn, operands: list[Any]) -> list[Any]:
  """`dot_general`: contracted axes of length 1 sum one term, the others only rearrange."""
  contracted, batch = equation.params['dimension_numbers']
  kept = [_kept(atom.aval.shape) for atom in equation.invars]  # pyright: ignore

  def moved(axes):
    pairs = zip(axes[0], axes[1], strict=True)
    both = [(i, j) for i, j in pairs if i in kept[0] and j in kept[1]]
    return tuple(kept[0].index(i) for i, _ in both), tuple(kept[1].index(j) for _, j in both)

  return bind(equation, operands, dimension_numbers=(moved(contracted), moved(batch)))


def scan_again(equation: JaxprEqn, operands: Sequence[Any], body: Any, xs: Any = None) -> list[Any]:
  """A scan with another body: `body(*constants, *carry, *slices) -> [*carry, *outputs]`.

  With `xs`, a tree to be scanned over besides, its slices come as a last argument.
  """
  n_consts, n_carry = parts_of_scan(equation)
  constants, carry = operands[:n_consts], operands[n_consts : n_consts + n_carry]

  def step(carry, slices):
    inputs, more = slices
    results = body(*constants, *carry, *inputs, *(() if xs is None else (more,)))
    return results[:n_carry], results[n_carry:]

  settings = {key: equation.params[key] for key in ('length', 'reverse', 'unroll')}
  inputs = (list(operands[n_consts + n_carry :]), xs)
  carry, outputs = lax.scan(step, list(carry), inputs, **settings)
  return [*carry, *outputs]


def _kept(shape: Sequence[int]) -> list[int]:
  return [axis for axis, size in enumerate(shape) if size != 1]


def _shape(shape: Sequence[int]) -> tuple[int, ...]:
  return tuple(size for size in shape if size != 1)


def _squeezed(x: Any) -> Any:
  return _reshaped(x, _shape(jnp.shape(x)))


def _whole(x: Any, atom: Any) -> Any:
  return _reshaped(x, atom.aval.shape)


def _reshaped(x: Any, shape: Sequence[int]) -> Any:
  return x if jnp.shape(x) == tuple(shape) else lax.reshape(x, shape)
