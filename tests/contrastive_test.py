"""Contrastive losses against their definitions in loops, and the minimizer against descent."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats
from scipy.spatial.distance import pdist

from research import contrastive

N, V, K = 7, 3, 4
LABELS = np.array([0, 1, 1, 0, 2, 0, 1])


def draw(*shape, seed=0):
  return np.random.default_rng(seed).normal(size=shape)


def by_loops(views, positive_pairs):
  """The spectral loss from all pairs of views, ((i, v), (j, w)), the positive ones as given."""
  every = [views[i, v] for i in range(len(views)) for v in range(views.shape[1])]
  agreement = np.mean([views[a] @ views[b] for a, b in positive_pairs])
  return -2 * agreement + np.mean([(f @ g) ** 2 for f in every for g in every])


def pairs_of_views(n=N, n_views=V):
  orders = list(itertools.permutations(range(n_views), 2))
  return [((i, v), (i, w)) for i in range(n) for v, w in orders]


def test_the_unsupervised_loss_is_that_of_all_pairs():
  views = draw(N, V, K)
  expected = by_loops(views, pairs_of_views())
  np.testing.assert_allclose(jax.jit(contrastive.spectral_loss)(views), expected, rtol=1e-5)


def test_the_supervised_loss_is_that_of_a_view_and_another_of_its_class():
  """Drawn uniformly, then uniformly within the class: classes weigh by their size, not its square."""
  views, agreement = draw(N, V, K), 0.0
  for i, v in itertools.product(range(N), range(V)):
    mates = [views[j, w] for j in range(N) for w in range(V) if LABELS[j] == LABELS[i]]
    agreement += np.mean([views[i, v] @ mate for mate in mates]) / (N * V)
  repulsion = by_loops(views, [((0, 0), (0, 0))]) + 2 * views[0, 0] @ views[0, 0]
  loss = jax.jit(contrastive.supervised_spectral_loss, static_argnums=2)
  found = loss(views, LABELS, 3)
  np.testing.assert_allclose(found, -2 * agreement + repulsion, rtol=1e-5)
  # a class that is not there changes nothing
  np.testing.assert_allclose(loss(views, LABELS, 9), found, rtol=1e-6)


@pytest.mark.parametrize('beta', [0.0, 0.3, 1.0])
def test_the_joint_loss_is_the_mixture_of_both(beta):
  views = draw(N, V, K)
  both = contrastive.supervised_spectral_loss(views, LABELS, 3), contrastive.spectral_loss(views)
  joint = contrastive.joint_spectral_loss(views, LABELS, 3, beta=beta)
  np.testing.assert_allclose(joint, beta * both[0] + (1 - beta) * both[1], rtol=1e-6)


def test_rotations_of_the_embedding_do_not_matter():
  views = draw(N, V, K)
  rotation, _ = np.linalg.qr(draw(K, K, seed=1))
  found = contrastive.joint_spectral_loss(views @ rotation, LABELS, 3, beta=0.4)
  expected = contrastive.joint_spectral_loss(views, LABELS, 3, beta=0.4)
  np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_the_loss_of_a_linear_map_depends_on_two_moments():
  inputs, w = draw(N, V, 6), draw(K, 6, seed=1)
  moment, embedded = contrastive.second_moment(inputs), inputs @ w.T
  for positives, loss in (
    (contrastive.view_moment(inputs), contrastive.spectral_loss(embedded)),
    (
      contrastive.class_moment(inputs, LABELS),
      contrastive.supervised_spectral_loss(embedded, LABELS, 3),
    ),
  ):
    np.testing.assert_allclose(contrastive.linear_loss(w, positives, moment), loss, rtol=1e-5)
    on_device = contrastive.linear_loss(*(jnp.asarray(x) for x in (w, positives, moment)))
    np.testing.assert_allclose(on_device, loss, rtol=1e-4)


# --- the minimizer ------------------------------------------------------------------------------


def sample(n=6, d=5, seed=0):
  """More views than directions, so that both moments have full rank and nothing is tied."""
  inputs = draw(n, V, d, seed=seed) + 2 * draw(n, 1, d, seed=seed + 1)
  return contrastive.view_moment(inputs), contrastive.second_moment(inputs)


def gradient(w, positives, moment):
  return 4 * (w @ moment @ w.T @ w @ moment - w @ positives)


@pytest.mark.parametrize('k', [1, 2, 5, 8])
def test_descent_finds_nothing_lower(k):
  positives, moment = sample()
  w = contrastive.linear_minimizer(positives, moment, k)
  least = contrastive.linear_loss(w, positives, moment)
  assert w.shape == (k, 5)
  np.testing.assert_allclose(gradient(w, positives, moment), 0, atol=1e-9)
  for seed in range(3):
    other = 0.1 * draw(k, 5, seed=seed)
    for _ in range(3000):
      other -= 0.004 * gradient(other, positives, moment)
    found = contrastive.linear_loss(other, positives, moment)
    assert found >= least - 1e-9
    assert found == pytest.approx(least, abs=1e-3)  # descent comes close: the bound is no empty one


def test_what_no_input_has_gets_no_weight():
  inputs = draw(4, 2, 20)  # 8 views in 20 directions
  positives, moment = contrastive.view_moment(inputs), contrastive.second_moment(inputs)
  w = contrastive.linear_minimizer(positives, moment, 3)
  span, _ = np.linalg.qr(inputs.reshape(8, 20).T)
  unseen = np.eye(20) - span @ span.T
  np.testing.assert_allclose(w @ unseen, 0, atol=1e-9)
  other = w + draw(3, 20, seed=2) @ unseen
  loss = functools.partial(contrastive.linear_loss, positives=positives, moment=moment)
  assert loss(other) == pytest.approx(loss(w), abs=1e-12)
  assert np.sum(other**2) > np.sum(w**2) + 1


def test_among_tied_features_the_strongest_are_chosen():
  """Independent features that all views share have equal eigenvalues: the norm decides."""
  variances = np.array([0.25, 4.0, 1.0, 9.0])
  w = contrastive.linear_minimizer(np.diag(variances), np.diag(variances), 2)
  used = np.diagonal(w.T @ w)
  np.testing.assert_allclose(used, [0, 1 / 4, 0, 1 / 9], atol=1e-12)
  assert contrastive.linear_loss(w, np.diag(variances), np.diag(variances)) == pytest.approx(-2)


def test_no_choice_within_a_tied_space_has_a_lower_norm():
  rng = np.random.default_rng(0)
  inputs = np.repeat(rng.normal(size=(6, 1, 9)), 2, axis=1)  # views that do not differ: all is tied
  positives, moment = contrastive.view_moment(inputs), contrastive.second_moment(inputs)
  w = contrastive.linear_minimizer(positives, moment, 3)
  values, vectors = np.linalg.eigh(moment)
  whitening = vectors[:, -6:] / np.sqrt(values[-6:])
  for _ in range(200):
    chosen, _ = np.linalg.qr(rng.normal(size=(6, 3)))
    other = (whitening @ chosen).T
    assert contrastive.linear_loss(other, positives, moment) == pytest.approx(-3)
    assert np.sum(other**2) >= np.sum(w**2) - 1e-9
  assert contrastive.linear_loss(w, positives, moment) == pytest.approx(-3)


def test_a_strictly_better_feature_is_kept_beside_tied_ones():
  moment = np.diag([0.01, 4.0, 1.0])
  w = contrastive.linear_minimizer(np.diag([0.01, 2.0, 0.5]), moment, 2)  # 1, 1/2 and 1/2
  np.testing.assert_allclose(np.diagonal(w.T @ w), [100, 0.5 / 4, 0], atol=1e-9)


def test_features_that_views_disagree_on_are_not_used():
  w = contrastive.linear_minimizer(np.diag([1.0, -0.5]), np.eye(2), 2)
  np.testing.assert_allclose(np.abs(w), [[1, 0], [0, 0]], atol=1e-12)
  assert not contrastive.linear_minimizer(-np.eye(2), np.eye(2), 2).any()


# --- InfoNCE ------------------------------------------------------------------------------------


def test_nt_xent_is_its_definition():
  views, tau = draw(5, 2, K), 0.3
  flat = views.reshape(10, K) / np.linalg.norm(views.reshape(10, K), axis=1, keepdims=True)
  expected = np.empty((5, 2))
  for i, v in itertools.product(range(5), range(2)):
    anchor = 2 * i + v
    cosines = {k: flat[anchor] @ flat[k] / tau for k in range(10) if k != anchor}
    expected[i, v] = np.log(np.sum(np.exp([*cosines.values()]))) - cosines[2 * i + 1 - v]
  loss = jax.jit(contrastive.nt_xent)
  np.testing.assert_allclose(loss(views, tau), expected, rtol=1e-5)
  np.testing.assert_allclose(loss(7 * views, tau), expected, rtol=1e-5)


def test_nt_xent_does_not_overflow_and_has_gradients_where_embeddings_are_zero():
  views = jnp.asarray(draw(5, 2, K)).at[0, 0].set(0)
  loss = jax.jit(jax.value_and_grad(lambda views: jnp.mean(contrastive.nt_xent(views, 1e-4))))
  value, gradients = loss(views)
  assert np.isfinite(value)
  assert value > 100
  assert np.isfinite(gradients).all()


def test_alike_embeddings_cost_the_logarithm_of_their_number():
  loss = jax.jit(contrastive.nt_xent)
  np.testing.assert_allclose(loss(np.ones((5, 2, K)), 0.5), np.log(9), rtol=1e-6)


def test_weights_of_negatives_go_from_the_nearest_to_all_alike():
  scores = draw(6, 6)
  cold, warm = (np.asarray(contrastive.negative_weights(scores, tau)) for tau in (1e-3, 1e4))
  nearest = np.argmax(np.where(np.eye(6, dtype=bool), -np.inf, scores), axis=1)
  np.testing.assert_allclose(cold, np.eye(6)[nearest], atol=1e-6)
  np.testing.assert_allclose(warm, (1 - np.eye(6)) / 5, atol=1e-4)


def test_entropy_is_scipys_and_rises_as_the_variance():
  scores, tau = draw(6, 6), 0.5

  def entropy(tau):
    return contrastive.weight_entropy(contrastive.negative_weights(scores, tau))

  weights = np.asarray(contrastive.negative_weights(scores, tau))
  np.testing.assert_allclose(weights.sum(1), 1, rtol=1e-6)
  np.testing.assert_allclose(jax.jit(entropy)(tau), stats.entropy(weights, axis=1), rtol=1e-5)
  variances = (weights * scores**2).sum(1) - (weights * scores).sum(1) ** 2
  derivative = jax.jit(jax.jacrev(entropy))(tau)
  np.testing.assert_allclose(derivative, variances / tau**3, rtol=1e-4)


# --- the sphere ---------------------------------------------------------------------------------


def test_uniformity_is_that_of_distinct_pairs():
  uniformity = jax.jit(contrastive.uniformity)
  embeddings = np.asarray(contrastive.on_sphere(draw(9, K)))
  np.testing.assert_allclose(np.linalg.norm(embeddings, axis=1), 1, rtol=1e-6)
  for t in (0.5, 2.0):
    expected = np.log(np.mean(np.exp(-t * pdist(embeddings) ** 2)))
    np.testing.assert_allclose(uniformity(embeddings, t), expected, rtol=1e-4)
  np.testing.assert_allclose(uniformity(np.eye(9, K)[:1].repeat(9, axis=0)), 0, atol=1e-6)
  poles = jnp.asarray([[1.0], [-1.0]])  # at distance 2
  np.testing.assert_allclose(uniformity(poles), -8, rtol=1e-6)


def test_tolerance_is_that_of_distinct_pairs():
  embeddings = draw(N, K)
  products = [
    embeddings[i] @ embeddings[j] * (LABELS[i] == LABELS[j])
    for i, j in itertools.permutations(range(N), 2)
  ]
  found = contrastive.tolerance(embeddings, LABELS)
  np.testing.assert_allclose(found, np.mean(products), rtol=1e-5)


def test_similarities_are_cosines():
  embeddings = np.concatenate([draw(3, K), np.zeros((1, K))])
  expected = np.corrcoef(np.concatenate([embeddings[:3], -embeddings[:3]], axis=1))  # centred
  found = contrastive.similarities(embeddings)
  np.testing.assert_allclose(found[:3, :3], expected, rtol=1e-5, atol=1e-6)
  np.testing.assert_array_equal(found[3], 0)


@pytest.mark.parametrize(
  ('call', 'begins'),
  [
    (lambda: contrastive.spectral_loss(jnp.ones((3, 4))), r'views must be \[n, V, k\]'),
    (lambda: contrastive.spectral_loss(jnp.ones((3, 1, 4))), r'views must be \[n, V, k\]'),
    (lambda: contrastive.nt_xent(jnp.ones((3, 3, 4)), 0.1), r'views must be \[n, 2, k\]'),
    (lambda: contrastive.view_moment(np.ones((3, 1, 4))), r'views must be \[n, V, k\]'),
    (
      lambda: contrastive.joint_spectral_loss(jnp.ones((3, 2, 4)), np.zeros(3, int), 1, beta=1.5),
      r'beta must lie in \[0, 1\], not 1.5',
    ),
    (lambda: contrastive.negative_weights(jnp.ones((3, 2)), 0.1), r'scores must be \[n, n\]'),
    (lambda: contrastive.uniformity(jnp.ones((1, 2))), 'embeddings must be at least 2, not 1'),
    (lambda: contrastive.tolerance(jnp.ones((1, 2)), np.zeros(1)), 'embeddings must be at least 2'),
    (lambda: contrastive.linear_minimizer(np.eye(2), np.eye(2), 0), 'k must be at least 1, not 0'),
    (
      lambda: contrastive.linear_minimizer(np.triu(np.ones((2, 2))), np.eye(2), 1),
      'positives must be a symmetric matrix',
    ),
    (
      lambda: contrastive.linear_minimizer(np.eye(2), np.diag([1.0, 0.0]), 1),
      'positives must lie in the range',
    ),
  ],
)
def test_bad_arguments_are_named(call, begins):
  with pytest.raises(ValueError, match=f'^{begins}'):
    call()
