"""A run that ends in the middle, as far as its process can tell."""

import contextlib

import pytest

from research.population import Population


@contextlib.contextmanager
def crash_at(number):
  """What is trained inside fails before the update of this step."""
  step = Population.step

  def step_or_crash(self, state, at):
    if at == number:
      raise RuntimeError('crash')
    return step(self, state, at)

  with pytest.MonkeyPatch.context() as patch:
    patch.setattr(Population, 'step', step_or_crash)
    with pytest.raises(RuntimeError, match='crash'):
      yield
