r"""The statistics of one group of parameters, from factors or from the gradients themselves.

With :math:`G_i = \sum_t a_{it} d_{it}^\top` of m examples (`research.gradients.factors`):

- one position: everything from the factors, :math:`\|G_i\|^2 = \|a_i\|^2 \|d_i\|^2` and
  :math:`\langle G_i, G_j \rangle = \langle a_i, a_j \rangle \langle d_i, d_j \rangle`;
- many positions, and only norms: :math:`\|G_i\|^2 = \sum_{tu} \langle a_{it}, a_{iu} \rangle
  \langle d_{it}, d_{iu} \rangle` where that is cheap;
- else the gradients are formed, a few megabytes at a time, and squared, summed and multiplied on the
  spot. Their sum is the gradient of the layer, which training needs anyway: nothing is done twice.
"""

import dataclasses
import functools
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from research.gradients.chunks import even, n_examples, sum_over_chunks
from research.gradients.factors import Term
from research.gradients.plan import Group
from research.gradients.taps import Emissions

EXACT = lax.Precision.HIGHEST  # GPUs and TPUs round float32 products to fewer bits by default
# Bytes of gradients formed at once: on a CPU, what stays in its caches.
CHUNK_BYTES = {'cpu': 4 << 20, 'gpu': 512 << 20, 'tpu': 512 << 20}
# The same for the rows of a Gram matrix, by blocks of columns; patches are costly to take again.
BLOCK_BYTES = {'cpu': 16 << 20, 'gpu': 2 << 30, 'tpu': 2 << 30}
BLOCK_BYTES_OF_PATCHES = {'cpu': 512 << 20, 'gpu': 8 << 30, 'tpu': 4 << 30}
# To form a gradient of C x F entries takes memory traffic worth this many products an entry.
TRAFFIC = {'product': 16, 'convolution': 1}


@dataclasses.dataclass(frozen=True)
class Wanted:
  """What is wanted besides sums and squared norms."""

  gram: bool = False
  second_moment: bool = False


@dataclasses.dataclass
class GroupStatistics:
  """Statistics of the gradients of a group, whose entries have the layout [B, C, F]."""

  total: jax.Array  # sum of the gradients
  sq_norms: jax.Array  # [m]
  total_square: Any = None  # sum of the squared gradients
  gram: Any = None  # [m, n]


def forms_gradients(group: Group, wanted: Wanted) -> bool:
  """Whether the gradients of a group are formed, from its shapes alone."""
  if group.outer_products:
    return False
  if not group.terms:
    return True
  if wanted.gram or wanted.second_moment:
    return True
  if any(term.sparse for term in group.terms):
    return len(group.terms) > 1
  _, c, f = group.shape
  return group.positions**2 * (c + f) > TRAFFIC[group.terms[0].site.kind] * c * f


def statistics(
  group: Group, emissions: Emissions, wanted: Wanted, gather: Callable[[Any], Any] | None = None
) -> GroupStatistics:
  """The statistics of a group, from what its sites emitted.

  Args:
    gather: the columns of the Gram matrix [n, ...], from its rows [m, ...]; None if they are them.
  """
  emitted = {key: emissions[key] for key in group.keys}
  if forms_gradients(group, wanted):
    return _formed(group, emitted, wanted, gather)
  return _factored(group, emitted, wanted, gather)


def gram_between(group: Group, rows: Emissions, columns: Emissions) -> jax.Array:
  """The inner products [m, n] of a group's gradients of two batches."""
  if group.outer_products:
    term = group.terms[0]
    return _products_of_outer_products(factors(term, rows), factors(term, columns))
  blocks = [
    inner_products(_whole(group, rows, block), _whole(group, columns, block))
    for block in _blocks(group, max(n_examples(rows), n_examples(columns)))
  ]
  return functools.reduce(jnp.add, blocks)


def factors(term: Term, emissions: Emissions) -> tuple[jax.Array, jax.Array]:
  """A and D of a term, in float32 at least."""
  a, d = term.factors(emissions[term.site.path])
  return a if term.sparse else _float32(a), _float32(d)


