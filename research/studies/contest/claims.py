"""What the zoo says of the theories: predicates on the referee's tables.

Intervals are 95 % percentiles over settings (`research.referee.intervals`). A score is shown to be
positive if its interval is.
"""

import numpy as np
import pandas as pd

from research.studies.claim import Verdict, exceeds

SCORES = {'tau': "Kendall's tau", 'psi': 'Psi', 'tau_within': 'tau within'}
NORMS = ('norms/', 'spectral/', 'exact_spectral/', 'frobenius/', 'path/')
FLATNESS = ('pac_bayes/', 'worst_case/', 'sharpness/')
FEW = Verdict(holds=None, note='too few networks have reached the common training loss')


def the_gaps_can_be_told_apart(leaderboard: pd.DataFrame) -> Verdict:
  """The test sets are large enough to judge by: gaps measured on other test sets of the same size rank
  the networks alike (tau above 0.9)."""
  return _of_one(leaderboard, 'baseline/remeasured', 'tau', 0.9)


def no_measure_knows_the_gap(leaderboard: pd.DataFrame) -> Verdict:
  """No measure comes near one that misses the gap by two points (the largest tau of a measure)."""
  if leaderboard.empty:
    return FEW
  best = _measures(leaderboard).nlargest(1, 'tau').iloc[0]
  oracle = _row(leaderboard, 'baseline/oracle')
  return Verdict(
    holds=bool(best['tau_high'] < oracle['tau_low']),
    ours=float(best['tau']),
    stderr=_stderr(best, 'tau'),
    n=int(best['computed']),
    note=f'{best["measure"]} {_shown(best, "tau")}; the oracle {_shown(oracle, "tau")}',
  )


def no_measure_is_robust(leaderboard: pd.DataFrame) -> Verdict:
  """Every measure is wrong more often in some environment than noise is in its worst one (the smallest
  of the largest sign errors; intervals do not overlap with that of noise)."""
  if leaderboard.empty:
    return FEW
  noise = _row(leaderboard, 'baseline/random')
  measures = _measures(leaderboard).dropna(subset='sign_error_max')
  if measures.empty or not np.isfinite(noise['sign_error_max']):
    return Verdict(holds=None, note='no environment can be judged')
  best = measures.nsmallest(1, 'sign_error_max').iloc[0]
  wrong = int((measures['sign_error_max_low'] > noise['sign_error_max_high']).sum())
  return Verdict(
    holds=wrong == len(measures),
    ours=float(best['sign_error_max']),
    stderr=_stderr(best, 'sign_error_max'),
    n=int(best['computed']),
    note=f'{best["measure"]} {_shown(best, "sign_error_max")}, at worst where {best["worst"]}; of '
    f'{len(measures)} measures {wrong} are shown to be worse somewhere than noise '
    f'({_shown(noise, "sign_error_max")})',
  )


def what_ranks_best_knows_the_sample(leaderboard: pd.DataFrame) -> Verdict:
  """The five measures with the largest tau know the sample more than the network: where the network or
  its training alone changes, they rank half as well as a second test set, or worse (ratio of Psi over
  these hyperparameters, below 0.5; bound ours, no interval)."""
  if leaderboard.empty:
    return FEW
  best = _measures(leaderboard).nlargest(5, 'tau')
  own = _row(leaderboard, 'baseline/remeasured')['psi_of_network']
  ratio = float(best['psi_of_network'].mean() / own)
  other = _measures(leaderboard).nlargest(1, 'psi_of_network').iloc[0]
  names = ', '.join(f'{it["measure"]} {it["psi_of_network"]:.2f}' for _, it in best.iterrows())
  return Verdict(
    holds=ratio < 0.5,
    ours=ratio,
    n=int(best['computed'].min()),
    note=f'{names}; the second test set {own:.2f}; the largest of all measures is '
    f'{other["measure"]} {other["psi_of_network"]:.2f}',
  )


