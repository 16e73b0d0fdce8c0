r"""Contrastive losses, what they push apart, and the linear maps that minimize the spectral one.

Embeddings of n examples, each seen in V views (its augmentations), are `views` [n, V, k].
"""

import jax
import jax.numpy as jnp
import numpy as np

RANK = 1e-10  # of the largest eigenvalue of a moment: what is below is no direction of the data
TIES = 1e-8  # of the largest eigenvalue: what is closer is equal, and the norm decides


def spectral_loss(views: jax.Array) -> jax.Array:
  r"""Unsupervised: an example's views agree, all others are orthogonal.

  .. math:: -2\, E[f(x)^\top f(x^+)] + E[(f(x)^\top f(x'))^2]

  The positive pairs are the ordered pairs of distinct views of one example; x and x' are any two of
  the nV views, the same one included, so that the second expectation factorizes.

  Guarantees (each is a test): of a linear map it is `linear_loss` of the moments; of a rotation of
  the embeddings it is the same.

  Raises:
    ValueError: views are not [n, V, k] with at least two views.

  References: `HaoChen et al. (2021) <https://arxiv.org/abs/2106.04156>`_.
  """
  _check(views)
  n, n_views, _ = views.shape
  sums = jnp.sum(views, axis=1)  # [n, k]
  agreement = jnp.sum(jnp.square(sums)) - jnp.sum(jnp.square(views))
  return -2 * agreement / (n * n_views * (n_views - 1)) + _repulsion(views)


def supervised_spectral_loss(views: jax.Array, labels: jax.Array, n_classes: int) -> jax.Array:
  r"""Supervised: `spectral_loss` where the positive pairs are any two views of one class.

  x is any view and :math:`x^+` any view of its class, independent of x (the same one included).

  References: `Xue et al. (2023) <https://arxiv.org/abs/2305.16536>`_.
  """
  _check(views)
  return -2 * jnp.sum(jnp.square(_class_roots(views, labels, n_classes))) + _repulsion(views)


def joint_spectral_loss(
  views: jax.Array, labels: jax.Array, n_classes: int, *, beta: float
) -> jax.Array:
  """The supervised loss, weighted by `beta` in [0, 1], plus (1 - beta) of the unsupervised one."""
  if not 0 <= beta <= 1:
    raise ValueError(f'beta must lie in [0, 1], not {beta}')
  supervised = supervised_spectral_loss(views, labels, n_classes)
  return beta * supervised + (1 - beta) * spectral_loss(views)


def nt_xent(views: jax.Array, temperature: float | jax.Array) -> jax.Array:
  r"""InfoNCE between two views, in nats: of each view, as the anchor, [n, 2].

  .. math:: -\log \frac{e^{s_{ij} / \tau}}{\sum_{k \ne i} e^{s_{ik} / \tau}},
     \qquad s_{ik} = \frac{f_i^\top f_k}{\|f_i\| \|f_k\|},

  over the 2n views, where j is the other view of what i shows. By log-sum-exp: no overflow at any
  temperature. The similarities are cosines: the scale of the embeddings does not matter.

  Raises:
    ValueError: views are not [n, 2, k].

  References: `Chen et al. (2020) <https://arxiv.org/abs/2002.05709>`_.
  """
  _check(views)
  n, n_views, width = views.shape
  if n_views != 2:
    raise ValueError(f'views must be [n, 2, k], not {list(views.shape)}')
  cosines = similarities(views.reshape(2 * n, width)) / temperature
  others = jnp.where(jnp.eye(2 * n, dtype=bool), -jnp.inf, cosines)
  partner = jnp.arange(2 * n) ^ 1  # views of one example are neighbours
  positives = jnp.take_along_axis(cosines, partner[:, None], axis=1)[:, 0]
  return (jax.nn.logsumexp(others, axis=1) - positives).reshape(n, 2)


def similarities(embeddings: jax.Array) -> jax.Array:
  """Cosines between embeddings [n, k]: [n, n]; of an embedding that is zero they are zero."""
  unit = on_sphere(embeddings)
  return unit @ unit.T


def on_sphere(embeddings: jax.Array) -> jax.Array:
  """Embeddings [..., k] divided by their lengths; zero stays zero, and has a gradient of zero."""
  sq_norms = jnp.sum(jnp.square(embeddings), axis=-1, keepdims=True)
  return embeddings * jnp.where(
    sq_norms > 0, jax.lax.rsqrt(jnp.where(sq_norms > 0, sq_norms, 1)), 0
  )


