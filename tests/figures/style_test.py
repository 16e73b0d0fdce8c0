import subprocess
import sys

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from research.figures import coherence, layers, style


def luminance(color):
  return np.dot([0.2126, 0.7152, 0.0722], np.power(to_rgb(color), 2.2))


def test_lightness_grows_with_the_noise_and_steps_show_in_grey():
  lightness = [luminance(style.noise_color(noise)) ** (1 / 3) for noise in np.linspace(0, 1, 101)]
  assert np.all(np.diff(lightness) > 0)
  real, half, random = lightness[::50]
  assert half - real > 0.15
  assert random - half > 0.15


@pytest.mark.parametrize('noise', [-0.1, 1.1, np.nan])
def test_noise_outside_its_range_has_no_colour(noise):
  with pytest.raises(ValueError, match='label noise'):
    style.noise_color(noise)


def test_names_of_the_noises():
  names = [style.noise_label(noise) for noise in (0.0, 0.25, 0.5, 0.125, 1.0)]
  assert names == ['real labels', '25 % random', '50 % random', '12.5 % random', 'random labels']


def test_saved_twice_is_the_same_bytes(make_table, tmp_path):
  for name, figure in (('coherence', coherence.figure), ('layers', layers.figure)):
    paths = style.save(figure(make_table(n_layers=2)), tmp_path / f'a/{name}=0.5')
    again = style.save(figure(make_table(n_layers=2)), tmp_path / f'b/{name}=0.5')
    assert [path.name for path in paths] == [f'{name}=0.5.png', f'{name}=0.5.pdf']
    assert [path.read_bytes() for path in paths] == [path.read_bytes() for path in again]
    assert b'CreationDate' not in paths[1].read_bytes()


SAVE = """
import sys
from research.figures import style
with style.context():
  figure = style.Figure()
  figure.subplots().plot([0, 1], [0, 1], label='a')
style.save(figure, sys.argv[1])
assert 'matplotlib.pyplot' not in sys.modules
"""


def test_another_process_writes_the_same_bytes_without_pyplot(tmp_path):
  files = []
  for name in ('a', 'b'):
    subprocess.run([sys.executable, '-c', SAVE, tmp_path / name], check=True)
    files.append([(tmp_path / f'{name}.{suffix}').read_bytes() for suffix in ('png', 'pdf')])
  assert files[0] == files[1]


def test_notebooks_can_show_it():
  with style.context():
    figure = style.Figure()
  assert figure._repr_png_().startswith(b'\x89PNG')
