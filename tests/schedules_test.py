import itertools

import pytest

from research.schedules import every, log_spaced


@pytest.mark.parametrize(
  ('n', 'total', 'steps'),
  [
    (3, 10, [0, 3, 6, 9, 10]),
    (5, 10, [0, 5, 10]),
    (1, 2, [0, 1, 2]),
    (100, 10, [0, 10]),
    (7, 0, [0]),
  ],
)
def test_every_holds_its_multiples_and_the_last(n, total, steps):
  assert sorted(every(n, total)) == steps


@pytest.mark.parametrize(
  ('per_decade', 'total', 'steps'),
  [
    (1, 1000, [0, 1, 10, 100, 1000]),
    (2, 50, [0, 1, 3, 10, 32, 50]),
    (3, 10, [0, 1, 2, 5, 10]),
    (1, 1, [0, 1]),
    (10, 0, [0]),
  ],
)
def test_log_spaced_is_denser_early_and_holds_zero_and_the_last(per_decade, total, steps):
  assert sorted(log_spaced(per_decade, total)) == steps


@pytest.mark.parametrize('per_decade', [1, 5, 10, 1000])
def test_log_spaced_steps_are_at_most_the_promised_ratio_apart(per_decade):
  steps = sorted(log_spaced(per_decade, 10_000))
  ratio = 10 ** (1 / per_decade)
  assert all(after <= ratio * (before + 0.5) + 0.5 for before, after in itertools.pairwise(steps))
  for low in (1, 10, 100, 1000):
    assert sum(low <= step < 10 * low for step in steps) <= per_decade + 1


@pytest.mark.parametrize('n', [0, -1])
def test_a_period_is_positive(n):
  with pytest.raises(ValueError, match=f'^every must be at least 1, not {n}$'):
    every(n, 10)
  with pytest.raises(ValueError, match=f'^per_decade must be at least 1, not {n}$'):
    log_spaced(n, 10)
