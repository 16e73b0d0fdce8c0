import itertools

import numpy as np
import pytest
from matplotlib.colors import to_rgba
from referee_tables import MEASURES, contest

from research.figures import families, scatter
from research.referee.scores import kendall


@pytest.mark.parametrize('color', ['label_noise', 'dataset'])
def test_a_point_is_a_network(color):
  table = contest()
  axes = scatter.figure(table, MEASURES, color).axes
  legend = axes[0].figure.legends[0]
  labels = [text.get_text() for text in legend.get_texts()]
  assert labels == [str(value) for value in sorted(table[color].unique())]
  looks = dict(zip(labels, (to_rgba(h.get_color()) for h in legend.legend_handles), strict=True))
  assert len(set(looks.values())) == len(looks)
  for panel, name in zip(axes, MEASURES, strict=False):
    assert panel.get_title('left').replace('\n', ' ') == families.short(name)
    points = panel.collections[0]
    known = table[np.isfinite(table[name])]
    expected = {(row[name], row['gap']): looks[str(row[color])] for _, row in known.iterrows()}
    drawn = [tuple(point) for point in np.asarray(points.get_offsets(), float)]
    assert sorted(drawn) == sorted(expected)
    faces = points.get_facecolors()[: len(drawn)]  # an empty panel keeps a colour
    for point, look in zip(drawn, faces, strict=True):
      assert tuple(look[:3]) == expected[point][:3]
    tau = kendall(table[name].to_numpy(), table['gap'].to_numpy()).item()
    assert f'{tau:.2f}' in panel.texts[0].get_text()
    missing = [text.get_text() for text in panel.texts[1:]]
    assert missing == (
      [f'{len(table) - len(known)} not computed'] if len(known) < len(table) else []
    )
  assert axes[0].get_xscale() == 'log'
  assert not axes[-1].axison


def test_long_names_stay_over_their_panels():
  table = contest()
  names = [f'of_a_family/a_rather_long_name_number_{k}' for k in range(4)]
  table = table.assign(**dict.fromkeys(names, 1.0))
  axes = scatter.figure(table, names, 'dataset').axes
  axes[0].figure.draw_without_rendering()
  boxes = [panel.title if panel.title.get_text() else panel._left_title for panel in axes]
  spans = [box.get_window_extent() for box in boxes]
  assert all(a.x1 < b.x0 for a, b in itertools.pairwise(spans))


@pytest.mark.parametrize(
  ('message', 'measures', 'color'),
  [
    ("networks must have a column 'x'", ['x'], 'dataset'),
    ("networks must have a column 'depth'", MEASURES, 'depth'),
    ('measures must name', [], 'dataset'),
  ],
)
def test_bad_arguments_are_named(message, measures, color):
  with pytest.raises(ValueError, match=f'^{message}'):
    scatter.figure(contest(), measures, color)