def negative_weights(scores: jax.Array, temperature: float | jax.Array) -> jax.Array:
  r"""How the push of InfoNCE is shared out among negatives: [n, n].

  .. math:: r_{ij} = \frac{e^{s_{ij} / \tau}}{\sum_{k \ne i} e^{s_{ik} / \tau}}

  Of similarities s [n, n] whose diagonal is the positive pairs; the weights' diagonal is zero and their
  rows add up to 1. As :math:`\tau \to 0` the nearest negative takes all, as :math:`\tau \to \infty`
  all are pushed alike.

  Raises:
    ValueError: scores are not [n, n], with n at least 2.

  References: `Wang & Liu (2021) <https://arxiv.org/abs/2012.09740>`_.
  """
  n = len(scores)
  if scores.shape != (n, n) or n < 2:
    raise ValueError(f'scores must be [n, n] with n at least 2, not {list(scores.shape)}')
  return jax.nn.softmax(jnp.where(jnp.eye(n, dtype=bool), -jnp.inf, scores / temperature), axis=1)


def weight_entropy(weights: jax.Array) -> jax.Array:
  r"""Entropy of each row of weights [n, m], in nats: [n]; 0 log 0 is 0.

  Of `negative_weights` it rises with the temperature:
  :math:`dH_i / d\tau = \mathrm{Var}_{r_i}(s_{ij}) / \tau^3`.
  """
  return -jnp.sum(weights * jnp.log(jnp.where(weights > 0, weights, 1)), axis=1)


def uniformity(embeddings: jax.Array, t: float = 2.0) -> jax.Array:
  r"""How evenly embeddings [n, k], of length 1, fill the sphere: :math:`\log E\, e^{-t \|f - f'\|^2}`.

  In nats, over distinct pairs. It is 0 where all coincide, and lower the more even they are.

  References: `Wang & Isola (2020) <https://arxiv.org/abs/2005.10242>`_.
  """
  n = len(embeddings)
  if n < 2:
    raise ValueError(f'embeddings must be at least 2, not {n}')
  sq_norms = jnp.sum(jnp.square(embeddings), axis=1)
  sq_distances = sq_norms[:, None] + sq_norms[None] - 2 * embeddings @ embeddings.T
  exponents = jnp.where(jnp.eye(n, dtype=bool), -jnp.inf, -t * jnp.maximum(sq_distances, 0))
  return jax.nn.logsumexp(exponents) - jnp.log(n * (n - 1.0))


def tolerance(embeddings: jax.Array, labels: jax.Array) -> jax.Array:
  r"""How close embeddings [n, k] of one class stay: :math:`E[f^\top f'\, 1(y = y')]`.

  Over distinct pairs, those of different classes counting as zero: with C classes of equal size and
  embeddings of length 1, it is at most about 1/C.

  References: `Wang & Liu (2021) <https://arxiv.org/abs/2012.09740>`_.
  """
  n = len(embeddings)
  if n < 2:
    raise ValueError(f'embeddings must be at least 2, not {n}')
  alike = (labels[:, None] == labels[None]) & ~jnp.eye(n, dtype=bool)
  return jnp.sum(jnp.where(alike, embeddings @ embeddings.T, 0)) / (n * (n - 1))


def second_moment(views: np.ndarray) -> np.ndarray:
  r"""M = :math:`E[x x^\top]` over all views [n, V, d] of inputs: float64 [d, d]."""
  x = np.asarray(views, np.float64).reshape(-1, views.shape[-1])
  return x.T @ x / len(x)


def view_moment(views: np.ndarray) -> np.ndarray:
  r"""A = :math:`E[x x^{+\top}]` over ordered pairs of distinct views of one example: float64 [d, d]."""
  _check(views)
  x = np.asarray(views, np.float64)
  n, n_views, _ = x.shape
  sums, flat = x.sum(1), x.reshape(n * n_views, -1)
  return (sums.T @ sums - flat.T @ flat) / (n * n_views * (n_views - 1))


def class_moment(views: np.ndarray, labels: np.ndarray) -> np.ndarray:
  r"""A = :math:`E[x x^{+\top}] = \sum_c p_c \mu_c \mu_c^\top`, pairs of views of a class: [d, d]."""
  x, (_, of) = np.asarray(views, np.float64), np.unique(labels, return_inverse=True)
  means = np.stack([x[of == c].mean((0, 1)) for c in range(of.max() + 1)])
  return np.einsum('c,cd,ce->de', np.bincount(of) / len(of), means, means)


