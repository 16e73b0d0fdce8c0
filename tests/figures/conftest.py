import numpy as np
import pandas as pd
import pytest

STEPS = (0, 1, 2, 5, 10, 20, 50, 100)


@pytest.fixture
def make_table():
  """Builds runs as `tables.load_runs` would read them, with coherence at every other step."""

  def make(noises=(0.0, 0.5, 1.0), n_members=4, n_layers=3, m=64, seed=0):
    rng = np.random.default_rng(seed)
    rows = []
    for noise in noises:
      for i, step in enumerate(STEPS):
        for member in range(n_members):
          alpha = (2 + 20 / (1 + step)) / m * np.exp(-noise + 0.2 * rng.normal())
          row = {'run': f'label_noise={noise}', 'task.label_noise': noise, 'step': step}
          row |= {'member': member, 'train/accuracy': rng.uniform(), 'test/accuracy': rng.uniform()}
          if i % 2 == 0:
            row |= {'coherence/alpha': alpha, 'coherence/m_coherence': m * alpha}
            row['coherence/alpha_unbiased'] = (m * alpha - 1) / (m - 1)
            row |= {f'coherence/alpha/Dense_{k}': alpha * (1 + k) for k in range(n_layers)}
          rows.append(row)
    return pd.DataFrame(rows)

  return make


@pytest.fixture
def make_arms():
  """Builds named runs: `{run: settings}`, and metrics that are positive, random, and apart by run."""

  def make(runs, metrics, n_members=4, m=64, steps=STEPS, seed=0):
    rng = np.random.default_rng(seed)
    rows = []
    for i, (run, settings) in enumerate(runs.items()):
      for step in steps:
        for member in range(n_members):
          row = {'run': run, 'seed': member, 'member': member, 'step': step, **settings}
          row |= {name: (1 + i) * np.exp(0.2 * rng.normal()) for name in metrics}
          row['coherence/alpha'] = (2 + i) / m * np.exp(0.2 * rng.normal())
          row['coherence/m_coherence'] = m * row['coherence/alpha']
          rows.append(row)
    return pd.DataFrame(rows)

  return make
