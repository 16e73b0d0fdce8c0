"""When something is due: a schedule is the set of its steps, and always holds 0 and the last."""


def every(n: int, total_steps: int) -> frozenset[int]:
  """Steps 0, n, 2n, ... and `total_steps`.

  Raises:
    ValueError: n is not positive.
  """
  if n < 1:
    raise ValueError(f'every must be at least 1, not {n}')
  return frozenset([*range(0, total_steps, n), total_steps])


def log_spaced(per_decade: int, total_steps: int) -> frozenset[int]:
  """Step 0, about `per_decade` steps in each factor of ten from 1 on, and `total_steps`.

  Raises:
    ValueError: per_decade is not positive.
  """
  if per_decade < 1:
    raise ValueError(f'per_decade must be at least 1, not {per_decade}')
  steps, exponent = {0, total_steps}, 0
  while (step := round(10 ** (exponent / per_decade))) < total_steps:
    steps.add(step)
    exponent += 1
  return frozenset(steps)
