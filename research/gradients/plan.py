"""Which way each parameter leaf is measured, decided when a loss is traced, from shapes alone."""

import dataclasses
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from research import sharding, trees
from research.gradients.factors import Term, make_term
from research.gradients.sites import Path, Program, Site, find_sites, path_of_copies
from research.gradients.unit_axes import without_unit_axes
from research.types import Losses, Params

OVERLAP = 'its uses overlap in part'


@dataclasses.dataclass(frozen=True, eq=False)
class Group:
  """Some entries of one leaf, and the terms of which their gradient is the sum.

  Attributes:
    leaf: the number of the leaf.
    terms: their factors are about the same entries, in the same order. None of a copied leaf, whose
      gradient is emitted as it is.
    shape: B, C and F; (1, 1, P) of a copied leaf.
  """

  leaf: int
  terms: tuple[Term, ...]
  shape: tuple[int, int, int]

  @property
  def keys(self) -> list[Path]:
    """Its keys in the emissions."""
    return [term.site.path for term in self.terms] or [path_of_copies(self.leaf)]

  @property
  def positions(self) -> int:
    """T of all terms together."""
    return sum(term.positions for term in self.terms)

  @property
  def patches(self) -> int:
    """The numbers in the patches of one example, if there are convolutions."""
    of_convolutions = [term for term in self.terms if term.site.kind == 'convolution']
    return sum(term.blocks * term.positions * term.rows for term in of_convolutions)

  @property
  def outer_products(self) -> bool:
    """Whether the gradient of one example is one outer product in each block."""
    return self.positions == 1 and not self.terms[0].sparse

  def from_leaf(self, leaf: Any) -> Any:
    """The entries of an array like the leaf, [B, C, F]."""
    if not self.terms:
      return leaf.reshape(self.shape)
    return self.terms[0].entries(leaf)

  def to_leaf(self, entries: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    """The transpose of `from_leaf`: entries [B, C, F] in their places, and 0 elsewhere."""
    anywhere = sharding.zeros_varying_like(entries, shape, entries.dtype)
    return jax.vjp(self.from_leaf, anywhere)[1](entries)[0]


@dataclasses.dataclass(frozen=True, eq=False)
class Plan:
  """How the gradients of one loss are measured.

  Attributes:
    program: the traced loss of one example, its sites and its copied leaves.
    groups: disjoint, in the order of the leaves; a leaf in none of them has no gradient.
    names: the paths of the leaves.
    shapes: the shapes of the leaves.
  """

  program: Program
  groups: list[Group]
  names: list[str]
  shapes: list[tuple[int, ...]]

  def bytes_per_example(self) -> int:
    """What one example emits, in float32."""
    emitted = [shape for site in self.program.sites.values() for shape in site.emitted_shapes]
    copied = [self.shapes[leaf] for leaf in self.program.copied]
    return 4 * sum(math.prod(shape) for shape in (*emitted, *copied))

  def bytes_of_patches(self) -> int:
    """What the patches of one example take, of the convolution where they take most, in float32."""
    return 4 * max((group.patches for group in self.groups), default=0)


def make_plan(losses: Losses, params: Params, batch: Any) -> Plan:
  """Traces the loss of one example and decides on each leaf; nothing is computed.

  Raises:
    TypeError: a leaf is not a real floating-point array.
    ValueError: no leaf is used.
  """
  leaves, structure = jax.tree.flatten(params)
  examples, of_batch = jax.tree.flatten(batch)

  def loss(leaves, example):
    params = jax.tree.unflatten(structure, leaves)
    return losses(params, jax.tree.map(lambda x: x[None], jax.tree.unflatten(of_batch, example)))[0]

  names = list(trees.named_leaves(params))
  for name, x in zip(names, leaves, strict=True):
    if not jnp.issubdtype(x.dtype, jnp.floating):
      raise TypeError(f'the parameters must be real floating-point arrays; {name} is {x.dtype}')
  closed = without_unit_axes(jax.make_jaxpr(loss)(leaves, [x[0] for x in examples]))
  shapes = [x.shape for x in leaves]
  copied: dict[int, str] = {}
  while True:
    program = find_sites(closed, len(leaves), copied)
    groups, overlapping = _find_groups(program, shapes)
    if not groups and not overlapping:
      raise ValueError('the losses depend on none of the parameters')
    if not overlapping:
      return Plan(program, groups, names, shapes)
    copied = program.copied | dict.fromkeys(overlapping, OVERLAP)


def _find_groups(program: Program, shapes: list[tuple[int, ...]]) -> tuple[list[Group], list[int]]:
  """The groups of all leaves, and the leaves of which two groups would overlap."""
  of_leaf: dict[int, list[Site]] = {}
  for site in program.sites.values():
    of_leaf.setdefault(site.view.leaf, []).append(site)
  groups, overlapping = [], []
  for leaf, shape in enumerate(shapes):
    if 0 in shape:
      continue
    if leaf in program.copied:
      groups.append(Group(leaf, (), (1, 1, math.prod(shape))))
    elif leaf in of_leaf:
      terms = [term for term in map(make_term, of_leaf[leaf]) if not term.empty]
      found = _align(leaf, terms, shape)
      groups += found or []
      overlapping += [leaf] if found is None else []
  return groups, overlapping


def _align(leaf: int, terms: list[Term], shape: tuple[int, ...]) -> list[Group] | None:
  """Groups of terms that are about the same entries; None where two groups would overlap."""
  if len(terms) < 2:
    return [_group(leaf, terms)] if terms else []
  aligned: list[tuple[np.ndarray, list[Term]]] = []
  for term in sorted(terms, key=lambda term: not term.sparse):
    entries = _entries(term, shape)
    for others, members in aligned:
      if np.array_equal(others, entries):
        members.append(term)
        break
      if not term.sparse and np.array_equal(others, entries.swapaxes(1, 2)):
        members.append(term.swapped())
        break
      if np.intersect1d(others, entries).size:
        return None
    else:
      aligned.append((entries, [term]))
  return [_group(leaf, members) for _, members in aligned]


def _group(leaf: int, terms: list[Term]) -> Group:
  return Group(leaf, tuple(terms), (terms[0].blocks, terms[0].rows, terms[0].columns))


def _entries(term: Term, shape: tuple[int, ...]) -> np.ndarray:
  """The places in the leaf of what the factors of a term are about, [B, C, F]."""
  with jax.ensure_compile_time_eval():
    places = jnp.arange(math.prod(shape)).reshape(shape)
    return np.asarray(term.entries(places))
