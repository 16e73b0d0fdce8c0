"""Samples beside ensembles on digits, and what their labels weigh."""

import numpy as np
import pandas as pd

from research import tables
from research.figures import arms, style
from research.figures.universality import draw_predictives, require

N_CLASSES = 10
TICKS = (0.3, 1.0, 3.0)


def figure(images: pd.DataFrame, weights: pd.DataFrame) -> style.Figure:
  """Left: how much more an average prediction loses than the truth. Right: bits per label.

  Means over replicates with 95 % confidence intervals. Dashed is what labels weigh by chance.

  Args:
    images: columns seed, n_train, arm, excess.
    weights: seed, redrawn, bits.

  Raises:
    ValueError: a column is missing.
  """
  require(images, 'images', ('seed', 'n_train', 'arm', 'excess'))
  require(weights, 'weights', ('seed', 'redrawn', 'bits'))
  with style.context():
    made = style.Figure(figsize=(style.PAGE, 2.1))
    left, right = made.subplots(1, 2, width_ratios=(1.3, 1))
    draw_predictives(left, images)
    left.set_xticks(TICKS, [f'{tick:g}' for tick in TICKS])
    band = tables.band(weights.assign(step=0), 'bits', 'redrawn').sort_values('redrawn')
    reach = np.stack([band['mean'] - band['low'], band['high'] - band['mean']])
    right.axhline(np.log2(N_CLASSES), linestyle='--', color='0.35', linewidth=0.8, label='chance')
    look = {'fmt': 'o-', 'markersize': 3.5, 'color': arms.BLUE, 'capsize': 2, 'label': 'evidence'}
    right.errorbar(band['redrawn'].astype(float), band['mean'], yerr=np.nan_to_num(reach), **look)
    right.set_title('Weight of 100 labels (bits per label)')
    right.set_xlabel('share of labels redrawn')
    right.set_ylim(bottom=0)
    right.legend(loc='lower right')
  return made
