"""Eigenvalues of a Gram matrix that is never formed, against those of one that is."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from research.gradients import BatchCoupledError, gradient_statistics, gram_spectrum


def losses(params, batch):
  hidden = jnp.tanh(batch['inputs'] @ params['hidden'])
  logits = hidden @ params['out']
  return -jnp.take_along_axis(jax.nn.log_softmax(logits), batch['labels'][:, None], 1)[:, 0]


def problem(m=40):
  keys = jax.random.split(jax.random.key(0), 4)
  params = {'hidden': jax.random.normal(keys[0], (5, 6)), 'out': jax.random.normal(keys[1], (6, 3))}
  inputs = jax.random.normal(keys[2], (m, 5))
  return params, {'inputs': inputs, 'labels': jax.random.randint(keys[3], (m,), 0, 3)}


@pytest.mark.parametrize('centered', [False, True])
@pytest.mark.parametrize('chunk_size', [7, 1024])
def test_agrees_with_a_dense_decomposition(centered, chunk_size):
  params, batch = problem()
  gram = np.asarray(gradient_statistics(losses, gram=True)(params, batch).gram, np.float64)
  center = np.eye(40) - centered / 40
  gram = center @ gram @ center
  values, vectors = gram_spectrum(losses, 5, centered=centered, chunk_size=chunk_size)(
    params, batch
  )
  np.testing.assert_allclose(values, np.linalg.eigvalsh(gram)[::-1][:5], rtol=1e-4)
  np.testing.assert_allclose(gram @ vectors, vectors * values, atol=2e-4 * values[0])
  np.testing.assert_allclose(vectors.T @ vectors, np.eye(5), atol=1e-6)


def test_orthogonal_gradients_have_their_squared_norms_as_eigenvalues():
  lengths = np.array([3.0, 2.0, 1.0, 0.5], np.float32)
  batch = {'inputs': jnp.diag(lengths)}
  spectrum = gram_spectrum(lambda w, batch: batch['inputs'] @ w, 3)
  values, vectors = spectrum(jnp.zeros(4), batch)
  np.testing.assert_allclose(values, [9, 4, 1], rtol=1e-5)
  np.testing.assert_allclose(np.abs(vectors), np.eye(4)[:, :3], atol=1e-4)


@pytest.mark.slow
def test_holds_no_matrix_of_examples():
  """20,000 examples: their Gram matrix would take 1.6 GB."""
  params, batch = problem(m=20_000)
  values, _ = gram_spectrum(losses, 2)(params, batch)
  stats = gradient_statistics(losses)(params, batch)
  assert values.sum() < float(stats.total_sq_norms.sum())
  mean = sum(float(jnp.vdot(g, g)) for g in jax.tree.leaves(stats.mean_grad))
  assert values[0] >= 20_000 * mean  # the Rayleigh quotient of the vector of ones


def test_refuses_what_it_cannot_do():
  params, batch = problem(m=4)
  with pytest.raises(ValueError, match='k must be less than the 4 examples, not 4'):
    gram_spectrum(losses, 4)(params, batch)
  with pytest.raises(ValueError, match='k and chunk_size must be at least 1, not 0 and 1024'):
    gram_spectrum(losses, 0)
  coupled = lambda params, batch: losses(params, batch) - losses(params, batch).mean()  # noqa: E731
  with pytest.raises(BatchCoupledError):
    gram_spectrum(coupled, 2)(params, batch)
