"""`python -m notebooks`: runs every notebook on finished runs, as .ipynb and HTML in notebooks/html.

The runs are those of `GENLAB_RUNS`, by default `runs/quickstart`.
"""

import os
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).parent
OUT = HERE / 'html'


def main() -> None:
  runs = pathlib.Path(os.environ.get('GENLAB_RUNS', HERE.parent / 'runs' / 'quickstart')).resolve()
  if not any(runs.rglob('DONE')):
    sys.exit(f'no finished runs in {runs}; `make quickstart` first, or set GENLAB_RUNS')
  OUT.mkdir(exist_ok=True)
  environment = {**os.environ, 'GENLAB_RUNS': str(runs)}
  for script in sorted(HERE.glob('[!_]*.py')):
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


if __name__ == '__main__':
  main()
