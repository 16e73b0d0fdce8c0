import contextlib
import io
import itertools
import os
import runpy
import shutil
import subprocess
import sys
import warnings
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from research.figures import blanks, contrastive, difficulty, inductive_bias, universality
from research.records import Records
from research.studies import plan
from research.workdirs import write_json

ROOT = Path(__file__).parents[1]
PROGRAM = SimpleNamespace(**runpy.run_path(str(ROOT / 'notebooks/__main__.py')))
NOTEBOOKS = sorted((ROOT / 'notebooks').glob('[!_]*.py'))
FIRST = {  # what to run first
  'coherence': 'make quickstart',
  'contest': 'python -m research.replicate contest',
  'contrastive_simplicity': 'python -m research.replicate contrastive_simplicity',
  'exact_inductive_bias': 'python -m research.replicate exact_inductive_bias',
  'generalization_mystery': 'python -m research.replicate generalization_mystery',
  'gradient_starvation': 'python -m research.replicate gradient_starvation',
  'pitfalls': 'python -m research.replicate pitfalls',
  'task_difficulty': 'python -m research.replicate task_difficulty',
  'universality_lens': 'python -m research.replicate universality_lens',
}
# Where each notebook finds the runs that are made here, below its folder; '' if it reads none.
FOLDERS = {
  'coherence': '.',
  'contest': '',
  'contrastive_simplicity': '',
  'exact_inductive_bias': '',
  'generalization_mystery': 'noise',
  'gradient_starvation': 'colored_mnist',
  'pitfalls': 'natural',
  'task_difficulty': '',
  'universality_lens': '',
}
NOISES = {f'label_noise={noise}': noise for noise in (0.0, 0.5, 1.0)}
ARMS = {'gradient_starvation': {'erm': 0.0, 'official': 0.0}}  # and their label noise
SEEDS = {'seed': range(3)}
CALCULATED = {  # the columns of each table: what its rows combine, and what is random
  'contest': {
    'environments': (
      {'measure': ('norms/length', 'path/log_norm'), 'axis': ('width',), 'environment': ('a', 'b')},
      ['sign_error'],
    ),
  },
  'contrastive_simplicity': {
    'learned_and_unlearned': ({**SEEDS, 'majority': (0.5, 0.75), 'step': (0, 10)}, ['subclass_d']),
    'suppression': (
      {**SEEDS, 'arm': contrastive.COMPETITORS, 'width': (1, 9)},
      ['class_accuracy'],
    ),
    'temperature': (
      {**SEEDS, 'temperature': (0.1, 1.0)},
      ['uniformity', 'tolerance', 'probe_accuracy'],
    ),
    'shared_bits': (
      {**SEEDS, 'encoder': contrastive.ENCODERS, 'n_bits': (0, 4)},
      ['probe_accuracy'],
    ),
  },
  'exact_inductive_bias': {
    'kernels': (
      {**SEEDS, 'dataset': inductive_bias.DATASETS, 'n': (100, 1000), 'kernel': ('rbf',)}
      | {'amplitude': ('unit', 'fitted'), 'target': (0.05,)},
      ['bits'],
    ),
    'fit': ({**SEEDS, 'n': (100,), 'length': (5.0,)}, ['exact', *inductive_bias.FITS]),
  },
  'task_difficulty': {
    'published': ({'task': ('MNIST', 'Hopper')}, ['log10_bits', 'read_log10_bits']),
    'sweeps': (
      {'task': difficulty.SWEPT, 'swept': ('m', 'n'), 'value': (4.0, 9.0), 'factor': (1.0,)},
      ['log10_bits'],
    ),
    'measured': (
      {**SEEDS, 'dataset': ('mnist',)},
      [f'log10_bits{end}' for end in ('', '_low', '_high')],
    ),
    'samples': ({**SEEDS, 'dataset': ('mnist',), 'n': (10, 100)}, ['log10_bits']),
    'estimators': ({**SEEDS, 'm': (2, 9), 'n': (200,), 'noise': (0.0, 0.1)}, ['pooled']),
  },
  'universality_lens': {
    'regrets': (
      {**SEEDS, 'target': range(4), 'kind': ('network',), 'n': (12, 400)},
      ['mass', 'regret', 'bound', 'table_code'],
    ),
    'widths': ({**SEEDS, 'target': range(4), 'kind': ('network',), 'width': (16, 64)}, ['regret']),
    'envelope': ({**SEEDS, 'complexity': (6.0, 20.0)}, ['highest', 'line']),
    'initializations': ({**SEEDS, 'depth': (1, 4), 'scale': (0.5, 4.0)}, ['lempel_ziv']),
    'predictives': ({**SEEDS, 'n_train': (16, 64), 'arm': universality.PREDICTIVES}, ['excess']),
  },
  'gradient_starvation': {
    'blanks': (
      {'member': range(3), 'step': (8,), 'run': ('erm', 'official')},
      [f'{what}/{s}/{c}' for what in blanks.ROWS for s in blanks.SHAPES for c in blanks.COLORS],
    ),
  },
}


