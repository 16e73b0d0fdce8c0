"""What is known of JAX's primitives: their names, all of them in this file, and how to evaluate one."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn, Literal

REMATS = {'remat', 'remat2', 'checkpoint'}
CALLS = {'jit', 'pjit', 'closed_call', 'core_call', *REMATS}

# Every entry of the result is an entry of the operand, and none appears twice.
REARRANGEMENTS = {'reshape', 'transpose', 'squeeze', 'expand_dims', 'slice', 'split', 'rev', 'copy'}

# The result is the operand.
IDENTITIES = {'name', 'pvary', 'pcast', 'sharding_constraint', 'optimization_barrier'}

# Entry by entry; operands have the shape of the result, or are scalars.
ELEMENTWISE = set(
  """
  abs acos acosh add add_any and asin asinh atan atan2 atanh cbrt ceil clamp convert_element_type copy
  cos cosh digamma div eq erf erf_inv erfc exp exp2 expm1 floor ge gt integer_pow is_finite le lgamma
  log log1p logistic lt max min mul ne neg nextafter not or pow reduce_precision rem round rsqrt
  select_n sign sin sinh sqrt square stop_gradient sub tan tanh xor
  """.split()  # noqa: SIM905
)
REDUCTIONS = {'reduce_sum', 'reduce_max', 'reduce_min', 'reduce_prod', 'reduce_and', 'reduce_or'}


def inner(equation: JaxprEqn) -> tuple[Jaxpr, Sequence[Any]]:
  """The program inside of a call or a scan, and its constants."""
  jaxpr = equation.params['jaxpr' if 'jaxpr' in equation.params else 'call_jaxpr']
  return (jaxpr.jaxpr, jaxpr.consts) if isinstance(jaxpr, ClosedJaxpr) else (jaxpr, ())


def parts_of_scan(equation: JaxprEqn) -> tuple[int, int]:
  """How many operands of a scan are constants, and how many are carried.

  Told by their ranks, since the parameters that say so are not those of every version of JAX: what
  is scanned over has one axis more outside than inside.
  """
  jaxpr, _ = inner(equation)

  def same_rank(outside, inside):
    pairs = zip(outside, inside, strict=True)
    return sum(len(o.aval.shape) == len(i.aval.shape) for o, i in pairs)

  n_carry = same_rank(equation.outvars, jaxpr.outvars)
  return same_rank(equation.invars, jaxpr.invars) - n_carry, n_carry


def walk(
  jaxpr: Jaxpr,
  constants: Iterable[Any],
  arguments: Iterable[Any],
  results: Callable[[int, JaxprEqn, list[Any]], list[Any]],
  literal: Callable[[Literal], Any] = lambda atom: atom.val,
) -> list[Any]:
  """Goes through a program, with whatever `results(number, equation, operands)` makes of each step."""
  values = dict(zip(jaxpr.constvars, constants, strict=True))
  values.update(zip(jaxpr.invars, arguments, strict=True))

  def value(atom):
    return literal(atom) if isinstance(atom, Literal) else values[atom]

  for number, equation in enumerate(jaxpr.eqns):
    found = results(number, equation, [value(atom) for atom in equation.invars])
    values.update(zip(equation.outvars, found, strict=True))
  return [value(atom) for atom in jaxpr.outvars]


def bind(equation: JaxprEqn, operands: Sequence[Any], **changed: Any) -> list[Any]:
  """Evaluates one equation, some of its parameters changed."""
  with equation.ctx.manager:
    parameters = equation.primitive.get_bind_params(equation.params) | changed
    results = equation.primitive.bind(*operands, **parameters)
  return list(results) if equation.primitive.multiple_results else [results]
