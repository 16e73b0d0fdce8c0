"""What is asked of every study that is calculated: claims on made-up tables, figures, columns."""

import itertools

import numpy as np
import pandas as pd

SEEDS = range(5)


def scattered(rows, metrics, spread=0.01):
  """The rows for each seed, with metrics that scatter by a share."""
  rng = np.random.default_rng(0)
  found = [{**row, 'seed': seed} for seed, row in itertools.product(SEEDS, rows)]
  return pd.DataFrame(
    {k: v * np.exp(spread * rng.normal()) if k in metrics else v for k, v in row.items()}
    for row in found
  )


def check_that_all_are_judged(study, true, false):
  """Each claim has a table in which it is false, each calculation one in which its claims are true."""
  assert {*false} == {claim.name for claim in study.CLAIMS}
  assert {*true} == {*study.CALCULATIONS}
  assert not study.EXPERIMENTS


def check_claim(claim, true, false):
  """It holds in the true tables, over all seeds, and fails once its own is the false one."""
  verdict = claim.verdict(true)
  assert verdict.holds is True, verdict
  if 'seed' in true[claim.reads[0]]:
    assert verdict.n == len(SEEDS)
  assert claim.verdict({**true, claim.reads[0]: false[claim.name]}).holds is False
  assert claim.text.endswith('.')


def check_figures_and_reading(study, true, *said):
  """Figures can be drawn of the tables, the reading says this, and the summary counts seeds."""
  for draw, *reads in study.FIGURES.values():
    assert draw(*(true[name] for name in reads)).axes
  for text in said:
    assert text in study.reading(true)
  assert study.reading({}) == ''
  seeds = [len(SEEDS) if 'seed' in true[name] else 0 for name in study.CALCULATIONS]
  assert study.summary(true)['seeds'].tolist() == seeds


def check_columns(table, like):
  """What is calculated of seeds 0 and 1 has the columns that claims read, and depends on the seed."""
  assert {*like} <= {*table}
  assert table.select_dtypes('number').notna().all(axis=None)
  if 'seed' in like:
    assert {*table['seed']} == {0, 1}
    metrics = table.select_dtypes('number').columns.drop('seed')
    first, second = (table.loc[table['seed'] == seed, metrics].to_numpy() for seed in (0, 1))
    assert first.shape != second.shape or (first != second).any()
