"""Inductive bias in bits: of kernels, of populations of networks, and beside coherence."""

import itertools

import numpy as np
import pandas as pd
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

from research import tables
from research.figures import arms, style

GREEN, GREY = '#009E73', '#777777'
DATASETS = {
  'mnist': ('MNIST', arms.BLUE, 'o'),
  'fashion_mnist': ('Fashion-MNIST', GREEN, 's'),
  'cifar10_partial': ('CIFAR-10', arms.ORANGE, 'D'),
}
FITS = {
  'cumulants': ('exact cumulants', GREEN, 's'),
  'likelihood': ('likelihood (the paper)', arms.BLUE, 'o'),
  'sankaran': ('its fallback', arms.ORANGE, 'D'),
}
SHOWN = {
  'mnist': ('MNIST, 500', arms.BLUE, '-'),
  'n=2000': ('MNIST, 2,000', arms.BLUE, '--'),
  'fashion_mnist': ('Fashion-MNIST', GREEN, '-'),
  'cifar10': ('CIFAR-10', arms.ORANGE, '-'),
  'digits': ('digits, MLP', GREY, '-'),
  'digits_cnn': ('digits, CNN', GREY, '--'),
}


def of_kernels(kernels: pd.DataFrame, fit: pd.DataFrame) -> style.Figure:
  """Bits that the error 0.05 takes of functions that fit, by examples; and the part that fits miss.

  Left: RBF kernel of the median distance, amplitude 1 (full) and fitted (open); means over draws of the
  examples, bars are 95 % confidence intervals. Right: bits of a fitted noncentral chi-square over the
  exact ones, each draw; MNIST, RBF kernels.

  Args:
    kernels: seed, dataset, n, kernel, amplitude, target, bits.
    fit: seed, n, length, exact, and a column for each of FITS.
  """
  with style.context():
    figure = style.Figure(figsize=(style.PAGE, 2.6), layout='constrained')
    left, right = figure.subplots(1, 2)
    rbf = kernels[(kernels['kernel'] == 'rbf') & (kernels['target'] == 0.05)]
    for i, (dataset, (label, colour, marker)) in enumerate(DATASETS.items()):
      for amplitude, face in (('unit', colour), ('fitted', 'white')):
        own = rbf[(rbf['dataset'] == dataset) & (rbf['amplitude'] == amplitude)]
        band = tables.band(own.rename(columns={'n': 'step'}), 'bits', 'dataset')
        left.errorbar(
          band['step'] * 1.04 ** (i - 1),
          band['mean'],
          [band['mean'] - band['low'], band['high'] - band['mean']],
          color=colour,
          marker=marker,
          markerfacecolor=face,
          linestyle='-' if amplitude == 'unit' else ':',
          label=label if amplitude == 'unit' else None,
        )
    left.set(
      xscale='log', yscale='log', xlabel='training examples', ylabel='bits to the error 0.05'
    )
    left.legend()
    settings = sorted(
      {(int(n), float(length)) for n, length in zip(fit['n'], fit['length'], strict=True)}
    )
    for i, (name, (label, colour, marker)) in enumerate(FITS.items()):
      for place, (n, length) in enumerate(settings):
        own = fit[(fit['n'] == n) & (fit['length'] == length)]
        right.plot(
          np.full(len(own), place + 0.2 * (i - 1)),
          own[name] / own['exact'],
          marker,
          color=colour,
          alpha=0.7,
          label=label if place == 0 else None,
        )
    right.axhline(1.0, color='black', linewidth=0.6)
    right.set_xticks(range(len(settings)), [f'{n}\n{length:g}' for n, length in settings])
    right.set(xlabel='training examples; length of the kernel', ylabel='bits over the exact bits')
    right.set_ylim(bottom=0)
    right.legend(loc='lower left')
  return figure


