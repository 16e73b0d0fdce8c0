r"""Where parameters meet data: the places of a program from which gradients can be read off.

The loss of one example is traced to a jaxpr, and each variable is one of three things: *constant*,
*data* (it depends on the example), or a *view* of one parameter leaf, the leaf's own entries in
another arrangement (reshaped, transposed, sliced, cast, times a number). A *site* is an equation in
which a view meets data and whose gradient is a sum of outer products,

.. math:: \nabla_W \ell = \sum_t a_t d_t^\top,

over the positions t at which the parameters are applied: a matrix product, a convolution, a look-up
of rows. A leaf of which every use is a site is *factored*. Any other use (a bias, a scale, a norm of
the weights, a custom derivative, a branch) makes the leaf *copied*: it is data from the start, as if
each example had parameters of its own. That is right for every program, and for all but the largest
leaves as cheap.

A primitive that is not known (`research.gradients.equations`) is never a site.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn, Literal
from jax.lax import GatherScatterMode

from research.gradients.equations import (
  CALLS,
  IDENTITIES,
  REARRANGEMENTS,
  inner,
  parts_of_scan,
  walk,
)

INDEX_LIMIT = 2**24  # row indices travel as float32

CONSTANT, DATA = 'constant', 'data'
Path = tuple[int, ...]  # the number of an equation, below those of the equations around it


@dataclasses.dataclass(frozen=True)
class Scan:
  """In the steps of a view: from here on it is inside of a scan.

  Attributes:
    length: L of the scan.
    sliced: whether the scan slices it along its first axis, or else hands it to every iteration.
  """

  length: int
  sliced: bool


@dataclasses.dataclass(frozen=True, eq=False)
class Rearrangement:
  """In the steps of a view: result number `result` of an equation of which it is the operand."""

  equation: JaxprEqn
  result: int


@dataclasses.dataclass(frozen=True)
class View:
  """The entries of one leaf, or some of them, each once, in another arrangement, times `scale`."""

  leaf: int
  steps: tuple[Rearrangement | Scan, ...] = ()
  scale: float = 1.0

  @property
  def scans(self) -> tuple[Scan, ...]:
    return tuple(step for step in self.steps if isinstance(step, Scan))


@dataclasses.dataclass(frozen=True, eq=False)
class Site:
  """An equation in which a view of a leaf meets data.

  Attributes:
    kind: which rule gives the factors (see `research.gradients.factors`).
    equation: the equation; its operand number `operand` is the view.
  """

  path: Path
  kind: str
  equation: JaxprEqn
  operand: int
  view: View

  @property
  def data(self) -> int:
    """The number of the operand that is data."""
    return 1 - self.operand

  @property
  def emitted_shapes(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The shapes of what one example emits: the data operand, and the cotangent of the result."""
    lengths = tuple(scan.length for scan in self.view.scans)
    data, result = self.equation.invars[self.data].aval, self.equation.outvars[0].aval
    return (*lengths, *data.shape), (*lengths, *result.shape)  # pyright: ignore


@dataclasses.dataclass(frozen=True, eq=False)
class Program:
  """The traced loss of one example.

  Attributes:
    closed: `(leaves of params, leaves of the example) -> loss []`.
    sites: the sites of factored leaves, by path.
    copied: why, for each copied leaf.
    n_leaves: leaves of params.
    convolves_elsewhere: whether there are convolutions that are no sites.
  """

  closed: ClosedJaxpr
  sites: dict[Path, Site]
  copied: dict[int, str]
  n_leaves: int
  convolves_elsewhere: bool


def find_sites(closed: ClosedJaxpr, n_leaves: int, copied: dict[int, str] | None = None) -> Program:
  """Classifies the uses of the first `n_leaves` arguments; the others are the example.

  Args:
    copied: leaves that are to be copied whatever their uses, and why.
  """
  copied = dict(copied or {})
  while True:
    search = _Search(dict(copied))
    arguments = [DATA if i in copied else View(i) for i in range(n_leaves)]
    arguments += [DATA] * (len(closed.jaxpr.invars) - n_leaves)
    for result in search.visit(closed.jaxpr, arguments, ()):
      if isinstance(result, View):
        search.copied[result.leaf] = 'it is the loss'
    if search.copied.keys() == copied.keys():
      sites = {site.path: site for site in search.sites}
      return Program(closed, sites, copied, n_leaves, search.convolves_elsewhere)
    copied = search.copied  # what is data now may meet other leaves


def path_of_copies(leaf: int) -> Path:
  """What stands for the path of a site where a copied leaf emits its gradients."""
  return (-1, leaf)


