"""Odd shapes and settings: what they give is right, or NaN where nothing is, or they are refused."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from research import loop
from research.configuration import ConfigError, load
from research.gradients import BatchCoupledError
from research.instruments import INSTRUMENTS, Network, make_measure
from research.losses import make_losses
from research.models import make_model
from research.tasks import Blocks, MissingDataset
from research.tasks.corruptions import random_labels
from research.tasks.split import Split, channel_statistics
from research.tasks.task import Task

SLOW = functools.partial(pytest.param, marks=pytest.mark.slow)
FUZZ = functools.partial(settings, derandomize=True, deadline=None, database=None)
SUITING = {
  'adversarial': {'radius': 0.5, 'iterations': 2},
  'universal': {'radius': 0.5},
  'sharpness': {'iterations': 3},
}
OF_TWO_CLASSES = ('boundary_angle', 'starvation')


@functools.cache
def program(name, m, n_classes):
  """`(params, batch) -> metrics` of an instrument, compiled, and the parameters of a network."""
  model = make_model(n_classes, name='mlp', widths=(5,))
  upper = np.array([True, True, True, False, False, False]).reshape(3, 2, 1)
  network = Network(make_losses(model.apply), model.apply, Blocks({'a': upper, 'b': ~upper}))
  own = {'batch_size': 1 if m == 1 else 2} if name == 'batch_coherence' else SUITING.get(name, {})
  params = jax.jit(model.init)(jax.random.key(0), jnp.zeros((1, 3, 2, 1)))
  return jax.jit(make_measure([INSTRUMENTS[name](**own)], network)), params


KINDS = {
  'any': lambda x: x,
  'constant': np.zeros_like,
  'equal': lambda x: np.broadcast_to(x[:1], x.shape).copy(),
  'huge': lambda x: x * np.float32(1e6),
  'tiny': lambda x: x * np.float32(1e-20),
}


@pytest.mark.parametrize(('m', 'n_classes'), [(1, 2), (4, 1), SLOW(1, 1), SLOW(4, 2), SLOW(4, 3)])
@pytest.mark.parametrize('name', INSTRUMENTS)
def test_instruments_measure_odd_samples_or_say_why_not(name, m, n_classes):
  """m = 1, one class, constant images, labels that are all equal: NaN is an answer, a crash is none."""
  try:
    measure, params = program(name, m, n_classes)
    shapes = sample(np.zeros((m, 3, 2, 1), np.float32), np.zeros(m, np.int32))
    jax.eval_shape(measure, params, shapes)
  except ValueError as refusal:
    assert len(str(refusal).splitlines()) == 1  # noqa: PT017 (or it measures, below)
    return

  images = arrays.arrays(np.float32, (m, 3, 2, 1), elements=st.floats(-3, 3, width=32))
  labels = arrays.arrays(np.int32, (m,), elements=st.integers(0, n_classes - 1))

  @FUZZ(max_examples=15)
  @given(images, labels, st.sampled_from([*KINDS]))
  def check(images, labels, kind):
    metrics = jax.device_get(measure(params, sample(KINDS[kind](images), labels)))
    assert metrics
    for key, value in metrics.items():
      assert value.shape == (), key
      if key.partition('/')[2].startswith(('accuracy', 'auc', 'alpha')) and 'unbiased' not in key:
        assert np.isnan(value) or -1e-5 <= value <= 1 + 1e-5, (key, value)

  check()


def sample(images, labels):
  zeros = np.zeros(len(labels), bool)
  return {'inputs': images, 'labels': labels, 'reference/linear': labels, 'corrupt': zeros}


@pytest.mark.parametrize('kind', ['constant', 'equal'])
def test_gradients_of_equal_examples_are_wholly_coherent(kind):
  measure, params = program('coherence', 4, 2)
  images = np.random.default_rng(0).normal(size=(4, 3, 2, 1)).astype(np.float32)
  metrics = measure(params, sample(KINDS[kind](images), np.ones(4, np.int32)))
  np.testing.assert_allclose(metrics['coherence/alpha'], 1, rtol=1e-5)
  np.testing.assert_allclose(metrics['coherence/m_coherence'], 4, rtol=1e-5)


INPUTS = arrays.array_shapes(min_dims=2, max_dims=4, max_side=5).flatmap(
  lambda shape: st.one_of(
    arrays.arrays(np.uint8, shape, elements=st.integers(0, 255)),
    arrays.arrays(np.float32, shape, elements=st.floats(-1e6, 1e6, width=32)),
    st.just(np.full(shape, 7, np.uint8)),
  )
)


@FUZZ(max_examples=100)
@given(INPUTS, st.integers(1, 3), st.floats(0, 1), st.integers(0, 9), st.data())
def test_tasks_of_any_shape_have_batches_of_their_examples(inputs, n_classes, noise, seed, data):
  n = len(inputs)
  labels = data.draw(arrays.arrays(np.int32, (n,), elements=st.integers(0, n_classes - 1)))
  split = Split(inputs, labels)
  task = Task('odd', split, split, n_classes, *channel_statistics(inputs), noise)
  batch_size = data.draw(st.integers(1, n))
  step = data.draw(st.integers(0, 50))
  batch = task.batch(seed, step, batch_size)
  assert batch['inputs'].shape == (batch_size, *inputs.shape[1:])
  assert np.isfinite(batch['inputs']).all()
  assert len({*task.batch_indices(seed, step, batch_size).tolist()}) == batch_size
  assert ((batch['labels'] >= 0) & (batch['labels'] < n_classes)).all()
  _, corrupt = random_labels(labels, noise, n_classes, np.random.default_rng(0))
  assert corrupt.sum() == round(noise * n)
  for wrong in (0, n + 1):
    with pytest.raises(ValueError, match='batch_size must lie in'):
      task.batch(seed, step, wrong)


SETTINGS = {
  'task.n_train': [0, 1, -3, 128, 10**9],
  'task.n_test': [0, 1, 360, 361],
  'task.name': ['digits', 'digit', 'slabs', 'moons', 'a/b', '..', ''],
  'task.label_noise': [0.0, 1.0, -0.1, 1.1],
  'task.train_split': ['train[:0]', 'train[5:5]', 'train[:1]', 'tra in', 'test', 'train[-1:]'],
  'task.rows': ['none', 'no.npz', 'configs'],
  'model.widths': [(), (0,), (1,), (-1,), (10**3,) * 3],
  'model.name': ['mlp', 'cnn', 'resnet', 'vit'],
  'loss.name': ['cross_entropy', 'hinge', 'mse', 'square'],
  'optimizer.learning_rate': [0.0, 1e-30, 1e30, -1.0],
  'optimizer.schedule': ['cosine', 'linear', 'constant', 'step'],
  'optimizer.warmup_steps': [0, -1, 19, 20, 10**6],
  'optimizer.drop_at': [(0.5,), (0.0,), (2.0,), ()],
  'optimizer.b2': [0.0, 1.0, 2.0],
  'optimizer.clip_norm': [0.0, -1.0, 1e-9],
  'average.name': ['mean', 'winsorized', 'median_of_means'],
  'average.percent': [0.0, 50.0, 101.0],
  'average.n_groups': [0, 1, 3, 17],
  'training.total_steps': [0, 1, -1],
  'training.batch_size': [0, 1, 128, 129, 10**9],
  'training.checkpoint_every': [0, 1, 10**9],
  'training.keep_checkpoints': [0, 1],
  'population.size': [0, 1, 3],
  'probe.size': [0, 1, 128, 129, 360, 361],
  'probe.split': ['train', 'test', 'dev'],
  'evaluation.chunk_size': [0, 1, 10**9],
  'evaluation.every': [0, 1, -1, 10**9],
  'evaluation.max_train_examples': [0, 1],
  'objective.penalty': ['none', 'irm', 'spectral_decoupling', 'x'],
  'instruments.stiffness.every': [0, 1, -1],
  'instruments.coherence.on': ['probe', 'batch', 'both'],
}
CHOICES = [f'{key}={value}' for key, values in SETTINGS.items() for value in values]


@FUZZ(max_examples=400)
@given(st.lists(st.sampled_from(CHOICES), min_size=1, max_size=4))
def test_any_settings_are_checked_or_refused_in_one_line_that_names_a_key(
  tmp_path_factory, overrides
):
  workdir = tmp_path_factory.getbasetemp() / 'never made' / 'run'
  try:
    loop.check(load('configs/coherence/digits.py:smoke', overrides), workdir)
  except (ConfigError, MissingDataset, BatchCoupledError) as error:
    assert len(str(error).splitlines()) == 1  # noqa: PT017 (either way is well)
    if isinstance(error, ConfigError):
      assert '--config.' in str(error) or 'valid in' in str(error), error  # noqa: PT017
  assert not workdir.parent.exists()
