"""Measures of the networks of a run: those of each alone, computed once, and kept."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from research import configuration, loop, measured, rngs, workdirs
from research.measures import Trained
from research.restored import restored

CONFIG = 'configs/coherence/digits.py:smoke'
RUN = [
  'training.total_steps=10',
  'task.n_train=64',
  'task.label_noise=0.5',
  'population.size=4',
  'vary.n_train=(40,64)',
  'training.batch_size=16',
  'probe.size=32',
  'seed=3',
]


def reads_everything(trained):
  """Numbers that depend on all that a measure is given."""
  logits = trained.model.apply(trained.final, trained.inputs)
  moved = jax.tree.map(lambda a, b: jnp.sum(jnp.square(a - b)), trained.initial, trained.final)
  right = jnp.argmax(logits, axis=-1) == trained.labels
  return {
    'mine/distance': jnp.sqrt(sum(jax.tree.leaves(moved))),
    'mine/accuracy': jnp.mean(right),
    'mine/examples': jnp.float32(len(trained.labels)),
    'mine/draw': jax.random.normal(trained.key),
    'mine/infinite': 1 / jnp.sum(jnp.zeros(3) * logits[0, :3]),
  }


@pytest.fixture(scope='module')
def run(tmp_path_factory):
  workdir = tmp_path_factory.mktemp('run')
  loop.train_and_evaluate(configuration.load(CONFIG, RUN), workdir)
  return workdir


def test_they_are_those_of_each_network_alone(run):
  found = measured.measured(run, {'mine': reads_everything})
  population, _, state = restored(run)
  initial, final = jax.device_get((population.init().params, state.params))
  for r, n in enumerate((40, 64, 40, 64)):
    task = population.tasks[r]
    own = [jax.tree.map(lambda x, r=r: x[r], params) for params in (initial, final)]
    inputs = jnp.asarray(population.task.normalize(population.task.train.inputs[:n]))
    key = rngs.named_key(3 + r, 'measures')
    alone = Trained(population.model, *own, inputs, jnp.asarray(task.train_labels(3 + r)), key)
    for name, value in reads_everything(alone).items():
      np.testing.assert_allclose(found.loc[r, name], value, rtol=1e-4)
  assert found['mine/examples'].tolist() == [40, 64, 40, 64]
  assert np.isinf(found['mine/infinite']).all()


def test_what_is_kept_is_not_computed_again_unless_the_run_has_been(run, monkeypatch):
  found = measured.measured(run, {'mine': reads_everything})

  def never(trained):
    raise AssertionError('computed again')

  again = measured.measured(run, {'mine': never})
  np.testing.assert_array_equal(found, again)
  more = measured.measured(run, {'mine': never, 'one': lambda trained: {'one/x': jnp.ones(())}})
  assert [*more] == [*found, 'one/x']
  read = workdirs.read_json

  def another_day(path):
    found = read(path)
    return found if path.name != 'environment.json' else {'attempts': [{'started': 'later'}]}

  monkeypatch.setattr(workdirs, 'read_json', another_day)
  with pytest.raises(AssertionError, match='computed again'):
    measured.measured(run, {'mine': never})


def test_other_numbers_are_kept_beside_them(run):
  asked = []

  def compute(names):
    asked.extend(names)
    return {name: {f'{name}/x': np.array([1.0, np.nan, np.inf, 0.0])} for name in names}

  for _ in range(2):
    found = measured.kept(run, ['of_all', 'of_pairs'], compute)
    np.testing.assert_array_equal(found['of_pairs']['of_pairs/x'], [1, np.nan, np.inf, 0])
  assert asked == ['of_all', 'of_pairs']
  assert measured.missing(run, ['of_all', 'of_none']) == ['of_none']


def test_runs_of_one_model_share_a_program(run, tmp_path):
  traced = []

  def counted(trained):
    traced.append(len(trained.labels))
    return {'counted/x': jnp.zeros(())}

  other = [it for it in RUN if not it.startswith('seed')] + ['seed=9']
  loop.train_and_evaluate(configuration.load(CONFIG, other), tmp_path)
  for workdir in (run, tmp_path):
    measured.measured(workdir, {'counted': counted})
  assert sorted(traced) == [40, 64]


def test_names_are_of_one_family_alone(run):
  same = {'a': lambda _: {'x': jnp.ones(())}, 'b': lambda _: {'x': jnp.ones(())}}
  with pytest.raises(ValueError, match='x is there twice'):
    measured.measured(run, same)
