"""What a run will cost: operations and memory of each of its programs, before any of them runs."""

import collections
from collections.abc import Sequence

from research.costs import Cost, cost
from research.instruments import due
from research.population import Population

UPDATE = 'update'


def costs_of_run(population: Population, total_steps: int) -> list[Cost]:
  """The programs of a run of so many steps; compiles them all, and computes nothing.

  The plain update comes first, then updates with instruments, then measurements on the probe set; not
  those of a probe that is gone through by chunks, nor evaluations.
  """
  panel, state = population.panel, population.abstract_state()
  updates, measures = (
    collections.Counter(due(panel, step, on) for step in steps)
    for on, steps in (('batch', range(total_steps)), ('probe', range(total_steps + 1)))
  )
  found, inputs = [], population.inputs_of(0)
  for names in sorted({frozenset[str](), *updates}, key=sorted):
    name = f'{UPDATE} with {", ".join(sorted(names))}' if names else UPDATE
    found.append(cost(name, updates[names], population.update_program(names), (state, *inputs)))
  for names in sorted({*measures} - {frozenset()}, key=sorted):
    program, sample = population.measure_program(names)
    if hasattr(program, 'lower'):  # it is one program
      name = f'measure {", ".join(sorted(names))}'
      found.append(cost(name, measures[names], program, (state.params, *sample)))
  return found


def report(costs: Sequence[Cost]) -> str:
  """A table in Markdown, and what instruments add to the operations of all updates of the run."""
  lines = ['| program | steps | GFLOP a step | temporary MB |', '|---|---|---|---|']
  for it in costs:
    lines.append(
      f'| {it.name} | {it.times:,} | {it.flops / 1e9:.3g} | {it.temporary_bytes / 1e6:.3g} |'
    )
  steps = sum(it.times for it in costs if it.name.startswith(UPDATE))
  base = steps * next(it.flops for it in costs if it.name == UPDATE)
  total = sum(it.times * it.flops for it in costs)
  added = f'{(total - base) / base:.1%}' if base else 'all'
  return '\n'.join([*lines, '', f'instruments add {added} to the operations of training'])
