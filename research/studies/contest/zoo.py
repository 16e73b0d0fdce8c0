"""The zoo's networks as one table: settings, gap, and what every measure says of each.

The gap is the training accuracy minus the accuracy on new examples with labels as noisy
(`summaries.generalization_gap`). Networks that have not reached the common training loss are marked,
and judged by nobody: a gap between networks that fit differently says how well they fit.

Besides the families of `research.measures`, which see a network and its training sample, three kinds of
quantities see more: how training went (`training/`, `speed/`), from the record of the run; and what
networks of one setting say of the test inputs without their labels (`population/`).
"""

import pathlib
from collections.abc import Iterable, Mapping

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd

from research import measured, tables, variation, workdirs
from research.configuration import ConfigError
from research.measures import MEASURES, Measure
from research.measures.population import disagreement
from research.summaries import generalization_gap, time_average

HYPERPARAMETERS = (
  'dataset',
  'width',
  'depth',
  'learning_rate',
  'weight_decay',
  'label_noise',
  'n_train',
  'batch_size',
  'dropout',
  'optimizer',
)
KNOWN = (*HYPERPARAMETERS, 'run', 'member', 'seed', 'gap', 'test_error', 'n_test', 'reached')
EARLY = 4  # epochs
POPULATION = 'population'  # what is kept beside the families of measures


def networks(
  paths: Iterable[pathlib.Path], measures: Mapping[str, Measure] = MEASURES
) -> pd.DataFrame:
  """A row for each network of these runs; what no measure is, is in KNOWN.

  The learning rate is a multiple of the smallest of its run: rates of two optimizers do not compare.

  Raises:
    ConfigError: a run has no widths, or no common training loss.
  """
  paths, of_runs = [*paths], []
  for number, path in enumerate(paths, 1):
    if measured.missing(path, [*measures, POPULATION]):
      print(f'measuring {number} of {len(paths)}: {path.name}', flush=True)
    of_runs.append(_of_run(path, measures))
  return pd.concat(of_runs, ignore_index=True)


def names_of_measures(table: pd.DataFrame) -> list[str]:
  """The columns of `networks` that are measures."""
  return [str(name) for name in table if name not in KNOWN]


def distinct(table: pd.DataFrame) -> list[str]:
  """The measures, without those that say of every network what one before them says.

  One that has one value for all networks, infinite or none at all, is no other by a second name.
  """
  values = table[names_of_measures(table)].T
  again = values.duplicated() & (values.nunique(axis=1) > 1)
  return [str(name) for name in values.index[~again]]


def judged(table: pd.DataFrame) -> pd.DataFrame:
  """The networks that have reached the common training loss, without the column that says so."""
  return table[table['reached'].astype(bool)].drop(columns='reached').reset_index(drop=True)


def _of_run(path: pathlib.Path, measures: Mapping[str, Measure]) -> pd.DataFrame:
  record = tables.load_runs(path)
  final = record[record['step'] == record['step'].max()].set_index('member')
  config = workdirs.read_json(path / 'config.json')
  if 'widths' not in config['model'] or 'train/stopped_at' not in final:
    raise ConfigError(
      f'{path} is no run of a zoo: it needs a model with widths, and training.stop_loss'
    )
  found = pd.DataFrame(index=final.index)
  found['run'], found['seed'] = path.name, final['seed']
  found['dataset'], found['optimizer'] = config['task']['name'], config['optimizer']['name']
  widths = config['model']['widths']
  found['width'], found['depth'] = widths[0], len(widths)
  found['dropout'] = config['model'].get('dropout', 0.0)
  found['batch_size'] = config['training']['batch_size']
  for name, key in variation.KEYS.items():
    section, _, last = key.partition('.')
    found[name] = final[key] if key in final else config[section][last]
  found['learning_rate'] = (found['learning_rate'] / found['learning_rate'].min()).round(6)
  found['gap'] = generalization_gap(final)
  found['test_error'] = 1 - final['test/accuracy']
  found['reached'] = final['train/stopped_at'].notna()
  found = found.join(measured.measured(path, measures))
  found = found.join(of_record(record))
  epochs = final['train/stopped_at'] / (found['n_train'] // found['batch_size'])
  found['speed/log_epochs'] = np.log(epochs.where(epochs > 0))
  settings = found[[*variation.KEYS, 'reached']]
  kept = measured.kept(path, [POPULATION], lambda _: {POPULATION: of_population(path, settings)})
  return found.join(pd.DataFrame(kept[POPULATION], index=found.index)).reset_index()


def of_record(record: pd.DataFrame) -> pd.DataFrame:
  """How training went, until each network stopped: steps to the common loss, coherence (unbiased
  alpha, sign reversed) and noise scale in the first epochs, coherence at its peak and over
  all of training, where each factor of the step weighs alike."""
  final = record[record['step'] == record['step'].max()].set_index('member')
  rows = {}
  for member, own in record.groupby('member'):
    stopped_at = final.loc[member, 'train/stopped_at']
    own = own[own['step'] <= (np.inf if np.isnan(stopped_at) else stopped_at)]
    later = own[own['step'] > 0].dropna(subset=['coherence/alpha_unbiased'])
    early = own[(own['step'] > 0) & (own['train/epoch'] <= EARLY)]
    steps = np.log(later['step'].to_numpy(float))
    values = later['coherence/alpha_unbiased'].to_numpy(float)
    area = np.trapezoid(values, steps) / (steps[-1] - steps[0]) if len(steps) > 1 else np.nan
    rows[member] = {
      'speed/log_steps': np.log(stopped_at) if stopped_at else np.nan,
      'training/minus_early_coherence': -_mean(early, 'coherence/alpha_unbiased'),
      'training/minus_peak_coherence': -values.max() if len(values) else np.nan,
      'training/minus_area_of_coherence': -area,
      'training/early_noise_scale': _mean(early, 'noise/scale'),
    }
  return pd.DataFrame.from_dict(rows, orient='index').rename_axis('member')


def of_population(path: pathlib.Path, settings: pd.DataFrame) -> dict[str, np.ndarray]:
  """Disagreement on the test inputs between networks of one setting that differ in their seed, and have
  reached the common loss; and how many inputs those are."""
  population, _, params = measured.networks(path)
  inputs = jnp.asarray(population.task.normalize(population.task.test.inputs[:]))
  logits = jax.jit(lambda p: jax.lax.map(lambda one: population.model.apply(one, inputs), p))(
    params
  )
  found = np.full(len(settings), np.nan)
  for _, own in settings[settings['reached']].groupby([*variation.KEYS]):
    if len(own) > 1:
      found[own.index] = np.asarray(disagreement(logits[own.index.to_numpy()]))
  return {'population/disagreement': found, 'n_test': np.full(len(settings), len(inputs))}


def _mean(rows: pd.DataFrame, metric: str) -> float:
  """Over time, of one network; NaN where nothing was measured."""
  return float(time_average(rows, metric).iloc[0]) if len(rows) else np.nan