def linear_loss(w, positives, moment):
  r"""The spectral loss of the map f = W x, with :math:`F = W^\top W`.

  .. math:: -2\, \mathrm{tr}(F A) + \mathrm{tr}(F M F M)

  Exact, as it depends on the data through two moments alone: A over positive pairs and M over all.

  Args:
    w: [k, d]; an array of NumPy or of JAX, as the others.
    positives: A, symmetric [d, d]: `view_moment`, `class_moment`, or a mixture of them, which is
      the joint loss.
    moment: M, [d, d].
  """
  outputs = w @ moment @ w.T
  return -2 * ((w @ positives) * w).sum() + (outputs * outputs).sum()


def linear_minimizer(positives: np.ndarray, moment: np.ndarray, k: int) -> np.ndarray:
  r"""The linear map [k, d] of least Frobenius norm among those of least spectral loss.

  With :math:`G = M^{1/2} F M^{1/2}` and :math:`B = M^{+1/2} A M^{+1/2}`, the loss is
  :math:`\|G - B\|^2 - \|B\|^2`: of rank k and positive, the best G is that of the k largest positive
  eigenvalues of B (fewer, where there are fewer). That fixes F on the range of M. What F does off it,
  on directions that no input has, costs no loss; the squared norm of W, :math:`\mathrm{tr} F`, is least
  if it is nothing. Where the k-th eigenvalue is tied, every choice within its eigenspace has the same
  loss; those whose :math:`u^\top M^+ u` is smallest, the strongest in the inputs, have the least norm.

  W is unique up to rotations of the embedding, unless norms are tied as well. Its rows are orthogonal
  as functions on the inputs, that of the largest eigenvalue first; rows that are not needed are zero.

  Guarantees (each is a test): no other map, found by descent, has a lower loss; of those with this
  loss, none has a lower norm; the gradient of the loss is zero.

  Cost: two eigendecompositions [d, d], in float64.

  Raises:
    ValueError: k is not positive; a matrix is not symmetric; or A leaves the range of M, so that the
      loss has no minimum.

  References: `Xue et al. (2023) <https://arxiv.org/abs/2305.16536>`_ for the question; `Eckart & Young
    (1936) <https://doi.org/10.1007/BF02288367>`_ for the answer.
  """
  if k < 1:
    raise ValueError(f'k must be at least 1, not {k}')
  a, m = np.asarray(positives, np.float64), np.asarray(moment, np.float64)
  for name, matrix in (('positives', a), ('moment', m)):
    if matrix.shape != m.shape or not np.allclose(matrix, matrix.T, atol=1e-10 * np.abs(m).max()):
      raise ValueError(f'{name} must be a symmetric matrix [d, d], like the moment')
  variances, directions = np.linalg.eigh(m)
  there = variances > RANK * variances[-1]
  variances, directions = variances[there], directions[:, there]
  inside = directions @ (directions.T @ a @ directions) @ directions.T
  if np.linalg.norm(a - inside) > 1e-6 * np.linalg.norm(a):
    raise ValueError('positives must lie in the range of the moment: else the loss has no minimum')
  whitening = directions / np.sqrt(variances)  # [d, r]
  values, vectors = np.linalg.eigh(whitening.T @ a @ whitening)
  values, vectors = values[::-1], vectors[:, ::-1]
  n_used = min(k, int(np.sum(values > TIES * np.abs(values).max())))
  if n_used == 0:
    return np.zeros((k, len(m)))
  tied = np.abs(values - values[n_used - 1]) <= TIES * values[0]
  first, n_free = int(np.argmax(tied)), n_used - int(np.argmax(tied))
  space = vectors[:, tied]
  _, cheapest = np.linalg.eigh(space.T @ (space / variances[:, None]))
  chosen = np.concatenate([vectors[:, :first], space @ cheapest[:, :n_free]], axis=1)
  w = np.sqrt(values[:n_used, None]) * (whitening @ chosen).T
  return np.concatenate([w, np.zeros((k - n_used, len(m)))])


def _check(views) -> None:
  if views.ndim != 3 or views.shape[1] < 2:
    raise ValueError(f'views must be [n, V, k] with V at least 2, not {list(views.shape)}')


def _repulsion(views: jax.Array) -> jax.Array:
  """The mean of squared products of any two of all views."""
  flat = views.reshape(-1, views.shape[-1])
  moment = flat.T @ flat / len(flat)
  return jnp.sum(jnp.square(moment))


def _class_roots(views: jax.Array, labels: jax.Array, n_classes: int) -> jax.Array:
  """The mean embedding of each class times the root of its frequency [C, k]; zeros if it is empty."""
  members = jax.nn.one_hot(labels, n_classes, axis=0)  # [C, n]
  sums, sizes = members @ jnp.mean(views, axis=1), jnp.sum(members, axis=1)
  roots = jnp.sqrt(sizes / len(labels)) / jnp.maximum(sizes, 1)
  return roots[:, None] * sums
