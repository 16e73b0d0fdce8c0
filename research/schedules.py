"""When something is due: a schedule is the set of its steps, and always holds 0 and the last."""


def due_steps(total_steps: int, every_n: int | None, per_decade: int | None) -> frozenset[int]:
  """Every n steps, or so many per decade: at most one is given; 10 per decade if neither is.

  Raises:
    ValueError: both are given, or one is not positive.
  """
  if every_n is not None and per_decade is not None:
    raise ValueError('every and per_decade exclude each other: set one of them to none')
  if every_n is not None:
    return every(every_n, total_steps)
  return log_spaced(10 if per_decade is None else per_decade, total_steps)


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
