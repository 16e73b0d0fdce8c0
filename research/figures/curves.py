"""What figures of label noise share: a curve with its band for each noise, against the steps."""

import math

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.lines import Line2D
from matplotlib.ticker import EngFormatter, FixedLocator, FuncFormatter, LogLocator, NullLocator

from research import tables
from research.figures import arms, style

NOISE = 'task.label_noise'
POOLED = {NOISE, 'run', 'step', 'member', 'seed', 'source'}


def require(table: pd.DataFrame, metrics: list[str]) -> None:
  """Checks that the table holds what a figure shows, and that its bands would mean something.

  Raises:
    ValueError: a column is missing, a metric is nowhere measured, or runs of one label noise differ
      in more than their seed, so that a band would pool what does not belong together.
  """
  for name in [NOISE, 'step', *metrics]:
    if name not in table:
      raise ValueError(f'the table has no {name!r}, which this figure shows')
    if table[name].isna().all():
      raise ValueError(f'{name!r} was measured at no step of these runs')
  settings = [name for name in map(str, table) if '/' not in name and name not in POOLED]
  n_values = table.groupby(NOISE)[settings].nunique(dropna=False).max()
  if mixed := [name for name in settings if n_values[name] > 1]:
    raise ValueError(f'runs of one label noise differ in {", ".join(mixed)}: choose among the runs')


def sample_size(table: pd.DataFrame) -> int:
  r"""The number m of gradients behind each coherence: m-coherence over :math:`\alpha`.

  Raises:
    ValueError: runs differ in m, and so are not to be compared.
  """
  positive = table[table['coherence/alpha'] > 0]
  sizes = (positive['coherence/m_coherence'] / positive['coherence/alpha']).dropna().round()
  if sizes.nunique() != 1:
    found = ', '.join(f'{m:g}' for m in sorted(sizes.unique())) or 'none'
    raise ValueError(f'coherence depends on the sample size m; these runs have m = {found}')
  return int(sizes.iloc[0])


def draw(axes: Axes, table: pd.DataFrame, metric: str) -> dict[float, Line2D]:
  """Draws the mean over members, with its band, for each label noise, in its colour."""
  colors = {noise: style.noise_color(noise) for noise in sorted(table[NOISE].dropna().unique())}
  return arms.draw(axes, table, metric, colors, by=NOISE, label=style.noise_label)


def coherence_limits(table: pd.DataFrame, metrics: list[str], m: int) -> tuple[float, float]:
  """Limits of a log axis that hold 1/m and all means; of a band that is very wide, only a part."""
  curves = pd.concat([tables.band(table, metric, NOISE, log=True) for metric in metrics])
  means = curves['mean'][curves['mean'] > 0]
  bottom, top = min(means.min(), 1 / m), max(means.max(), 1 / m)
  return bottom / 1.4, 1.1 * min(max(top, curves['high'].max()), 2 * top)


def coherence_axis(axes: Axes, limits: tuple[float, float], m: int) -> None:
  r"""Makes y a log axis of :math:`\alpha`, with the value of orthogonal gradients, 1/m, dashed."""
  axes.set_yscale('log')
  axes.set_ylim(limits)
  axes.axhline(1 / m, color='0.35', linestyle='--', linewidth=0.8, label='orthogonal')
  log_ticks(axes.yaxis, *limits)


def log_ticks(axis: Axis, bottom: float, top: float) -> None:
  """Writes plain numbers on a log axis: 0.01, 0.02, 0.05, 0.1; the longer it is, the fewer."""
  decades = math.log10(top / bottom)
  digits = (1, 2, 5) if decades < 2 else (1, 3) if decades < 3 else (1,)
  axis.set_major_locator(LogLocator(subs=digits))
  axis.set_minor_locator(NullLocator())
  axis.set_major_formatter(FuncFormatter(lambda value, _: f'{value:g}'))


def step_axis(axes: Axes, last: int, n_ticks: int) -> None:
  """Makes x an axis of steps: logarithmic from 1 on, with step 0 at its left, and few ticks."""
  last = max(last, 1)
  decades = range(math.floor(math.log10(last)) + 1)
  thinned = decades[:: math.ceil(len(decades) / n_ticks)]
  minor = [digit * 10**decade for decade in decades for digit in range(1, 10)]
  axes.set_xscale('symlog', linthresh=1, linscale=max(0.4, 0.15 * len(decades)))
  axes.set_xlim(0, last)
  axes.xaxis.set_major_locator(FixedLocator([0, *(10**decade for decade in thinned)]))
  axes.xaxis.set_minor_locator(FixedLocator([step for step in minor if step <= last]))
  axes.xaxis.set_major_formatter(EngFormatter(sep=''))  # 1k is 1000
