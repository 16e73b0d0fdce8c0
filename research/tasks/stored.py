"""Images that stay on disk: an array whose rows are read and decoded when they are asked for."""

import io
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from research.tasks.selection import Rows

MODES = {1: 'L', 3: 'RGB'}  # of Pillow, by the number of channels
Record = tuple[bytes, int]  # an image file, and its label


class BrokenRecord(OSError):
  """A record of a dataset cannot be read, or holds no image or no class; the message names it."""


@dataclass(frozen=True, eq=False)
class StoredImages:
  """Images uint8 [n, H, W, C] that are read like a NumPy array, of which nothing is kept in memory.

  `images[rows]` decodes those rows anew, by threads; `read(row)` decodes one, and any number of
  threads may call it at once. What a row holds depends on its record alone (`decoded`).

  Cost: a JPEG of 500 x 375 pixels takes a core about 5 ms.
  """

  record: Callable[[int], Record]  # by its number
  rows: Rows  # the records that these are
  shape: tuple[int, ...]  # (n, H, W, C)
  crop: float
  source: str  # what the records are of, for errors

  dtype = np.dtype(np.uint8)
  ndim = 4

  def __len__(self) -> int:
    return len(self.rows)

  def read(self, row: int) -> np.ndarray:
    """The image [H, W, C] of a row.

    Raises:
      BrokenRecord: there is none.
    """
    number = int(self.rows[row])
    encoded, _ = self.read_record(number)
    try:
      return decoded(encoded, self.shape[1:], self.crop)
    except Exception as error:  # whatever a broken file makes Pillow raise
      raise BrokenRecord(
        f'record {number} of {self.source} holds no image that can be decoded: {error}'
      ) from error

  def read_record(self, number: int) -> Record:
    """A record by its number in the split.

    Raises:
      BrokenRecord: it cannot be read.
    """
    try:
      return self.record(number)
    except Exception as error:  # likewise
      raise BrokenRecord(f'record {number} of {self.source} cannot be read: {error}') from error

  def __getitem__(self, rows: slice | np.ndarray) -> np.ndarray:
    chosen = np.arange(len(self))[rows]
    images = np.empty((len(chosen), *self.shape[1:]), self.dtype)

    def fill(places: range):
      for place in places:
        images[place] = self.read(chosen[place])

    each_in_parallel(fill, len(chosen), 16)
    return images

  def labels(self, n_classes: int) -> np.ndarray:
    """The labels of all rows, int32 [n]. Reads every record, and decodes none.

    Raises:
      BrokenRecord: a record cannot be read, or its label is none of the classes.
    """
    labels = np.empty(len(self), np.int32)

    def fill(places: range):
      for place in places:
        number = int(self.rows[place])
        _, label = self.read_record(number)
        if not 0 <= label < n_classes:
          raise BrokenRecord(
            f'record {number} of {self.source} has the label {label}, '
            f'which must lie in [0, {n_classes - 1}]'
          )
        labels[place] = label

    each_in_parallel(fill, len(self), 1024)
    return labels


def decoded(encoded: bytes, shape: tuple[int, ...], crop: float) -> np.ndarray:
  """The middle of an image file, scaled to uint8 [H, W, C]: a function of its arguments alone.

  What is taken is the largest rectangle of the proportions H : W around the centre, with its sides
  times `crop`; it is scaled in one step, by a bicubic filter as wide as shrinking asks for. An image
  that has the right size already, with `crop` 1, is left as it is. Grey images become colour ones of
  equal channels, and colours grey, as C says.
  """
  from PIL import Image  # only what decodes needs it

  height, width, channels = shape
  with Image.open(io.BytesIO(encoded)) as file:
    image = file.convert(MODES[channels])
  scale = crop * min(image.width / width, image.height / height)
  left, top = (image.width - scale * width) / 2, (image.height - scale * height) / 2
  left, top = max(0.0, left), max(0.0, top)  # of rounding
  box = (left, top, image.width - left, image.height - top)
  scaled = image.resize((width, height), Image.Resampling.BICUBIC, box=box)
  return np.asarray(scaled).reshape(shape)


def each_in_parallel(fill: Callable[[range], None], n: int, size: int) -> None:
  """Calls `fill` with the numbers from 0 to n - 1, `size` at a time, in threads."""
  parts = [range(start, min(start + size, n)) for start in range(0, n, size)]
  n_threads = min(len(parts), os.cpu_count() or 1)
  if n_threads <= 1:
    for part in parts:
      fill(part)
    return
  with ThreadPoolExecutor(n_threads) as pool:
    futures = [pool.submit(fill, part) for part in parts]
    try:
      for future in futures:
        future.result()
    finally:  # after an error, what has not begun is not begun
      for future in futures:
        future.cancel()
