"""Which sections and keys a config has: each section is the keyword arguments of its functions."""

import inspect
from collections.abc import Callable
from typing import Any, get_type_hints

from research import (
  gradients,
  instruments,
  losses,
  models,
  objectives,
  optimizers,
  settings,
  tasks,
  variation,
)

# Where a section's keys come from: functions of the section's own name, if it has one.
SECTIONS: dict[str, Callable[[str | None], list[Callable]]] = {
  'task': lambda name: [tasks.make_task, tasks.source(name)],
  'model': lambda name: [models.make_model, *filter(None, [_model(name)])],
  'loss': lambda _: [losses.make_losses],
  'objective': lambda _: [objectives.make_objective],
  'average': lambda _: [gradients.make_average],
  'optimizer': lambda _: [optimizers.make_optimizer],
  'training': lambda _: [settings.Training],
  'population': lambda _: [settings.Population],
  'vary': lambda _: [variation.Vary],
  'probe': lambda _: [settings.Probe],
  'evaluation': lambda _: [settings.Evaluation],
}
TOP = ['seed', *SECTIONS, 'instruments']
NAMES = ('model.name', 'task.name')  # whose value decides what other keys there are
NOT_IN_CONFIGS = {'data_dir'}  # where data lie is no part of an experiment: --data_dir


def keywords(functions: list[Callable]) -> dict[str, tuple[Any, Any]]:
  """{key: (annotation, default)} of what a config may set; positional arguments come from code."""
  found = {}
  for function in functions:
    hints = get_type_hints(function)
    for key, parameter in inspect.signature(function).parameters.items():
      settable = parameter.kind is parameter.KEYWORD_ONLY or (
        parameter.kind is parameter.POSITIONAL_OR_KEYWORD
        and parameter.default is not parameter.empty
      )
      if settable and key not in NOT_IN_CONFIGS:
        found[key] = (hints.get(key, Any), parameter.default)
  return found


def functions(section: str, values: dict[str, Any]) -> list[Callable] | None:
  """The functions whose keyword arguments a section is; None if there is no such section."""
  group, _, name = section.partition('.')
  if group == 'instruments' and name in instruments.INSTRUMENTS:
    return [instruments.mount, instruments.INSTRUMENTS[name]]
  if section in SECTIONS:
    return SECTIONS[section](values.get(section, {}).get('name'))
  return None


def below(section: str, values: dict[str, Any]) -> list[str]:
  """The names that may follow `section.`; none if it is not a section."""
  if section in ('', 'instruments'):
    return list(instruments.INSTRUMENTS) if section else TOP
  return list(keywords(functions(section, values) or []))


def source(key: str, name: Any) -> Callable | None:
  """The function that a name stands for, if keys go with it: another one comes with other keys."""
  return {'model.name': _model, 'task.name': tasks.source}[key](name) if key in NAMES else None


def _model(name: Any) -> Callable | None:
  return models.MODELS.get(name) if isinstance(name, str) else None
