"""From a config file and overrides to checked sections: each is the keyword arguments of one function.

`load('configs/coherence/digits.py:cpu', ['task.label_noise=0.5'])` runs the file's `get_config('cpu')`,
applies the overrides, fills in the defaults of the functions, and checks every key, type and value that
can be checked before anything is built. What is wrong is a `ConfigError` of one line that names the
key, the file and the remedy.
"""

import importlib.machinery
import inspect
import json
import pathlib
import re
import types
from collections.abc import Callable, Iterable
from typing import Any, Literal

import ml_collections

from research import instruments, models, sections, workdirs
from research.annotations import fitted, literal, nearest, shown, wanted
from research.trees import flat

Section = dict[str, Any]
Config = Any  # a ml_collections.ConfigDict, whose attributes no type checker knows


class ConfigError(ValueError):
  """A config cannot be run; one line that names the key, the file and the remedy."""

  def __init__(self, message: str):
    super().__init__(' '.join(message.split()))


def load(path: str, overrides: Iterable[str] = ()) -> Config:
  """The resolved config of `file.py:scale` with overrides such as `model.widths=(64,64)`.

  Args:
    path: a Python file that defines `get_config(scale)`, and after a colon the scale.
    overrides: `section.key=value`, values as Python literals; a bare word is a string. Another
      `model.name` comes with its own defaults: the file's keys were those of the file's model; and so
      does another `task.name`, if its examples come from another kind of source.

  Returns:
    A locked config in which every section holds all its keys, defaults included.

  Raises:
    ConfigError: the file, a key, a type or a name is wrong.
  """
  file, _, scale = path.partition(':')
  config = from_file(file, 'get_config', *filter(None, [scale]))
  values = _plain(config)
  if not isinstance(values, dict):
    raise ConfigError(f'get_config of {file} must return a ConfigDict, not {shown(values)}')
  _check_sections(values, file)
  for override in sorted(overrides, key=lambda text: text.partition('=')[0] not in sections.NAMES):
    _apply(values, override, file)
  return _resolved(values, path)


def saved(workdir: str | pathlib.Path) -> Config:
  """The config of a run directory."""
  values = workdirs.read_json(pathlib.Path(workdir) / 'config.json')
  return _resolved(values, values.pop('source'))


def from_file(file: str, function: str, *args: Any, optional: bool = False) -> Any:
  """What a function that a config file defines returns.

  Args:
    file: the config file.
    function: its name there.
    args: its arguments.
    optional: whether it may also take none.

  Raises:
    ConfigError: there is no such file or function, or it fails.
  """
  if not pathlib.Path(file).is_file():
    raise ConfigError(f'no config file {file!r}; give --config=configs/<topic>/<name>.py[:scale]')
  module = types.ModuleType('genlab_config')
  try:
    importlib.machinery.SourceFileLoader('genlab_config', file).exec_module(module)
    if not callable(getattr(module, function, None)):
      raise ConfigError(f'{file} defines no {function}(); see configs/coherence/digits.py')
    found = getattr(module, function)
    return found(*(args if inspect.signature(found).parameters or not optional else ()))
  except ConfigError:
    raise
  except ValueError as error:  # such as a scale that the file does not have
    raise ConfigError(f'{file}: {error}') from error
  except (Exception, SystemExit) as error:
    raise ConfigError(f'mend {file}: {type(error).__name__}: {error}') from error


def call(function: Callable, config: Config, section: str, *args: Any) -> Any:
  """Calls a function with a section as keyword arguments: what is out of range is a ConfigError."""
  return _call(function, config, section, *args, **_plain(config[section]))


def checked(function: Callable, config: Config, *args: Any, **keywords: Any) -> Any:
  """Calls a function: a ValueError whose message begins with a config key becomes a ConfigError."""
  return _call(function, config, '', *args, **keywords)


def mount_instruments(config: Config, total_steps: int) -> dict[str, instruments.Mounted]:
  """The panel of a config: every section below `instruments`, made and mounted."""
  panel = {}
  for name in config.instruments:
    values = _plain(config.instruments[name])
    make, section = instruments.INSTRUMENTS[name], f'instruments.{name}'
    own = {key: values.pop(key) for key in sections.keywords([make])}
    instrument = _call(make, config, section, **own)
    panel[name] = _call(instruments.mount, config, section, instrument, total_steps, **values)
  return panel


def as_json(config: Config) -> dict[str, Any]:
  """The config as plain JSON: what `config.json` of a run holds, and a resumed run must equal."""
  return json.loads(json.dumps(_plain(config)))


def _plain(value: Any) -> Any:
  if isinstance(value, ml_collections.ConfigDict | dict):
    return {key: _plain(item) for key, item in value.items()}
  return value