def products_of_norms_mislead(leaderboard: pd.DataFrame) -> Verdict:
  """Products of the layers' spectral norms, over the margin, rank networks the wrong way round (tau
  below 0)."""
  return _of_one(leaderboard, 'exact_spectral/log_product_over_margin', 'tau', below=True)


def flatness_is_better_than_norms(leaderboard: pd.DataFrame) -> Verdict:
  """The best measure of flatness (PAC-Bayes, sharpness) has a larger Psi than the best of norms, each
  the best on these networks (their intervals do not overlap)."""
  if leaderboard.empty:
    return FEW
  flat, norm = (_best(leaderboard, families, 'psi') for families in (FLATNESS, NORMS))
  if flat is None or norm is None:
    return Verdict(holds=None, note='one of the two could not be computed')
  return Verdict(
    holds=bool(flat['psi_low'] > norm['psi_high']),
    ours=float(flat['psi'] - norm['psi']),
    n=int(flat['computed']),
    note=f'{flat["measure"]} {_shown(flat, "psi")}; {norm["measure"]} {_shown(norm, "psi")}',
  )


def early_coherence_ranks_networks(leaderboard: pd.DataFrame) -> Verdict:
  """The more coherent the gradients of the first four epochs are, the smaller is the gap (tau of the
  negative over all networks, above 0)."""
  return _of_one(leaderboard, 'training/minus_early_coherence', 'tau')


def early_coherence_ranks_within_a_sample(leaderboard: pd.DataFrame) -> Verdict:
  """... and among networks of equal dataset, label noise and number of examples (tau within, above
  0)."""
  return _of_one(leaderboard, 'training/minus_early_coherence', 'tau_within')


def final_coherence_ranks_within_a_sample(leaderboard: pd.DataFrame) -> Verdict:
  """So does coherence when training ends (tau of the negative within a sample, above 0)."""
  return _of_one(leaderboard, 'gradients/minus_coherence', 'tau_within')


def evidence_ranks_networks(leaderboard: pd.DataFrame) -> Verdict:
  """The less likely its labels are for networks of its depth and infinite width, the larger is the gap
  (tau over all networks, above 0)."""
  return _of_one(leaderboard, 'evidence/labels_nngp', 'tau')


def evidence_of_the_function_ranks_within_a_sample(leaderboard: pd.DataFrame) -> Verdict:
  """... and the less likely the function learned, among networks of equal dataset, label noise and
  number of examples (tau within, above 0)."""
  return _of_one(leaderboard, 'evidence/function_nngp', 'tau_within')


def simplicity_ranks_networks(leaderboard: pd.DataFrame) -> Verdict:
  """The more of a network's training outputs a linear classifier explains, the smaller is its gap (tau
  of minus the share explained, over all networks, above 0)."""
  return _of_one(leaderboard, 'linear/minus_explained', 'tau')


def simplicity_ranks_within_a_sample(leaderboard: pd.DataFrame) -> Verdict:
  """... and among networks of equal dataset, label noise and number of examples (tau within, above
  0)."""
  return _of_one(leaderboard, 'linear/minus_explained', 'tau_within')


def flatness_ranks_within_a_sample(leaderboard: pd.DataFrame) -> Verdict:
  """Networks that withstand more noise in proportion to their weights generalize better, among those of
  equal dataset, label noise and number of examples (tau within, above 0)."""
  return _of_one(leaderboard, 'pac_bayes/mag_flatness', 'tau_within')


def slow_training_generalizes_worse(leaderboard: pd.DataFrame) -> Verdict:
  """The more steps a network takes to the common loss, the larger is its gap, among networks of equal
  dataset, label noise and number of examples (tau within, above 0)."""
  return _of_one(leaderboard, 'speed/log_steps', 'tau_within')


def disagreement_ranks_networks(leaderboard: pd.DataFrame) -> Verdict:
  """The more two networks of a setting disagree on inputs without labels, the larger is their gap (Psi
  above 0.5; bound ours)."""
  return _of_one(leaderboard, 'population/disagreement', 'psi', 0.5)


