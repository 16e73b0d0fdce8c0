"""Deep networks by interpolation with their tangent kernels: which rule do they come to?"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import pandas as pd

from research.studies.claim import Verdict, exceeds, falls_below, weakest, within
from research.studies.wide_and_deep.points import SEEDS, Sample, draw, rules
from research.theory import duals
from research.theory import wide_and_deep as deep

N_TRAIN, N_TEST = 1000, 1000
SINGULAR_DEPTH = 100
NETWORKS = {  # dual and hidden layers
  'cubic': (duals.singular(1.0), SINGULAR_DEPTH),
  'sine': (duals.sine(np.sqrt(2.676)), SINGULAR_DEPTH),
  'square': (duals.power_series([0, 0, 1]), 30),
  'constant': (duals.power_series([0.2, 0, 0, 0, 0.8]), 60),
}
SINGULAR = ('cubic', 'sine')
DEPTHS = {
  'relu': (duals.relu(), (1, 10, 100, 1000, 10_000)),
  'constant': (NETWORKS['constant'][0], (5, 8, 12, 20, 40, 60)),
}
N_DEPTHS = 100


def networks(seeds: Sequence[int] = SEEDS) -> pd.DataFrame:
  """Deep networks and simple rules on the sphere of two dimensions: a row for each."""
  rows = []
  for seed in seeds:
    sample = draw(seed, N_TRAIN, N_TEST)
    of_rules = rules(sample)
    of_networks = {name: _network(*made, sample) for name, made in NETWORKS.items()}
    of_networks['covariance'] = _network(*NETWORKS['cubic'], sample, kernel='nngp')
    for name, vote in (of_rules | of_networks).items():
      row = {'seed': seed, 'classifier': name, 'accuracy': np.mean(vote == sample.labels)}
      for rule in ('hilbert', 'nearest', 'majority'):
        row[f'as_{rule}'] = np.mean(vote == of_rules[rule])
      rows.append(row)
  return pd.DataFrame(rows)


def depths(seeds: Sequence[int] = SEEDS) -> pd.DataFrame:
  """The share of points to which networks of growing depth give the label of the majority."""
  samples = [draw(seed, N_DEPTHS, N_TEST) for seed in seeds]
  both = np.stack([np.concatenate([sample.gram, sample.cross]) for sample in samples])
  rows = []
  for name, (dual, layers) in DEPTHS.items():
    for depth in layers:
      logs = _logs(dual, depth, both)
      for seed, sample, log in zip(seeds, samples, logs, strict=True):
        vote = np.sign(deep.interpolate(log[N_DEPTHS:], log[:N_DEPTHS], sample.targets))
        share = np.mean(vote == np.sign(sample.targets.sum()))
        rows.append({'seed': seed, 'network': name, 'depth': depth, 'share': share})
  return pd.DataFrame(rows)


def singular_networks_say_what_hilbert_says(table: pd.DataFrame) -> Verdict:
  """Networks of 100 layers with v(0) = 0 and q = d / 2 give the Hilbert estimate's label to more than
  97 % of points (share, the lesser of two networks; bound ours)."""
  return weakest([exceeds(_of(table, name, 'as_hilbert'), 0.97, note=name) for name in SINGULAR])


def singular_networks_are_as_accurate_as_hilbert(table: pd.DataFrame) -> Verdict:
  """Their accuracy is that of the Hilbert estimate within 0.01 (difference; bound ours)."""
  reference = _of(table, 'hilbert', 'accuracy')
  return weakest(
    [within(_of(table, name, 'accuracy') - reference, -0.01, 0.01, note=name) for name in SINGULAR]
  )


def singular_networks_beat_the_nearest_neighbour(table: pd.DataFrame) -> Verdict:
  """They are more accurate than the nearest neighbour (difference, the lesser of two networks)."""
  reference = _of(table, 'nearest', 'accuracy')
  return weakest(
    [exceeds(_of(table, name, 'accuracy') - reference, 0.0, note=name) for name in SINGULAR]
  )


def the_covariance_says_what_hilbert_says(table: pd.DataFrame) -> Verdict:
  """Interpolation by the covariance (NNGP) of one of them, in place of its tangent kernel, gives the
  Hilbert estimate's label to more than 97 % of points (share; bound ours)."""
  note = f'tangent kernel {_of(table, "cubic", "as_hilbert").mean():.4g}'
  return exceeds(_of(table, 'covariance', 'as_hilbert'), 0.97, note=note)


def without_slope_the_nearest_neighbour_decides(table: pd.DataFrame) -> Verdict:
  """A network of 30 layers with v(0) = v'(0) = 0 gives the label of the nearest neighbour to more than
  99 % of points (share; bound ours)."""
  return exceeds(_of(table, 'square', 'as_nearest'), 0.99)


def with_a_constant_the_majority_decides(table: pd.DataFrame) -> Verdict:
  """A network of 60 layers with v(0) = 0.2 and v'(1) = 3.2 gives the label of the majority to more than
  99 % of points (share; bound ours)."""
  return exceeds(_of(table, 'constant', 'as_majority'), 0.99)


def relu_networks_drift_to_the_majority(table: pd.DataFrame) -> Verdict:
  """ReLU networks of 10,000 layers give the label of the majority to a larger share of points than
  those of 10 layers, by more than 0.1 (difference of shares; bound ours)."""
  shallow, vast = (_share(table, 'relu', depth) for depth in (10, 10_000))
  return exceeds(vast - shallow, 0.1, note=f'share {shallow.mean():.3g} to {vast.mean():.3g}')


def relu_networks_of_usual_depth_do_not_vote(table: pd.DataFrame) -> Verdict:
  """The limit is out of reach for ReLU networks: with 1000 layers they give the label of the majority
  to less than 95 % of points (share; bound ours)."""
  note = f'v(0) = 0.2 at 20 layers: {_share(table, "constant", 20).mean():.4g}'
  return falls_below(_share(table, 'relu', 1000), 0.95, note=note)


def _of(table: pd.DataFrame, classifier: str, metric: str) -> np.ndarray:
  return table[table['classifier'] == classifier].sort_values('seed')[metric].to_numpy()


def _share(table: pd.DataFrame, network: str, depth: int) -> np.ndarray:
  part = table[(table['network'] == network) & (table['depth'] == depth)]
  return part.sort_values('seed')['share'].to_numpy()


def _network(
  dual: duals.Dual, depth: int, sample: Sample, kernel: Literal['ntk', 'nngp'] = 'ntk'
) -> np.ndarray:
  """What interpolation by a kernel of a network says of the test points."""
  cross, gram = (_logs(dual, depth, logs, kernel) for logs in (sample.cross, sample.gram))
  return np.sign(deep.interpolate(cross, gram, sample.targets))


def _logs(
  dual: duals.Dual, depth: int, log_r: np.ndarray, kernel: Literal['ntk', 'nngp'] = 'ntk'
) -> np.ndarray:
  return deep.tabulated(lambda a: getattr(deep.log_kernels(dual, depth, a), kernel), log_r)
