"""What is restored is what was trained."""

import jax
import numpy as np
import pytest

from research import configuration, loop
from research.records import read_metrics
from research.restored import of_each, restored

OVERRIDES = ['training.total_steps=6', 'training.checkpoint_every=4', 'population.size=2']


@pytest.fixture(scope='module')
def workdir(tmp_path_factory):
  workdir = tmp_path_factory.mktemp('run')
  config = configuration.load('configs/gradient_starvation/margins.py:smoke', OVERRIDES)
  loop.train_and_evaluate(config, workdir)
  return workdir


def test_evaluates_as_the_record_says(workdir):
  population, step, state = restored(workdir)
  assert step == 6
  table = read_metrics(workdir)
  last = table[table['step'] == 6]
  measured = population.evaluate(state)
  for name in ('train/loss', 'test/loss', 'test/accuracy'):
    np.testing.assert_allclose(measured[name], last[name], rtol=1e-6)


def test_goes_on_as_the_run_did(workdir, tmp_path):
  """From the checkpoint at step 4, once the last one is damaged."""
  for path in workdir.rglob('*'):
    copy = tmp_path / 'run' / path.relative_to(workdir)
    copy.parent.mkdir(parents=True, exist_ok=True)
    if path.is_file():
      copy.write_bytes(path.read_bytes())
  (tmp_path / 'run/checkpoints/6/SHA256SUMS').write_text('nothing\n')
  population, step, state = restored(tmp_path / 'run')
  assert step == 4
  for number in (4, 5):
    state, _ = population.step(state, number)
  _, _, last = restored(workdir)
  for a, b in zip(jax.tree.leaves(state.params), jax.tree.leaves(last.params), strict=True):
    np.testing.assert_array_equal(jax.device_get(a), jax.device_get(b))


def test_of_each_is_what_each_says_alone(workdir):
  population, _, state = restored(workdir)
  x = np.linspace(-1, 1, 8, dtype=np.float32).reshape(4, 2)
  found = of_each(population.model.apply, state.params, x)
  for member in range(2):
    params = jax.tree.map(lambda leaf, member=member: leaf[member], jax.device_get(state.params))
    np.testing.assert_allclose(found[member], population.model.apply(params, x), rtol=1e-5)
  assert np.abs(found[0] - found[1]).max() > 1e-3


def test_fits_nothing_again(tmp_path, monkeypatch):
  """Classifiers that an instrument compares with take longer than the rest, and nobody reads them."""
  overrides = ['task.name=digits', "instruments.simple_explanation.references=('linear',)"]
  config = configuration.load('configs/pitfalls/natural.py:smoke', overrides)
  loop.train_and_evaluate(config, tmp_path / 'run')
  monkeypatch.setattr('research.references.fit_reference', None)
  with pytest.raises(TypeError):
    loop.build(config)
  population, step, state = restored(tmp_path / 'run')
  table = read_metrics(tmp_path / 'run')
  last = table[table['step'] == step]
  np.testing.assert_allclose(population.evaluate(state)['test/loss'], last['test/loss'], rtol=1e-6)


def test_says_what_is_missing(workdir, tmp_path):
  with pytest.raises(FileNotFoundError, match='holds no run'):
    restored(tmp_path / 'nowhere')
  (tmp_path / 'config.json').write_bytes((workdir / 'config.json').read_bytes())
  with pytest.raises(FileNotFoundError, match='no checkpoint'):
    restored(tmp_path)
