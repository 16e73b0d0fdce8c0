"""The runs that are done, as one file: a row for each run, step and member."""

import importlib.util
from pathlib import Path

from launch.manifest import Run
from research import tables
from research.configuration import ConfigError
from research.workdirs import replace_file


def write(root: Path, runs: list[Run], path: Path) -> int:
  """Writes the table of `research.tables.load_runs`, settings that are lists as text.

  Args:
    root: the folder of the manifest.
    runs: of it, those that are done.
    path: where to; its suffix, `.csv` or `.parquet`, is the format.

  Returns:
    How many rows it has.

  Raises:
    ConfigError: no run is done, the format is unknown, or pyarrow is not installed.
  """
  if path.suffix not in ('.csv', '.parquet'):
    raise ConfigError(f'--out={path} must end in .csv or .parquet')
  if path.suffix == '.parquet' and not importlib.util.find_spec('pyarrow'):
    raise ConfigError(f'--out={path} needs pyarrow, which is not installed; write a .csv')
  if not runs:
    raise ConfigError(f'no run in {root} is done yet; see: python -m launch.sweep status')
  table = tables.load_runs(root, only=[Path(run.workdir).as_posix() for run in runs])
  for name in table:
    if any(isinstance(value, tuple) for value in table[name]):
      table[name] = table[name].map(str)
  if path.suffix == '.csv':
    replace_file(path, table.to_csv(index=False))
  else:
    unfinished = path.with_name(f'.{path.name}.unfinished')
    table.to_parquet(unfinished, index=False)
    unfinished.replace(path)
  return len(table)
