"""The study from its command to its card, at scale smoke, on real data."""

import json
import os
from pathlib import Path

import pytest

from research import replicate
from research.studies import generalization_mystery as study

DATA = os.environ.get('GENLAB_DATA_DIR', '')
pytestmark = pytest.mark.skipif(
  not all(Path(DATA, name).is_dir() for name in ('mnist', 'fashion_mnist', 'cifar10_partial')),
  reason='GENLAB_DATA_DIR does not name a folder with MNIST, Fashion-MNIST and part of CIFAR-10',
)


def run(root, *flags):
  flags = ['generalization_mystery', '--scale=smoke', f'--workdir={root}', *flags]
  assert replicate.main(flags) == 0
  return json.loads((root / 'card.json').read_text())


def judged(card):
  return {claim['name'] for claim in card['claims']}


@pytest.mark.slow
def test_experiments_may_be_run_one_by_one(tmp_path, capsys):
  first = run(tmp_path, '--only=bound')
  bound = judged(first)
  assert 'bound_is_tight' in bound
  assert bound | {*first['not_run']} == {claim.name for claim in study.CLAIMS}
  card = run(tmp_path, '--only=reference,easy_and_hard')
  both = judged(card)
  assert both - bound == {'easy_examples_generalize_better', 'easy_examples_are_more_coherent'}
  assert bound <= both  # what was finished before is still on the card
  assert {path.stem for path in (tmp_path / 'figures').glob('*.png')} == {'bound', 'easy_and_hard'}
  assert '<figure>' in (tmp_path / 'card.html').read_text(encoding='utf-8')
  capsys.readouterr()
  assert run(tmp_path, '--only=bound') == card
  assert 'is done already; nothing to do' in capsys.readouterr().out


@pytest.mark.slow
def test_the_whole_study(tmp_path):
  card = run(tmp_path)
  assert judged(card) == {claim.name for claim in study.CLAIMS}
  assert set(card['experiments']) == {*study.EXPERIMENTS, *study.CALCULATIONS}
  drawn = {path.stem for path in (tmp_path / 'figures').glob('*.png')}
  assert drawn == {*study.FIGURES}
