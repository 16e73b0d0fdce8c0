"""Does coherence early in training predict the generalization gap at the end? A point for each run."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator
from scipy import stats

from research.figures import arms, curves, style
from research.summaries import early_means_and_gaps

COHERENCE, LOSS = 'coherence/alpha_unbiased', 'train/loss'
METRICS = [curves.NOISE, 'train/epoch', COHERENCE, LOSS, 'train/accuracy', 'test/accuracy']


def figure(prediction: pd.DataFrame) -> style.Figure:
  """The final gap against early coherence, and against the early training loss, which is free.

  A point is the mean over the members of a run, none of them lost, its colour the label noise. Early
  is from epoch 1 to 4, a mean over time; coherence is that of distinct pairs of examples. Beside each
  panel: Spearman's rank correlation over all runs, and over those of each label noise.

  Args:
    prediction: from `tables.load_runs`; the runs may differ in anything.

  Raises:
    ValueError: a metric is missing, or nowhere measured from epoch 1 to 4.
  """
  arms.require(prediction, METRICS)
  points = early_means_and_gaps(prediction, [COHERENCE, LOSS]).dropna()
  if points.empty:
    raise ValueError('nothing was measured from epoch 1 to 4 of these runs')
  with style.context():
    figure = style.Figure(figsize=(style.PAGE, 2.4))
    coherence, loss = figure.subplots(1, 2, sharey=True)
    _draw(coherence, points, COHERENCE)
    _coherence_axis(coherence, points[COHERENCE])
    coherence.set_xlabel(r'coherence $\hat\alpha$, epochs 1 to 4')
    coherence.set_ylabel('generalization gap at the end')
    _draw(loss, points, LOSS)
    loss.set_xlabel('training loss (nats), epochs 1 to 4')
  return figure


def _draw(axes: Axes, points: pd.DataFrame, metric: str) -> None:
  texts = [("Spearman's ρ", 'black'), (_rank(points, metric, 'all'), 'black')]
  for noise in sorted(points[curves.NOISE].unique().tolist()):
    part = points[points[curves.NOISE] == noise]
    color, label = style.noise_color(noise), style.noise_label(noise)
    look = {'color': color, 'edgecolor': 'white', 'linewidth': 0.4, 's': 22, 'label': label}
    axes.scatter(part[metric], part['gap'], **look)
    texts.append((_rank(part, metric, label), color))
  for i, (text, color) in enumerate(texts):
    look = {'transform': axes.transAxes, 'verticalalignment': 'top', 'fontsize': 7.5}
    axes.text(1.03, 1 - 0.09 * i, text, color=color, **look)


def _rank(points: pd.DataFrame, metric: str, label: str) -> str:
  """Spearman's rank correlation with the gap, or a dash where there is none, and of what it is."""
  if points[metric].nunique() < 2 or points['gap'].nunique() < 2:
    return f'–  {label}'
  value, _ = stats.spearmanr(points[metric], points['gap'])
  return f'{value:+.2f}  {label}'.replace('-', '−')


def _coherence_axis(axes: Axes, values: pd.Series) -> None:
  """A log axis; if not all values are positive, linear around 0 and logarithmic beyond."""
  if (values > 0).all():
    limits = values.min() / 1.3, values.max() * 1.3
    axes.set_xscale('log')
    axes.set_xlim(limits)
    curves.log_ticks(axes.xaxis, *limits)
    return
  largest = values.abs().max() or 1.0
  linear = 10.0 ** np.floor(np.log10(largest / 5))
  axes.set_xscale('symlog', linthresh=linear, linscale=0.7)
  ticks = [sign * digit * linear for sign in (-1, 1) for digit in (1, 3, 10, 30)]
  axes.xaxis.set_major_locator(FixedLocator([0, *ticks]))
  axes.xaxis.set_minor_locator(NullLocator())
  axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f'{value:g}'.replace('-', '−')))