class _Search:
  """One pass over a jaxpr."""

  def __init__(self, copied: dict[int, str]):
    self.sites: list[Site] = []
    self.copied = copied
    self.convolves_elsewhere = False

  def visit(self, jaxpr: Jaxpr, arguments: Sequence[Any], path: Path) -> list[Any]:
    def results(number, equation, operands):
      return self._results(equation, operands, (*path, number))

    constants = [CONSTANT] * len(jaxpr.constvars)
    return walk(jaxpr, constants, arguments, results, literal=lambda _: CONSTANT)

  def _results(self, equation: JaxprEqn, operands: list[Any], path: Path) -> list[Any]:
    name, n = equation.primitive.name, len(equation.outvars)
    views = [operand for operand in operands if isinstance(operand, View)]
    kind = DATA if DATA in operands else CONSTANT
    if not views:
      self.convolves_elsewhere |= name == 'conv_general_dilated'
      return [kind] * n
    if name == 'stop_gradient' or not any(map(_is_inexact, equation.outvars)):
      return [kind] * n  # no gradient goes back through it
    if name in CALLS:
      return self.visit(inner(equation)[0], operands, path)
    if name == 'scan':
      return self._scan(equation, operands, path)
    if kind == CONSTANT and (rearranged := _view(equation, operands)) is not None:
      return rearranged
    if (rule := _site_rule(equation, operands)) is not None:
      rule_name, operand, view = rule
      self.sites.append(Site(path, rule_name, equation, operand, view))
    else:
      self._copy(views, equation)
    return [DATA] * n

  def _scan(self, equation: JaxprEqn, operands: list[Any], path: Path) -> list[Any]:
    n_consts, n_carry = parts_of_scan(equation)
    length = equation.params['length']
    arguments = []
    for i, operand in enumerate(operands):
      if n_consts <= i < n_consts + n_carry:
        if isinstance(operand, View):
          self._copy([operand], equation)
        operand = DATA
      elif isinstance(operand, View):
        scan = Scan(length, sliced=i >= n_consts)
        operand = dataclasses.replace(operand, steps=(*operand.steps, scan))
      arguments.append(operand)
    results = self.visit(inner(equation)[0], arguments, path)
    for result in results:
      if isinstance(result, View):
        self._copy([result], equation)
    return [DATA] * len(equation.outvars)

  def _copy(self, views: list[View], equation: JaxprEqn) -> None:
    where = str(equation.source_info.name_stack)
    for view in views:
      self.copied.setdefault(view.leaf, equation.primitive.name + (f' in {where}' if where else ''))


def _view(equation: JaxprEqn, operands: list[Any]) -> list[View] | None:
  """The results as views, where the equation only rearranges, casts or scales one."""
  name, atoms = equation.primitive.name, equation.invars
  if name == 'convert_element_type':
    real = all(map(_is_real, (atoms[0], equation.outvars[0])))
    return [operands[0]] if real else None
  if name in IDENTITIES and len(operands) == 1:
    return operands
  if name == 'neg':
    return [dataclasses.replace(operands[0], scale=-operands[0].scale)]
  if name in ('mul', 'div'):
    return _scaled(name, atoms, operands)
  if name == 'broadcast_in_dim':
    same_size = atoms[0].aval.size == equation.outvars[0].aval.size  # pyright: ignore
    rearranges = len(atoms) == 1 and same_size
  else:
    rearranges = name in REARRANGEMENTS
  if not rearranges or not isinstance(operands[0], View):
    return None
  view = operands[0]
  return [
    dataclasses.replace(view, steps=(*view.steps, Rearrangement(equation, i)))
    for i in range(len(equation.outvars))
  ]


def _scaled(name: str, atoms: list[Any], operands: list[Any]) -> list[View] | None:
  """A view times or over a number that is written in the program."""
  i = 0 if isinstance(operands[0], View) else 1
  number = atoms[1 - i]
  if not isinstance(number, Literal) or np.ndim(number.val) or (name == 'div' and i == 1):
    return None
  if name == 'div' and not number.val:
    return None
  factor = float(number.val) if name == 'mul' else 1 / float(number.val)
  return [dataclasses.replace(operands[i], scale=operands[i].scale * factor)]


def _site_rule(equation: JaxprEqn, operands: list[Any]) -> tuple[str, int, View] | None:
  """The kind of site, and which operand is the view; None where no rule fits."""
  where = [i for i, operand in enumerate(operands) if isinstance(operand, View)]
  real = all(map(_is_real, (*equation.outvars, equation.invars[where[0]])))
  if len(where) != 1 or where[0] > 1 or len(operands) < 2 or not real:
    return None
  if operands[1 - where[0]] != DATA:
    return None
  (i,), name = where, equation.primitive.name
  view = operands[i]
  if name == 'dot_general' and _is_real(equation.invars[1 - i]):
    return 'product', i, view
  if name == 'conv_general_dilated' and i == 1 and equation.params['batch_group_count'] == 1:
    return 'convolution', i, view
  if name == 'gather' and i == 0 and _looks_up_rows(equation):
    return ('look-up', i, view) if not any(scan.sliced for scan in view.scans) else None
  return None


def _looks_up_rows(equation: JaxprEqn) -> bool:
  """Whether a gather is `table[indices]`, whole rows of a table of two or more axes."""
  numbers, table = equation.params['dimension_numbers'], equation.invars[0].aval
  n_result = equation.outvars[0].aval.ndim  # pyright: ignore
  n_index = n_result - table.ndim + len(numbers.collapsed_slice_dims)  # pyright: ignore
  # A slice of one row, batched by `vmap`, starts at 0 of the other axes, or is clipped to.
  is_clipped = equation.params['mode'] == GatherScatterMode.CLIP
  starts = tuple(range(table.ndim)) if is_clipped else (0,)  # pyright: ignore
  return (
    table.ndim >= 2  # pyright: ignore
    and table.shape[0] < INDEX_LIMIT  # pyright: ignore
    and tuple(numbers.collapsed_slice_dims) in ((), (0,))
    and tuple(numbers.start_index_map) in ((0,), starts)
    and not numbers.operand_batching_dims
    and tuple(equation.params['slice_sizes']) == (1, *table.shape[1:])  # pyright: ignore
    and tuple(numbers.offset_dims) == tuple(range(n_index, n_result))
  )


def _is_inexact(atom: Any) -> bool:
  return jnp.issubdtype(getattr(atom.aval, 'dtype', np.int32), jnp.inexact)


def _is_real(atom: Any) -> bool:
  return jnp.issubdtype(getattr(atom.aval, 'dtype', np.int32), jnp.floating)
