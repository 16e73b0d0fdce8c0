"""The look of the figures, the colours that mean something, and how a figure becomes files."""

import io
from contextlib import AbstractContextManager
from pathlib import Path

import matplotlib
import matplotlib.figure
import matplotlib.style
from matplotlib.colors import to_hex

COLUMN, PAGE = 3.25, 6.75  # widths in inches
WITHOUT_DATES = {'png': {'Software': None}, 'pdf': {'CreationDate': None}}


class Figure(matplotlib.figure.Figure):
  """A figure that pyplot does not know of, and that notebooks show all the same."""

  def _repr_png_(self) -> bytes:
    image = io.BytesIO()
    with context():
      self.savefig(image, format='png', dpi='figure')
    return image.getvalue()


def context() -> AbstractContextManager[None]:
  """Draws in the style of the house, whatever the user's own style; make and save figures in it."""
  return matplotlib.style.context(Path(__file__).with_name('genlab.mplstyle'), after_reset=True)


def save(figure: matplotlib.figure.Figure, path_stem: str | Path) -> list[Path]:
  """Writes `<path_stem>.png` and `.pdf`, and makes the folder; the same figure is the same bytes."""
  paths = []
  for suffix, metadata in WITHOUT_DATES.items():
    path = Path(f'{path_stem}.{suffix}')
    path.parent.mkdir(parents=True, exist_ok=True)
    with context():
      figure.savefig(path, metadata=metadata)
    paths.append(path)
  return paths


def noise_color(noise: float) -> str:
  """The colour of a label noise: from dark blue, real labels, to light orange, random labels.

  Lightness grows with the noise, so the order survives grey print and every kind of colour
  blindness.

  Raises:
    ValueError: the noise lies outside [0, 1].
  """
  if not 0 <= noise <= 1:
    raise ValueError(f'label noise lies in [0, 1], not {noise}')
  return to_hex(matplotlib.colormaps['plasma'](0.02 + 0.74 * noise))


def noise_label(noise: float) -> str:
  """0.5 -> '50 % random'; the ends are 'real labels' and 'random labels'."""
  return {0.0: 'real labels', 1.0: 'random labels'}.get(noise, f'{100 * noise:g} % random')
