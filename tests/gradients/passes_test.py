"""How many examples go through one pass: sizes alone, and that they change no result."""

import jax
import numpy as np
import pytest
from reference import errors_of_all
from small_losses import use

from research.gradients import passes
from research.gradients.passes import largest_chunk, quick_chunk
from research.gradients.plan import make_plan

POSITIONS, C, F = 5, 4, 3
PER_EXAMPLE = 4 * POSITIONS * (C + F)


def problem():
  return use(lambda p, x: x @ p['kernel'], (POSITIONS, C), kernel=(C, F))


@pytest.mark.parametrize(
  ('cache', 'm', 'chunk'),
  [
    (9, 16, 16),  # a loop of less than two is not worth it
    (8, 64, 8),
    (7, 64, 8),  # the nearest number that divides 64
    (11, 64, 8),
    (12, 64, 16),
    (10, 61, 9),  # a prime: as equal as can be
  ],
)
def test_quick_chunks_fill_the_cache(cache, m, chunk, monkeypatch):
  monkeypatch.setitem(passes.CACHE, jax.default_backend(), cache * PER_EXAMPLE)
  assert quick_chunk(make_plan(*problem()), m) == chunk


def test_chunks_are_not_so_small_that_the_parameters_are_all_that_moves(monkeypatch):
  monkeypatch.setitem(passes.CACHE, jax.default_backend(), 1)
  losses, _, batch = use(lambda p, x: x @ p['kernel'], (1, 64), kernel=(64, 64))
  plan = make_plan(losses, {'kernel': np.ones((64, 64), np.float32)}, batch)
  assert quick_chunk(plan, 1024) == 4 * 64 * 64 // (4 * (64 + 64))


def test_without_caches_one_pass_takes_all(monkeypatch):
  monkeypatch.setattr(passes, 'CACHE', {})
  assert quick_chunk(make_plan(*problem()), 10**6) == 10**6


def test_a_pass_fits_in_memory(monkeypatch):
  monkeypatch.setattr(passes, 'MEMORY', 10 * PER_EXAMPLE)
  plan = make_plan(*problem())
  assert plan.bytes_per_example() == PER_EXAMPLE
  assert largest_chunk(plan, 10) == 10
  assert largest_chunk(plan, 20) == 10
  assert largest_chunk(plan, 50_001) <= 10


def test_small_passes_change_nothing(monkeypatch):
  monkeypatch.setitem(passes.CACHE, jax.default_backend(), 1)
  monkeypatch.setattr(passes, 'MEMORY', 3 * PER_EXAMPLE)
  found = errors_of_all(*problem())
  assert {statistic: error for statistic, error in found.items() if not error <= 1e-5} == {}
