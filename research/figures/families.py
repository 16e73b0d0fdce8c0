"""Colours and short names of measures, by family: 'norms/path' is of the family `norms`."""

from collections.abc import Iterable

from matplotlib.lines import Line2D

COLORS = (
  '#0072B2',
  '#D55E00',
  '#009E73',
  '#CC79A7',
  '#E69F00',
  '#56B4E9',
  '#000000',
)  # Wong (2011)
MARKERS = ('o', 's', '^', 'D')  # where there are more families than colours


def family(name: str) -> str:
  """'norms/path' -> 'norms'; 'params' is a family of its own name."""
  return name.partition('/')[0]


def short(name: str) -> str:
  """'pac_bayes/mag_init' -> 'pac bayes: mag init'."""
  return name.replace('/', ': ').replace('_', ' ')


def looks(names: Iterable[str]) -> dict[str, dict[str, str]]:
  """The colour and marker of each family, in the order in which they come; no two are alike.

  Raises:
    ValueError: there are more families than there are colours and markers.
  """
  families = list(dict.fromkeys(map(family, names)))
  if len(families) > len(COLORS) * len(MARKERS):
    raise ValueError(f'names must be of at most {len(COLORS) * len(MARKERS)} families')
  return {
    name: {'color': COLORS[k % len(COLORS)], 'marker': MARKERS[k // len(COLORS)]}
    for k, name in enumerate(families)
  }


def handles(found: dict[str, dict[str, str]]) -> list[Line2D]:
  """A line of the legend for each family."""
  lines = []
  for name, look in found.items():
    line = Line2D([], [], linestyle='', markersize=3.5, label=name.replace('_', ' '))
    line.set(**look)
    lines.append(line)
  return lines