@pytest.fixture(scope='module')
def runs(tmp_path_factory):
  """For each notebook three finished runs of three members, measured but never trained, or tables."""
  roots = {name: tmp_path_factory.mktemp(name) for name in FOLDERS}
  for name, folder in FOLDERS.items():
    if folder:
      make_runs(roots[name] / folder, ARMS.get(name, NOISES))
    tables = {it: make_table(*columns) for it, columns in CALCULATED.get(name, {}).items()}
    plan.calculate({it: lambda made=made: made for it, made in tables.items()}, roots[name])
  claim = {'name': 'coherence_falls_with_label_noise', 'claim': 'It falls.', 'paper': 'falls'}
  claim |= {'source': 'them', 'ours': 2.72, 'stderr': 0.1, 'n': 3, 'holds': True, 'note': ''}
  claim['minutes'] = 1.0
  card = {'study': 'generalization_mystery', 'scale': 'toy', 'command': '', 'commit': 'abc'}
  card |= {
    'device': 'cpu',
    'minutes': 0.0,
    'experiments': {},
    'reading': '',
    'not_run': [],
    'claims': [claim],
  }
  write_json(roots['generalization_mystery'] / 'card.json', card)
  return roots


def make_runs(folder, arms):
  rng, m = np.random.default_rng(0), 32
  for arm, noise in arms.items():
    workdir = folder / arm
    workdir.mkdir(parents=True)
    write_json(workdir / 'config.json', {'seed': 0, 'task': {'name': 'toy', 'label_noise': noise}})
    (workdir / 'DONE').touch()
    with Records(workdir) as records:
      for step in (0, 1, 3, 10, 30, 100):
        alpha = (1 + 10 / (1 + step)) / m * np.exp(-noise + 0.1 * rng.normal(size=3))
        row = {'train/accuracy': rng.uniform(size=3), 'test/accuracy': rng.uniform(size=3)}
        row['train/epoch'] = step / 10
        groups = ('groups/share/corrupt', 'train/accuracy_pristine', 'train/accuracy_corrupt')
        row |= {name: rng.uniform(size=3) for name in groups if noise == 0.5}
        explained = ('performance_correlation', 'information_beyond', 'information_beyond_null')
        of_linear = [f'simplicity/{name}/linear' for name in explained]
        row |= {name: rng.uniform(size=3) for name in ('simplicity/information_labels', *of_linear)}
        for suffix in ('', '/Dense_0', '/Dense_1'):
          row[f'coherence/alpha{suffix}'] = alpha
          row[f'coherence/m_coherence{suffix}'] = m * alpha
          row[f'coherence/alpha_unbiased{suffix}'] = (m * alpha - 1) / (m - 1)
        records.write(step, row)


def make_table(combined, metrics):
  """All combinations, with metrics that are random."""
  table = pd.DataFrame(itertools.product(*combined.values()), columns=list(combined))
  rng = np.random.default_rng(0)
  return table.assign(**{metric: rng.uniform(0.2, 0.6, len(table)) for metric in metrics})


@pytest.fixture(scope='module')
def printed(runs):
  """What each notebook prints, run as a plain script on these runs."""
  done = {notebook.stem: run(notebook, runs[notebook.stem]) for notebook in NOTEBOOKS}
  assert not any(script.returncode for script in done.values()), done
  return {name: script.stdout for name, script in done.items()}


def run(notebook, root):
  """A notebook as a plain script, in this process: importing JAX for each takes most of a minute."""
  out, code, said = io.StringIO(), 0, ''
  with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(out):
    patch.setenv('GENLAB_RUNS', str(root))
    patch.chdir(root.parent)
    patch.syspath_prepend(str(notebook.parent))
    try:
      with warnings.catch_warnings(action='error'):
        runpy.run_path(str(notebook))
    except SystemExit as stopped:
      code, said = 1, str(stopped)
  return SimpleNamespace(returncode=code, stdout=out.getvalue(), stderr=said)


@pytest.mark.parametrize('name', [notebook.stem for notebook in NOTEBOOKS])
def test_makes_figures_of_finished_runs(name, runs, printed):
  images = [Path(line) for line in printed[name].splitlines() if line.endswith('.png')]
  assert images
  for image in images:
    assert image.parent == runs[name] / 'figures'
    assert image.read_bytes().startswith(b'\x89PNG')
    assert image.with_suffix('.pdf').read_bytes().startswith(b'%PDF')


