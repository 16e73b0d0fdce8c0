"""Parts of the input: exchanged and measured, behind a rotation or not."""

import itertools
import re

import jax
import numpy as np
import pytest
from scipy import stats

from research.rngs import named_generator
from research.tasks.blocks import Blocks, other_rows


def masks(d=5):
  """Two coordinates of `a`, two of `b`, and one of neither."""
  return {'a': np.arange(d) < 2, 'b': (np.arange(d) > 1) & (np.arange(d) < 4)}


def orthogonal(d=5):
  q, _ = np.linalg.qr(np.random.default_rng(1).normal(size=(d, d)))
  return q.astype(np.float32)


def vectors(n=6, d=5):
  return np.random.default_rng(2).normal(size=(n, d)).astype(np.float32)


ROTATIONS = pytest.mark.parametrize('q', [None, orthogonal()], ids=['plain', 'rotated'])


def seen(u, q):
  return u if q is None else u.astype(float) @ q


@ROTATIONS
@pytest.mark.parametrize('complement', [False, True])
def test_a_block_is_that_of_other_rows(q, complement):
  u, order = vectors(), np.array([3, 5, 0, 1, 2, 4])
  blocks = Blocks(masks(), q)
  expected = u.copy()
  for i, row in enumerate(order):
    for j in range(5):
      if (j in (2, 3)) != complement:
        expected[i, j] = u[row, j]
  here = blocks.randomized(blocks.rotated(u), 'b', order, complement=complement)
  np.testing.assert_allclose(here, seen(expected, q), atol=1e-5)


@ROTATIONS
def test_squared_norms_are_those_of_the_parts(q):
  u, blocks = vectors(), Blocks(masks(), q)
  norms = blocks.sq_norms(blocks.rotated(u))
  np.testing.assert_allclose(norms['a'], np.square(u[:, :2]).sum(1), rtol=1e-4)
  np.testing.assert_allclose(norms['b'], np.square(u[:, 2:4]).sum(1), rtol=1e-4)


def test_blocks_of_images_are_masks_of_one_image():
  images = np.random.default_rng(0).integers(256, size=(4, 6, 3, 2)).astype(np.uint8)
  is_top = np.broadcast_to(np.arange(6)[:, None, None] < 2, (6, 3, 2))
  blocks = Blocks({'top': is_top, 'bottom': ~is_top})
  order = np.array([1, 2, 3, 0])
  here = jax.jit(lambda x: blocks.randomized(x, 'top', order))(images)
  np.testing.assert_array_equal(here, np.concatenate([images[order, :2], images[:, 2:]], axis=1))
  norms = blocks.sq_norms(images.astype(np.float32))
  assert norms['bottom'].shape == (4,)
  np.testing.assert_allclose(norms['top'], np.square(images[:, :2] + 0.0).sum((1, 2, 3)), rtol=1e-5)


def test_unrotated_undoes_rotated_and_lengths_stay():
  u, blocks = vectors(), Blocks(masks(), orthogonal())
  x = blocks.rotated(u)
  np.testing.assert_allclose(blocks.unrotated(x), u, atol=1e-5)
  np.testing.assert_allclose(np.linalg.norm(x, axis=1), np.linalg.norm(u, axis=1), rtol=1e-5)
  assert np.abs(np.asarray(x) - u).max() > 0.1


@pytest.mark.parametrize(
  ('changes', 'message'),
  [
    ({'masks': {}}, 'masks must be bool, each with a coordinate at least'),
    ({'masks': {'a': np.ones(5)}}, 'masks must be bool, each with a coordinate at least'),
    ({'masks': {'a': np.zeros(5, bool)}}, 'masks must be bool, each with a coordinate at least'),
    ({'masks': {'a': np.ones(5, bool), 'b': np.arange(5) < 1}}, 'masks of a, b overlap'),
    ({'rotation': np.eye(4, dtype=np.float32)}, 'rotation must be [5, 5], not [4, 4]'),
    ({'rotation': 1.01 * orthogonal()}, 'rotation must be orthogonal'),
    ({'rotation': orthogonal() + np.float32(1e-3)}, 'rotation must be orthogonal'),
  ],
)
def test_what_cannot_be_blocks_is_refused(changes, message):
  with pytest.raises(ValueError, match=f'^{re.escape(message)}$'):
    Blocks(**({'masks': masks(), 'rotation': None} | changes))


@pytest.mark.parametrize('n', [2, 3, 10, 1000])
def test_other_rows_are_one_cycle_through_all(n):
  order = other_rows(n, named_generator(n, 'order'))
  assert order.dtype == np.int32
  row, visited = 0, []
  for _ in range(n):
    row = order[row]
    visited.append(row)
  assert row == 0
  np.testing.assert_array_equal(np.sort(visited), np.arange(n))


def test_every_cycle_is_equally_likely():
  """There are six cycles of four rows; in all, a row goes to each of three places equally often."""
  generator = named_generator(0, 'order')
  drawn = [tuple(other_rows(4, generator).tolist()) for _ in range(3000)]
  cycles = [p for p in itertools.permutations(range(4)) if drawn.count(p)]
  assert len(cycles) == 6
  assert stats.chisquare([drawn.count(cycle) for cycle in cycles]).pvalue > 1e-3
  counts = np.bincount([order[0] for order in drawn], minlength=4)
  assert counts[0] == 0
  assert stats.chisquare(counts[1:]).pvalue > 1e-3
