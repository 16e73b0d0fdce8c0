"""One forward and one backward pass of a batch that also yield what is needed at each site.

The program of one example runs under `vmap`. At each site an identity is put behind the equation; its
custom derivative hands the cotangent on, and besides emits it, with the data operand, as the
"gradient" of a dummy input. The forward pass never reads that input, so the compiler deletes it.
Factored leaves are constants of this pass: the gradient of each is a product of what its sites emit.
Copied leaves are given to each example, and their gradients come out one by one.
"""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend.core import Jaxpr, JaxprEqn

from research import sharding
from research.gradients import lookups
from research.gradients.convolutions import convolve
from research.gradients.equations import CALLS, REMATS, bind, inner, walk
from research.gradients.sites import Path, Program, Site, path_of_copies
from research.gradients.unit_axes import scan_again

# Of a site, its data and its cotangents; of a copied leaf, its gradients. Arrays are [m, ...].
Emissions = dict[Path, Any]


def forward_and_backward(
  program: Program,
  leaves: Sequence[jax.Array],
  examples: Sequence[jax.Array],
  by_patches: bool = False,
) -> tuple[jax.Array, Emissions]:
  """The losses [m] of a batch, and what its sites and copied leaves emit.

  Args:
    by_patches: whether convolutions are computed as products of patches and kernels. On a CPU, XLA's
      own lose their threads inside of a loop, and are up to 40 times slower there.
  """
  m = examples[0].shape[0]

  def zeros(shape, dtype):
    dtype = dtype if jnp.issubdtype(dtype, jnp.inexact) else jnp.float32
    return sharding.zeros_varying_like((leaves, examples), (m, *shape), dtype)

  dummies = {}
  for path, site in program.sites.items():
    data, result = site.equation.invars[site.data].aval, site.equation.outvars[0].aval
    shapes = site.emitted_shapes
    dummies[path] = (zeros(shapes[0], data.dtype), zeros(shapes[1], result.dtype))  # pyright: ignore
  copies = {i: jnp.broadcast_to(leaves[i], (m, *leaves[i].shape)) for i in program.copied}

  def loss(own, dummies, example):
    parameters = [own[i] if i in own else leaves[i] for i in range(program.n_leaves)]
    run = _Run(program, dummies, by_patches)
    return run(program.closed.jaxpr, program.closed.consts, [*parameters, *example], ())[0]

  def losses(copies, dummies):
    return jax.vmap(loss)(copies, dummies, list(examples))

  values, pull = jax.vjp(losses, copies, dummies)
  gradients, emissions = pull(jnp.ones_like(values))
  return values, emissions | {path_of_copies(i): g for i, g in gradients.items()}


class _Run:
  """Evaluates a program of one example, with a tap at each site."""

  def __init__(self, program: Program, dummies: dict[Path, Any], by_patches: bool):
    self.program = program
    self.dummies = dummies
    self.by_patches = by_patches

  def __call__(
    self, jaxpr: Jaxpr, constants: Sequence[Any], arguments: Sequence[Any], path: Path
  ) -> list[Any]:
    def results(number, equation, operands):
      return self._results(equation, operands, (*path, number))

    return walk(jaxpr, constants, arguments, results)

  def _results(self, equation: JaxprEqn, operands: list[Any], path: Path) -> list[Any]:
    name = equation.primitive.name
    if path in self.program.sites:
      site = self.program.sites[path]
      if site.kind == 'convolution' and self.by_patches:
        result = convolve(site, *operands)
      else:
        (result,) = bind(equation, operands)
      return [tap(site)(result, operands[site.data], self.dummies[path])]
    if self._below(path):
      if name in REMATS:
        return self._remat(equation, operands, path)
      if name in CALLS:
        return self(*inner(equation), operands, path)
      return self._scan(equation, operands, path)
    return bind(equation, operands)

  def _below(self, path: Path) -> dict[Path, Any]:
    """The dummies of the sites inside of an equation."""
    return {p: dummy for p, dummy in self.dummies.items() if p[: len(path)] == path}

  def _inside(self, dummies: dict[Path, Any]) -> '_Run':
    return _Run(self.program, dummies, self.by_patches)

  def _remat(self, equation: JaxprEqn, operands: list[Any], path: Path) -> list[Any]:
    def body(operands, dummies):
      return self._inside(dummies)(*inner(equation), operands, path)

    settings = {k: equation.params[k] for k in ('prevent_cse', 'policy')}
    return jax.checkpoint(body, **settings)(operands, self._below(path))

  def _scan(self, equation: JaxprEqn, operands: list[Any], path: Path) -> list[Any]:
    def body(*arguments):
      *arguments, dummies = arguments
      return self._inside(dummies)(*inner(equation), arguments, path)

    return scan_again(equation, operands, body, self._below(path))


def tap(site: Site):
  """`(result, data, dummy) -> result`, whose backward pass emits data and cotangent to the dummy."""

  @jax.custom_vjp
  def identity(result, data, dummy):
    del data, dummy
    return result

  def backward(data, cotangent):
    if site.kind == 'look-up':
      data = lookups.emitted(site, data)
    return cotangent, None, (data, cotangent)

  identity.defvjp(lambda result, data, _: (result, data), backward)
  return identity