def disagreement_is_the_error(networks: pd.DataFrame) -> Verdict:
  """Trained on clean labels, two networks of a setting disagree as often as one errs (ratio of the
  means over settings, within a tenth of 1)."""
  clean = networks[(networks['label_noise'] == 0) & networks['reached'].astype(bool)]
  name = 'population/disagreement'
  settings = clean.groupby(['run', 'learning_rate', 'weight_decay', 'n_train'])
  means = settings[[name, 'test_error']].mean().dropna()
  if len(means) < 10:
    return FEW
  generator = np.random.default_rng(0)
  drawn = generator.integers(len(means), size=(2000, len(means)))
  values = means.to_numpy()[drawn].sum(axis=1)
  ratios = values[:, 0] / values[:, 1]
  low, high = np.percentile(ratios, [2.5, 97.5])
  return Verdict(
    holds=bool(low > 0.9 and high < 1.1),
    ours=float(means[name].sum() / means['test_error'].sum()),
    stderr=float(ratios.std()),
    n=len(means),
    note=f'95 % interval {low:.2f} to {high:.2f}',
  )


def combinations_transfer_to_other_datasets(left_out: pd.DataFrame) -> Verdict:
  """A combination of measures learned on two datasets ranks the networks of the third better than the
  measure that was best on the two (difference of tau over datasets, above 0)."""
  if left_out.empty or 'dataset' not in set(left_out['axis']):
    return FEW
  rows = left_out[left_out['axis'] == 'dataset']
  tau = rows.pivot(index='left_out', columns='predictor', values='tau')
  best = rows[rows['predictor'] == 'best']
  chosen = dict(zip(best['left_out'], best['chosen'], strict=True))
  parts = [
    f'{name}: ridge {it["ridge"]:.2f}, isotonic {it["isotonic"]:.2f}, best ({chosen[name]}) '
    f'{it["best"]:.2f}'
    for name, it in tau.iterrows()
  ]
  return exceeds((tau['ridge'] - tau['best']).to_numpy(), 0, note='; '.join(parts))


def _of_one(
  board: pd.DataFrame, name: str, score: str, bound: float = 0, *, below: bool = False
) -> Verdict:
  """Whether the interval of a measure's score is above the bound, or below it."""
  if board.empty:
    return FEW
  if name not in set(board['measure']):
    return Verdict(holds=None, note=f'{name} is not in this contest')
  row = _row(board, name)
  if not np.isfinite(row[score]):
    return Verdict(holds=None, note=f'{SCORES[score]} of {name} could not be computed')
  holds = row[f'{score}_high'] < bound if below else row[f'{score}_low'] > bound
  return Verdict(
    holds=bool(holds),
    ours=float(row[score]),
    stderr=_stderr(row, score),
    n=int(row['computed']),
    note=f'rank {row["rank"]} by Psi; {SCORES[score]} {_shown(row, score)}, K '
    f'{row["information"]:.3f}, worst where {row["worst"]}',
  )


def _measures(board: pd.DataFrame) -> pd.DataFrame:
  """Those of a network and its training: no baselines, nothing that sees test inputs."""
  names = board['measure'].str
  return board[~board['baseline'].astype(bool) & ~names.startswith('population/')]


def _best(board: pd.DataFrame, families: tuple[str, ...], score: str) -> pd.Series | None:
  rows = board[board['measure'].str.startswith(families)].dropna(subset=score)
  return None if rows.empty else rows.nlargest(1, score).iloc[0]


def _row(board: pd.DataFrame, name: str) -> pd.Series:
  return board[board['measure'] == name].iloc[0]


def _shown(row: pd.Series, score: str) -> str:
  return f'{row[score]:.2f} ({row[f"{score}_low"]:.2f} to {row[f"{score}_high"]:.2f})'


def _stderr(row: pd.Series, score: str) -> float:
  """What a normal law with this interval has."""
  return float(row[f'{score}_high'] - row[f'{score}_low']) / (2 * 1.96)
