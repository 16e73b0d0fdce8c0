r"""The stability bound (Theorem 1), evaluated along runs with constants that are measured there.

.. math::
  |\text{gap}| \le \frac{L^2}{m} \sum_{t=1}^T \Bigl[\prod_{k=t+1}^T (1 + \eta \beta)\Bigr]\,
  \eta \sqrt{2 (1 - \alpha(w_{t-1}))}

with gap the expected test loss minus the training loss, in nats; m training examples, T steps of rate
:math:`\eta`. The theorem wants a Lipschitz constant L and a smoothness :math:`\beta` that hold
everywhere; what is measured along a run, the largest gradient norm and the largest eigenvalue of the
Hessian of the training loss, are lower estimates of both, so what is computed is at most the bound.
"""

import itertools

import numpy as np
import pandas as pd

from research.studies.claim import Verdict, exceeds, weakest, within
from research.summaries import generalization_gap, last

NOISE, RATE = 'task.label_noise', 'optimizer.learning_rate'
MEASURED = (
  'coherence/alpha',
  'coherence/m_coherence',
  'gradient_norms/max',
  'sharpness/max_eigenvalue',
)
TIGHT = 10.0


def stability_bound(curve: pd.DataFrame, *, coherent: bool = True) -> float:
  r"""log10 of the bound for one network trained by SGD at a constant rate; NaN if it was lost.

  Constants are the largest values along the run; between measurements alpha is interpolated linearly.
  In logarithms, with :math:`\prod_{k=t+1}^T (1 + \eta\beta) = (1 + \eta\beta)^{T-t}`.

  Args:
    curve: rows of one network, measured on all its m training examples, with `MEASURED` and its rate.
    coherent: whether to use the measured alpha; otherwise 0, the limit of no coherence at all.
  """
  curve = curve.sort_values('step')
  measured = curve[curve[list(MEASURED)].notna().any(axis=1)]
  if measured[list(MEASURED)].isna().any(axis=None):
    return np.nan
  alpha, m_coherence, norm, sharpness = (measured[name].to_numpy(float) for name in MEASURED)
  rate, last_step = curve[RATE].iloc[0], int(curve['step'].iloc[-1])
  steps = np.arange(1, last_step + 1)
  along = np.interp(steps - 1, measured['step'], alpha) * coherent
  lipschitz, smoothness = np.max(norm), np.maximum(np.max(sharpness), 0.0)
  terms = (last_step - steps) * np.log1p(rate * smoothness) + 0.5 * np.log(2 * (1 - along))
  m = np.median(m_coherence / alpha)
  log_bound = 2 * np.log(lipschitz) - np.log(m) + np.logaddexp.reduce(terms) + np.log(rate)
  return float(log_bound / np.log(10))


def bounds(table: pd.DataFrame, *, coherent: bool = True) -> pd.DataFrame:
  """log10 of the bound: a row for each label noise, a column for each network."""
  found = {
    key: stability_bound(curve, coherent=coherent)
    for key, curve in table.groupby([NOISE, 'member'])
  }
  return pd.Series(found).unstack()


def bound_grows_with_label_noise(bound: pd.DataFrame) -> Verdict:
  """The bound orders runs as their generalization gaps are ordered: with more random labels, both grow
  (smallest difference of log10 of the bound between neighbouring fractions of random labels)."""
  rows = bounds(bound)
  gaps = pd.DataFrame(
    {noise: generalization_gap(last(arm)) for noise, arm in bound.groupby(NOISE)}
  ).T
  if len(rows) < 2:
    return Verdict(holds=None, note='needs runs with different fractions of random labels')
  verdicts = []
  for less, more in itertools.pairwise(rows.index):
    where = f'{less:g} to {more:g} random'
    grows = exceeds((gaps.loc[more] - gaps.loc[less]).to_numpy(), 0.0, note=f'gap, {where}')
    verdicts.append(exceeds((rows.loc[more] - rows.loc[less]).to_numpy(), 0.0, note=where))
    if not grows.holds:
      return grows
  return weakest(verdicts)


def bound_is_tight(bound: pd.DataFrame) -> Verdict:
  """With real labels, where the gap of the losses can be measured on clean test labels, the bound is
  above it by less than a factor of ten (log10 of the bound over the gap, nats)."""
  end = last(bound[bound[NOISE] == 0.0])
  gap = end['test/loss'] - end['train/loss']
  rows = bounds(bound)
  looseness = rows.loc[0.0] - np.log10(gap.where(gap > 0))
  means = ', '.join(f'{noise:g} random 1e{row.mean():.0f}' for noise, row in rows.iterrows())
  return within(looseness.to_numpy(), 0.0, np.log10(TIGHT), note=f'bounds: {means}')


def coherence_matters_in_the_bound(bound: pd.DataFrame) -> Verdict:
  """The bound owes something to coherence: with real labels, it is at least a tenth below what it would
  be without any (1 minus the ratio of the two)."""
  real = bound[bound[NOISE] == 0.0]
  tightened = 1 - 10 ** (bounds(real) - bounds(real, coherent=False))
  return exceeds(tightened.to_numpy().ravel(), 0.1)
