import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from research.records import Records
from research.workdirs import write_json

NOTEBOOKS = sorted((Path(__file__).parents[1] / 'notebooks').glob('[!_]*.py'))


@pytest.fixture(scope='module')
def runs(tmp_path_factory):
  """Three finished runs of three members, measured but never trained."""
  root, rng, m = tmp_path_factory.mktemp('runs'), np.random.default_rng(0), 32
  for noise in (0.0, 0.5, 1.0):
    workdir = root / f'label_noise={noise}'
    workdir.mkdir()
    write_json(workdir / 'config.json', {'seed': 0, 'task': {'name': 'toy', 'label_noise': noise}})
    with Records(workdir) as records:
      for step in (0, 1, 3, 10, 30, 100):
        alpha = (1 + 10 / (1 + step)) / m * np.exp(-noise + 0.1 * rng.normal(size=3))
        row = {'train/accuracy': rng.uniform(size=3), 'test/accuracy': rng.uniform(size=3)}
        row['train/epoch'] = step / 10
        for suffix in ('', '/Dense_0', '/Dense_1'):
          row[f'coherence/alpha{suffix}'] = alpha
          row[f'coherence/m_coherence{suffix}'] = m * alpha
          row[f'coherence/alpha_unbiased{suffix}'] = (m * alpha - 1) / (m - 1)
        records.write(step, row)
  return root


@pytest.fixture(scope='module')
def printed(runs):
  """What each notebook prints, run as a plain script on these runs."""
  done = {notebook.stem: run(notebook, runs) for notebook in NOTEBOOKS}
  assert not any(script.returncode for script in done.values()), done
  return {name: script.stdout for name, script in done.items()}


def run(notebook, root):
  return subprocess.run(
    [sys.executable, '-W', 'error', notebook],
    cwd=root.parent,
    env={**os.environ, 'GENLAB_RUNS': str(root)},
    capture_output=True,
    text=True,
  )


@pytest.mark.parametrize('name', [notebook.stem for notebook in NOTEBOOKS])
def test_makes_figures_of_finished_runs(name, runs, printed):
  images = [Path(line) for line in printed[name].splitlines() if line.endswith('.png')]
  assert images
  for image in images:
    assert image.parent == runs / 'figures'
    assert image.read_bytes().startswith(b'\x89PNG')
    assert image.with_suffix('.pdf').read_bytes().startswith(b'%PDF')


@pytest.mark.parametrize('notebook', NOTEBOOKS, ids=lambda path: path.stem)
def test_says_what_to_run_first(notebook, tmp_path):
  refused = run(notebook, tmp_path / 'nothing')
  assert refused.returncode == 1
  assert 'make quickstart' in refused.stderr
  assert 'Traceback' not in refused.stderr


def test_coherence_prints_the_summary_and_the_verdicts(printed):
  """Coherence was made to fall by e from no to all random labels."""
  lines = printed['coherence'].splitlines()
  early = {line.split()[0]: line.split() for line in lines if line[:1].isdigit()}
  assert list(early) == ['0%', '50%', '100%']
  assert [line.split(':')[0] for line in lines if ' ± ' in line and ':' in line].count('holds') >= 1
  ratio = next(line for line in lines if 'at least twice' in line)
  assert 2 < float(ratio.split()[1]) < 4