def _apply(values: dict[str, Any], override: str, file: str) -> None:
  key, equals, text = override.partition('=')
  if not equals:
    raise ConfigError(f'override {override!r} has no value; write --config.{key}=VALUE')
  section, _, last = key.rpartition('.')
  if section == 'instruments' and last in values.get(section, {}) and literal(text) is None:
    del values[section][last]  # instruments.NAME=none unmounts it
    return
  if last not in sections.below(section, values) or sections.below(key, values):
    raise _unknown(key, values, file)
  value = literal(text)
  if sections.source(key, value) is not sections.source(key, values.get(section, {}).get('name')):
    values[section] = {}
  target = values
  for part in filter(None, section.split('.')):
    target = target.setdefault(part, {})
  target[last] = value
  if value is not None and last in ('every', 'per_decade'):  # they exclude each other
    target['per_decade' if last == 'every' else 'every'] = None


def _unknown(key: str, values: dict[str, Any], file: str) -> ConfigError:
  """Says which part of a key is the first unknown one, and what was perhaps meant."""
  known, rest = [], str(key).split('.')
  while rest and rest[0] in sections.below('.'.join(known), values):
    known.append(rest.pop(0))
  section = '.'.join(known)
  valid = sections.below(section, values)
  names = ', '.join(valid)
  if not valid:
    return ConfigError(f'unknown config key {key!r} in {file}; {section!r} is a value, no section')
  if not rest:
    return ConfigError(f'{key!r} in {file} is a section, no value; set a key in it: {names}')
  near = nearest(rest[0], valid)
  hint = f' did you mean {".".join([*known, near, *rest[1:]])!r}?' if near else ''
  names = f'valid in {section or "the config"}: {names}'
  return ConfigError(f'unknown config key {key!r} in {file};{hint} {names}')


def _check_sections(values: dict[str, Any], file: str) -> None:
  """Checks that the sections of a file are known, and are sections."""
  mounted = values.get('instruments')
  named = mounted if isinstance(mounted, dict) else {}
  for key, given in {**values, **{f'instruments.{name}': named[name] for name in named}}.items():
    *above, last = str(key).split('.')
    if last not in sections.below('.'.join(above), {}):
      raise _unknown(key, {}, file)
    if key != 'seed' and not isinstance(given, dict):
      raise _unknown(key, {}, file)


def _resolved(values: dict[str, Any], path: str) -> Config:
  file = path.partition(':')[0]
  seed = values.get('seed', 0)
  if type(seed) is not int or not 0 <= seed < 2**31:
    raise _wrong('seed', seed, 'int in [0, 2**31)', file)
  resolved = {'source': path, 'seed': seed}
  resolved |= {section: _section(section, values, file) for section in sections.SECTIONS}
  mounted = values.get('instruments', {})
  resolved['instruments'] = {
    name: _section(f'instruments.{name}', values, file) for name in mounted
  }
  return ml_collections.ConfigDict(resolved).lock()


def _section(section: str, values: dict[str, Any], file: str) -> Section:
  """A section with its defaults, every key known and of the annotated type."""
  group, _, name = section.partition('.')
  given = values.get(group, {})[name] if name else values.get(group, {})
  keywords = sections.keywords(sections.functions(section, values) or [])
  complete = {}
  for key, (annotation, default) in keywords.items():
    value = given.get(key, default)
    if value is inspect.Parameter.empty:
      raise ConfigError(f'{section}.{key} is missing in {file}; it has no default')
    if (section, key) == ('model', 'name'):
      annotation = Literal[*models.MODELS]
    try:
      complete[key] = fitted(value, annotation)
    except TypeError:
      raise _wrong(f'{section}.{key}', value, wanted(annotation, value), file) from None
  for key in given:
    if key not in keywords:
      raise _unknown(f'{section}.{key}', values, file)
  return complete


def _wrong(key: str, value: Any, kind: str, file: str) -> ConfigError:
  remedy = f'set it in {file} or with --config.{key}=VALUE'
  return ConfigError(f'{key}={shown(value)} must be {kind}; {remedy}')


def _call(function: Callable, config: Config, section: str, *args: Any, **keywords: Any) -> Any:
  """A ValueError whose message begins with a key of the section, or of any, is the config's."""
  try:
    return function(*args, **keywords)
  except ConfigError:
    raise
  except ValueError as error:
    named = re.split(r'[^\w.]', str(error))[0]
    known = [key for key in flat(_plain(config)) if key.startswith(section)]
    keys = [key for key in known if f'.{key}'.endswith(f'.{named}')]
    if len(keys) == 1:
      message, key = f'{keys[0]}{str(error).removeprefix(named)}', keys[0]
    elif any(key.startswith(f'{named}.') for key in known):  # a section: nothing in it is to blame
      raise ConfigError(f'{error}; or leave it out, with --config.{named}=none') from error
    elif section:
      message, key = f'{section}: {error}', f'{section}.KEY'
    else:  # no fault of the config's
      raise
    file = config.source.partition(':')[0]
    raise ConfigError(f'{message}; set it in {file} or with --config.{key}=VALUE') from error
