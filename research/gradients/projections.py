r"""Linear functions of each example's gradient: its product with a direction, and a random sketch.

Both are read off the factors, so that no gradient is formed.

The sketch is a count sketch: entry p of the gradient is added, with a random sign, to a random one of
k sums,

.. math:: (S g)_h = \sum_{p : h(p) = h} s(p)\, g_p, \qquad
  \mathbb E \langle S g, S g' \rangle = \langle g, g' \rangle, \qquad
  \operatorname{Var} \lesssim \frac{\|g\|^2 \|g'\|^2 + \langle g, g' \rangle^2}{k},

over the choice of h and s, independent for each entry. For an outer product :math:`a d^\top`, with
:math:`h(c, f) = h_1(c) + h_2(f)` modulo k and :math:`s = s_1 s_2`, it is the circular convolution of
the sketches of a and d (a tensor sketch), which costs T (C + F + k log k) in place of T C F, and a
variance up to three times as large.

References: `Charikar, Chen & Farach-Colton (2002)
<https://doi.org/10.1007/3-540-45465-9_59>`_, count sketch; `Pham & Pagh (2013)
<https://doi.org/10.1145/2487575.2487591>`_, tensor sketch.
"""

import functools

import jax
import jax.numpy as jnp

from research.gradients.groups import EXACT, as_rows, factors
from research.gradients.plan import Group
from research.gradients.taps import Emissions


def products(group: Group, emissions: Emissions, direction: jax.Array) -> jax.Array:
  r""":math:`\langle G_i, V \rangle = \sum_t a_{it}^\top V d_{it}`, [m], V of the shape of the leaf."""
  v = group.from_leaf(direction)  # [B, C, F]
  if not group.terms:
    g = as_rows(emissions[group.keys[0]])
    return jnp.matmul(g, v.reshape(-1).astype(g.dtype), precision=EXACT)

  def of_term(term):
    a, d = factors(term, emissions)
    if term.sparse:
      rows = v[0].at[a].get(mode='fill', fill_value=0)  # [m, T, F]
      return jnp.sum(rows * d[:, 0], axis=(1, 2))
    moved = jnp.einsum('mbtc,bcf->mbtf', a, v.astype(d.dtype), precision=EXACT)
    return jnp.sum(moved * d, axis=(1, 2, 3))

  return functools.reduce(jnp.add, map(of_term, group.terms))


def sketch(group: Group, emissions: Emissions, size: int, key: jax.Array) -> jax.Array:
  """The count sketch [m, size] of a group's gradients."""
  b, c, f = group.shape
  if not group.terms:
    return _count(as_rows(emissions[group.keys[0]]), key, (f,), size)
  of_rows, of_columns = jax.random.split(key)

  def of_term(term):
    a, d = factors(term, emissions)
    if term.sparse:
      bins, signs = _hashes(of_rows, (c,), size)
      a = _into_bins(signs[a][:, None, :, None], bins[a][:, None, :, None], size)
    else:
      a = _count(a, of_rows, (c,), size)
    d = _count(d, of_columns, (b, 1, f), size)
    spectrum = jnp.sum(jnp.fft.rfft(a) * jnp.fft.rfft(d), axis=(1, 2))
    return jnp.fft.irfft(spectrum, n=size)

  return functools.reduce(jnp.add, map(of_term, group.terms))


def _hashes(key: jax.Array, shape: tuple[int, ...], size: int) -> tuple[jax.Array, jax.Array]:
  of_bins, of_signs = jax.random.split(key)
  return jax.random.randint(of_bins, shape, 0, size), jax.random.rademacher(of_signs, shape)


def _count(x: jax.Array, key: jax.Array, shape: tuple[int, ...], size: int) -> jax.Array:
  """The count sketch along the last axis; `shape` is that of the trailing axes with own hashes."""
  bins, signs = _hashes(key, shape, size)
  return _into_bins(x * jnp.broadcast_to(signs, x.shape), jnp.broadcast_to(bins, x.shape), size)


def _into_bins(values: jax.Array, bins: jax.Array, size: int) -> jax.Array:
  """[..., n], [..., n] -> [..., size]: sums of the values that fall into each bin."""
  values, bins = values.astype(jnp.float32), jnp.broadcast_to(bins, values.shape)
  flat = values.reshape(-1, values.shape[-1])
  row = jnp.arange(flat.shape[0])[:, None]
  sums = jnp.zeros((flat.shape[0], size)).at[row, bins.reshape(flat.shape)].add(flat)
  return sums.reshape(*values.shape[:-1], size)