def _factored(
  group: Group, emitted: Emissions, wanted: Wanted, gather: Callable | None
) -> GroupStatistics:
  pairs = [(term, *factors(term, emitted)) for term in group.terms]
  total = functools.reduce(jnp.add, (_sum(group, *pair) for pair in pairs))
  gram = None
  if wanted.gram:
    _, a, d = pairs[0]
    gram = _products_of_outer_products((a, d), gather((a, d)) if gather else (a, d))
  if gram is not None and gather is None:
    squares = jnp.diagonal(gram)
  else:
    inner = [
      (1 if i == j else 2) * _inner(*pairs[i], *pairs[j])
      for i in range(len(pairs))
      for j in range(i, len(pairs))
    ]
    squares = functools.reduce(jnp.add, inner)
  found = GroupStatistics(total, squares, gram=gram)
  if wanted.second_moment:
    term, a, d = pairs[0]
    found.total_square = _sum(group, term, jnp.square(a), jnp.square(d))
  return found


def _formed(
  group: Group, emitted: Emissions, wanted: Wanted, gather: Callable | None
) -> GroupStatistics:
  """Forms gradients, by chunks of examples, or for a Gram matrix by blocks of columns."""
  m, (b, c, f) = n_examples(emitted), group.shape
  parts = []
  for block in _blocks(group, m) if wanted.gram else [slice(0, f)]:

    def of_chunk(emitted, block=block):
      g = as_rows(form(group, emitted, block))
      sums = {'total': column_sums(g)}
      if wanted.second_moment:
        sums['total_square'] = column_sums(jnp.square(g))
      return sums, {'sq_norms': sq_norms(g)} | ({'g': g} if wanted.gram else {})

    at_once = not group.terms or (wanted.gram and not group.patches)
    chunk = m if at_once else _chunk(group, block)
    sums, rows = sum_over_chunks(of_chunk, emitted, even(m, chunk))
    sums = {key: x.reshape(b, c, -1) for key, x in sums.items()}
    if wanted.gram:
      g = rows.pop('g')
      rows['gram'] = inner_products(g, gather(g) if gather else g)
    parts.append((sums, rows))
  sums = jax.tree.map(lambda *xs: jnp.concatenate(xs, axis=-1), *(sums for sums, _ in parts))
  rows = jax.tree.map(lambda *xs: functools.reduce(jnp.add, xs), *(rows for _, rows in parts))
  return GroupStatistics(**sums, **rows)


def form(group: Group, emitted: Emissions, block: slice) -> jax.Array:
  """The gradients [m, B, C, F] of examples, in a block of columns."""
  if not group.terms:
    (key,) = group.keys
    return emitted[key].reshape(-1, *group.shape)[..., block]

  def of_term(term: Term) -> jax.Array:
    a, d = term.factors(emitted[term.site.path])
    d = d[..., block]
    if term.sparse:
      table = jnp.zeros((group.shape[1], d.shape[-1]), _at_least_float32(d.dtype))
      return jax.vmap(lambda i, d: table.at[i].add(d, mode='drop'))(a, d[:, 0])[:, None]
    product = jnp.einsum(
      'ntc,ntf->ncf',
      a.reshape(-1, *a.shape[2:]),
      d.reshape(-1, *d.shape[2:]),
      precision=_precision(term),
      preferred_element_type=_at_least_float32(d.dtype),
    )
    return product.reshape(*a.shape[:2], *product.shape[1:])

  return functools.reduce(jnp.add, map(of_term, group.terms))


def _whole(group: Group, emitted: Emissions, block: slice) -> jax.Array:
  """The gradients of all examples, as rows; patches by chunks."""

  def of_chunk(emitted):
    return (), as_rows(form(group, emitted, block))

  emitted = {key: emitted[key] for key in group.keys}
  m = n_examples(emitted)
  chunk = even(m, _chunk(group, block)) if group.patches else m
  return sum_over_chunks(of_chunk, emitted, chunk)[1]


def _chunk(group: Group, block: slice) -> int:
  """How many examples to form gradients of at once."""
  b, c, _ = group.shape
  return _budget(CHUNK_BYTES) // (4 * (b * c * (block.stop - block.start) + group.patches))


