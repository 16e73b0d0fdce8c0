"""`python -m notebooks [NAME ...]`: runs notebooks (all), as .ipynb and HTML in notebooks/html.

Each names the folder whose finished runs it reads; `GENLAB_RUNS` is another one, for the notebooks that
know the study of its card, if it has one. Those whose runs are not there are left out: it says which.
"""

import importlib.util
import json
import os
import pathlib
import re
import subprocess
import sys

HERE = pathlib.Path(__file__).parent
OUT = HERE / 'html'


def main() -> None:
  if not importlib.util.find_spec('jupytext'):
    sys.exit('notebooks need jupytext and nbconvert, which `make notebooks` installs')
  scripts = {script.stem: script for script in sorted(HERE.glob('[!_]*.py'))}
  if unknown := {*sys.argv[1:]} - {*scripts}:
    sys.exit(f'no notebook {", ".join(sorted(unknown))}; there are: {", ".join(scripts)}')
  scripts = [scripts[name] for name in sys.argv[1:] or scripts]
  left_out = {script: reason for script in scripts if (reason := unfit(script, folder(script)))}
  for script, reason in left_out.items():
    print(f'left out {script.name}: {reason}', file=sys.stderr)
  if len(left_out) == len(scripts):
    sys.exit('no finished runs to show; `make quickstart` first, or set GENLAB_RUNS')
  OUT.mkdir(exist_ok=True)
  for script in scripts:
    if script in left_out:
      continue
    places = [str(HERE), *filter(None, [os.environ.get('PYTHONPATH')])]  # of _finished.py
    environment = {**os.environ, 'GENLAB_RUNS': str(folder(script))}
    environment['PYTHONPATH'] = os.pathsep.join(places)
    notebook = OUT / f'{script.stem}.ipynb'
    execute = ['jupytext', '--quiet', '--to', 'ipynb', '--set-kernel', 'python3', '--execute']
    as_html = ['nbconvert', '--log-level', 'ERROR', '--to', 'html', '--output-dir', str(OUT)]
    for command in (
      [*execute, '--run-path', str(HERE.parent), '--output', str(notebook), str(script)],
      [*as_html, str(notebook)],
    ):
      failed = subprocess.run([sys.executable, '-m', *command], env=environment).returncode
      if failed:
        sys.exit(f'{script.name} failed')
    print(notebook.with_suffix('.html'))


def folder(script: pathlib.Path) -> pathlib.Path:
  """`GENLAB_RUNS`, or what the notebook names."""
  (default,) = re.findall(r"'(runs/.+)'", script.read_text())
  return pathlib.Path(os.environ.get('GENLAB_RUNS') or HERE.parent / default).resolve()


def unfit(script: pathlib.Path, runs: pathlib.Path) -> str:
  """Why a notebook has nothing to show of these runs; '' if it has."""
  if not any(runs.rglob('DONE')):
    return f'no finished runs in {runs}'
  card = runs / 'card.json'
  study = json.loads(card.read_text())['study'] if card.exists() else ''
  return '' if study in script.read_text() else f'{runs} is of the study {study}'


if __name__ == '__main__':
  main()
