"""Decoded splits kept on disk: a cache file that is missing, broken or unwritable costs only time.

A cache file is one uncompressed .npz, so that inputs and labels are replaced together and a
checksum guards both. Files of sources that have changed since are not removed; the folder may be
deleted at any time.
"""

import logging
import os
import uuid
from collections.abc import Callable
from pathlib import Path

import numpy as np

from research.tasks.split import Split

logger = logging.getLogger(__name__)


def cache_folder() -> Path:
  """`$GENLAB_CACHE`, else `$XDG_CACHE_HOME/genlab`, else `~/.cache/genlab`."""
  if folder := os.environ.get('GENLAB_CACHE'):
    return Path(folder).expanduser()
  return Path(os.environ.get('XDG_CACHE_HOME') or '~/.cache').expanduser() / 'genlab'


def cached(key: str, decode: Callable[[], Split]) -> Split:
  """The split kept under `key`, a file name; where there is none, decodes it and keeps it.

  Any number of processes may do so at once: each writes a file of its own and renames it. A
  broken file is replaced, with a warning; where nothing can be written, only a warning is given.
  """
  path = cache_folder() / f'{key}.npz'
  try:
    with path.open('rb') as file, np.load(file) as arrays:
      return Split(arrays['inputs'], arrays['labels'])
  except OSError:
    pass  # not there, or out of reach: if so, writing says why
  except Exception as error:  # whatever a broken file raises, the source is still whole
    logger.warning('decoding anew what the cache file %s should hold: %s', path, error)
  split = decode()
  try:
    _write(path, split)
  except OSError as error:
    logger.warning('cannot keep the decoded %s: %s', key, error)
  return split


def _write(path: Path, split: Split):
  path.parent.mkdir(parents=True, exist_ok=True)
  temporary = path.with_name(f'{path.name}.{uuid.uuid4().hex}.tmp')
  try:
    with temporary.open('wb') as file:
      np.savez(file, inputs=split.inputs, labels=split.labels)
    os.replace(temporary, path)
  finally:
    temporary.unlink(missing_ok=True)
