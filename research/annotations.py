"""Values and the annotations of arguments: what fits, in which form, and what was perhaps meant."""

import ast
import difflib
import sys
import types
from typing import Any, Literal, Union, get_args, get_origin

WORDS = {'true': True, 'false': False, 'none': None}


def literal(text: str) -> Any:
  """What a text says: a Python literal, `true`, `false` or `none`; anything else is a string."""
  if text.lower() in WORDS:
    return WORDS[text.lower()]
  try:
    return ast.literal_eval(text)
  except (ValueError, SyntaxError, MemoryError, RecursionError):  # nested too deeply, the last two
    return text


def fitted(value: Any, annotation: Any) -> Any:
  """The value in the form that its annotation asks for.

  An int fits a float, and becomes one, so that 1 and 1.0 are the same setting; a list fits a tuple.
  A bool is no number, and a number is finite, since JSON knows no other.

  Raises:
    TypeError: the value does not fit; or the annotation is none of None, bool, int, float, str,
      Literal, unions of such, and tuples of one such kind.
  """
  kind, options = get_origin(annotation), get_args(annotation)
  if kind in (Union, types.UnionType):
    for option in options:
      try:
        return fitted(value, option)
      except TypeError:
        pass
  elif kind is Literal:
    if any(type(value) is type(option) and value == option for option in options):
      return value
  elif kind is tuple and options[1:] == (...,):
    if isinstance(value, list | tuple):
      return tuple(fitted(item, options[0]) for item in value)
  elif annotation is float:
    if type(value) in (int, float) and abs(value) <= sys.float_info.max:
      return float(value)
  elif annotation in (bool, int, str, types.NoneType) and type(value) is annotation:
    return value
  raise TypeError(f'not {wanted(annotation)}: {shown(value)}')


def wanted(annotation: Any, value: Any = None) -> str:
  """The annotation in words, `a tuple of int`, `float or None`, and what a near miss was to be."""
  kind, options = get_origin(annotation), get_args(annotation)
  if kind is Literal:
    near = nearest(str(value), [option for option in options if isinstance(option, str)])
    return f'one of {", ".join(map(repr, options))}' + (
      f' (did you mean {near!r}?)' if near else ''
    )
  if kind is tuple:
    return f'a tuple of {wanted(options[0])}'
  if options:
    return ' or '.join(map(wanted, options))
  return (
    'None' if annotation is types.NoneType else getattr(annotation, '__name__', str(annotation))
  )


def nearest(word: str, names: list[str]) -> str | None:
  """The name that a word abbreviates (`lr`: `learning_rate`) or misspells, if there is one."""
  short = [name for name in names if ''.join(part[:1] for part in name.split('_')) == word]
  return next(iter(short or difflib.get_close_matches(word, names, n=1)), None)


def shown(value: Any) -> str:
  """The value as Python would write it, if that is not too long to read."""
  text = repr(value)
  return text if len(text) <= 80 else f'{text[:77]}...'