def of_networks(curves: pd.DataFrame) -> style.Figure:
  """Bits against the target error of networks that fit, and how much equally good ones disagree.

  Left: bits to a target; bands are 95 % intervals. Where no network reaches it the tail is
  extrapolated, dotted, and the thin line is the lower end of an interval that is open above. Right: the
  share of test images on which a network differs from the best one, any (full) or the one that differs
  most (open), among those within some accuracy of it.

  Args:
    curves: run, target, value, low, high, extrapolated; and spread, ambiguity, discrepancy.
  """
  with style.context():
    figure = style.Figure(figsize=(style.PAGE, 2.6), layout='constrained')
    left, right = figure.subplots(1, 2)
    highest = 1.0
    for run, (label, colour, line) in SHOWN.items():
      own = curves[curves['run'] == run]
      bits = own.dropna(subset=['target']).sort_values('target')
      if not len(bits):
        continue
      value, low, high = (bits[name].to_numpy(float) for name in ('value', 'low', 'high'))
      highest = max(highest, np.nanmax(value[np.isfinite(value)], initial=1.0))
      known = ~bits['extrapolated'].to_numpy(bool)
      target = bits['target'].to_numpy(float)
      left.plot(target, value, ':', color=colour, linewidth=1)
      left.plot(target[known], value[known], line, color=colour, label=label)
      closed = np.isfinite(high)
      left.fill_between(target, low, high, where=closed, color=colour, alpha=0.2, linewidth=0)
      left.plot(target[~closed], low[~closed], '-', color=colour, linewidth=0.7)
      alike = own.dropna(subset=['spread']).sort_values('spread')
      for name, face in (('ambiguity', colour), ('discrepancy', 'white')):
        right.plot(
          100 * alike['spread'],
          alike[name],
          line,
          marker='o',
          color=colour,
          markerfacecolor=face,
          markersize=4,
          label=label if name == 'ambiguity' else None,
        )
    left.set(xscale='log', yscale='log', xlabel='target error (mean square)', ylabel='bits')
    left.set_ylim(0.1, 1.5 * highest)
    left.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    left.xaxis.set_major_formatter('{x:g}')
    left.xaxis.set_minor_formatter(NullFormatter())
    right.set(
      xlabel='points of accuracy below the best', ylabel='share of test images', ylim=(0, None)
    )
    figure.legend(*right.get_legend_handles_labels(), loc='outside upper center', ncols=6)
  return figure


def joined(settings: pd.DataFrame) -> style.Figure:
  """Bits that the error 0.03 takes against coherence early in training; a point is a setting.

  Bars are 95 % intervals of the bits, arrows those that are open above; settings of which fewer than
  twenty networks fit are left out.

  Args:
    settings: task.label_noise, coherence/alpha_unbiased, bits, low, high.
  """
  with style.context():
    figure = style.Figure(figsize=(style.COLUMN, 2.6), layout='constrained')
    axes = figure.subplots()
    groups = settings.dropna(subset=['bits']).groupby('task.label_noise')
    for (noise, own), marker in zip(groups, itertools.cycle('osD'), strict=False):
      low, value, high = (own[name].to_numpy(float) for name in ('low', 'bits', 'high'))
      value = np.where(np.isfinite(value), value, low)
      is_open = ~np.isfinite(high)
      place, colour = own['coherence/alpha_unbiased'], style.noise_color(float(noise))  # pyright: ignore[reportArgumentType]
      axes.vlines(place, low, value, colors=colour, linewidth=0.8)
      axes.errorbar(
        place,
        value,
        [np.maximum(value - low, 0), np.where(is_open, value, np.maximum(high - value, 0))],
        lolims=is_open,
        fmt=marker,
        markersize=4,
        elinewidth=0.8,
        color=colour,
        label=style.noise_label(float(noise)),  # pyright: ignore[reportArgumentType]
      )
    axes.set(
      xlabel='coherence early in training, unbiased alpha',
      ylabel='bits to the error 0.03',
      yscale='log',
    )
    axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.legend()
  return figure
