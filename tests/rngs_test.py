"""One seed, named streams."""

import jax
import numpy as np
import pytest

from research.rngs import named_generator, named_key


def key_data(seed, name):
  return tuple(np.asarray(jax.random.key_data(named_key(seed, name))).tolist())


def draws(*args):
  return tuple(named_generator(*args).integers(2**32, size=4).tolist())


@pytest.mark.parametrize('stream', [key_data, draws])
def test_streams_are_functions_of_seed_and_name(stream):
  positions = [(seed, name) for seed in (0, 1, 2**31 - 1) for name in ('init', 'batch_order', '')]
  assert len({stream(*position) for position in positions}) == len(positions)
  assert [stream(*p) for p in positions] == [stream(*p) for p in positions]


def test_streams_stay_what_they_are():
  """If this fails, runs can no longer be repeated with today's seeds."""
  assert key_data(3, 'init') == (3481077830, 261690757)
  assert draws(3, 'batch_order', 7) == (3799909934, 1724119747, 2545195488, 2403226146)


def test_the_seed_may_be_traced():
  traced = jax.vmap(lambda seed: jax.random.key_data(named_key(seed, 'init')))
  expected = [key_data(seed, 'init') for seed in range(3)]
  assert [
    tuple(row) for row in np.asarray(traced(np.arange(3, dtype=np.uint32))).tolist()
  ] == expected


def test_counters_are_positions_of_a_stream():
  positions = [(0, 0), (0, 1), (1, 0), (2**40, 0)]
  assert len({draws(5, 'x', *counters) for counters in positions}) == len(positions)
  assert len({draws(5, 'x', counter) for counter in range(100)}) == 100
