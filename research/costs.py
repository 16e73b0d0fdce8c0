r"""What programs cost, before they run: operations from their jaxpr, memory from the compiler.

Counted are the multiplications and additions of matrix products and convolutions, 2 for each pair, on
all devices together. XLA's own count takes the body of a loop once, however often it runs; here the
body of a `scan` counts as often as it is long. Of a `while`, whose length is not known, it counts once.
"""

import dataclasses
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
from jax.extend.core import ClosedJaxpr, Jaxpr


@dataclasses.dataclass(frozen=True, kw_only=True)
class Cost:
  """What one program of a run costs each time, and how often it is due.

  Attributes:
    name: what it does.
    times: in how many steps of the run.
    flops: of one step, on all devices.
    temporary_bytes: memory on a device beside what lives from step to step.
  """

  name: str
  times: int
  flops: int
  temporary_bytes: int


def cost(name: str, times: int, program: Any, args: Sequence[Any]) -> Cost:
  """The cost of a jitted program; `args` may be shapes. Compiles it, and computes nothing."""
  memory = program.lower(*args).compile().memory_analysis()
  return Cost(
    name=name,
    times=times,
    flops=flops(program, *args),
    temporary_bytes=memory.temp_size_in_bytes if memory else 0,
  )


def flops(function: Callable, *args: Any) -> int:
  """Operations of its matrix products and convolutions, elementwise ones left out.

  Guarantees (each is a test): those of a product of matrices are 2 m k n; a loop of n costs n times its
  body, a map over devices as much as without them; for programs without loops it is what XLA counts.

  Args:
    function: of arrays; traced, not computed.
    args: arrays or their shapes.
  """
  return _of(jax.make_jaxpr(function)(*args).jaxpr)


def _of(jaxpr: Jaxpr) -> int:
  return sum(_of_equation(equation) for equation in jaxpr.eqns)


def _of_equation(equation: Any) -> int:
  name, params = equation.primitive.name, equation.params
  if name == 'dot_general':
    (contracted, _), _ = params['dimension_numbers']
    lhs = equation.invars[0].aval.shape
    return 2 * equation.outvars[0].aval.size * math.prod(lhs[i] for i in contracted)
  if name == 'conv_general_dilated':
    kernel, places = equation.invars[1].aval.shape, params['dimension_numbers'].rhs_spec
    of_output = math.prod(kernel) // kernel[places[0]]
    return 2 * equation.outvars[0].aval.size * of_output
  inside = [_of(it) for it in _jaxprs(params)]
  if name == 'cond':
    return max(inside)
  times = {'scan': params.get('length', 1)}.get(name, 1)
  if name == 'shard_map':
    times = params['mesh'].size
  return times * sum(inside)


def _jaxprs(params: dict[str, Any]) -> Iterator[Jaxpr]:
  for value in params.values():
    for it in value if isinstance(value, tuple | list) else (value,):
      if isinstance(it, ClosedJaxpr):
        yield it.jaxpr
      elif isinstance(it, Jaxpr):
        yield it
