"""Angles and strengths of linear classifiers in closed form, and of networks by loops in NumPy."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from research.instruments import Network, make_measure
from research.instruments.boundary import boundary_angle
from research.tasks import digits

M, D = 40, 5


def linear(params, x):
  """Two classes by their difference <x, w> + b."""
  w, b = params
  f = x @ w + b
  return jnp.stack([-0.3 * f, 0.7 * f], axis=1)


def tanh(params, x):
  return jnp.tanh(x @ params['a']) @ params['b']


@functools.cache
def sample():
  """Two classes of 12 and 28, apart along the first two axes, far from the origin."""
  rng = np.random.default_rng(0)
  labels = np.arange(M) >= 12
  shift = np.outer(2 * labels - 1, [1.0, 0.5, 0, 0, 0])
  inputs = rng.normal(size=(M, D)) + shift + 3.0
  return {'inputs': jnp.asarray(inputs, jnp.float32), 'labels': jnp.asarray(labels, jnp.int32)}


@functools.cache
def network():
  rng = np.random.default_rng(1)
  shapes = {'a': (D, 8), 'b': (8, 2)}
  return {k: jnp.asarray(rng.normal(size=s) / 3, jnp.float32) for k, s in shapes.items()}


@functools.cache
def compiled(apply):
  return jax.jit(make_measure([boundary_angle()], Network(no_losses, apply)))


def no_losses(params, batch):
  raise AssertionError('no losses are asked for')


def measured(params, batch, apply=linear):
  """The angle of the mean normal, that of examples, and the strength."""
  metrics = compiled(apply)(params, batch)
  return [float(metrics[f'boundary/{x}']) for x in ('angle', 'angle_of_examples', 'strength')]


def centroids(batch):
  x, labels = np.asarray(batch['inputs'], np.float64), np.asarray(batch['labels'])
  return x[labels == 1].mean(axis=0) - x[labels == 0].mean(axis=0)


@pytest.mark.parametrize('b', [0.0, -8.0])
def test_the_strength_of_a_linear_classifier_is_one_over_the_cosine(b):
  """Whatever its offset; classes are of unlike sizes."""
  w, c = np.array([2.0, 0.3, -1.0, 0.5, 1.0]), centroids(sample())
  cosine = w @ c / np.linalg.norm(w) / np.linalg.norm(c)
  angle = np.degrees(np.arccos(cosine))
  found = measured((jnp.asarray(w, jnp.float32), b), sample())
  np.testing.assert_allclose(found, [angle, angle, 1 / cosine], rtol=1e-4)


def test_the_nearest_centroid_classifier_has_no_angle():
  c = jnp.asarray(centroids(sample()), jnp.float32)
  found = measured((0.1 * c, 0.0), sample())
  np.testing.assert_allclose(found, [0, 0, 1], atol=1e-3)
  np.testing.assert_allclose(measured((-c, 0.0), sample()), [180, 180, -1], atol=1e-3)


def test_small_angles_are_exact():
  """The cosine of this one is 1 in float32."""
  c = centroids(sample())
  aside = np.array([-c[1], c[0], 0, 0, 0])
  aside *= np.linalg.norm(c) / np.linalg.norm(aside)
  w = c + np.tan(np.radians(0.01)) * aside
  angle, _, _ = measured((jnp.asarray(w, jnp.float32), 0.0), sample())
  np.testing.assert_allclose(angle, 0.01, rtol=0.02)


def test_agrees_with_loops_in_numpy():
  x, labels = np.asarray(sample()['inputs'], np.float64), np.asarray(sample()['labels'])
  a, b = (np.asarray(leaf, np.float64) for leaf in network().values())
  c, middle = centroids(sample()), 0.5 * sum(x[labels == y].mean(axis=0) for y in (0, 1))
  readout = b[:, 1] - b[:, 0]
  normals, to_network, to_centroids = [], {0: [], 1: []}, {0: [], 1: []}
  for row, label in zip(x, labels, strict=True):
    hidden, sign = np.tanh(row @ a), 2 * label - 1
    gradient = a @ ((1 - hidden**2) * readout)
    normals.append(gradient / np.linalg.norm(gradient))
    to_network[label].append(sign * (hidden @ readout) / np.linalg.norm(gradient))
    to_centroids[label].append(sign * (row - middle) @ c / np.linalg.norm(c))

  def angle(v):
    return np.degrees(np.arccos(v @ c / np.linalg.norm(v) / np.linalg.norm(c)))

  def balanced(distances):
    return np.mean([np.mean(distances[label]) for label in (0, 1)])

  expected = [
    angle(np.mean(normals, axis=0)),
    np.mean([angle(v) for v in normals]),
    balanced(to_centroids) / balanced(to_network),
  ]
  found = measured(network(), sample(), tanh)
  np.testing.assert_allclose(found, expected, rtol=1e-4)
  assert abs(expected[0] - expected[1]) > 1  # the two are not the same of a network


@functools.cache
def fours_and_nines():
  """Real images, centred, in [-1, 1]; and the labels."""
  split = digits.load('train')
  rows = np.isin(split.labels, (4, 9))
  x = split.inputs[rows].reshape(rows.sum(), -1) / 16.0
  return x - x.mean(axis=0), (split.labels[rows] == 9).astype(np.int32)


def ridge(strength):
  x, labels = fours_and_nines()
  w = np.linalg.solve(x.T @ x / len(x) + strength * np.eye(64), x.T @ (2 * labels - 1) / len(x))
  return w, {'inputs': jnp.asarray(x, jnp.float32), 'labels': jnp.asarray(labels)}


def test_of_a_centred_linear_classifier_it_is_the_ratio_of_mean_distances():
  for strength in (1e-6, 1e-4, 1e-2, 1.0):
    w, batch = ridge(strength)
    c = centroids(batch)
    to_centroids, to_boundary = (
      np.abs(np.asarray(batch['inputs']) @ v).mean() / np.linalg.norm(v) for v in (c, w)
    )
    found = measured((jnp.asarray(w, jnp.float32), 0.0), batch)[2]
    np.testing.assert_allclose(found, to_centroids / to_boundary, rtol=0.01)


def test_regularization_sets_the_strength_and_accuracy_hardly_does():
  """Ridge regressions that nearly all digits are right by; from the weakest to the strongest."""
  found, errors = [], []
  for strength in (1e-8, 1e-4, 1e-2, 1.0, 100.0):
    w, batch = ridge(strength)
    found.append(measured((jnp.asarray(w, jnp.float32), 0.0), batch))
    is_nine = np.asarray(batch['labels']) == 1
    errors.append(np.mean((np.asarray(batch['inputs']) @ w > 0) != is_nine))
  angles, _, strengths = np.transpose(found)
  assert np.all(np.diff(angles) < 0)
  assert np.all(np.diff(strengths) < 0)
  assert angles[0] > 80
  assert strengths[0] > 10 * strengths[-1]
  assert max(errors) < 0.02


def test_neither_order_nor_the_names_of_classes_matter():
  order = np.random.default_rng(2).permutation(M)
  here = measured(network(), sample(), tanh)
  there = measured(network(), jax.tree.map(lambda x: x[order], sample()), tanh)
  np.testing.assert_allclose(there, here, rtol=1e-4)
  renamed = network() | {'b': network()['b'][:, ::-1]}
  there = measured(renamed, sample() | {'labels': 1 - sample()['labels']}, tanh)
  np.testing.assert_allclose(there, here, rtol=1e-4)


def test_neither_the_scale_of_the_logits_nor_that_of_the_inputs_matters():
  here = measured(network(), sample(), tanh)
  louder = network() | {'b': 50 * network()['b']}
  np.testing.assert_allclose(measured(louder, sample(), tanh), here, rtol=1e-4)
  moved = lambda params, x: tanh(params, (x - 2) / 10)  # noqa: E731
  batch = sample() | {'inputs': 10 * sample()['inputs'] + 2}
  np.testing.assert_allclose(measured(network(), batch, moved), here, rtol=1e-4)


def test_images_are_vectors_of_pixels():
  image = sample() | {'inputs': sample()['inputs'].reshape(M, D, 1, 1)}
  of_pixels = lambda params, x: tanh(params, x.reshape(len(x), -1))  # noqa: E731
  here = measured(network(), image, of_pixels)
  np.testing.assert_allclose(here, measured(network(), sample(), tanh), rtol=1e-5)


def test_vmapped_networks_are_measured_like_each_alone():
  networks = [network(), jax.tree.map(lambda x: x[..., ::-1] + 0.1, network())]
  stacked = jax.tree.map(lambda *x: jnp.stack(x), *networks)
  together = jax.vmap(compiled(tanh), (0, None))(stacked, sample())
  for i, params in enumerate(networks):
    for name, value in compiled(tanh)(params, sample()).items():
      np.testing.assert_allclose(together[name][i], value, rtol=1e-4)


def test_a_network_that_reads_nothing_is_at_a_right_angle():
  angle, of_examples, _ = measured((jnp.zeros(D), 1.0), sample())
  np.testing.assert_allclose([angle, of_examples], 90, rtol=1e-6)


def test_without_one_of_the_classes_there_is_no_angle():
  one = sample() | {'labels': jnp.zeros(M, jnp.int32)}
  assert np.isnan(measured(network(), one, tanh)).all()


def test_more_classes_are_refused():
  three = network() | {'b': jnp.ones((8, 3))}
  with pytest.raises(ValueError, match=r'^instruments.boundary_angle is for tasks of two classes'):
    measured(three, sample(), tanh)