@pytest.mark.parametrize('notebook', NOTEBOOKS, ids=lambda path: path.stem)
def test_says_what_to_run_first(notebook, tmp_path):
  refused = run(notebook, tmp_path / 'nothing')
  assert refused.returncode == 1
  assert FIRST[notebook.stem] in refused.stderr


def test_coherence_prints_the_summary_and_the_verdicts(printed):
  """Coherence was made to fall by e from no to all random labels."""
  lines = printed['coherence'].splitlines()
  early = {line.split()[0]: line.split() for line in lines if line[:1].isdigit()}
  assert list(early) == ['0%', '50%', '100%']
  assert [line.split(':')[0] for line in lines if ' ± ' in line and ':' in line].count('holds') >= 1
  ratio = next(line for line in lines if 'at least twice' in line)
  assert 2 < float(ratio.split()[1]) < 4


def test_generalization_mystery_shows_what_was_run_and_the_verdicts_of_the_card(printed):
  lines = printed['generalization_mystery'].splitlines()
  assert {Path(line).stem for line in lines if line.endswith('.png')} == {'noise', 'groups'}
  assert 'averaging: not run' in lines
  assert 'holds: 2.72 ± 0.1. It falls. The paper: falls.' in lines


def test_tables_that_were_calculated_are_read(printed):
  shown = {
    name: {Path(line).stem for line in printed[name].splitlines() if line.endswith('.png')}
    for name in CALCULATED
  }
  assert shown == {
    'contest': {'environments'},
    'contrastive_simplicity': {'contrastive'},
    'exact_inductive_bias': {'kernels'},
    'gradient_starvation': {'colored_mnist', 'blanks'},
    'task_difficulty': {'difficulty'},
    'universality_lens': {'universality_lens'},
  }
  assert 'class_collapse: not calculated' in printed['contrastive_simplicity'].splitlines()
  lines = printed['gradient_starvation'].splitlines()
  assert {'boundaries: not calculated', 'no figure: boundaries is not here'} <= {*lines}


def test_generalization_mystery_leaves_out_what_is_not_finished(runs, tmp_path):
  shutil.copytree(runs['generalization_mystery'], tmp_path / 'runs')
  (tmp_path / 'runs/noise/label_noise=0.5/DONE').unlink()
  refused = run(ROOT / 'notebooks/generalization_mystery.py', tmp_path / 'runs')
  assert refused.returncode == 1
  assert 'noise: 1 runs unfinished' in refused.stdout


def test_each_notebook_has_a_folder_of_its_own_and_knows_its_study(runs, tmp_path, monkeypatch):
  monkeypatch.delenv('GENLAB_RUNS', raising=False)
  folders = {script.stem: PROGRAM.folder(script) for script in NOTEBOOKS}
  assert folders == {
    'coherence': ROOT / 'runs/quickstart',
    'contest': ROOT / 'runs/contest/cpu',
    'contrastive_simplicity': ROOT / 'runs/contrastive_simplicity/cpu',
    'exact_inductive_bias': ROOT / 'runs/exact_inductive_bias/cpu',
    'generalization_mystery': ROOT / 'runs/generalization_mystery/cpu',
    'gradient_starvation': ROOT / 'runs/gradient_starvation/cpu',
    'pitfalls': ROOT / 'runs/pitfalls/cpu',
    'task_difficulty': ROOT / 'runs/task_difficulty/cpu',
    'universality_lens': ROOT / 'runs/universality_lens/cpu',
  }
  mystery = runs['generalization_mystery']
  fit = {script.stem: PROGRAM.unfit(script, mystery) for script in NOTEBOOKS}
  assert fit == {
    name: ''
    if name == 'generalization_mystery'
    else f'{mystery} is of the study generalization_mystery'
    for name in FOLDERS
  }
  assert {PROGRAM.unfit(script, tmp_path) for script in NOTEBOOKS} == {
    f'no finished runs in {tmp_path}'
  }


def test_refuses_where_there_are_no_runs_at_all(tmp_path):
  refused = subprocess.run(
    [sys.executable, '-m', 'notebooks'],
    cwd=ROOT,
    env={**os.environ, 'GENLAB_RUNS': str(tmp_path)},
    capture_output=True,
    text=True,
  )
  assert refused.returncode == 1
  assert 'left out coherence.py: no finished runs' in refused.stderr
  assert 'make quickstart' in refused.stderr
