import itertools

import numpy as np
import pandas as pd
import pytest

from research.figures import digits_lens

IMAGES = pd.DataFrame(
  {'seed': seed, 'n_train': n, 'arm': arm, 'excess': value * (1 + 0.1 * seed)}
  for seed, n, (arm, value) in itertools.product(
    range(3), (100, 400), {'sgld': 0.3, 'ensemble': 1.5}.items()
  )
)
WEIGHTS = pd.DataFrame(
  {'seed': seed, 'redrawn': share, 'bits': 2 + share + 0.1 * seed}
  for seed, share in itertools.product(range(3), (1.0, 0.0, 0.5))
)


def test_bits_and_their_intervals_are_drawn_beside_chance():
  left, right = digits_lens.figure(IMAGES, WEIGHTS).axes
  line, (low, high), _ = right.containers[0]
  x, mean, below, above = (
    np.asarray(of, float)
    for of in (line.get_xdata(), line.get_ydata(), low.get_ydata(), high.get_ydata())
  )
  np.testing.assert_allclose(x, [0, 0.5, 1])
  np.testing.assert_allclose(mean, [2.1, 2.6, 3.1])
  np.testing.assert_allclose([mean - below, above - mean], 4.3027 * 0.1 / np.sqrt(3), rtol=1e-4)
  assert right.lines[0].get_ydata()[0] == pytest.approx(np.log2(10))
  assert [text.get_text() for text in left.get_yticklabels()] == ['SGLD', 'ensemble']
  assert len(left.containers) == 2


@pytest.mark.parametrize(('name', 'column'), [('images', 'arm'), ('weights', 'bits')])
def test_a_missing_column_is_named(name, column):
  made = {'images': IMAGES, 'weights': WEIGHTS}
  with pytest.raises(ValueError, match=f'^{name} must have a column {column!r}'):
    digits_lens.figure(**(made | {name: made[name].drop(columns=column)}))