def _blocks(group: Group, m: int) -> Iterator[slice]:
  """Blocks of columns for which the gradients of m examples may be held at once."""
  b, c, f = group.shape
  budget = _budget(BLOCK_BYTES_OF_PATCHES if group.patches else BLOCK_BYTES)
  width = even(f, budget // (4 * m * b * c))
  for start in range(0, f, width):
    yield slice(start, min(f, start + width))


def _sum(group: Group, term: Term, a: jax.Array, d: jax.Array) -> jax.Array:
  """The gradient summed over examples, [B, C, F]."""
  if term.sparse:
    table = jnp.zeros(group.shape[1:], d.dtype)
    return table.at[a.reshape(-1)].add(d.reshape(-1, d.shape[-1]), mode='drop')[None]
  if a.shape[1] == 1:  # a single product of matrices
    a, d = a.reshape(-1, a.shape[-1]), d.reshape(-1, d.shape[-1])
    return jnp.matmul(a.T, d, precision=_precision(term))[None]
  return jnp.einsum('mbtc,mbtf->bcf', a, d, precision=_precision(term))


def _inner(p: Term, a: jax.Array, d: jax.Array, q: Term, b: jax.Array, e: jax.Array) -> jax.Array:
  """The inner product of the contributions of two terms, of each example, [m]."""
  if p.positions == q.positions == 1 and not (p.sparse or q.sparse):
    left = jnp.einsum('mbc,mbc->mb', a[:, :, 0], b[:, :, 0], precision=EXACT)
    right = jnp.einsum('mbf,mbf->mb', d[:, :, 0], e[:, :, 0], precision=EXACT)
    return jnp.sum(left * right, axis=1)
  right = jnp.einsum('mbtf,mbuf->mbtu', d, e, precision=EXACT)
  if p.sparse and q.sparse:
    left = (a[:, None, :, None] == b[:, None, None, :]).astype(right.dtype)
  else:
    left = jnp.einsum('mbtc,mbuc->mbtu', a, b, precision=EXACT)
  return jnp.sum(left * right, axis=(1, 2, 3))


def _products_of_outer_products(
  rows: tuple[jax.Array, jax.Array], columns: tuple[jax.Array, jax.Array]
) -> jax.Array:
  (a, d), (b, e) = rows, columns
  if a.shape[1] == 1:
    return inner_products(a[:, 0, 0], b[:, 0, 0]) * inner_products(d[:, 0, 0], e[:, 0, 0])
  left = jnp.einsum('mbc,nbc->bmn', a[:, :, 0], b[:, :, 0], precision=EXACT)
  right = jnp.einsum('mbf,nbf->bmn', d[:, :, 0], e[:, :, 0], precision=EXACT)
  return jnp.sum(left * right, axis=0)


def inner_products(rows: jax.Array, columns: jax.Array) -> jax.Array:
  """[m, p], [n, p] -> [m, n]."""
  return jnp.matmul(rows, columns.T, precision=EXACT)


def column_sums(g: jax.Array) -> jax.Array:
  """[m, p] -> [p]; ones @ g, since XLA's column sums are many times slower on the CPU."""
  return jnp.matmul(jnp.ones(g.shape[0], g.dtype), g, precision=EXACT)


def sq_norms(g: jax.Array) -> jax.Array:
  """[m, p] -> [m]."""
  return jnp.einsum('mp,mp->m', g, g, precision=EXACT)


def as_rows(g: jax.Array) -> jax.Array:
  """[m, ...] -> [m, p], in float32 at least."""
  return _float32(g.reshape(g.shape[0], -1))


def _float32(x: jax.Array) -> jax.Array:
  return x.astype(_at_least_float32(x.dtype))


def _at_least_float32(dtype: Any) -> Any:
  return jnp.promote_types(dtype, jnp.float32)


def _precision(term: Term) -> Any:
  return term.site.equation.params.get('precision')


def _budget(budgets: dict[str, int]) -> int:
  return budgets.get(jax.default_backend(), budgets['gpu'])
