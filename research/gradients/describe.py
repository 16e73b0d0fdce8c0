"""How the gradients of a loss would be measured, and what that costs, leaf by leaf."""

import dataclasses
import math

from research.gradients.groups import Wanted, forms_gradients
from research.gradients.plan import Group, Plan, make_plan
from research.types import Batch, Losses, Params


@dataclasses.dataclass(frozen=True)
class LeafCost:
  """What measuring one leaf takes beyond its part of the training step, per example.

  Attributes:
    leaf: its path.
    shape: of the leaf.
    form: 'outer product', 'factored', 'formed', 'copied' or 'unused' (`research.gradients`).
    blocks, positions, rows, columns: B, T, C and F of its factors.
    norm_flops: of its squared norm.
    gram_flops: of one entry of its Gram matrix.
    emitted_bytes: what its sites emit, in float32.
    reason: why it is copied.
  """

  leaf: str
  shape: tuple[int, ...]
  form: str
  blocks: int = 0
  positions: int = 0
  rows: int = 0
  columns: int = 0
  norm_flops: int = 0
  gram_flops: int = 0
  emitted_bytes: int = 0
  reason: str = ''


def leaf_costs(losses: Losses, params: Params, batch: Batch) -> list[LeafCost]:
  """The cost of each leaf, in their order; nothing is computed.

  Args:
    losses: `(params, batch) -> [B]`.
    params, batch: arrays, of which only shapes are read.
  """
  plan = make_plan(losses, params, batch)
  costs = []
  for i, (name, shape) in enumerate(zip(plan.names, plan.shapes, strict=True)):
    of_leaf = [group for group in plan.groups if group.leaf == i]
    costs += [_cost(plan, name, shape, g) for g in of_leaf] or [LeafCost(name, shape, 'unused')]
  return costs


def describe(losses: Losses, params: Params, batch: Batch) -> str:
  """The costs of all leaves as a Markdown table.

  Each line is a leaf, or disjoint parts of it that are measured apart. `print` it to see whether a
  network falls back anywhere.
  """
  lines = [
    '| leaf | shape | form | B | T | C x F | norm, flops | Gram entry, flops | emitted, bytes | |',
    '|---|---|---|---|---|---|---|---|---|---|',
  ]
  for c in leaf_costs(losses, params, batch):
    shape = 'x'.join(map(str, c.shape)) or '1'
    lines.append(
      f'| {c.leaf} | {shape} | {c.form} | {c.blocks} | {c.positions} | {c.rows} x {c.columns} '
      f'| {c.norm_flops:,} | {c.gram_flops:,} | {c.emitted_bytes:,} | {c.reason} |'
    )
  return '\n'.join(lines)


def _cost(plan: Plan, name: str, shape: tuple[int, ...], group: Group) -> LeafCost:
  (b, c, f), t = group.shape, group.positions
  entries = 2 * b * c * f
  emitted = [s for term in group.terms for s in term.site.emitted_shapes] or [shape]
  if not group.terms:
    form, norm = 'copied', entries
  elif group.outer_products:
    form, norm, entries = 'outer product', 2 * b * (c + f), 2 * b * (c + f)
  elif forms_gradients(group, Wanted()):
    form, norm = 'formed', entries
  else:
    form, norm = 'factored', 2 * b * t**2 * (f if group.terms[0].sparse else c + f)
  return LeafCost(
    leaf=name,
    shape=shape,
    form=form,
    blocks=b,
    positions=t,
    rows=c,
    columns=f,
    norm_flops=norm,
    gram_flops=entries,
    emitted_bytes=4 * sum(map(math.prod, emitted)),
    reason=plan.program.copied.get(group.leaf, ''),
  )
